"""A tiny language-model server on loopback that speaks the OpenAI chat format, as its reference publishes it.

It has `POST /v1/chat/completions` and nothing else. What it answers is what its `brain` sees: the mean colour of the
picture, which it decodes, or the words of the text. How it answers is planned: well, badly, late, never.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

MODEL, FINGERPRINT = "tiny-vision:1b", "fp_tiny"
PICTURE_TOKENS, CHARACTERS_OF_A_TOKEN = 85, 4


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, understood.

    Attributes:
        body: The JSON object.
        text: Of all parts of all messages.
        color: Mean (red, green, blue) of the picture; None without one.
        size: Its (width, height).
        name: Of its completion, which follows from the body.
    """

    name: str
    body: dict[str, Any]
    text: str
    color: tuple[float, float, float] | None
    size: tuple[int, int] | None


Brain = Callable[[Asked], dict[str, Any]]

STYLES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "well": lambda answer: {"content": json.dumps(answer)},
    "prose": lambda answer: {"content": f"Sure! Here it is:\n\n{json.dumps(answer)}\n\nDoes that help? {{smile}}"},
    "fenced": lambda answer: {"content": f"```json\n{json.dumps(answer, indent=2)}\n```"},
    "thinking": lambda answer: {"content": f'<think>Maybe {{"a": 1}}?</think>\n{json.dumps(answer)}'},
    "parts": lambda answer: {"content": [{"type": "text", "text": json.dumps(answer)}]},
    "words": lambda _: {"content": "I see a picture of people."},
    "value": lambda answer: {"content": json.dumps({**answer, next(iter(answer)): "perhaps"})},
    "missing": lambda answer: {"content": json.dumps(dict(list(answer.items())[1:]))},
    "unknown": lambda answer: {"content": json.dumps({**answer, "mood": "merry"})},
    "two": lambda answer: {"content": f"{json.dumps(answer)} or {json.dumps(answer)}"},
    "torn": lambda answer: {"content": json.dumps(answer)[:-3]},
    "empty": lambda _: {"content": None},
    "refusal": lambda _: {"content": None, "refusal": "I cannot help with that."},
}
"""Name → what the message holds."""

PLAIN: dict[str, tuple[int, dict[str, str], bytes]] = {
    "html": (200, {}, b"<html>Log in</html>"),
    "other": (200, {}, b'{"object": "list"}'),
}


class ChatServer:
    """What it was asked, and how it answers.

    Attributes:
        brain: What it sees.
        plans: For the next requests, in order: a name of `STYLES`; `cut` or `filtered`; a status, or (status, headers,
            body); `slow`, `drip`, `never` or `drop`.
        style: For all others.
        refuses: Fields and formats that it does not take: seed, temperature, max_tokens, json_schema, json_object.
        key: What it wants as Bearer; empty for none.
        asked: All requests that it understood.
        answered: SHA-256 of the body of each that it answered well, once its answer was sent whole.
        billed: (prompt, completion) tokens of each.
        delay_s: Before each answer.
        counts: Whether it says how many tokens it has counted.
    """

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        self.plans: list[Any] = []
        self.style = "well"
        self.refuses: set[str] = set()
        self.key, self.delay_s, self.counts = "", 0.0, True
        self.asked: list[Asked] = []
        self.answered: list[str] = []
        self.billed: list[tuple[int, int]] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()

    def complaint(self, body: dict[str, Any], authorization: str) -> tuple[int, dict[str, Any]] | None:
        """What is wrong with a request, in the words of those that refuse it."""
        if self.key and authorization != f"Bearer {self.key}":
            given = authorization.removeprefix("Bearer ")
            return _error(
                401, f"Incorrect API key provided: {given}. You can find your key online.", code="invalid_api_key"
            )
        if body.get("model") != MODEL:
            return _error(404, f"The model `{body.get('model')}` does not exist", code="model_not_found")
        form = str(body.get("response_format", {}).get("type", "text"))
        if form in self.refuses:
            return _error(400, "'response_format.type' must be 'text'", param="response_format")
        if "max_tokens" in self.refuses and "max_tokens" in body:
            return _error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                          "'max_completion_tokens' instead.", param="max_tokens")  # fmt: skip
        if "temperature" in self.refuses and "temperature" in body:
            return _error(
                400, "Unsupported value: 'temperature' does not support 0 with this model.", param="temperature"
            )
        if "seed" in self.refuses and "seed" in body:
            forbidden = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
            return 422, {"object": "error", "message": {"detail": forbidden}}
        return None

    def completion(self, asked: Asked, style: str) -> bytes:
        """The body of a good answer."""
        message = STYLES.get(style, STYLES["torn" if style == "cut" else "well"])(self.brain(asked))
        reason = {"cut": "length", "filtered": "content_filter"}.get(style, "stop")
        tokens = (
            len(asked.text) // CHARACTERS_OF_A_TOKEN + PICTURE_TOKENS * (asked.color is not None),
            len(str(message["content"])) // CHARACTERS_OF_A_TOKEN,
        )
        with self.lock:
            self.billed.append(tokens)
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        return json.dumps({
            "id": asked.name, "object": "chat.completion", "created": 1_790_000_000, "model": MODEL,
            "system_fingerprint": FINGERPRINT,
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}],
            **({"usage": usage} if self.counts else {}),
        }).encode()  # fmt: skip


def _error(status: int, message: str, **more: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


def _understood(body: dict[str, Any]) -> Asked:
    """The request, its picture decoded; raises KeyError, ValueError or OSError for what is none."""
    texts, picture = [], None
    for message in body["messages"]:
        content = message["content"]
        parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                head, data = part["image_url"]["url"].split(",", 1)
                assert head == "data:image/jpeg;base64"
                picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True))).convert("RGB")
    color = None if picture is None else tuple(np.asarray(picture).mean(axis=(0, 1)).tolist())
    name = f"chatcmpl-{hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]}"
    return Asked(name=name, body=body, text="\n".join(texts), color=color, size=picture and picture.size)


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        served: ChatServer = self.server.served
        data = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(data)
        if self.path != "/v1/chat/completions":
            self._answer(404, {}, b"404 page not found")
            return
        if (wrong := served.complaint(body, self.headers.get("Authorization", ""))) is not None:
            self._answer(wrong[0], {}, json.dumps(wrong[1]).encode())
            return
        asked = _understood(body)
        with served.lock:
            served.asked.append(asked)
            plan = served.plans.pop(0) if served.plans else served.style
        time.sleep(0.5 if plan == "slow" else served.delay_s)
        if plan == "never":
            served.closing.wait()
        elif plan == "drop":
            self.connection.close()
        elif plan == "drip":
            self._drip(served)
        elif isinstance(plan, int):
            self._answer(plan, {}, json.dumps(_error(plan, f"planned: {plan}")[1]).encode())
        elif isinstance(plan, tuple) or plan in PLAIN:
            self._answer(*(plan if isinstance(plan, tuple) else PLAIN[plan]))
        elif self._answer(200, {}, served.completion(asked, plan)):
            with served.lock:
                served.answered.append(hashlib.sha256(data).hexdigest())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> bool:
        """Whether it was taken."""
        with suppress(OSError):
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            return True
        return False

    def _drip(self, served: ChatServer) -> None:
        with suppress(OSError):
            self.send_response(200)
            self.end_headers()
            while not served.closing.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Silent."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no error."""


@contextmanager
def chatting(brain: Brain) -> Iterator[tuple[ChatServer, str]]:
    """A running server, and its address up to /v1."""
    served = ChatServer(brain)
    http = _Http(("127.0.0.1", 0), _Handler)
    http.served = served  # type: ignore[attr-defined]  # where its handlers look
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served, f"http://127.0.0.1:{http.server_address[1]}/v1"
    finally:
        served.closing.set()
        http.shutdown()
        http.server_close()
        thread.join()
