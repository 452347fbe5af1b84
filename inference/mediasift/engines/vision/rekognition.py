"""Amazon Rekognition: the pictures leave this machine, and each operation on each is a request that is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Annotated, Any, ClassVar

from mediasift.engines.vision import rekognition_answers
from mediasift.engines.vision.service import Limits, Question, Service, ServiceSettings, failure, moment
from mediasift.engines.vision.tags import Reply, Tag
from mediasift.errors import EngineError, InferenceFailed, ItemError, TryAgain, UsageError
from mediasift.settings import Option
from mediasift.system.optional import require

_LOGIN = "type: aws configure, or aws sso login; the user needs rekognition:Detect*"

_STATUS = {
    **dict.fromkeys(("ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException"), 429),
    **dict.fromkeys(
        (
            "AccessDeniedException", "ExpiredTokenException", "InvalidSignatureException",
            "UnrecognizedClientException", "MissingAuthenticationTokenException", "IncompleteSignatureException",
            "SubscriptionRequiredException",
        ), 403,
    ),
    "InternalServerError": 500,
}  # fmt: skip
"""Name of an error → what the HTTP status, which is often 400, stands for:
https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html."""


@dataclass(frozen=True, kw_only=True)
class RekognitionSettings(ServiceSettings):
    """Options of Amazon Rekognition."""

    region: Annotated[
        str | None,
        Option("For rekognition: the region, e.g. eu-west-1.", default="that of AWS_DEFAULT_REGION or aws configure"),
    ] = None


class Rekognition(Service):
    """The vendor's client, with the credentials that it finds; see `Service`."""

    settings = RekognitionSettings
    name = "rekognition"
    limits = Limits(least_px=80, most_px=10_000, most_bytes=5_000_000)  # .../rekognition/latest/dg/limits.html
    operations: ClassVar[Mapping[str, str]] = {
        "labels": "DetectLabels", "objects": "DetectLabels", "faces": "DetectFaces", "text": "DetectText",
        "sensitive": "DetectModerationLabels",
    }  # fmt: skip
    prices: ClassVar[Mapping[str, float]] = dict.fromkeys(operations.values(), 1.00)
    """https://aws.amazon.com/rekognition/pricing, in us-east-1"""
    free_tier = "In us-east-1; some regions cost more. New accounts have a free tier; that is not reckoned in."

    def connect(self, settings: Any) -> Mapping[str, Any]:
        """See `Service`."""
        boto3 = require("boto3", extra="aws-vision")
        self._errors = require("botocore.exceptions", extra="aws-vision")
        self._parsers = require("botocore.parsers", extra="aws-vision")
        config = require("botocore.config", extra="aws-vision").Config(
            connect_timeout=self.timeout_s, read_timeout=self.timeout_s, max_pool_connections=settings.parallel,
            retries={"total_max_attempts": 1},
        )  # fmt: skip
        try:
            session = boto3.Session(region_name=settings.region)
            if session.get_credentials() is None:
                raise EngineError(f"no AWS credentials were found; {_LOGIN}")
            self._client = session.client("rekognition", endpoint_url=settings.endpoint, config=config)
        except self._errors.NoRegionError as error:
            raise UsageError("--engine rekognition needs --region, e.g. eu-west-1") from error
        except (self._errors.BotoCoreError, ValueError) as error:
            raise EngineError(f"Rekognition cannot be asked ({error}); {_LOGIN}") from error
        return {"version": metadata.version("boto3"), "region": session.region_name}

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def question(self) -> Any:
        """See `Service`."""
        return ["ALL"]

    def sent(self, group: Sequence[Question]) -> list[Reply | ItemError]:
        """One operation on one picture."""
        (request,) = group
        (operation,) = request.operations
        image = {"Image": {"Bytes": request.data}}
        calls = {
            "DetectLabels": lambda: self._client.detect_labels(**image),
            "DetectFaces": lambda: self._client.detect_faces(**image, Attributes=["ALL"]),
            "DetectText": lambda: self._client.detect_text(**image),
            "DetectModerationLabels": lambda: self._client.detect_moderation_labels(**image),
        }
        answer = self._answer_to(calls[operation])
        about = answer.pop("ResponseMetadata")
        if not set(answer) & set(
            rekognition_answers.PARTS
        ):  # of what is no JSON at all, the client makes an empty answer
            raise InferenceFailed(f"Rekognition answers {operation} with what is no answer")
        model = next((answer[name] for name in rekognition_answers.VERSIONS if name in answer), "")
        return [Reply(raw=answer, model=model, request_id=about.get("RequestId", ""),
                      answered=moment(about["HTTPHeaders"].get("date")))]  # fmt: skip

    def _answer_to(self, call: Any) -> dict[str, Any]:
        """The answer; the service's errors as ours."""
        errors = self._errors
        try:
            return dict(call())
        except errors.ClientError as error:
            about, code = error.response.get("ResponseMetadata", {}), error.response["Error"].get("Code", "")
            status = _STATUS.get(code, about.get("HTTPStatusCode", 400))
            message = f"{code}: {error.response['Error'].get('Message', '')}"
            raise failure("Rekognition", status, message, about.get("HTTPHeaders", {}), _LOGIN) from error
        except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.TokenRetrievalError) as error:
            raise EngineError(f"AWS refuses the credentials ({error}); {_LOGIN}") from error
        except self._parsers.ResponseParserError as error:
            raise InferenceFailed(f"Rekognition answers what is no answer ({error})") from error
        except errors.BotoCoreError as error:
            raise TryAgain(f"Rekognition did not answer ({error})") from error

    def parsed(self, raw: Any, size: tuple[int, int] | None) -> Iterator[Tag]:
        """See `Service`."""
        return rekognition_answers.parse(raw, size)
