"""OpenVINO's own runtime, in an environment of its own: reads requests as lines of JSON, answers each with a line.

Photographs are read by a pool of threads and computed by its own queue of requests, with its hint for throughput.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino as ov
from PIL import Image, ImageOps


def read(file: str, size: int) -> np.ndarray:
    """The largest square in the middle of a photograph, uint8 (size, size, 3) RGB."""
    with Image.open(file) as picture:
        return np.asarray(ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.BILINEAR))


class Model:
    """A compiled model and its queue."""

    def __init__(self, path: str, *, hint: str, cores: int) -> None:
        options = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": cores}
        self.compiled = ov.Core().compile_model(path, "CPU", options)
        self.queue = ov.AsyncInferQueue(self.compiled)
        self.answers: dict[int, np.ndarray] = {}
        self.queue.set_callback(
            lambda request, key: self.answers.__setitem__(key, request.output_tensors[0].data.copy())
        )
        self.cores = cores

    def classify(self, files: list[str], *, batch: int, size: int) -> np.ndarray:
        """Scores of the photographs, float32 (N, labels)."""
        starts = range(0, len(files), batch)
        with ThreadPoolExecutor(self.cores) as pool:
            pictures = pool.map(lambda file: read(file, size), files)
            for start in starts:
                self.queue.start_async(np.stack([next(pictures) for _ in files[start : start + batch]]), start)
            self.queue.wait_all()
        return np.concatenate([self.answers[start] for start in starts])

    def infer(self, inputs: np.ndarray, *, times: int, waiting: bool) -> np.ndarray:
        """The same batch so many times, one after another or as many at once as the queue takes."""
        if waiting:
            for _ in range(times):
                (scores,) = self.compiled(inputs).values()
            return np.asarray(scores)
        for turn in range(times):
            self.queue.start_async(inputs, turn)
        self.queue.wait_all()
        return self.answers[0]


def main() -> None:
    """Answer until the end of the input."""
    models: dict[str, Model] = {}
    for line in sys.stdin:
        request = json.loads(line)
        kind, name, result = request.pop("do"), request.pop("name"), request.pop("result", None)
        if kind == "load":
            models[name] = Model(**request)
            answer = {
                "version": ov.__version__,
                "precision": models[name].compiled.get_property("INFERENCE_PRECISION_HINT").to_string(),
                "requests": len(models[name].queue),
            }
        else:
            if "inputs" in request:
                request["inputs"] = np.load(request["inputs"])
            np.save(result, getattr(models[name], kind)(**request))
            answer = {}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
