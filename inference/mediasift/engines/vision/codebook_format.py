"""The OpenAI chat format: what a question is in it, and what an answer.

Fields: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_AROUND_TOKENS = 64
"""What a chat template puts around a message, at most; those of current models put about ten there."""

_FORMATS = ("json_schema", "json_object", "text")
"""How an answer is constrained, the strictest first. LM Studio takes no json_object, DeepSeek no json_schema."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What of a question a server takes.

    Attributes:
        format: One of `_FORMATS`.
        seed, temperature: Whether these are sent.
        limit: The name of the limit of tokens; OpenAI's reasoning models want the newer one.
    """

    format: str = _FORMATS[0]
    seed: bool = True
    temperature: bool = True
    limit: str = "max_tokens"

    def without(self, complaint: str) -> Dialect | None:
        """The same without what the complaint is about; None where it is about nothing that can be left out."""
        if self.format != _FORMATS[-1] and re.search(r"response_format|json_|schema|grammar|structured", complaint):
            return replace(self, format=_FORMATS[_FORMATS.index(self.format) + 1])
        if self.limit == "max_tokens" and "max_tokens" in complaint:
            return replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in complaint:
            return replace(self, temperature=False)
        if self.seed and "seed" in complaint:
            return replace(self, seed=False)
        return None

    @property
    def note(self) -> str:
        """What a reader of the table should know; empty where all was taken."""
        formats = {"json_object": "constrained to JSON, not to the schema", "text": "not constrained"}
        left_out = [name for name in ("seed", "temperature") if not getattr(self, name)]
        parts = [formats.get(self.format, ""), f"without {' and '.join(left_out)}" if left_out else ""]
        given = "; ".join(part for part in parts if part)
        return f"the server does not take all that was asked: {given}" if given else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is sent.

    Attributes:
        text: The prompt.
        picture: As a data URL; empty without one.
        digest: Of the picture's pixels before it was shrunk and encoded, which another version may do otherwise.
        more: What was answered and asked after it, as messages.
        schema: What the answer must be, as JSON schema.
        name: Of the schema.
        seed: Of the sampling.
        temperature: 0 takes the likeliest token.
        max_tokens: Longest answer, with what a model thinks before.
    """

    text: str
    picture: str = ""
    digest: str = ""
    more: tuple[dict[str, str], ...] = ()
    schema: Mapping[str, Any]
    name: str
    seed: int
    temperature: float
    max_tokens: int

    def asked(self) -> list[Any]:
        """All that decides the answer, as JSON values."""
        return [self.text, self.digest, self.more, self.schema, self.seed, self.temperature, self.max_tokens]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """As the format has them."""
        first: Any = self.text
        if self.picture:
            image = {"type": "image_url", "image_url": {"url": self.picture}}
            first = [{"type": "text", "text": self.text}, image]
        return [{"role": "user", "content": first}, *self.more]

    def most_tokens(self) -> int:
        """Of the prompt, without a picture's: no tokenizer makes more than one of a byte, and few stand around it."""
        texts = [self.text, json.dumps(self.schema), *(one["content"] for one in self.more)]
        return sum(len(one.encode()) for one in texts) + _AROUND_TOKENS * len(texts)

    def payload(self, model: str, dialect: Dialect) -> dict[str, Any]:
        """The body of the request."""
        body: dict[str, Any] = {"model": model, "messages": self.messages, dialect.limit: self.max_tokens}
        body |= {"temperature": self.temperature} if dialect.temperature else {}
        body |= {"seed": self.seed} if dialect.seed else {}
        if dialect.format == "json_schema":
            schema = {"name": self.name, "strict": True, "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif dialect.format == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What came: the server's JSON as it is, and how it was asked.

    Attributes:
        raw: The body of the answer.
        note: What the server did not take, see `Dialect.note`.
    """

    raw: Mapping[str, Any]
    note: str = ""

    @property
    def text(self) -> str:
        """What the model wrote, without what it thought before."""
        message = self._choice.get("message") or {}
        content = message.get("content") or ""
        if isinstance(content, list):  # parts, as some services give them
            content = "".join(str(one.get("text", "")) for one in content if isinstance(one, dict))
        return str(content).rpartition("</think>")[2].strip()

    @property
    def refusal(self) -> str:
        """Why there is no answer: the model's own words, or that a filter took it; empty where there is one."""
        given = (self._choice.get("message") or {}).get("refusal")
        return str(given or ("a content filter" if self._choice.get("finish_reason") == "content_filter" else ""))

    @property
    def is_cut(self) -> bool:
        """Whether the limit of tokens ended it."""
        return self._choice.get("finish_reason") == "length"

    @property
    def _choice(self) -> Mapping[str, Any]:
        choice: Mapping[str, Any] = self.raw["choices"][0]
        return choice

    @property
    def model(self) -> str:
        """The model that answered, with the server's fingerprint, as it says."""
        return " ".join(str(self.raw[name]) for name in ("model", "system_fingerprint") if self.raw.get(name))

    def tokens(self, kind: str) -> int | None:
        """How many tokens were billed: `prompt` or `completion`; None where the server does not say."""
        count = (self.raw.get("usage") or {}).get(f"{kind}_tokens")
        return count if isinstance(count, int) and count >= 0 else None
