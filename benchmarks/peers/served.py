"""Other servers of the same model, run with the Python of their own environment.

`{"kind": "fastapi" | "threads" | "litserve", "model": PATH, "threads": N}` in; `{"port": N}` out, when it answers. All
decode with Pillow, prepare with numpy and call ONNX Runtime, as their documentation shows it: FastAPI in an `async def`
with a session as it comes, or in its threads with a session made for them; LitServe in batches of 8.
"""

import base64
import io
import json
import socket
import subprocess
import sys
import time
import urllib.request
from typing import Any

import litserve as ls
import numpy as np
import onnxruntime as ort
from fastapi import Request
from PIL import Image


def prepared(data: bytes) -> Any:
    """float32 (3, 224, 224): shorter side 256, the middle, (x - 127) / 128."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = picture.size
    size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))[top : top + 224, left : left + 224]
    return np.ascontiguousarray(((pixels.astype(np.float32) - 127) / 128).transpose(2, 0, 1))


def session(model: str, threads: int) -> Any:
    """Of the model, without threads that spin, as other threads need the cores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def fastapi(model: str, _threads: int, port: int) -> None:
    """The server that FastAPI's first steps lead to: an `async def` that computes, with all defaults."""
    import uvicorn
    from fastapi import FastAPI

    app, own = FastAPI(), ort.InferenceSession(model)
    name = own.get_inputs()[0].name

    @app.get("/health")
    async def health() -> str:
        return "ok"

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, int]:
        return {"label": int(own.run(None, {name: prepared(await request.body())[None]})[0][0].argmax())}

    uvicorn.run(app, port=port, log_level="error")


def threads(model: str, threads: int, port: int) -> None:
    """The same for somebody who knows both libraries: in FastAPI's threads, and without threads that spin."""
    import uvicorn
    from fastapi import Body, FastAPI

    app, own = FastAPI(), session(model, threads)
    name = own.get_inputs()[0].name

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/predict")
    def predict(data: bytes = Body(media_type="application/octet-stream")) -> dict[str, int]:
        return {"label": int(own.run(None, {name: prepared(data)[None]})[0][0].argmax())}

    uvicorn.run(app, port=port, log_level="error")


class Api(ls.LitAPI):
    """The model as LitServe wants it; pictures come as base64 in JSON, as in its documentation."""

    def __init__(self, model: str, threads: int) -> None:
        super().__init__(max_batch_size=8, batch_timeout=0.005)
        self._model, self._threads = model, threads

    def setup(self, device: Any) -> None:  # noqa: ARG002  (as LitServe calls it)
        """In its worker."""
        self.session = session(self._model, self._threads)
        self.name = self.session.get_inputs()[0].name

    def decode_request(self, request: Request) -> Any:
        """One picture."""
        return prepared(base64.b64decode(request["image"]))

    def batch(self, inputs: Any) -> Any:
        """Several of them."""
        return np.stack(inputs)

    def predict(self, batch: Any) -> Any:
        """Number of the best label of each."""
        return self.session.run(None, {self.name: batch})[0].argmax(axis=1)

    def unbatch(self, output: Any) -> Any:
        """Each alone."""
        return list(output)

    def encode_response(self, output: Any) -> dict[str, int]:
        """The answer."""
        return {"label": int(output)}


def litserve(model: str, threads: int, port: int) -> None:
    """LitServe."""
    ls.LitServer(Api(model, threads), accelerator="cpu").run(port=port, log_level="error", generate_client_file=False)


def started(kind: str, model: str, threads: int) -> tuple[Any, int]:
    """The port of a server in a process of its own, which ends with this one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, kind, model, str(threads), str(port)], stdout=sys.stderr)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
            return process, port
        except OSError:
            time.sleep(0.1)
            if process.poll() is not None:
                break
    raise SystemExit(f"{kind} does not answer")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        {"fastapi": fastapi, "threads": threads, "litserve": litserve}[sys.argv[1]](
            sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
        )
        raise SystemExit
    processes = []
    for line in sys.stdin:
        request = json.loads(line)
        process, port = started(request["kind"], request["model"], request["threads"])
        processes.append(process)
        print(json.dumps({"port": port}), flush=True)
    for process in processes:
        process.terminate()
