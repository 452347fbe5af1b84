"""The floors of the house and the owners of heavy libraries, asserted over every import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "inference" / "mediasift"

FLOORS = {
    # the ground floor, from the bottom up
    "errors": 0, "optional": 0.1, "offline": 0.1, "locks": 0.1, "items": 0.1, "rows": 0.2,
    "media": 1,
    "models": 2,
    "tasks": 3, "similarity": 3, "evaluation": 3,
    "run": 4,
    "speed": 4.5,
    "api": 5,
    "cli": 6, "__main__": 7,
}  # fmt: skip

OWNERS = {
    "cv2": ("media/",),
    "PIL": ("media/",),
    "av": ("media/",),
    "pypdfium2": ("media/",),
    "webrtcvad": ("media/",),
    "resvg_py": ("media/",),
    "pillow_heif": ("media/",),
    "onnxruntime": ("models/runtime",),
    "onnxruntime_ep_openvino": ("models/providers",),
    "pooch": ("models/pull",),
    "requests": ("models/pull",),
    "click": ("cli/",),
    "tqdm": ("run/progress",),
    "matplotlib": ("evaluation/plots",),
    "pyarrow": ("run/writers", "run/stored", "run/tables"),
    "pytesseract": ("tasks/ocr",),
    "rapidocr": ("tasks/ocr",),
    "pocketsphinx": ("tasks/transcribe",),
    "onnx_asr": ("tasks/transcribe",),
    "jiwer": ("similarity/error_rates",),
    "google": ("tasks/transcribe",),
}
FORBIDDEN = {"tensorflow", "keras", "sklearn", "skl2onnx", "tf2onnx", "onnx", "torch", "pickle", "joblib", "training"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, also through `optional.require("name")`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("require", "import_module", "__import__"):
            found |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    return found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_floors(path: Path):
    own = place(path)
    if own == "__init__":
        return
    assert own in FLOORS, f"{own} has no floor"
    for name in imports(path):
        if name.startswith("mediasift."):
            other = room(name)
            if other.startswith("__") and other != "__main__":
                continue
            if other == own:
                continue
            assert FLOORS[other] < FLOORS[own], f"{path}: {own} (floor {FLOORS[own]}) imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_have_one_owner(path: Path):
    here = str(path.relative_to(PACKAGE))
    for name in imports(path):
        top = name.partition(".")[0]
        assert top not in FORBIDDEN, f"{here} imports {top}"
        if top in OWNERS:
            assert here.startswith(OWNERS[top]), f"{here} imports {top}, which belongs to {OWNERS[top]}"


def test_tasks_never_import_one_another():
    for path in (PACKAGE / "tasks").glob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            if parts[:2] == ["mediasift", "tasks"] and len(parts) > 2:
                family = path.stem.split("_")[0]
                assert parts[2] in ("task", path.stem) or parts[2].startswith(family), f"{path}: imports {name}"


def test_training_imports_the_package_and_never_the_other_way_round():
    for path in (ROOT / "training").glob("*.py"):
        for name in imports(path):
            assert not name.startswith("mediasift.cli"), f"{path} imports {name}"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import mediasift", ("cv2", "onnxruntime", "PIL", "av", "numpy", "click", "tqdm")),
        ("import mediasift.cli", ("cv2", "onnxruntime", "PIL", "av", "numpy", "tqdm")),
        ("from mediasift import classify", ("onnxruntime", "onnx", "pickle5", "tensorflow", "sklearn", "pyarrow")),
    ],
)
def test_nothing_heavy_is_imported_until_it_is_needed(code: str, absent: tuple[str, ...]):
    check = f"{code}; import sys; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT / "inference"
    )
    assert done.stdout.strip() == "[]"


def test_help_imports_nothing_heavy():
    check = (
        "import sys\nfrom mediasift.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([n for n in ('cv2','onnxruntime','PIL','av','numpy','pypdfium2') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT / "inference"
    )
    assert done.stdout.strip().endswith("[]")
