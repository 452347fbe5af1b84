"""The Open Inference Protocol, version 2, with its extension for binary tensors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md

A model takes the tensor that its graph takes, or `image`: BYTES, files of pictures, for which `rows` holds the JSON of
the rows of each.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mediasift import __version__
from mediasift.errors import MediasiftError, did_you_mean
from mediasift.serve.answers import DATATYPES, TENSORS, listed
from mediasift.serve.requests import Picture, Refused, parsed

if TYPE_CHECKING:
    from mediasift.serve.app import Api

IMAGE, ROWS = "image", "rows"
_HEADER = "inference-header-content-length"
_VERSION = "1"

Tensor = tuple[str, str, list[int], bytes | list[Any]]
"""Name, datatype, shape, data: bytes, or strings as a list of bytes."""


class Protocol:
    """The handlers."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._models: dict[str, dict[str, Any]] = {one["name"]: one for one in api.pool.models}

    def _model(self, request: Request) -> dict[str, Any]:
        name, version = request.path_params["model"], request.path_params.get("version", _VERSION)
        if name not in self._models or version != _VERSION:
            likely = did_you_mean(name, [] if name in self._models else self._models)
            raise Refused(
                404, f"no model {name!r} of version {version} here; there is {', '.join(self._models)}{likely}"
            )
        return self._models[name]

    async def server(self, _request: Request) -> Response:
        """GET /v2."""
        about = {"name": "mediasift", "version": __version__, "extensions": ["binary_tensor_data"]}
        return JSONResponse(about)

    async def live(self, _request: Request) -> Response:
        """GET /v2/health/live: this process answers."""
        return JSONResponse({"live": True})

    async def ready(self, _request: Request) -> Response:
        """GET /v2/health/ready, /v2/models/M/ready: a worker with its models waits for work."""
        is_ready = bool(self._api.pool.pids)
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    async def model_ready(self, request: Request) -> Response:
        """GET /v2/models/M/ready."""
        self._model(request)
        return await self.ready(request)

    async def metadata(self, request: Request) -> Response:
        """GET /v2/models/M."""
        model = self._model(request)
        wanted = model["input"]
        inputs = [
            {"name": wanted["name"], "datatype": wanted["datatype"], "shape": wanted["shape"]},
            {"name": IMAGE, "datatype": "BYTES", "shape": [-1]},
        ]
        outputs = [{"name": one["name"], "datatype": DATATYPES[one["dtype"]], "shape": one["shape"]}
                   for one in model["outputs"]]  # fmt: skip
        return JSONResponse({
            "name": model["name"], "versions": [_VERSION], "platform": "onnxruntime_onnx", "inputs": inputs,
            "outputs": [*outputs, {"name": ROWS, "datatype": "BYTES", "shape": [-1]}],
        })  # fmt: skip

    async def infer(self, request: Request) -> Response:
        """POST /v2/models/M/infer."""
        model = self._model(request)
        with self._api.gate.hold(request):
            asked, binary = _split(await self._api.gate.read(request), request.headers.get(_HEADER))
            inputs = _objects(asked, "inputs")
            if len(inputs) != 1:
                raise Refused(400, f"{len(inputs)} inputs; send one, {model['input']['name']!r} or {IMAGE!r}")
            name, datatype, shape, data = _tensor(inputs[0], binary)
            if name == IMAGE and isinstance(data, list):
                outputs = await self._pictures(request, model, data, _object(asked, "parameters"))
            else:
                outputs = await self._numbers(request, model, (name, datatype, shape, data))
        return _answered(asked, model["name"], outputs)

    async def _pictures(
        self, request: Request, model: Mapping[str, Any], files: list[bytes], parameters: Mapping[str, Any]
    ) -> list[Tensor]:
        pairs = [(name, _as_text(value)) for name, value in parameters.items() if name != "binary_data_output"]
        asked = self._api.asked(model["verbs"][0], model["name"], pairs)
        parts = await self._api.rows(request, asked, [Picture("", one) for one in files])
        return [(ROWS, "BYTES", [len(parts)], [listed(part) for part in parts])]

    async def _numbers(self, request: Request, model: Mapping[str, Any], tensor: Tensor) -> list[Tensor]:
        name, datatype, shape, data = tensor
        wanted = model["input"]
        if (name, datatype) != (wanted["name"], wanted["datatype"]) or not isinstance(data, bytes):
            raise Refused(400, f"input {name!r} of {datatype}; {model['name']} takes {wanted['name']!r} of "
                               f"{wanted['datatype']}, or {IMAGE!r} of BYTES")  # fmt: skip
        if model["is_unbatched"] and shape[:1] != [1]:
            raise Refused(400, f"{model['name']} takes one picture at a time; send each in a request of its own")
        request.state.seen.update(verb=TENSORS, model=model["name"], pictures=shape[0] if shape else 0)
        order = {"verb": TENSORS, "model": model["name"], "options": [], "path": "", "kind": "json", "shape": shape}
        try:
            head, numbers = await self._api.pool.answer(order, data)
        except MediasiftError as error:
            raise Refused(400, str(error)) from error
        outputs, at = list[Tensor](), 0
        for known, one in zip(model["outputs"], head["tensors"], strict=True):
            size = int(np.prod(one["shape"])) * np.dtype(one["dtype"]).itemsize
            outputs.append((known["name"], DATATYPES[one["dtype"]], one["shape"], numbers[at : at + size]))
            at += size
        return outputs


def _split(body: bytes, length: str | None) -> tuple[dict[str, Any], bytes]:
    """The JSON of a request, and the bytes behind it."""
    if length is None:
        return parsed(body), b""
    if not (length.isascii() and length.isdigit() and int(length) <= len(body)):
        raise Refused(400, f"Inference-Header-Content-Length {length!r}: the body has {len(body)} bytes")
    return parsed(body[: int(length)]), body[int(length) :]


def _object(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name, {})
    if not isinstance(value, dict):
        raise Refused(400, f"{name} must be a JSON object")
    return value


def _objects(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = holder.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Refused(400, f"{name} must be a list of JSON objects")
    return value


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _tensor(given: Mapping[str, Any], binary: bytes) -> Tensor:
    """An input; its data are the binary ones, where it says that it has such."""
    name, datatype, shape = (given.get(one) for one in ("name", "datatype", "shape"))
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise Refused(400, f"input {name!r}: shape must be a list of whole numbers")
    count, size = int(np.prod(shape, dtype=object)), _object(given, "parameters").get("binary_data_size")
    if size is not None and size != len(binary):
        raise Refused(400, f"input {name!r}: binary_data_size is {size}, but {len(binary)} bytes follow the JSON")
    if datatype == "BYTES":
        strings = _lengths(binary) if size is not None else _base64(given.get("data"))
        if len(strings) != count:
            raise Refused(400, f"input {name!r}: {len(strings)} elements for the shape {shape}")
        return str(name), "BYTES", shape, strings
    if size is not None:
        return str(name), str(datatype), shape, binary
    return str(name), str(datatype), shape, _packed(str(name), str(datatype), given.get("data"), count)


def _packed(name: str, datatype: str, data: Any, count: int) -> bytes:
    dtypes = {known: dtype for dtype, known in DATATYPES.items()}
    try:
        numbers = np.asarray(data, dtype=np.float64).ravel()
        with np.errstate(all="raise", under="ignore"):
            array = numbers.astype(dtypes[datatype])
    except (KeyError, ValueError, TypeError, OverflowError, FloatingPointError) as error:
        raise Refused(400, f"input {name!r}: the data are no numbers of {datatype} ({error})") from error
    if len(array) != count or (array.dtype.kind in "iu" and not np.array_equal(array, numbers)):
        raise Refused(400, f"input {name!r}: {len(array)} numbers of {datatype} are needed in its shape; {count} fit")
    return array.tobytes()


def _lengths(binary: bytes) -> list[bytes]:
    """Strings, each behind its length, 4 bytes, little-endian."""
    strings, at = list[bytes](), 0
    while at < len(binary):
        end = at + 4 + int.from_bytes(binary[at : at + 4], "little")
        if end > len(binary):
            raise Refused(400, "the last element of BYTES ends behind the body")
        strings.append(binary[at + 4 : end])
        at = end
    return strings


def _base64(data: Any) -> list[bytes]:
    try:
        return [base64.b64decode(one, validate=True) for one in data]
    except (TypeError, ValueError) as error:
        raise Refused(400, f"BYTES in JSON must be a list of files in base64 ({error})") from error


def _answered(asked: Mapping[str, Any], model: str, outputs: Sequence[Tensor]) -> Response:
    """The answer with the outputs that are asked for, or all; in JSON, or binary where that is asked for."""
    wanted = {str(one.get("name")): _object(one, "parameters") for one in _objects(asked, "outputs")}
    if missing := [name for name in wanted if name not in [output[0] for output in outputs]]:
        raise Refused(400, f"no output {missing[0]!r} for this input; there is {', '.join(one[0] for one in outputs)}")
    all_binary = _object(asked, "parameters").get("binary_data_output", False)
    described, binary = list[dict[str, Any]](), list[bytes]()
    for name, datatype, shape, data in outputs:
        if wanted and name not in wanted:
            continue
        one: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
        if wanted.get(name, {}).get("binary_data", all_binary):
            raw = data if isinstance(data, bytes) else b"".join(struct.pack("<I", len(each)) + each for each in data)
            one["parameters"] = {"binary_data_size": len(raw)}
            binary.append(raw)
        elif isinstance(data, list):
            one["data"] = [each.decode() for each in data]
        else:
            dtypes = {known: dtype for dtype, known in DATATYPES.items()}
            one["data"] = np.frombuffer(data, dtypes[datatype]).tolist()
        described.append(one)
    answer = {"model_name": model, "model_version": _VERSION, "outputs": described}
    if "id" in asked:
        answer["id"] = str(asked["id"])
    text = json.dumps(answer).encode()
    if not binary:
        return Response(text, media_type="application/json")
    return Response(b"".join([text, *binary]), media_type="application/octet-stream", headers={_HEADER: str(len(text))})


def routes(api: Api) -> list[Route]:
    """All paths of the protocol."""
    own, routed = Protocol(api), list[Route]()
    for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routed += [
            Route(base, own.metadata), Route(f"{base}/ready", own.model_ready),
            Route(f"{base}/infer", own.infer, methods=["POST"]),
        ]  # fmt: skip
    return [
        Route("/v2", own.server), Route("/v2/health/live", own.live), Route("/v2/health/ready", own.ready), *routed,
    ]  # fmt: skip
