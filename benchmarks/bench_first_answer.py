"""The first answer: `mediasift classify one.png -m fashion-mlp`, whole process, against the script that Keras needs.

    python -m benchmarks.bench_first_answer [PICTURE] [--rounds 15]

Both programs start, read one picture of a garment, say its label and end. The Keras script reads the picture with
Keras' own functions, and gets the very weights of fashion-mlp in a `.keras` file. Needs the training extra.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

from benchmarks.measure import alternate, goal, median, ratios, save
from mediasift.engines.onnx.registry import find_model
from training import fashion_mlp
from training.datasets import SOURCES

OURS, KERAS = "mediasift classify one.png -m fashion-mlp", "Keras script"
LIBRARIES = "python -c 'import numpy, onnxruntime'"
LABELS = SOURCES["fashion-mnist"].labels
SCRIPT = """
import sys
import keras

model = keras.models.load_model(sys.argv[1])
picture = keras.utils.load_img(sys.argv[2], color_mode="grayscale", target_size=(28, 28))
scores = model.predict(keras.utils.img_to_array(picture)[None, :, :, 0] / 255, verbose=0)[0]
print(sys.argv[3].split(",")[scores.argmax()], scores.max())
"""


def saved_network(path: Path) -> None:
    """The weights of our fashion-mlp in Keras' own format."""
    import onnx
    from onnx import numpy_helper

    network = fashion_mlp.build()
    weights = [numpy_helper.to_array(one) for one in onnx.load(find_model("fashion-mlp")).graph.initializer]
    by_shape = {one.shape: one for one in weights if one.dtype == np.float32 and one.size > 1}
    network.set_weights([by_shape[one.shape] for one in network.get_weights()])
    network.save(path)


def answer(command: list[str]) -> str:
    """What a program prints."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def once(command: list[str]) -> int:
    """One answer."""
    answer(command)
    return 1


def slowest_imports(command: list[str]) -> str:
    """The three modules whose import takes longest, by Python's own `-X importtime`, what they import included."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]], capture_output=True, text=True, check=True
    )
    lines = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if "|" in line]
    times = [(int(total), name.strip()) for _, total, name in lines if total.strip().isdigit()]
    longest = [one for one in sorted(times, reverse=True) if "." not in one[1]][:3]
    return ", ".join(f"{name} {microseconds / 1e6:.2f} s" for microseconds, name in longest)


@click.command()
@click.argument(
    "picture", default=Path("examples/garments/bag.png"), type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--rounds", default=15, show_default=True)
def main(picture: Path, rounds: int) -> None:
    """Measure and write results/bench_first_answer.json."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        saved_network(place / "fashion-mlp.keras")
        (place / "script.py").write_text(SCRIPT)
        ours = [sys.executable, "-m", "mediasift", "classify", str(picture), "-m", "fashion-mlp", "--format", "jsonl"]
        theirs = [sys.executable, str(place / "script.py"), str(place / "fashion-mlp.keras"), str(picture),
                  ",".join(LABELS)]  # fmt: skip
        libraries = [sys.executable, "-c", "import numpy, onnxruntime"]
        answered, expected = json.loads(answer(ours)), answer(theirs)
        label, score = expected.rsplit(maxsplit=1)
        if answered["label"] != label:
            raise SystemExit(f"ours says {answered}, Keras {expected}: no ratio is meant then")
        lines = {OURS: ours, KERAS: theirs, LIBRARIES: libraries}
        contestants = {title: functools.partial(once, line) for title, line in lines.items()}
        measured = alternate(contestants, rounds)
        imports = slowest_imports([*ours, "--quiet"])
    seconds = {title: round(1 / median(measured, title), 3) for title in measured}
    same = f"both say {label}, with {answered['score']:.4f} and, from its nearest pixels, {float(score):.4f}"
    result = {
        "what": "a whole process from start to the printed label of one picture; answers per second",
        "goals": [
            goal("first answer of `mediasift classify one.png -m fashion-mlp`", KERAS, ratios(measured, KERAS)[OURS],
                 at_least=8.0, aim_for=20.0, agreement=same,
                 why=f"{seconds[OURS]} s, of which Python with numpy and onnxruntime alone needs "
                 f"{seconds[LIBRARIES]} s; slowest imports: {imports}"),
        ],
        "speed": {"measured": measured, "ratio_to_keras": ratios(measured, KERAS), "seconds": seconds},
        "agreement": same,
    }  # fmt: skip
    save("bench_first_answer", result, "onnxruntime", "opencv-python-headless", "tensorflow", "keras", "numpy")


if __name__ == "__main__":
    main()
