"""Google Cloud Vision: the pictures leave this machine, up to 16 in a request, and each feature of each is paid for."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, ClassVar

from mediasift.engines.vision import google_answers
from mediasift.engines.vision.service import Limits, Question, Service, ServiceSettings, failure, moment
from mediasift.engines.vision.tags import Reply, Tag
from mediasift.errors import EngineError, InferenceFailed, ItemError, TryAgain
from mediasift.system.optional import require

_MODEL = "builtin/stable"
_MOST_RESULTS = 50
"""Of each feature; ten, unless more are asked for."""

_MOST_PICTURES, _MOST_BASE64 = 16, 9_500_000
"""Of one request, whose JSON holds 10 MB at most: https://cloud.google.com/vision/quotas."""

_LOGIN = "type: gcloud auth application-default login, and see that the project has the Cloud Vision API"

_CODES = {3: 400, 4: 504, 5: 400, 7: 403, 8: 429, 9: 400, 11: 400, 13: 500, 14: 503, 16: 401}
"""google.rpc.Code of a single picture → the HTTP status that it stands for:
https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto."""


class GoogleVision(Service):
    """The vendor's client with REST, and application-default credentials; see `Service`.

    An address `http://HOST:PORT` is plain text without credentials, for a server of one's own.
    """

    settings = ServiceSettings
    name = "google-vision"
    limits = Limits(least_px=1, most_px=30_000, most_megapixels=75, most_bytes=7_000_000)
    operations: ClassVar[Mapping[str, str]] = {
        "labels": "LABEL_DETECTION", "objects": "OBJECT_LOCALIZATION", "faces": "FACE_DETECTION",
        "text": "TEXT_DETECTION", "sensitive": "SAFE_SEARCH_DETECTION", "landmarks": "LANDMARK_DETECTION",
        "logos": "LOGO_DETECTION", "web": "WEB_DETECTION",
    }  # fmt: skip
    prices: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(operations.values(), 1.50),
        "OBJECT_LOCALIZATION": 2.25,
        "WEB_DETECTION": 3.50,
    }
    """https://cloud.google.com/vision/pricing"""
    free_tier = "The first 1,000 pictures a month of each feature are free; that is not reckoned in."
    batch = _MOST_PICTURES

    def connect(self, settings: Any) -> Mapping[str, Any]:
        """See `Service`."""
        self._vision = require("google.cloud.vision_v1", extra="google-vision")
        self._rest = require("google.cloud.vision_v1.services.image_annotator.transports.rest", extra="google-vision")
        self._errors = require("google.api_core.exceptions", extra="google-vision")
        self._auth = require("google.auth.exceptions", extra="google-vision")
        self._requests = require("requests.exceptions", extra="google-vision")
        self._parsing = require("google.protobuf.json_format", extra="google-vision")
        self._local = threading.local()
        scheme, _, host = (settings.endpoint or "https://vision.googleapis.com").rpartition("://")
        self._address = {"host": host, "url_scheme": scheme or "https"}
        self._credentials = self._found_credentials(is_plain=scheme == "http")
        return {"version": metadata.version("google-cloud-vision"), "model": _MODEL}

    def _found_credentials(self, *, is_plain: bool) -> Any:
        if is_plain:
            return require("google.auth.credentials", extra="google-vision").AnonymousCredentials()
        auth = require("google.auth", extra="google-vision")
        try:
            return auth.default(scopes=["https://www.googleapis.com/auth/cloud-vision"])[0]
        except self._auth.DefaultCredentialsError as error:
            raise EngineError(
                f"no Google credentials were found; {_LOGIN}, or name a key file in GOOGLE_APPLICATION_CREDENTIALS "
                f"({error})"
            ) from error

    @classmethod
    def units(cls, settings: Any) -> tuple[tuple[str, ...], ...]:
        """See `Service`; SafeSearch costs nothing beside labels, so both are bought together."""
        labels, safe = "LABEL_DETECTION", "SAFE_SEARCH_DETECTION"
        units = super().units(settings)
        if not {(labels,), (safe,)} <= set(units):
            return units
        return tuple((labels, safe) if one == (labels,) else one for one in units if one != (safe,))

    @classmethod
    def unit_usd(cls, settings: Any, operations: Sequence[str]) -> float:
        """See `Service`; of labels and SafeSearch, the price of the labels."""
        return super().unit_usd(settings, operations[:1])

    def question(self) -> Any:
        """See `Service`."""
        return [_MODEL, _MOST_RESULTS]

    def together(self, batch: Sequence[Question]) -> Iterator[list[Question]]:
        """As many pictures as fit into a request, with all that is asked about each."""
        group: list[Question] = []
        for question in sorted(batch, key=lambda one: one.digest):
            pictures = {one.digest: len(one.data) for one in (*group, question)}
            if len(pictures) > _MOST_PICTURES or sum(pictures.values()) * 4 / 3 > _MOST_BASE64:
                yield group
                group = []
            group.append(question)
        if group:
            yield group

    def sent(self, group: Sequence[Question]) -> list[Reply | ItemError]:
        """One request, and its answer taken apart by picture and by what is bought."""
        pictures = list({one.digest: one.data for one in group}.items())
        wanted = {digest: [one for q in group if q.digest == digest for one in q.operations] for digest, _ in pictures}
        vision = self._vision
        request = vision.BatchAnnotateImagesRequest(requests=[
            vision.AnnotateImageRequest(
                image=vision.Image(content=data),
                features=[vision.Feature(type_=vision.Feature.Type[one], max_results=_MOST_RESULTS, model=_MODEL)
                          for one in wanted[digest]],
            ) for digest, data in pictures
        ])  # fmt: skip
        answer, headers = self._answer_to(request)
        if len(answer.responses) != len(pictures):
            raise InferenceFailed(f"Google answers {len(answer.responses)} of {len(pictures)} pictures")
        by_picture = {digest: one for (digest, _), one in zip(pictures, answer.responses, strict=True)}
        return [self._part(by_picture[one.digest], one.operations, headers) for one in group]

    def _part(self, response: Any, operations: Sequence[str], headers: Mapping[str, str]) -> Reply | ItemError:
        """What belongs to these operations; what is there is right even where there is an error beside it."""
        raw = type(response).to_dict(response, preserving_proto_field_name=False, use_integers_for_enums=False,
                                     always_print_fields_with_no_presence=False)  # fmt: skip
        features = {name for name, operation in self.operations.items() if operation in operations}
        part = {key: value for key, value in raw.items() if google_answers.PARTS.get(key) in features}
        if not part and response.error.code:
            status = _CODES.get(response.error.code, 400)
            error = failure("Google", status, response.error.message, {}, _LOGIN)
            if isinstance(error, ItemError):
                return error
            raise error
        return Reply(raw=part, model=_MODEL, answered=moment(headers.get("date")))

    def _answer_to(self, request: Any) -> tuple[Any, Mapping[str, str]]:
        """The answer and its headers; the service's errors as ours."""
        kept: dict[str, str] = {}
        try:
            answer = self._client(kept).batch_annotate_images(request, retry=None, timeout=self.timeout_s)
        except self._errors.GoogleAPICallError as error:
            headers = {name.lower(): value for name, value in getattr(error.response, "headers", {}).items()}
            message = re.sub(r"^[A-Z]+ \S+: ", "", str(error.message))  # without the address
            raise failure("Google", int(error.code or 500), message, headers, _LOGIN) from error
        except self._auth.TransportError as error:
            raise TryAgain(f"Google did not answer ({error})", unpaid=True) from error
        except self._auth.GoogleAuthError as error:
            raise EngineError(f"Google refuses the credentials ({error}); {_LOGIN}") from error
        except self._requests.RequestException as error:
            raise TryAgain(f"Google did not answer ({error})") from error
        except self._parsing.ParseError as error:
            raise InferenceFailed(f"Google answers what is no answer ({error})") from error
        return answer, kept

    def _client(self, headers: dict[str, str]) -> Any:
        """This thread's own, as sessions are not made for several; `headers` is filled in by the next answer."""
        if not hasattr(self._local, "client"):
            self._local.notes = _notes(self._rest)
            transport = self._rest.ImageAnnotatorRestTransport(
                credentials=self._credentials, interceptor=self._local.notes, **self._address
            )
            self._local.client = self._vision.ImageAnnotatorClient(transport=transport)
        self._local.notes.headers = headers
        return self._local.client

    def parsed(self, raw: Any, size: tuple[int, int] | None) -> Iterator[Tag]:
        """See `Service`."""
        return google_answers.parse(raw, size)


def _notes(rest: Any) -> Any:
    """An interceptor of the client that notes the headers of the last answer."""

    class Notes(rest.ImageAnnotatorRestInterceptor):  # type: ignore[misc]  # a class of an untyped library
        headers: dict[str, str]

        def post_batch_annotate_images_with_metadata(self, response: Any, metadata: Any) -> Any:
            self.headers.update((name.lower(), value) for name, value in metadata)
            return response, metadata

    return Notes()
