"""The HTTP API: /v1 for pictures, health, metrics and the page; /v2 is in `inference_protocol`."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
import uuid
from importlib import resources
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediasift.errors import ItemError, MediasiftError, UsageError, did_you_mean
from mediasift.rows import Row
from mediasift.serve.answers import CONTENT_TYPES, Kind, joined, written
from mediasift.serve.inference_protocol import routes
from mediasift.serve.metrics import Metrics, log
from mediasift.serve.pool import Pool
from mediasift.serve.requests import Gate, Picture, Refused, addresses_of, fetched, is_json, pictures_of
from mediasift.serve.settings import Serve
from mediasift.sources.settings import AS_USUAL
from mediasift.tasks.model import TASKS
from mediasift.tasks.ocr import Ocr

OPEN = ("/", "/v2/health/live", "/v2/health/ready")
"""What is answered without a key: the page, which holds nothing, and probes."""

VERBS = {**TASKS, "ocr": Ocr}

REMOTE = AS_USUAL
"""How addresses are fetched that requests name."""

_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)

_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src blob: data:; script-src 'unsafe-inline'; style-src "
    "'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Asked(NamedTuple):
    """What a request wants to know of its pictures; `options` are pairs of name and text."""

    verb: str
    model: str
    options: list[tuple[str, str]]
    kind: Kind


class Api:
    """What the handlers have in common."""

    def __init__(self, settings: Serve, pool: Pool, metrics: Metrics) -> None:
        self.settings, self.pool, self.metrics = settings, pool, metrics
        self.gate = Gate(settings, metrics)
        self.verbs: dict[str, list[str]] = {}
        for model in pool.models:
            for verb in model["verbs"]:
                self.verbs.setdefault(verb, []).append(model["name"])
        if settings.ocr is not None:
            self.verbs["ocr"] = [""]

    @staticmethod
    def asked(verb: str, model: str, options: list[tuple[str, str]], kind: Kind = "json") -> Asked:
        """See `Asked`."""
        return Asked(verb, model, options, kind)

    async def rows(self, request: Request, asked: Asked, pictures: list[Picture]) -> list[bytes]:
        """The rows of each picture, see `answers.written`.

        Raises:
            Refused: An option is none, or has no such value; the engine is not there.
        """
        seen = request.state.seen
        seen.update(verb=asked.verb, model=asked.model, pictures=len(pictures), rows=0, errors=0)
        orders = [self._one(seen, asked, picture) for picture in pictures]
        parts: list[bytes | BaseException]
        if len(orders) == 1:  # a task for it would cost two turns of the loop
            try:
                parts = [await orders[0]]
            except MediasiftError as error:
                parts = [error]
        else:
            parts = await asyncio.gather(*orders, return_exceptions=True)
        for part in parts:
            if isinstance(part, UsageError):
                raise Refused(400, str(part))
            if isinstance(part, MediasiftError):
                raise Refused(500, str(part))
            if isinstance(part, BaseException):
                raise part
        self.metrics.pictures.labels(asked.verb).inc(len(parts))
        return [part for part in parts if isinstance(part, bytes)]

    async def _one(self, seen: dict[str, Any], asked: Asked, picture: Picture) -> bytes:
        try:
            if picture.error is not None:
                raise picture.error
            head, data = await self.pool.answer({**asked._asdict(), "path": picture.name}, picture.data)
        except ItemError as error:  # it cannot be fetched, or the worker died of it
            row_type: type[Row] = VERBS[asked.verb].row
            row = row_type(path=picture.name, error=error.as_cell())
            head, data = {"rows": 1, "errors": [error.code]}, written([row], row_type, asked.kind)
        seen["rows"] += head["rows"]
        seen["errors"] += len(head["errors"])
        for code in head["errors"]:
            self.metrics.errors.labels(code).inc()
        return data

    async def verb(self, request: Request) -> Response:
        """POST /v1/VERB."""
        verb, pairs = request.path_params["verb"], request.query_params.multi_items()
        named = [value for name, value in pairs if name == "model"]
        model = self._model(verb, named)
        kind: Kind = "csv" if _wants_csv(request.headers.get("accept", "")) else "json"
        with self.gate.hold(request):
            pictures = await self._pictures(request.headers.get("content-type", ""), await self.gate.read(request))
            options = [pair for pair in pairs if pair[0] != "model"]
            parts = await self.rows(request, self.asked(verb, model, options, kind), pictures)
        return Response(joined(parts, kind), media_type=CONTENT_TYPES[kind])

    async def _pictures(self, content_type: str, body: bytes) -> list[Picture]:
        if not (self.settings.allow_urls and is_json(content_type)):
            return pictures_of(content_type, body)
        most = round(self.settings.max_body_mb * 1e6)
        return await asyncio.gather(*(asyncio.to_thread(fetched, url, REMOTE, most) for url in addresses_of(body)))

    def _model(self, verb: str, named: list[str]) -> str:
        known = self.verbs.get(verb)
        if known is None:
            there = ", ".join(sorted(self.verbs))
            wanted = "--ocr ENGINE" if verb == "ocr" else "-m MODEL"
            hint = f"; start the service with {wanted}" if verb in VERBS else ""
            raise Refused(404, f"nothing here answers {verb!r}, only {there}{hint}")
        if len(named) > 1 or (named and verb == "ocr"):
            raise Refused(400, f"{len(named)} models are named; name one" if named[1:] else "ocr has no model")
        if named and named[0] not in known:
            raise Refused(
                404, f"no model {named[0]!r} to {verb} here; there is {', '.join(known)}{did_you_mean(named[0], known)}"
            )
        return named[0] if named else known[0]

    async def listing(self, _request: Request) -> Response:
        """GET /v1: verb → its models."""
        return JSONResponse({"verbs": {verb: [one for one in names if one] for verb, names in self.verbs.items()}})

    async def scraped(self, _request: Request) -> Response:
        """GET /metrics."""
        return Response(self.metrics.page(self.pool.pids), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page(self, _request: Request) -> Response:
        """GET /."""
        text = (resources.files("mediasift.serve") / "page.html").read_text("utf-8")
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def _wants_csv(accept: str) -> bool:
    """Whether CSV is asked for, and JSON is not preferred to it."""
    wanted = [one.partition(";")[0].strip().lower() for one in accept.split(",")]
    return "text/csv" in wanted and "application/json" not in wanted[: wanted.index("text/csv")]


class Door:
    """Every request passes here: an id, the key, the time, a line in the log, and an error in one form."""

    def __init__(self, app: ASGIApp, settings: Serve, metrics: Metrics, key: str | None) -> None:
        self._app, self._metrics, self._settings = app, metrics, settings
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, began = Request(scope), time.perf_counter()
        given = request.headers.get("x-request-id", "")
        name = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        seen: dict[str, Any] = {}
        scope.setdefault("state", {})["seen"] = seen
        status = 499  # as nginx calls a client that went away

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", name.encode())]
            await send(message)

        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                if self._may(request):
                    await self._app(scope, receive, answer)
                else:
                    refusal = Refused(401, "a key is needed: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})
                    await refused(request, refusal)(scope, receive, answer)
        except TimeoutError:
            message = f"no answer within {self._settings.request_timeout_s:g} s (--request-timeout)"
            await refused(request, Refused(504, message))(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            verb = seen.get("verb", "")
            self._metrics.requests.labels(verb, str(status)).inc()
            self._metrics.seconds.labels(verb).observe(seconds)
            if self._settings.log_requests:
                log("request", id=name, method=scope["method"], path=scope["path"], status=status,
                    seconds=round(seconds, 6), **seen)  # fmt: skip

    def _may(self, request: Request) -> bool:
        if self._key is None or request.url.path in OPEN or request.method == "OPTIONS":
            return True
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        return hmac.compare_digest(given.encode("latin-1", "replace"), self._key)


def refused(_request: Request, error: Exception) -> Response:
    """An error as JSON."""
    if isinstance(error, Refused):
        return JSONResponse({"error": str(error)}, error.status, error.headers)
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    return JSONResponse({"error": "a bug in the service; its log says more"}, 500)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)


def made(settings: Serve, pool: Pool, metrics: Metrics, key: str | None) -> ASGIApp:
    """The application."""
    api = Api(settings, pool, metrics)
    metrics.describe(pool.models)
    app: ASGIApp = Starlette(
        routes=[
            Route("/", api.page),
            Route("/v1", api.listing),
            Route("/v1/{verb}", api.verb, methods=["POST"]),
            Route("/metrics", api.scraped),
            *routes(api),
        ],
        exception_handlers={Refused: refused, HTTPException: refused, ClientDisconnect: _gone},
    )
    if settings.allow_origin:
        app = CORSMiddleware(
            app, allow_origins=settings.allow_origin, allow_methods=("GET", "POST"), allow_headers=("*",)
        )
    return Door(app, settings, metrics, key)
