"""What the training tests share: the two data sets, a tiny one, and skips where the training libraries are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediasift.errors import MissingPackage
from mediasift.system.optional import require
from tests.conftest import skip
from tests.training import idx
from training.datasets import Dataset, load


def needs(*packages: str) -> None:
    """Skip with the line to type, unless these packages are installed."""
    try:
        for package in packages:
            require(package, extra="training")
    except MissingPackage as error:
        skip(str(error))


@pytest.fixture(scope="session")
def scikit_learn() -> None:
    """The libraries that train and write forests."""
    needs("sklearn", "onnx")


@pytest.fixture(scope="session")
def skl2onnx() -> None:
    """The converter that ours is compared with."""
    needs("sklearn", "onnx", "skl2onnx")


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """The libraries that train and write networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        needs("tensorflow", "tf2onnx", "onnx")


@pytest.fixture(scope="session")
def mnist(test_data: Path) -> Dataset:
    """MNIST, whole."""
    return load("mnist", folder=test_data / "mnist")


@pytest.fixture(scope="session")
def fashion_mnist(test_data: Path) -> Dataset:
    """Fashion-MNIST, whole."""
    return load("fashion-mnist", folder=test_data / "fashion-mnist")


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """A folder with the four files of a tiny data set; `tmp_path / "out"` is an empty folder for the output."""
    (tmp_path / "out").mkdir()
    return idx.write(tmp_path / "tiny", idx.tiny())
