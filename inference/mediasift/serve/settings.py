"""What a service is: its models, where it listens, and what it puts up with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mediasift.engines.ocr import ENGINES
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER
from mediasift.engines.onnx.settings import MODEL_OPTION, DeviceSettings
from mediasift.errors import UsageError
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.settings import Option
from mediasift.tasks.task import ModelRunSettings

KEY_VARIABLE = "MEDIASIFT_API_KEY"


@dataclass(frozen=True, kw_only=True)
class Serve(DeviceSettings, ModelRunSettings):
    """Answer over HTTP: pictures in, the rows of a verb out; a page for people at /."""

    model: Annotated[
        Sequence[str],
        Option(f"{MODEL_OPTION.help.partition(';')[0]}; may be given several times.", short="-m", metavar="MODEL",
               multiple=True, default=DEFAULT_CLASSIFIER),
    ] = (DEFAULT_CLASSIFIER,)  # fmt: skip
    ocr: Annotated[
        str | None, Option("Also read text, with this engine.", choices=ENGINES.keys, default="no text is read")
    ] = None
    host: Annotated[str, Option("Address to listen at; 0.0.0.0 for every one of this machine.", metavar="ADDRESS")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Option("Port to listen at; 0 takes a free one.", least=0, most=65535)] = 8000
    workers: Annotated[int, Option("Processes that compute, each with all the models.", least=1, most=64)] = 1
    jobs: Annotated[
        int | None,
        Option("Pictures that a worker prepares at a time.", least=1, metavar="N", default="its cores"),
    ] = None  # fmt: skip
    max_wait_s: Annotated[
        float,
        Option(
            "How long a picture waits at most for others to go into the model with it, while others are on their way.",
            flag="--max-wait", least=0, most=10, metavar="SECONDS",
        ),
    ] = 0.005  # fmt: skip
    max_requests: Annotated[
        int, Option("Requests that are held at a time; one more is answered with 503.", least=1, metavar="N")
    ] = 64
    max_body_mb: Annotated[float, Option("A larger body is answered with 413.", above=0, metavar="MB")] = 20.0
    max_megapixels: Annotated[
        float, Option("Larger pictures end as an error row; a request may ask for less.", above=0, metavar="MEGAPIXELS")
    ] = MAX_MEGAPIXELS
    timeout_s: Annotated[
        float,
        Option("A picture, page or frame that takes longer ends as an error row.", flag="--timeout", above=0,
               metavar="SECONDS"),
    ] = 20.0  # fmt: skip
    request_timeout_s: Annotated[
        float, Option("A request that takes longer is answered with 504.", flag="--request-timeout", above=0,
                      metavar="SECONDS"),
    ] = 60.0  # fmt: skip
    api_key_file: Annotated[
        str | Path | None,
        Option(f"File with the key that requests must carry; {KEY_VARIABLE} may hold the key itself.", metavar="FILE",
               default="no key is asked for"),
    ] = None  # fmt: skip
    allow_urls: Annotated[
        bool,
        Option('Fetch what a request names by {"image_url": ADDRESS}; nothing of a private network is reached.'),
    ] = False
    allow_origin: Annotated[
        Sequence[str],
        Option("Origin whose pages may call the service from a browser, e.g. https://example.org; may be given several "
               "times.", metavar="ORIGIN", multiple=True, default="none but its own page"),
    ] = ()  # fmt: skip
    log_requests: Annotated[bool, Option("Log a line of JSON on stderr for each request.")] = True

    def api_key(self) -> str | None:
        """The key that requests must carry; None for none.

        Raises:
            UsageError: The file cannot be read, or holds no key.
        """
        if self.api_key_file is None:
            return os.environ.get(KEY_VARIABLE) or None
        try:
            key = Path(self.api_key_file).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.api_key_file}: the key cannot be read ({error}); name a file of text") from error
        if not key or not key.isascii() or not key.isprintable():
            raise UsageError(f"{self.api_key_file}: holds no key; write one line of ASCII characters into it")
        return key
