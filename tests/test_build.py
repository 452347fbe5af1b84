"""Building mediasift: the classifier of photographs is made, found, given or left out; never silently missing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import hatchling
import pytest

from mediasift.engines.onnx.registry import entries
from tests.conftest import skip
from training.lite0_weights import PACKAGE, LiteError, find_weights

ROOT = Path(__file__).resolve().parent.parent
MODEL = "efficientnet-lite0-int8.onnx"
INSIDE = f"mediasift/exported_models/{MODEL}"


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return find_weights()
    except LiteError as error:
        skip(str(error))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a build reads, without the model, and with a file beside the models that belongs to nobody."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for one in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "LICENSE-APACHE", "NOTICE", "CHANGELOG.md",
                "CITATION.cff", ".gitignore"):  # fmt: skip
        shutil.copy(ROOT / one, folder)
    for one in ("inference", "exported_models", "training"):
        shutil.copytree(ROOT / one, folder / one, ignore=shutil.ignore_patterns("__pycache__", "efficientnet-*.onnx"))
    (folder / "exported_models" / "stray.onnx").write_bytes(b"x")
    (folder / "exported_models" / "digits-forest.onnx").write_bytes(b"9 MB, which only cost time here")
    return folder


def build(
    checkout: Path, kind: str = "wheel", interpreter: tuple[str, ...] = (), **environment: str
) -> tuple[Path | None, str]:
    """What hatchling writes, called as pip calls it, and what it says; `interpreter` are options of Python's."""
    out = checkout.parent / f"out-{len(list(checkout.parent.iterdir()))}"
    out.mkdir()
    own = {name: text for name, text in os.environ.items() if not name.startswith("MEDIASIFT_")}
    done = subprocess.run(
        [sys.executable, *interpreter, "-c", f"import hatchling.build as b; b.build_{kind}({str(out)!r})"],
        cwd=checkout, env={**own, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return next(out.iterdir(), None) if done.returncode == 0 else None, done.stdout + done.stderr


def required(checkout: Path, **environment: str) -> str:
    """What pip installs before it builds."""
    code = "import hatchling.build as b; print(*b.get_requires_for_build_wheel())"
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, env={**os.environ, **environment},
                          capture_output=True, text=True, check=True)  # fmt: skip
    return done.stdout.strip()


def test_a_wheel_has_the_model_and_twice_the_same_bytes(checkout: Path, weights: Path):
    assert required(checkout) == f"numpy>=2.0 {PACKAGE}"
    first, _ = build(checkout)
    archive = zipfile.ZipFile(first)
    digest = hashlib.sha256(archive.read(INSIDE)).hexdigest()
    assert digest == entries()["efficientnet-lite0-int8"].sha256
    assert not [name for name in archive.namelist() if "stray" in name or "hatch_build" in name]
    texts = {Path(name).name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    assert "License-Expression: MIT AND Apache-2.0" in texts["METADATA"]
    assert "END OF TERMS AND CONDITIONS" in texts["LICENSE-APACHE"]
    assert "quantised to 8 bits" in " ".join(texts["NOTICE"].split())
    assert required(checkout) == ""  # it lies there now, and is not made again
    (checkout / "exported_models" / MODEL).unlink()
    assert required(checkout, MEDIASIFT_LITE0_WEIGHTS=str(weights)) == "numpy>=2.0"
    assert build(checkout, MEDIASIFT_LITE0_WEIGHTS=str(weights))[0].read_bytes() == first.read_bytes()


def test_a_wheel_from_the_source_archive_is_the_wheel_from_the_checkout(checkout: Path, weights: Path, tmp_path: Path):
    (checkout / "exported_models" / MODEL).write_bytes(b"half of it")  # of an earlier, broken build
    archive, _ = build(checkout, "sdist")
    with tarfile.open(archive) as packed:
        assert not [name for name in packed.getnames() if name.endswith(MODEL)]
        packed.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    (unpacked / "exported_models" / "stray.onnx").unlink(missing_ok=True)
    assert build(unpacked)[0].read_bytes() == build(checkout)[0].read_bytes()


def test_an_editable_install_finds_it_in_the_checkout(checkout: Path, weights: Path):
    wheel, _ = build(checkout, "editable")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "exported_models" in name]
    assert (checkout / "exported_models" / MODEL).stat().st_size == entries()["efficientnet-lite0-int8"].bytes


@pytest.mark.parametrize(
    ("content", "message"), [(None, "the weights cannot be read (No such file"), (b"x", "not the weights of Efficient")]
)
def test_a_wrong_file_of_weights_ends_the_build(checkout: Path, content: bytes | None, message: str):
    file = checkout / "weights.pth"
    if content is not None:
        file.write_bytes(content)
    wheel, printed = build(checkout, MEDIASIFT_LITE0_WEIGHTS=str(file))
    assert wheel is None
    assert message in printed


def test_without_network_and_package_the_build_says_what_to_type(checkout: Path, weights: Path, tmp_path: Path):
    """`pip install --no-build-isolation` on a machine that has hatchling and numpy, and not the weights."""
    packages = Path(hatchling.__file__).parent.parent
    (tmp_path / "site").mkdir()
    for name in ("hatchling", "pathspec", "packaging", "pluggy", "trove_classifiers", "numpy"):
        for one in packages.glob(f"{name}*"):
            (tmp_path / "site" / one.name).symlink_to(one)
    alone = ("-S",), str(tmp_path / "site")  # without the site's packages
    wheel, printed = build(checkout, interpreter=alone[0], PYTHONPATH=alone[1])
    assert wheel is None
    assert f"Type: pip install {PACKAGE}; or name the file" in printed
    assert not (checkout / "exported_models" / MODEL).exists()
    given, _ = build(checkout, interpreter=alone[0], PYTHONPATH=alone[1], MEDIASIFT_LITE0_WEIGHTS=str(weights))
    assert INSIDE in zipfile.ZipFile(given).namelist()


def test_a_build_may_leave_it_out_and_says_so(checkout: Path):
    (checkout / "exported_models" / MODEL).write_bytes(b"left from before")
    assert required(checkout, MEDIASIFT_WITHOUT_PHOTO_MODEL="1") == ""
    wheel, printed = build(checkout, MEDIASIFT_WITHOUT_PHOTO_MODEL="1")
    names = zipfile.ZipFile(wheel).namelist()
    assert INSIDE not in names
    assert "mediasift/exported_models/digits-lenet.onnx" in names
    assert "this build has no classifier of photographs" in printed
    site = checkout.parent / "site"
    zipfile.ZipFile(wheel).extractall(site)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mediasift", "classify", str(ROOT / "examples" / "digits")],
        cwd=checkout.parent, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "efficientnet-lite0-int8 comes with mediasift, but this installation was made without it" in done.stderr
