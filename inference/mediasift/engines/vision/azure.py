"""Azure's Image Analysis 4.0: the pictures leave this machine, and each feature of each is paid for.

Microsoft ends this service on 25 September 2028; answers that are kept stay readable (`tag --from`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any, ClassVar

from mediasift.engines.vision import azure_answers
from mediasift.engines.vision.service import Limits, Question, Service, ServiceSettings, failure, moment
from mediasift.engines.vision.tags import Reply, Tag
from mediasift.errors import EngineError, InferenceFailed, ItemError, TryAgain, UsageError
from mediasift.system.optional import require

_LOGIN = "see that VISION_KEY holds a key of the resource whose address is in VISION_ENDPOINT"

_RESULTS = {
    "tags": "tagsResult", "objects": "objectsResult", "people": "peopleResult", "read": "readResult",
    "caption": "captionResult",
}  # fmt: skip
"""Visual feature → the key of its answer."""


class AzureVision(Service):
    """The vendor's client, with the key in VISION_KEY and the address in VISION_ENDPOINT; see `Service`."""

    settings = ServiceSettings
    name = "azure-vision"
    limits = Limits(least_px=50, most_px=16_000, most_bytes=20_000_000)
    operations: ClassVar[Mapping[str, str]] = {
        "labels": "tags", "objects": "objects", "people": "people", "text": "read", "captions": "caption",
    }  # fmt: skip
    prices: ClassVar[Mapping[str, float]] = {"tags": 1.0, "objects": 1.0, "people": 1.0, "read": 1.5, "caption": 1.5}
    """https://azure.microsoft.com/pricing/details/cognitive-services/computer-vision, tier S1"""
    free_tier = "Of tier S1; the free tier F0 is not reckoned in. Microsoft ends this service on 25 September 2028."

    def connect(self, settings: Any) -> Mapping[str, Any]:
        """See `Service`."""
        analysis = require("azure.ai.vision.imageanalysis", extra="azure-vision")
        self._errors = require("azure.core.exceptions", extra="azure-vision")
        credentials = require("azure.core.credentials", extra="azure-vision")
        logging.getLogger("azure").setLevel(logging.CRITICAL)  # what fails is reported here
        endpoint, key = settings.endpoint or os.environ.get("VISION_ENDPOINT"), os.environ.get("VISION_KEY")
        if not endpoint:
            raise UsageError("--engine azure-vision needs the address of your resource: VISION_ENDPOINT, or --endpoint")
        if not key:
            raise EngineError(f"no key was found; {_LOGIN}")
        self._client = analysis.ImageAnalysisClient(
            endpoint, credentials.AzureKeyCredential(key), retry_total=0, connection_timeout=self.timeout_s,
            read_timeout=self.timeout_s,
        )  # fmt: skip
        return {"version": metadata.version("azure-ai-vision-imageanalysis"), "ends": "2028-09-25"}

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def question(self) -> Any:
        """See `Service`."""
        return ["2023-10-01", "en"]

    def together(self, batch: Sequence[Question]) -> Iterator[list[Question]]:
        """All that is asked about a picture."""
        for digest in dict.fromkeys(one.digest for one in batch):
            yield [one for one in batch if one.digest == digest]

    def sent(self, group: Sequence[Question]) -> list[Reply | ItemError]:
        """One request about one picture, and its answer taken apart by what is bought."""
        operations = [name for one in group for name in one.operations]
        answer, headers = self._answer_to(group[0].data, operations)
        if missing := [name for name in operations if _RESULTS[name] not in answer]:
            raise InferenceFailed(f"Azure's answer lacks {', '.join(missing)}")
        about = {name: answer[name] for name in ("modelVersion", "metadata") if name in answer}
        common = Reply(raw=None, model=about.get("modelVersion", ""), request_id=headers.get("apim-request-id", ""),
                       answered=moment(headers.get("date")))  # fmt: skip
        keys = [[_RESULTS[name] for name in one.operations] for one in group]
        return [replace(common, raw=about | {key: answer[key] for key in some}) for some in keys]

    def _answer_to(self, data: bytes, operations: Sequence[str]) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The answer and its headers; the service's errors as ours."""
        headers: dict[str, str] = {}

        def note(response: Any) -> None:
            headers.update(_lower(response.http_response.headers))

        errors = self._errors
        try:
            answer = self._client.analyze(data, list(operations), raw_response_hook=note)
        except errors.DecodeError as error:
            raise InferenceFailed(f"Azure answers what is no answer ({error.message})") from error
        except errors.HttpResponseError as error:
            headers = _lower(error.response.headers) if error.response else {}
            raise failure("Azure", int(error.status_code or 500), str(error.message), headers, _LOGIN) from error
        except errors.AzureError as error:
            raise TryAgain(f"Azure did not answer ({error.message})") from error
        return dict(answer.as_dict()), headers

    def parsed(self, raw: Any, size: tuple[int, int] | None) -> Iterator[Tag]:
        """See `Service`."""
        return azure_answers.parse(raw, size)


def _lower(headers: Any) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}
