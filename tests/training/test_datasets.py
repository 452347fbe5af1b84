from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.response import addinfourl

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays_of

from mediasift.errors import InputError
from tests.training import idx
from training.datasets import FILES, SOURCES, Arrays, Dataset, Source, load, read_idx

ROOT = Path(__file__).resolve().parents[2]


def test_the_first_ten_test_digits_of_mnist(mnist: Dataset):
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_the_first_six_test_garments_of_fashion_mnist(fashion_mnist: Dataset):
    names = [fashion_mnist.labels[label] for label in fashion_mnist.test_labels[:6]]
    assert names == ["Ankle boot", "Pullover", "Trouser", "Trouser", "Shirt", "Trouser"]


@pytest.mark.parametrize(("name", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)])
def test_mean_and_deviation_of_the_training_pixels_are_those_in_the_literature(
    name: str, mean: float, std: float, request: pytest.FixtureRequest
):
    dataset = request.getfixturevalue(name)
    assert dataset.train_images.mean() / 255 == pytest.approx(mean, abs=5e-5)
    assert dataset.train_images.std() / 255 == pytest.approx(std, abs=5e-5)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_both_sets_have_60000_and_10000_pictures(name: str, request: pytest.FixtureRequest):
    dataset = request.getfixturevalue(name)
    assert dataset.train_images.shape == (60_000, 28, 28)
    assert dataset.test_images.shape == (10_000, 28, 28)
    assert dataset.train_images.dtype == dataset.train_labels.dtype == np.uint8
    assert np.bincount(dataset.test_labels).sum() == 10_000


def test_the_files_hashes_are_kept(mnist: Dataset, test_data: Path):
    expected = {name: hashlib.sha256((test_data / "mnist" / name).read_bytes()).hexdigest() for name in FILES.values()}
    assert mnist.sha256 == expected


@given(arrays_of.arrays(np.uint8, arrays_of.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
@settings(max_examples=50)
def test_every_array_of_bytes_is_read_as_it_was_written(array: np.ndarray):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.gz"
        path.write_bytes(idx.encode(array))
        read = read_idx(path)
    assert read.shape == array.shape
    assert (read == array).all()


IMAGES, LABELS = FILES["train_images"], FILES["train_labels"]
BYTES = np.arange(200, dtype=np.uint8)


def cut(path: Path) -> bytes:
    return path.read_bytes()[:-20]


def flipped(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut, "truncated or damaged gzip"),
        (flipped, "damaged gzip|cannot be read as gzip"),
        (lambda _: b"P5 no gzip at all", "cannot be read as gzip"),
        (lambda _: b"", "it begins with nothing"),
        (lambda _: gzip.compress(b"\0\0"), "it begins with 00 00"),
        (
            lambda _: gzip.compress(b"\x89PNG and so on"),
            "not an idx file of unsigned bytes; it begins with 89 50 4e 47",
        ),
        (lambda _: idx.encode(BYTES, kind=0x0D), "not an idx file of unsigned bytes; it begins with 00 00 0d 01"),
        (lambda _: gzip.compress(b"\0\0\x08\x03\0\0\0\x01"), "ends inside its header"),
        (lambda _: idx.encode(BYTES, shape=(201,)), r"states 201 values \(201,\), holds 200"),
        (lambda _: idx.encode(BYTES, shape=(199,)), r"states 199 values \(199,\), holds 200"),
        (lambda _: idx.encode(BYTES, shape=(2**32 - 1,) * 4), "holds 200"),
    ],
)
@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_a_spoilt_file_is_named(tiny_folder: Path, name: str, spoil: Callable[[Path], bytes], message: str):
    path = tiny_folder / name
    path.write_bytes(spoil(path))
    with pytest.raises(InputError, match=message) as caught:
        load("mnist", folder=tiny_folder)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", FILES.values())
def test_a_missing_file_is_named_and_all_that_are_needed(tiny_folder: Path, name: str):
    (tiny_folder / name).unlink()
    with pytest.raises(InputError, match="no such file") as caught:
        load("mnist", folder=tiny_folder)
    assert str(caught.value).startswith(str(tiny_folder / name))
    assert all(file in str(caught.value) for file in FILES.values())


def test_a_folder_in_a_files_place_is_named(tiny_folder: Path):
    (tiny_folder / LABELS).unlink()
    (tiny_folder / LABELS).mkdir()
    with pytest.raises(InputError, match=f"{LABELS}: cannot be read"):
        load("mnist", folder=tiny_folder)


def test_a_file_named_as_the_folder(tiny_folder: Path):
    with pytest.raises(InputError, match="Not a directory"):
        load("mnist", folder=tiny_folder / LABELS)


@pytest.mark.parametrize(
    ("part", "array", "message"),
    [
        ("train_labels", np.zeros(7, np.uint8), r"\(train\): found 200 images and 7 labels"),
        ("test_labels", np.zeros(7, np.uint8), r"\(test\): found 50 images and 7 labels"),
        ("test_images", np.zeros((0, 28, 28), np.uint8), r"\(test\): found 0 images"),
        ("train_images", np.zeros((200, 27, 28), np.uint8), r"\(200, 27, 28\)"),
        ("train_images", np.zeros(200, np.uint8), r"found images \(200,\)"),
        ("train_labels", np.zeros((200, 28, 28), np.uint8), r"labels \(200, 28, 28\)"),
        ("test_labels", np.full(50, 10, np.uint8), "found label 10"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, part: str, array: np.ndarray, message: str):
    folder = idx.write(tmp_path / "mixed", idx.tiny() | {part: array})
    with pytest.raises(InputError, match=message) as caught:
        load("mnist", folder=folder)
    assert str(folder) in str(caught.value)


def downloaded(source: Source) -> Arrays:
    """What a download could give: small arrays."""
    assert source.name == "Fashion-MNIST"
    return idx.tiny()


def test_a_download_stands_in_for_the_folder():
    dataset = load("fashion-mnist", download=downloaded)
    assert dataset.name == "Fashion-MNIST"
    assert dataset.labels[9] == "Ankle boot"
    assert dataset.train_images.shape == (200, 28, 28)
    expected = hashlib.sha256(idx.tiny()["test_labels"].tobytes()).hexdigest()
    assert dataset.sha256["test_labels"] == expected
    assert set(dataset.sha256) == set(FILES)


def test_a_download_is_checked_like_files():
    with pytest.raises(InputError, match=r"mnist_784 \(test\): found 50 images and 3 labels"):
        load("mnist", download=lambda _: idx.tiny() | {"test_labels": np.zeros(3, np.uint8)})


@pytest.mark.usefixtures("scikit_learn")
def test_without_data_and_network_the_message_says_which_files_to_put_where(tmp_path: Path):
    """The proxy is a closed port, so the download really fails."""
    unreachable = {f"{name}_proxy": "http://127.0.0.1:9" for name in ("http", "https")}
    done = subprocess.run(
        [sys.executable, "-m", "training.digits_forest", "-o", str(tmp_path / "forest.onnx")],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, **unreachable, "no_proxy": "", "SCIKIT_LEARN_DATA": str(tmp_path / "cache"),
             "PYTHONPATH": os.pathsep.join([str(ROOT / "inference"), str(ROOT)])},
    )  # fmt: skip
    assert done.returncode == InputError.exit_code == 3
    assert "downloading mnist_784 from OpenML" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: MNIST cannot be downloaded")
    assert last.endswith("into a folder and name it with --data FOLDER")
    assert all(name in last for name in FILES.values())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "forest.onnx").exists()


class CutOff(urllib.request.BaseHandler):
    """Answers every https request with the first half of a gzip file."""

    handler_order = 50  # before the handlers that would go to the network

    def https_open(self, request: urllib.request.Request) -> addinfourl:
        headers = http.client.HTTPMessage()
        headers["Content-Encoding"] = "gzip"
        half = gzip.compress(os.urandom(1000))[:500]
        response: Any = addinfourl(io.BytesIO(half), headers, request.full_url, 200)
        response.msg = "OK"
        return response


@pytest.fixture
def cut_off_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every download of this process ends too early."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    urllib.request.install_opener(urllib.request.build_opener(CutOff()))
    yield
    urllib.request.install_opener(None)


@pytest.mark.usefixtures("scikit_learn", "cut_off_downloads")
@pytest.mark.filterwarnings("ignore:Invalid cache, redownloading:RuntimeWarning")
@pytest.mark.parametrize("name", SOURCES)
def test_a_download_that_is_cut_off_says_what_to_do(name: str):
    with pytest.raises(InputError, match=r"cannot be downloaded .*--data FOLDER"):
        load(name)
