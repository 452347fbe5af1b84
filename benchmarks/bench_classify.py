"""How fast `classify` is beside its own parts, the plain loop and Keras' own way: ResNet50, random weights.

    python -m benchmarks.bench_classify PHOTOS [--rounds 3]

PHOTOS is a folder of JPEG photographs. Needs the training extra.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import onnxruntime as ort
from PIL import Image

import mediasift as ms
from benchmarks.measure import alternate, ratios, save
from mediasift.media.readers import ReadOptions, read_source
from mediasift.media.sources import Inputs, Skipped, find_sources
from mediasift.models.describe import write_sidecar
from mediasift.models.description import InputDescription, ModelDescription, OutputDescription
from mediasift.models.providers import available_cores
from mediasift.models.recipe import prepare, smallest_size
from mediasift.models.session import load_model
from training.keras_onnx import keras_to_onnx

BATCH = 8
RECIPE = InputDescription(
    width=224,
    height=224,
    fit="crop",
    shorter_side=256,
    resample="bilinear",
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    layout="NHWC",
)
END_TO_END, LOOP, KERAS = "mediasift classify", "plain loop: Pillow + onnxruntime, batch 1", "Keras dataset + predict"


def exported(folder: Path) -> tuple[object, Path]:
    """A Keras ResNet50 with random weights, and the same as a described ONNX file."""
    import keras

    keras.utils.set_random_seed(0)
    network = keras.applications.ResNet50(weights=None)
    path = folder / "resnet50.onnx"
    path.write_bytes(keras_to_onnx(network).SerializeToString())
    labels = tuple(f"class {number}" for number in range(1000))
    output = OutputDescription(values="probabilities")
    write_sidecar(path, ModelDescription(task="classify", input=RECIPE, output=output, labels=labels))
    return network, path


def contestants(photos: Path, network: object, path: Path) -> dict[str, Callable[[], int]]:
    """Name → one pass over all photos."""
    files = [source.file for source in find_sources(Inputs(named=[photos]), Skipped()) if source.file]
    model = load_model(path)
    batch = np.random.default_rng(0).random((BATCH, 224, 224, 3), dtype=np.float32)

    def end_to_end() -> int:
        return sum(1 for _ in ms.classify(photos, model=model, batch_size=BATCH))

    def decoding() -> int:
        def read(source):
            for item in read_source(source, "pictures", ReadOptions(), needs=smallest_size(RECIPE)):
                prepare(item.image, RECIPE)

        with ThreadPoolExecutor(available_cores()) as pool:
            return len(list(pool.map(read, find_sources(Inputs(named=[photos]), Skipped()))))

    def inference() -> int:
        for _ in range(0, len(files), BATCH):
            model.run(batch)
        return -(-len(files) // BATCH) * BATCH

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    mean, std = np.array(RECIPE.mean, np.float32), np.array(RECIPE.std, np.float32)

    def plain_loop() -> int:
        for file in files:
            picture = Image.open(file).convert("RGB")
            factor = 256 / min(picture.size)
            size = (round(picture.width * factor), round(picture.height * factor))
            picture = picture.resize(size, Image.Resampling.BILINEAR)
            left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
            pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32) / 255
            session.run(None, {session.get_inputs()[0].name: ((pixels - mean) / std)[None]})
        return len(files)

    def keras_way() -> int:
        import keras

        dataset = keras.utils.image_dataset_from_directory(
            photos, labels=None, image_size=(224, 224), batch_size=BATCH, crop_to_aspect_ratio=True, shuffle=False,
            verbose=False,
        )  # fmt: skip
        return len(network.predict(dataset, verbose=0))

    return {END_TO_END: end_to_end, "decoding alone": decoding, "inference alone": inference, LOOP: plain_loop,
            KERAS: keras_way}  # fmt: skip


@click.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", default=3, show_default=True)
def main(photos: Path, rounds: int) -> None:
    """Measure and write results/bench_classify.json."""
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "photos"  # Keras reads .jpg, .jpeg, .png by suffix and is case-sensitive
        named.mkdir()
        for number, file in enumerate(sorted(photos.iterdir())):
            (named / f"{number:05}.jpg").symlink_to(file.resolve())
        network, path = exported(Path(folder))
        measured = alternate(contestants(named, network, path), rounds)
    result = {
        "what": "ResNet50 with random weights, float32, CPU, batch 8; pictures per second",
        "pictures": len(list(photos.iterdir())),
        "measured": measured,
        "ratio_to_plain_loop": ratios(measured, LOOP),
        "ratio_to_keras": ratios(measured, KERAS),
    }
    save("bench_classify", result, "onnxruntime", "opencv-python-headless", "pillow", "tensorflow", "keras", "numpy")


if __name__ == "__main__":
    main()
