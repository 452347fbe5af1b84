"""The first answer, and `--help`: whole programs from start to end, beside the script that Keras needs.

    python -m benchmarks.bench_start [--quick]

Both answer for one picture of a garment with the very weights of fashion-mlp. Needs the extra `training`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from benchmarks.harness import LOOPS, ROOT, Result, Row, Versus, alternate, equal, mediasift, program, run, versus
from benchmarks.material import column
from mediasift.engines.onnx.registry import find_model
from training import fashion_mlp
from training.datasets import SOURCES

OURS, KERAS, LIBRARIES = "mediasift classify bag.png -m fashion-mlp", "Keras, a script", "import numpy, onnxruntime"
HELP, HELP_S = "mediasift --help", 0.3


def saved_network(path: Path) -> None:
    """The weights of our fashion-mlp in Keras' own format."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import onnx
    from onnx import numpy_helper

    network = fashion_mlp.build()
    weights = [numpy_helper.to_array(one) for one in onnx.load(find_model("fashion-mlp")).graph.initializer]
    by_shape = {one.shape: one for one in weights if one.dtype == np.float32 and one.size > 1}
    network.set_weights([by_shape[one.shape] for one in network.get_weights()])
    network.save(path)


def measure(folder: Path, quick: bool) -> Result:
    """Both say the same label."""
    picture, ours, theirs, model = (
        ROOT / "examples" / "garments" / "bag.png", folder / "ours.csv", folder / "theirs.csv", folder / "mlp.keras",
    )  # fmt: skip
    saved_network(model)
    work = {
        OURS: mediasift("classify", picture, "-m", "fashion-mlp", "-o", ours, "--restart"),
        KERAS: program(*LOOPS, "keras_one", picture, theirs, model),
        LIBRARIES: program(sys.executable, "-P", "-c", LIBRARIES),
        HELP: program(sys.executable, "-P", "-m", "mediasift", "--help"),
    }
    timings = alternate(work, 1, 2 if quick else 7)
    label = SOURCES["fashion-mnist"].labels[int(column(theirs, "label")[0])]
    same = equal(column(ours, "label"), [label])
    rows = [
        Row(what="first answer: classify one.png -m fashion-mlp", peer=versus(timings, OURS, KERAS, 8.0),
            limit=versus(timings, OURS, LIBRARIES), outputs=same),
        Row(what=HELP, limit=Versus(HELP_S * timings[HELP]["per_second"], f"{HELP_S} s, which it may take", 1.0)),
    ]  # fmt: skip
    return Result(what="whole programs from start to end", rows=rows, timings={"one answer": timings},
                  packages=("onnxruntime", "tensorflow", "keras", "numpy"))  # fmt: skip


if __name__ == "__main__":
    run("start", measure)
