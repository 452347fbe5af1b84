"""Pretrained networks as ONNX files, and fine-tuning them: `python -m training.resnet50 export|finetune --help`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.recipe import arrange
from mediasift.engines.onnx.registry import entries, entry_description
from mediasift.sources.labelled import read_labelled
from mediasift.system.optional import require
from mediasift.train.pictures import set_sha256
from training.architectures import (
    ARCHITECTURES,
    FORMS,
    base_network,
    plain_input,
    start_keras,
    with_preprocessing,
)
from training.command import TrainingCommand, check_output, output_option, recorded, seed_option
from training.export import export, origin
from training.finetuning import Augmentation, Plan, answer, build, fit
from training.pictures import Part, load, split_in_three

GATE_ROWS = 64
"""Held-out pictures that the written file is compared on."""
TOLERANCE = 1e-4
"""Of probabilities. Fifty convolutions in float32, summed in another order, differ by some 1e-6 to 1e-5."""
PACKAGES = ("numpy", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")

architecture_option = click.option(
    "--architecture", default="resnet50", show_default=True, type=click.Choice(list(ARCHITECTURES))
)
weights_option = click.option(
    "--weights", default="imagenet", show_default=True, help="imagenet, none, or a file of them (.h5 or .pth)."
)
form_option = click.option(
    "--input",
    "form",
    default="uint8-nhwc",
    show_default=True,
    type=click.Choice(list(FORMS)),
    help="What the file takes.",
)


def given_inputs(pictures: np.ndarray, wanted: InputDescription) -> np.ndarray:
    """The graph's input from pictures of its size, uint8 (N, H, W, 3)."""
    return np.stack([arrange(picture, wanted) for picture in pictures])


def drawn_pictures(size: int, *, count: int = 16, seed: int = 0) -> np.ndarray:
    """Smooth pictures of random colours, uint8 (N, size, size, 3): for the gate where no photographs are named."""
    from mediasift.media.pictures.transforms import resize

    coarse = np.random.default_rng(seed).integers(0, 256, (count, 7, 7, 3), dtype=np.uint8)
    return np.stack([resize(picture, size, size, "bicubic") for picture in coarse])


ELSEWHERE = (
    "AlexNet, GoogLeNet, ResNet18, ResNet34 and SENet are not among Keras' networks: the table in training/README.md, "
    '"Which network is where", names the file of each and the line that describes it.'
)


@click.group(epilog=ELSEWHERE)
def main() -> None:
    """Write a pretrained network as an ONNX file, or fine-tune it on one's own pictures."""


@main.command("export", cls=TrainingCommand, epilog=ELSEWHERE)
@architecture_option
@weights_option
@form_option
@seed_option
@output_option
@click.pass_context
def export_(ctx: click.Context, architecture: str, weights: str, form: str, seed: int, output: Path) -> None:
    """Write a network of 1,000 ImageNet labels as an ONNX file that takes plain RGB pictures."""
    check_output(output)
    start_keras()
    import keras

    from training.keras_onnx import keras_to_onnx

    keras.utils.set_random_seed(seed)
    model = with_preprocessing(architecture, base_network(architecture, weights=weights))
    chosen = ARCHITECTURES[architecture]
    wanted = plain_input(chosen.size, form, chosen.resample)
    pictures = drawn_pictures(wanted.width, seed=seed)
    names = entry_description(entries()["resnet50-v1-12"])
    description = ModelDescription(
        task="classify",
        labels=names.labels,
        label_ids=names.label_ids,
        input=wanted,
        output=OutputDescription(values="probabilities", name="probabilities"),
        provenance=origin(
            "ImageNet-1k" if weights != "none" else "none: random weights",
            "",
            rows=(0, 0),
            command=recorded(ctx, "python -m training.resnet50 export"),
            seed=seed,
            packages=PACKAGES,
            architecture=architecture,
        ),
        tolerance=TOLERANCE,
    )
    print(f"{model.count_params():,} parameters; writing the graph ...", flush=True)
    _write(keras_to_onnx, model, description, output, pictures)


def _write(convert: Any, model: Any, description: ModelDescription, output: Path, pictures: np.ndarray) -> None:
    wanted = description.input
    agreement = export(
        convert(model, dtype=wanted.dtype, channels_first=wanted.layout == "NCHW"),
        description=description,
        output=output,
        inputs=given_inputs(pictures, wanted),
        expected=model.predict(pictures.astype(np.float32), batch_size=16, verbose=0),
    )
    print(f"ONNX Runtime: all {agreement.rows} labels equal, scores within {agreement.max_difference:.1e}")
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


@main.command("finetune", cls=TrainingCommand)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder with a folder per label, or a .csv (path, label).",
)
@architecture_option
@weights_option
@form_option
@click.option("--size", type=click.IntRange(32, 1024), help="Side of the input, pixels.  [default: the network's own]")
@click.option(
    "--epochs", default=10, show_default=True, type=click.IntRange(1), help="At most, with the network frozen."
)
@click.option(
    "--top-epochs", default=5, show_default=True, type=click.IntRange(0), help="At most, with its last block."
)
@click.option("--patience", default=3, show_default=True, type=click.IntRange(1), help="Rounds without a better loss.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(1))
@click.option("--rotate", default=20.0, show_default=True, help="Turn by up to so many degrees; the book has 45.")
@click.option("--flip/--no-flip", default=True, show_default=True, help="Mirror left and right.")
@click.option("--crop", default=0.1, show_default=True, type=click.FloatRange(0, 0.5), help="Move by up to this share.")
@click.option("--zoom", default=0.1, show_default=True, type=click.FloatRange(0, 0.9), help="Enlarge or shrink by it.")
@click.option("--brightness", default=0.1, show_default=True, type=click.FloatRange(0, 1), help="Change by up to it.")
@click.option("--class-weights/--no-class-weights", default=True, show_default=True, help="Rare labels count more.")
@seed_option
@output_option
@click.pass_context
def finetune(
    ctx: click.Context, /, data: Path, architecture: str, weights: str, form: str, output: Path, **given: Any
) -> None:
    """Teach a pretrained network one's own labels and write it as an ONNX file."""
    check_output(output)
    start_keras()
    require("sklearn", extra="training")
    from training.keras_onnx import keras_to_onnx

    labelled = read_labelled(data)
    chosen = ARCHITECTURES[architecture]
    wanted = plain_input(given["size"] or chosen.size, form, chosen.resample)
    pictures, positions = load(labelled, wanted)
    parts = split_in_three(labelled, positions, seed=given["seed"])
    place = {labelled.files[position]: row for row, position in enumerate(positions)}
    train, validation, test = (
        (pictures[[place[file] for file in half.files]], answer(half, multilabel=labelled.multilabel)) for half in parts
    )
    base = base_network(architecture, weights=weights, size=wanted.width, top=False)
    augmentation = Augmentation(**{name: given[name] for name in ("rotate", "flip", "crop", "zoom", "brightness")})
    plan = Plan(
        **{name: given[name] for name in ("epochs", "top_epochs", "patience", "batch_size", "class_weights", "seed")}
    )
    model = build(architecture, base, outputs=train[1].shape[1] if train[1].ndim == 2 else len(labelled.classes),
                  single=train[1].ndim == 1, augmentation=augmentation, seed=given["seed"])  # fmt: skip
    fit(model, base, chosen.top_block, train, validation, plan=plan)
    metrics = _scores(model, test)
    for name, value in metrics.items():
        print(f"{name} {value:.4f} on {len(test[0])} held-out pictures")
    description = _describe(
        labelled, parts, wanted, metrics, train[1],
        sha256=set_sha256(labelled), architecture=architecture,
        command=recorded(ctx, "python -m training.resnet50 finetune"), seed=given["seed"],
    )  # fmt: skip
    _write(keras_to_onnx, model, description, output, test[0][:GATE_ROWS])


def _scores(model: Any, test: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    probabilities = model.predict(test[0].astype(np.float32), batch_size=16, verbose=0)
    if test[1].ndim == 1:
        return {"test_accuracy": float((probabilities.argmax(axis=1) == test[1]).mean())}
    return {"test_accuracy": float(((probabilities > 0.5) == (test[1] > 0.5)).mean())}


def _describe(
    labelled: Any,
    parts: tuple[Part, Part, Part],
    wanted: InputDescription,
    metrics: dict[str, float],
    answers: np.ndarray,
    *,
    sha256: str,
    **how: Any,
) -> ModelDescription:
    """What the file says of itself."""
    train, validation, test = parts
    kind: Literal["single", "binary", "multilabel"]
    kind = "multilabel" if labelled.multilabel else "single" if answers.ndim == 1 else "binary"
    return ModelDescription(
        task="classify",
        labels=labelled.classes,
        input=wanted,
        output=OutputDescription(values="probabilities", kind=kind, name="probabilities"),
        provenance=origin(
            labelled.name,
            sha256,
            rows=(len(train.files), len(test.files)),
            packages=PACKAGES,
            validation_rows=len(validation.files),
            **how,
        ),
        metrics=metrics,
        tolerance=TOLERANCE,
    )


if __name__ == "__main__":
    main()
