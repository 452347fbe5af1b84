"""What engines share that ask a language model at an address: options, prices, time, pictures as they are sent."""

from __future__ import annotations

import hashlib
import json
import math
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from mediasift.engines.engine import PaidSettings, Resources, TokenPrices
from mediasift.engines.vision.codebook_chat import Chat
from mediasift.engines.vision.codebook_form import quoted
from mediasift.engines.vision.codebook_format import Completion, Question
from mediasift.errors import UsageError
from mediasift.media.pictures.encode import ENCODERS
from mediasift.media.pictures.transforms import Picture, resize
from mediasift.settings import Option
from mediasift.system.machine import cache_folder

JPEG_QUALITY = 90

_FORMAT = 1
"""Of the answers that are kept; a change makes old ones unknown."""


@dataclass(frozen=True, kw_only=True)
class ChatSettings(PaidSettings, TokenPrices):
    """Options of a server that speaks the chat format."""

    url: Annotated[
        str | None,
        Option(
            "For codebook: a server that speaks the OpenAI chat format, up to /v1, e.g. http://localhost:11434/v1.",
            metavar="URL",
        ),
    ] = None  # fmt: skip
    model: Annotated[str | None, Option("For codebook: the model's name on that server.", short="-m")] = None
    key_env: Annotated[
        str | None,
        Option(
            "For codebook: the environment variable that holds the key.", metavar="NAME", default="no key is sent"
        ),
    ] = None  # fmt: skip
    pixels: Annotated[
        int, Option("For codebook: longest side of the pictures that are sent.", least=32, metavar="PIXELS")
    ] = 1024
    max_tokens: Annotated[
        int, Option("For codebook: longest answer, with what a model thinks before.", least=16, metavar="TOKENS")
    ] = 1024
    temperature: Annotated[
        float, Option("For codebook: 0 takes the likeliest answer; above, it is drawn.", least=0, most=2)
    ] = 0.0
    seed: Annotated[int, Option("For codebook: of what is drawn, where the server takes a seed.", least=0)] = 1

    def question(self, text: str, schema: Any, name: str) -> Question:
        """A question without a picture."""
        return Question(text=text, schema=schema, name=name, seed=self.seed, temperature=self.temperature,
                        max_tokens=self.max_tokens)  # fmt: skip

    def reckoned(self, more: str = "") -> str:
        """A sentence on what estimates reckon with."""
        return (
            f"Reckoned with your {self.price_in:g} and {self.price_out:g} USD for a million tokens that are read and "
            f"written, and answers of {self.max_tokens:,} tokens{more}; once an answer is here, what it did cost "
            "counts instead."
        )

    def most_usd(self, question: Question) -> float:
        """What an answer costs at most."""
        picture = (self.picture_tokens or 0) if question.picture else 0
        return self.tokens_usd(question.most_tokens() + picture, question.max_tokens)


class Server:
    """A server, and what its answers cost.

    Attributes:
        chat: The connection.
        folder: Where its answers are kept.
        settings: See `ChatSettings`.

    Raises:
        UsageError: An option is missing.
        EngineError: Nothing answers at the address.
    """

    def __init__(self, settings: ChatSettings, resources: Resources, *, pictures: bool = True) -> None:
        if not settings.url or not settings.model:
            raise UsageError("--engine codebook needs --url, e.g. http://localhost:11434/v1, and --model NAME")
        if settings.price is not None:
            raise UsageError("--price is not for codebook, whose server counts tokens: --price-in and --price-out")
        if settings.price_in and settings.picture_tokens is None and pictures:
            raise UsageError(
                "--price-in needs --picture-tokens, how many tokens the model makes of a picture at most: nothing else "
                "says what may be due before it is sent"
            )
        self.settings = settings
        self._limit_s = resources.engine_timeout_s or math.inf
        self.chat = Chat(settings.url, settings.model, settings.key_env)
        self.folder = Path(settings.paid or cache_folder() / "codebook")

    def ask(self, question: Question, began: float) -> Completion:
        """The answer, while time is left for an item that was begun then, by `time.monotonic`; raises as `Chat.ask`."""
        return self.chat.ask(question, min(began + self._limit_s, time.monotonic() + self.settings.request_timeout_s))

    def key(self, question: Question) -> str:
        """Hash of all that decides an answer."""
        asked = [_FORMAT, self.chat.url, self.chat.model, self.settings.pixels, *question.asked()]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def bill(self, completion: Completion) -> dict[str, Any]:
        """Tokens of an answer, and what they cost, as far as the server says."""
        prompt, answer = (completion.tokens(name) for name in ("prompt", "completion"))
        if prompt is None or answer is None:
            return {}
        return {"prompt_tokens": prompt, "completion_tokens": answer, "usd": self.settings.tokens_usd(prompt, answer)}


def digest_of(image: Picture) -> str:
    """Hash of a picture's pixels as they were read."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def as_url(image: Picture, pixels: int) -> str:
    """uint8 (H, W, 3) RGB as the data URL of a JPEG file, no side longer than that."""
    height, width = image.shape[:2]
    if (share := pixels / max(width, height)) < 1:
        image = resize(image, max(1, round(width * share)), max(1, round(height * share)))
    return f"data:image/jpeg;base64,{b64encode(ENCODERS['jpg'](image, JPEG_QUALITY, b'')).decode()}"


def complaint_of(completion: Completion) -> str:
    """Why what came is no answer that could be read, however it was asked; empty where it may be one."""
    if completion.refusal:
        return f"the model does not answer: {quoted(completion.refusal)}"
    if completion.is_cut:
        return f"the answer is cut at the limit of tokens; raise --max-tokens. It is {quoted(completion.text)}"
    return ""
