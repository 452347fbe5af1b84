"""What all tests share: the test data, skips that fail in continuous integration, and a described model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.labels import read_labels
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.registry import entries, exported_models
from tests.stand_ins import make

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("MEDIASIFT_CI", "")
"""`1`: nothing may be skipped. `fetched`: only what needs test data that `tests.fetch_data` cannot fetch."""

WHOLE = bool(os.environ.get("MEDIASIFT_EXAMPLES"))
"""As in the nightly run, what takes long is tried whole; else a sample of it."""

settings.register_profile(
    "mediasift",
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(IN_CI),  # there, the same code gives the same result; elsewhere, new examples
)
settings.load_profile("mediasift")


def skip(reason: str, *, lacks_data: bool = False) -> NoReturn:
    """Skip, or fail where this may not be skipped."""
    if IN_CI and not (lacks_data and IN_CI == "fetched"):
        pytest.fail(f"may not be skipped in CI: {reason}")
    pytest.skip(reason)


LONG = [
    "tasks/test_ocr", "test_docs_lines", "tasks/test_transcribe", "training/test_resnet50", "cli/test_no_surprises",
    "media/video/test_determinism", "run/test_supervisor", "run/test_killed", "run/test_crash", "cli/test_bench",
    "training/test_lite0_keras", "tasks/test_classify", "run/test_watch", "demo/test_tour", "train/test_train",
    "run/test_cluster", "cli/test_mistakes", "tasks/test_timeline", "tasks/test_tag", "serve/test_app",
    "bench/test_comparison", "bench/test_load", "sources/test_remote", "run/test_hostile",
    "engines/speech/test_pocketsphinx", "engines/speech/test_whisper", "training/test_fashion_mlp",
]  # fmt: skip
"""Files of tests that take long, the longest first; begun last, one of them would leave the other processes idle."""


def _place(item: pytest.Item) -> int:
    name = item.path.relative_to(ROOT / "tests").with_suffix("").as_posix()
    return LONG.index(name) if name in LONG else len(LONG)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first. What needs an accelerator is left out, unless asked for: `pytest -m gpu`, MEDIASIFT_GPU=1."""
    items.sort(key=_place)
    if os.environ.get("MEDIASIFT_GPU") != "1" and "gpu" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("gpu")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


class DataFolder(type(Path())):  # type: ignore[misc]
    """The test data, or what stands in for some of it; asking for what is not there skips the test."""

    def __truediv__(self, part: str) -> Path:
        path = Path(self) / part
        if not path.exists():
            skip(f"no {path.name} among the test data: python -m tests.fetch_data FOLDER", lacks_data=True)
        return DataFolder(path) if path.is_dir() else path


@pytest.fixture(scope="session")
def test_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the test data; without one, or with an empty one, drawn stand-ins, see `tests.stand_ins`."""
    folder = DataFolder(os.environ.get("MEDIASIFT_TEST_DATA", ROOT.parent / "shared" / "data"))
    return (
        folder
        if folder.is_dir() and any(folder.iterdir())
        else DataFolder(make(tmp_path_factory.mktemp("data") / "data"))
    )


@pytest.fixture
def package():
    """Imports an optional package, or skips with the line to type."""

    def require(name: str, extra: str):
        try:
            return __import__(name)
        except ImportError:
            return skip(f"{name} is not installed: pip install 'mediasift[{extra}]'")

    return require


IMAGENET_INPUT = InputDescription(
    width=224,
    height=224,
    fit="crop",
    shorter_side=256,
    resample="bilinear",
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


@pytest.fixture(scope="session")
def mobilenet(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ImageNet classifier of the test data with a sidecar beside it, in a folder of its own."""
    path = tmp_path_factory.mktemp("models") / "mobilenetv2-12-int8.onnx"
    shutil.copyfile(test_data / "models" / path.name, path)
    labels, ids = read_labels(test_data / "models" / "imagenet_class_index.json")
    description = ModelDescription(
        task="classify",
        input=IMAGENET_INPUT,
        output=OutputDescription(values="logits"),
        labels=labels,
        label_ids=ids,
    )
    describe_model(path, description)
    return path


@pytest.fixture(scope="session")
def photo_model() -> Path:
    """The classifier of photographs, which an editable install makes; where it is absent, it is made here."""
    from training import lite0
    from training.lite0_weights import LiteError

    made = exported_models() / lite0.FILES["int8"]
    if not made.is_file() or sha256(made) not in entries()[made.stem].sizes:  # or of an earlier state of the checkout
        try:
            lite0.make(exported_models())
        except LiteError as error:
            skip(f"{error}; then type: python -m training.lite0")
    return made
