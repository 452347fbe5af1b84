"""How should a graph take pictures? The same network as uint8 NHWC, float32 NHWC and float32 NCHW, end to end.

python -m training.resnet50 export --weights none --input FORM -o FOLDER/FORM.onnx     # for each form
python -m benchmarks.bench_input_forms PHOTOS FOLDER [ROUNDS]
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import mediasift as ms
from benchmarks.measure import alternate, ratios, save
from training.architectures import FORMS


def main() -> None:
    """Compare the labels, then the speed."""
    photos, folder = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    models = {form: ms.load_model(Path(folder) / f"{form}.onnx") for form in FORMS}
    labels_of = {form: [row.label_id for row in ms.classify(photos, model=model)] for form, model in models.items()}
    first = next(iter(labels_of.values()))
    for form, labels in labels_of.items():
        same = sum(a == b for a, b in zip(labels, first, strict=True))
        print(f"{form}: {same} of {len(first)} labels equal")
        if same < 0.97 * len(first):
            raise SystemExit("the files do not say the same; no ratio is meant then")

    def run(form: str) -> int:
        return sum(1 for _ in ms.classify(photos, model=models[form]))

    measured = alternate({form: partial(run, form) for form in FORMS}, rounds)
    result = {"pictures": len(first), "measured": measured, "ratios": ratios(measured, "float32-nchw")}
    print(result["ratios"])
    save("bench_input_forms", result, "onnxruntime", "numpy", "opencv-python-headless")


if __name__ == "__main__":
    main()
