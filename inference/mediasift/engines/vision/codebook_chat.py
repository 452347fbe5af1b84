"""A server that speaks the OpenAI chat format: Ollama, vLLM, llama.cpp, LM Studio, or a paid service.

Nothing but `POST URL/chat/completions` is asked of it. What it does not take (a JSON schema, a seed, a temperature, the
name of the limit of tokens) it refuses with 400 or 422 and a message; then the same question goes out without that, and
what was left out stands in the answer. OpenAI's own client would bring 2,000 files, pydantic and retries of its own for
one request; what is needed of it is in the standard library and in `run`.

What servers take: https://docs.ollama.com/api/openai-compatibility, https://docs.vllm.ai/en/stable/features/structured_outputs/,
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md, https://lmstudio.ai/docs/api/structured-output.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from mediasift.engines.vision.codebook_format import Completion, Dialect, Question
from mediasift.errors import EngineError, InferenceFailed, TryAgain, UsageError, plain
from mediasift.system.network import refuse_if_offline

_LARGEST_BYTES, _PIECE_BYTES = 1 << 24, 1 << 16
_SHOWN = 300
"""Characters of what a server says that a message quotes."""

_PASSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may be better in a moment."""


class Chat:
    """A server at an address, ready to be asked by several threads.

    Args:
        url: Up to `/v1`.
        model: Its name there.
        key_env: The environment variable that holds the key; None sends none.

    Raises:
        UsageError: No network may be used; the address is none; the variable is empty.
        EngineError: Nothing listens there.
    """

    def __init__(self, url: str, model: str, key_env: str | None) -> None:
        self.url, self.model = url.rstrip("/"), model
        host, port = _checked(self.url)
        refuse_if_offline(f"the language model at {self.url}")
        self._key = "" if key_env is None else os.environ.get(key_env, "").strip()
        if key_env is not None and not self._key:
            raise UsageError(f"--key-env {key_env}: that environment variable is empty; put the key into it")
        handlers: list[Any] = [_NoRedirect()]
        if _is_loopback(host):
            handlers.append(urllib.request.ProxyHandler({}))
        proxied = not _is_loopback(host) and urlsplit(url).scheme in urllib.request.getproxies()
        if not proxied:
            _check_listens(self.url, host, port)
        self._opener = urllib.request.build_opener(*handlers)
        self._dialect = Dialect()

    def ask(self, question: Question, ends: float) -> Completion:
        """What the model answers until then, by `time.monotonic`.

        Raises:
            EngineError: The key, the model or the address is refused: all questions would be.
            TryAgain: It does not answer now.
            InferenceFailed: It refuses this question, or answers with something else.
        """
        dialect = self._dialect
        while True:
            status, headers, body = self._post(question, dialect, ends)
            status, complaint, raw = self._understood(status, body)
            if raw is not None:
                self._dialect = dialect
                return Completion(raw=raw, note=dialect.note)
            other = dialect.without(complaint) if status in (400, 422) else None
            if other is None:
                raise self._failure(status, headers, complaint)
            dialect = other

    def _post(self, question: Question, dialect: Dialect, ends: float) -> tuple[int, Any, bytes]:
        if (left_s := ends - time.monotonic()) <= 0:
            raise InferenceFailed("no time is left for another request; raise --timeout", unpaid=True)
        body = json.dumps(question.payload(self.model, dialect), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "mediasift", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        request = urllib.request.Request(f"{self.url}/chat/completions", body, headers)  # noqa: S310  (http or https)
        try:
            with self._opener.open(request, timeout=left_s) as answer:
                return answer.status, answer.headers, _read(answer, ends)
        except urllib.error.HTTPError as error:
            with error, suppress(OSError, http.client.HTTPException, InferenceFailed):
                return error.code, error.headers, _read(error, ends)
            return error.code, error.headers, b""
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error, left_s) from error

    def _lost(self, error: Exception, left_s: float) -> Exception:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return TryAgain(f"{self.url} did not answer within {plain(left_s)} s (--request-timeout, --timeout)")
        if isinstance(reason, ssl.SSLCertVerificationError):
            return EngineError(f"{self.url} has no certificate that can be trusted ({reason.verify_message})")
        unpaid = isinstance(reason, (ConnectionRefusedError, socket.gaierror))
        return TryAgain(f"the connection to {self.url} failed ({reason or type(reason).__name__})", unpaid=unpaid)

    def _understood(self, status: int, body: bytes) -> tuple[int, str, Mapping[str, Any] | None]:
        """The status, what the server says against the question, and the answer where it is one."""
        text = body.decode("utf-8", "replace")
        try:
            data = json.loads(text)
        except ValueError:
            data = None
        if status == 200 and isinstance(data, dict):
            with suppress(KeyError, IndexError, TypeError):
                data["choices"][0]["message"]["content"]
                whole = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")  # halves of characters are none
                return status, "", json.loads(whole)
        error = data.get("error") if isinstance(data, dict) else None
        if status == 200 and isinstance(error, dict) and isinstance(error.get("code"), int):
            status = error["code"]  # OpenRouter puts the status of whom it asked into a good answer
        says = " ".join((text if data is None else _sentence(data)).split())
        return status, says.replace(self._key, "***") if self._key else says, None

    def _failure(self, status: int, headers: Any, complaint: str) -> Exception:
        says = f"{self.url} says {status}: {complaint[:_SHOWN] or 'nothing'}"
        if status in (401, 403):
            how = "the key in that variable" if self._key else "a key: put it into a variable and type --key-env NAME"
            return EngineError(f"{says}. It wants {how}, or another one")
        if status in (402, 429) and re.search(r"insufficient|quota|credit|billing", complaint, re.IGNORECASE):
            return EngineError(f"{says}. What was answered is kept: the same command goes on when there is credit")
        if status in (404, 405) or 300 <= status < 400:
            where = f" It points to {headers['Location']}." if 300 <= status < 400 and headers["Location"] else ""
            return EngineError(f"{says}.{where} Is {self.model} its name there, and does --url end as in .../v1?")
        if status in _PASSES:
            return TryAgain(says, after_s=_retry_after(headers), unpaid=status in (425, 429, 503, 529))
        if status == 200:
            return InferenceFailed(
                f"{self.url} answers with something that is no chat completion: {complaint[:_SHOWN]}"
            )
        return InferenceFailed(says, unpaid=400 <= status < 500)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key and the picture somewhere else."""

    def redirect_request(self, *_: Any) -> None:
        """None of them is followed."""


def _sentence(error: Any) -> str:
    """What an error says, whatever form it has, and which field it names; without what it repeats of the question."""
    if isinstance(error, list):
        return "; ".join(map(_sentence, error))
    if not isinstance(error, dict):
        with suppress(ValueError):
            inner = json.loads(error) if isinstance(error, str) else None
            return _sentence(inner) if isinstance(inner, (dict, list)) else str(error)
        return str(error)
    says = next((error[name] for name in ("error", "message", "detail", "msg") if error.get(name)), None)
    place = error.get("param") or ".".join(map(str, error.get("loc", ())))
    return f"{json.dumps(error) if says is None else _sentence(says)}{f' ({place})' if place else ''}"


def _read(answer: Any, ends: float) -> bytes:
    """The whole body, unless it takes longer or is larger than an answer can be."""
    data = bytearray()
    while piece := answer.read1(_PIECE_BYTES):
        data += piece
        if time.monotonic() > ends:
            raise TimeoutError
        if len(data) > _LARGEST_BYTES:
            raise InferenceFailed(f"the server sends more than {_LARGEST_BYTES >> 20} MiB; that is no answer")
    if (missing := getattr(answer, "length", None)) is not None and missing > 0:
        raise http.client.IncompleteRead(bytes(data), missing)
    return bytes(data)


def _checked(url: str) -> tuple[str, int]:
    """Host and port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("--url: must be an address such as http://localhost:11434/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError("--url: holds more than an address; a key goes into a variable, see --key-env")
    return host, port or (443 if parts.scheme == "https" else 80)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _check_listens(url: str, host: str, port: int) -> None:
    """Set-up fails early: without a listener, ten thousand pictures need not wait for their patience to end."""
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError as error:
        raise EngineError(
            f"{url}: nothing answers there ({error.strerror or error}); start the server (e.g. ollama serve), or "
            "correct --url"
        ) from error


def _retry_after(headers: Any) -> float | None:
    """Seconds, which the header gives as such or as a date (RFC 9110, 10.2.3)."""
    given = str((headers or {}).get("Retry-After") or "").strip()
    with suppress(ValueError):
        return max(0.0, float(given))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    return None
