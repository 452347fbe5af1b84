"""The wheel: what is in it, and that it works installed, outside the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.release import wrong_wheel

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, cwd=folder, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_the_small_models_and_nothing_else(wheel: Path):
    assert wrong_wheel(wheel) == []
    assert wheel.stat().st_size < 20e6


def test_it_works_installed_outside_the_checkout(wheel: Path, tmp_path: Path):
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    check = (
        "import sys; sys.path.insert(0, sys.argv[1]); import mediasift; "
        "assert mediasift.__file__.startswith(sys.argv[1]); "
        "rows = list(mediasift.classify([sys.argv[2]], model='digits-forest')); "
        "assert [row.label for row in rows] == ['3'], rows"
    )
    picture = ROOT / "examples" / "digits" / "3.png"
    # -P and an empty folder: neither the checkout nor its editable install is found first.
    done = subprocess.run(
        [sys.executable, "-P", "-c", check, str(target), str(picture)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_verb_is_the_function_and_the_room_of_that_name_stays_importable():
    check = (
        "import mediasift as ms; from mediasift.compare import cosine; import mediasift.compare.hashes; "
        "from mediasift import similarity; assert callable(ms.similarity); assert similarity is ms.similarity; "
        "assert cosine.TILE and mediasift_hashes.HASHES"
    ).replace("mediasift_hashes", "__import__('sys').modules['mediasift.compare.hashes']")
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT / "inference")


def test_a_lazy_module_is_loaded_when_it_is_used():
    code = (
        "import sys\nfrom mediasift.system.optional import lazily\n"
        "colours = lazily('colorsys')\nprint('colorsys' in sys.modules)\n"
        "print(colours.rgb_to_hsv is __import__('colorsys').rgb_to_hsv)\n"
        "try:\n    colours.nothing\nexcept AttributeError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "inference"
    )
    assert done.stdout.splitlines() == ["False", "True", "module 'colorsys' has no attribute 'nothing'"]
