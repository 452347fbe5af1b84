"""What grows, grows in the number of places that the contract allows, and works everywhere at once.

Each test changes a copy of the package in exactly those places and uses it from outside: on the command line, in
Python, in `--help`, in the worker process, in the manifest.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import wave
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.pictures import save, solid
from tests.tiny_models import constants, mean_colour, write
from tests.videos import make_video

ROOT = Path(__file__).resolve().parents[1]

BRIGHTNESS = '''"""How bright pictures are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from mediasift.engines.engine import Resources
from mediasift.items import Item
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.settings import Option
from mediasift.tasks.task import Reads, RunSettings, Started


@dataclass(frozen=True, slots=True, kw_only=True)
class Brightness(Row):
    """Attributes: brightness: mean of all values, 0..255; pages: what was asked for."""

    brightness: float | None = None
    asked: str | None = None


@dataclass(frozen=True, kw_only=True)
class Brighten(PictureSettings, RunSettings):
    """Report how bright pictures are."""

    name: ClassVar[str] = "brightness"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Brightness

    factor: Annotated[float, Option("Times this.", above=0)] = 1.0

    def start(self, resources: Resources) -> StartedBrighten:
        """It is ready."""
        return StartedBrighten(self)


class StartedBrighten(Started):
    """The mean."""

    def __init__(self, settings: Brighten) -> None:
        self.settings = settings

    def prepare(self, item: Item) -> list[Brightness]:
        """The row."""
        bright = float(item.image.mean()) * self.settings.factor
        return [Brightness(brightness=bright, asked=getattr(self.settings, "mood", None))]
'''

VERB = (
    "verbs/__init__.py",
    '\n}\n"""Name → settings and help, in the order of `mediasift --help`."""',
    '\n    "brightness": Verb("mediasift.tasks.brightness:Brighten", "Report how bright pictures are."),',
)

MOOD = (
    "media/settings.py",
    "    every_frame: Annotated[",
    '    mood: Annotated[str, Option("How they feel.", choices=("merry", "sad"))] = "merry"\n',
)

MIRROR = '''"""An engine that reads the same in every picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from mediasift.engines.engine import Resources
from mediasift.engines.ocr.page import Line, OcrEngine, PageRequest, PageText
from mediasift.settings import Option, Settings


@dataclass(frozen=True, kw_only=True)
class MirrorSettings(Settings):
    """Its options."""

    motto: Annotated[str, Option("What it reads.")] = "mirror"


class Mirror(OcrEngine):
    """Reads the motto."""

    settings = MirrorSettings
    facts = {"engine": "mirror", "version": "7"}

    def __init__(self, settings: Any, resources: Resources, *, upright: bool = False) -> None:
        self._motto = settings.motto

    def answer(self, request: PageRequest) -> PageText:
        """The motto."""
        return PageText(lines=(Line(text=self._motto, confidence=1.0, box=(0, 0, 1, 1), words=()),), files={})
'''

ECHO = '''"""An engine that hears the same in every recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from mediasift.engines.engine import Resources
from mediasift.engines.speech.phrases import Phrase, SpeechEngine
from mediasift.settings import Option, Settings


@dataclass(frozen=True, kw_only=True)
class EchoSettings(Settings):
    """Its options."""

    motto: Annotated[str, Option("What it hears.")] = "echo"


class Echo(SpeechEngine):
    """Hears the motto."""

    settings = EchoSettings
    facts = {"engine": "echo", "version": "7"}
    piece_s = 30.0

    def __init__(self, settings: Any, resources: Resources) -> None:
        self._motto = settings.motto

    def answer(self, request: Any) -> Sequence[Phrase]:
        """The motto."""
        return [Phrase(text=self._motto, start_s=0.0, end_s=1.0)]
'''

MEMBER = '''
@dataclass(frozen=True, slots=True)
class ZipMember(Content):
    """A member of a ZIP archive: `zip:ARCHIVE!MEMBER`."""

    name: str

    @property
    def address(self) -> str:
        """See `Content`."""
        return self.name

    def open(self) -> AbstractContextManager[BinaryIO]:
        """See `Content`."""
        import zipfile

        archive, _, member = self.name.removeprefix("zip:").partition("!")
        try:
            return zipfile.ZipFile(archive).open(member)
        except KeyError:
            raise NotFound("no such member of the archive") from None


'''


STEPS = """
import contextlib, io, json, sys
from click.testing import CliRunner
from mediasift.cli import main
for step in json.load(sys.stdin):
    if isinstance(step, list):
        done = CliRunner().invoke(main, step, catch_exceptions=False)
        result = done.stdout, done.stderr, done.exit_code
    else:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(step, {})
        result = out.getvalue(), "", 0
    print(json.dumps(result))
"""
"""Command lines and pieces of Python, one after the other in one process; the commands start their workers."""


class Result(NamedTuple):
    """What one step printed."""

    stdout: str
    stderr: str
    exit_code: int

    @property
    def rows(self) -> list[dict[str, str]]:
        """The table."""
        return list(csv.DictReader(self.stdout.splitlines()))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, with what Python compiled of it; beside it a picture."""
    copy = tmp_path / "inference" / "mediasift"
    shutil.copytree(ROOT / "inference" / "mediasift", copy)
    (tmp_path / "exported_models").symlink_to(ROOT / "exported_models")
    save(tmp_path / "photo.png", solid((100, 100, 100), 8, 8))
    return copy


def insert(package: Path, place: tuple[str, str, str]) -> None:
    """One place: a piece of text before a line of a file."""
    name, before, text = place
    source = (package / name).read_text()
    assert source.count(before) == 1, f"{name} has changed; say where this goes now"
    (package / name).write_text(source.replace(before, text + before))


def run(package: Path, *steps: str) -> list[Result]:
    """What command lines (`mediasift ...`) and pieces of Python print, with the copy."""
    words = [step.split()[1:] if step.startswith("mediasift ") else step for step in steps]
    done = subprocess.run(
        [sys.executable, "-c", STEPS], input=json.dumps(words), capture_output=True, text=True, check=False,
        cwd=package.parents[1], env={**os.environ, "PYTHONPATH": str(package.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [Result(*json.loads(line)) for line in done.stdout.splitlines()]


def manifest(package: Path) -> dict[str, Any]:
    """The settings that are written beside `out.csv`."""
    settings: dict[str, Any] = json.loads((package.parents[1] / "out.csv.run.json").read_text())["settings"]
    return settings


def test_a_verb_is_its_task_and_its_row_in_the_table(package: Path):
    (package / "tasks" / "brightness.py").write_text(BRIGHTNESS)
    insert(package, VERB)
    every_help, own_help, table, python, _ = run(
        package,
        "mediasift --help",
        "mediasift brightness --help",
        "mediasift brightness photo.png --factor 2",
        "import mediasift as ms; print(ms.brightness('photo.png', factor=0.5).to_dicts()[0]['brightness'])",
        "mediasift brightness photo.png --factor 2 -o out.csv --quiet",
    )
    assert "Report how bright pictures are." in every_help.stdout
    text = " ".join(own_help.stdout.split())
    assert "Times this. [default: 1.0; x>0]" in text
    assert "--dpi" in text
    assert "--max-memory" in text
    assert table.rows[0]["brightness"] == "200.0"
    assert python.stdout.strip() == "50.0"
    assert manifest(package)["factor"] == 2
    assert manifest(package)["task"] == "brightness"


def test_an_option_of_all_that_reads_pictures_is_one_field(package: Path):
    (package / "tasks" / "brightness.py").write_text(BRIGHTNESS)
    insert(package, VERB)
    insert(package, MOOD)
    code = """
import inspect, mediasift as ms
assert inspect.signature(ms.classify).parameters["mood"].default == "merry"
assert "mood: How they feel." in ms.ocr.__doc__
assert ms.brightness("photo.png", mood="sad", isolate=True).to_dicts()[0]["asked"] == "sad"
try:
    ms.embed("photo.png", mood="angry")
except ms.MediasiftError as error:
    print(error)
"""
    verbs = ("brightness", "classify", "ocr", "duplicates", "embed", "detect", "convert")
    table, python, *helps, other = run(
        package, "mediasift brightness photo.png --mood sad", code,
        *(f"mediasift {verb} --help" for verb in (*verbs, "transcribe")),
    )  # fmt: skip
    assert all("--mood [merry|sad]" in text.stdout for text in helps)
    assert "--mood" not in other.stdout
    assert table.rows[0]["asked"] == "sad"
    assert python.stdout.strip() == "mood 'angry': must be one of merry, sad"


def test_an_option_of_a_verb_is_one_field(package: Path):
    field = '    mood: Annotated[str, Option("How they feel.")] = "merry"\n'
    insert(package, ("tasks/classify.py", "    top: Annotated[int", field))
    with_it, without, _, python = run(
        package,
        "mediasift classify --help",
        "mediasift embed --help",
        "mediasift classify photo.png -m digits-lenet --mood sad -o out.csv --quiet",
        "import mediasift as ms\n"
        "print(ms.classify('photo.png', model='digits-lenet', mood='sad').settings['mood'])",
    )  # fmt: skip
    assert "--mood" in with_it.stdout
    assert "--mood" not in without.stdout
    assert manifest(package)["mood"] == "sad"
    assert python.stdout.strip() == "sad"


def test_an_engine_is_a_class_with_its_settings_and_a_line_in_its_table(package: Path):
    (package / "engines" / "ocr" / "mirror.py").write_text(MIRROR)
    room, mirror = "engines/ocr/__init__.py", "from mediasift.engines.ocr.mirror import Mirror, MirrorSettings\n"
    insert(package, (room, "from mediasift.engines.ocr.page", mirror))
    insert(package, (room, '"tesseract": Tesseract,', '"mirror": Mirror, '))
    insert(package, (room, "TesseractSettings, GoogleOcrSettings,", "MirrorSettings, "))
    text, table, python, refused = run(
        package,
        "mediasift ocr --help",
        "mediasift ocr photo.png --engine mirror --motto read-me",
        "import mediasift as ms\nprint(ms.ocr('photo.png', engine='mirror', motto='hello').to_dicts()[0]['text'])",
        "mediasift ocr photo.png --motto x",
    )
    assert "[mirror|tesseract|rapidocr|" in text.stdout
    assert table.rows[0]["text"].strip() == "read-me"
    assert table.rows[0]["engine"] == "mirror"
    assert python.stdout.strip() == "hello"
    assert refused.exit_code == 2
    assert "--motto is for mirror" in refused.stderr


def test_a_speech_engine_is_a_class_with_its_settings_and_a_line_in_its_table(package: Path):
    (package / "engines" / "speech" / "echo.py").write_text(ECHO)
    room, echo = "engines/speech/__init__.py", "from mediasift.engines.speech.echo import Echo, EchoSettings\n"
    insert(package, (room, "from mediasift.engines.speech.google import", echo))
    insert(package, (room, '"pocketsphinx": PocketSphinx,', '"echo": Echo, '))
    insert(package, (room, "OnnxSpeechSettings, GoogleSpeechSettings):", "EchoSettings, "))
    with wave.open(str(package.parents[1] / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000))
    text, table, python, refused = run(
        package,
        "mediasift transcribe --help",
        "mediasift transcribe talk.wav --engine echo --motto read-me",
        "import mediasift as ms\nprint(ms.transcribe('talk.wav', engine='echo', motto='hello').to_dicts()[0]['text'])",
        "mediasift transcribe talk.wav --motto x",
    )
    assert "[echo|pocketsphinx|" in text.stdout
    assert [(row["text"], row["found"], row["error"]) for row in table.rows] == [("read-me", "1", "")]
    assert python.stdout.strip() == "hello"
    assert refused.exit_code == 2
    assert "--motto is for echo" in refused.stderr


def test_a_kind_of_input_is_a_content_class_and_a_line(package: Path):
    with zipfile.ZipFile(package.parents[1] / "photos.zip", "w") as archive:
        archive.write(package.parents[1] / "photo.png", "inner.png")
    insert(package, ("sources/content.py", "SCHEMES: dict[str", MEMBER))
    insert(package, ("sources/content.py", '}\n"""How an address begins', '"zip:": ZipMember'))
    *tables, python, gone = run(
        package,
        "mediasift info zip:photos.zip!inner.png",
        "mediasift duplicates zip:photos.zip!inner.png",
        "mediasift classify zip:photos.zip!inner.png -m digits-lenet",
        "mediasift convert zip:photos.zip!inner.png -d out",
        "import mediasift as ms\nprint(ms.info('zip:photos.zip!inner.png').to_dicts()[0]['format'])",
        "mediasift info zip:photos.zip!gone.png",
    )
    for table in tables:
        (row,) = table.rows
        assert (row["path"], row["error"]) == ("zip:photos.zip!inner.png", "")
    assert tables[0].rows[0]["width"] == "8"
    assert python.stdout.strip() == "png"
    assert gone.rows[0]["error"] == "not-found: no such member of the archive"


FUNCTIONS = (
    (
        "tables/writers.py",
        "def write_jsonl(",
        '''def write_tsv(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """Cells between tabs."""
    for line in (form.names, *map(form.cells, rows)):
        file.write(chr(9).join("" if cell is None else str(cell) for cell in line).encode() + b"\\n")


''',
    ),
    ("tables/formats.py", "Form, write_aligned,", "write_tsv, "),
    ("tables/formats.py", '"csv": Format(', '"tsv": Format(write=write_tsv),\n    '),
    (
        "compare/hashes.py",
        "def difference(",
        '''def dark(pixels: Pixels) -> NDArray[np.bool_]:
    """Darker than half."""
    return np.asarray(pixels < 128)


''',
    ),
    ("compare/hashes.py", '"ahash": PictureHash(', '"dark": PictureHash(width=8, height=8, bits=dark),\n    '),
    ("compare/methods.py", '"phash": 0.84375', '"dark": 0.9, '),
    ("media/pictures/encode.py", '"png": partial(', '"tif": partial(_pillow, "TIFF"),\n    '),
    (
        "media/video/cuts.py",
        "class AdaptiveRule:",
        '''class TenthRule:
    """A cut is every tenth frame."""

    def add(self, number: int, change: float) -> list[int]:
        """See `CutRule`."""
        return [number] if number and number % 10 == 0 else []


''',
    ),
    ("media/video/cuts.py", '"content": ContentRule, ', '"tenth": TenthRule, '),
    (
        "engines/onnx/decoders.py",
        "def yolox_decoded(",
        '''def corner(outputs: Arrays, _size: tuple[int, int], labels: int) -> Boxes:
    """A box at the top left for each label."""
    boxes = np.full((len(outputs[0]), 1, 4), [0, 0, 4, 4], np.float32)
    return boxes, np.full((len(outputs[0]), 1, labels), 0.75, np.float32)


''',
    ),
    ("engines/onnx/decoders.py", '    "yolox": yolox,', '    "corner": corner,\n'),
)  # fmt: skip
"""A function and one line each: a table format, a perceptual hash (with its threshold), a format to convert to, a rule
for cuts, a detector's decoder."""


def test_formats_hashes_rules_and_decoders_are_a_function_and_a_line(package: Path):
    for place in FUNCTIONS:
        insert(package, place)
    home = package.parents[1]
    make_video(home / "a.mp4", [solid((90, 90, 90), 64, 48)] * 25, range(25), time_base=Fraction(1, 25))
    write(home, constants({"y": np.zeros((1, 3), np.float32)}))
    save(home / "copy.png", solid((100, 100, 100), 8, 8))
    (home / "l.txt").write_text("cat\n")
    formats, table, python, pairs, picture, shots, describing, objects = run(
        package,
        "mediasift info --help",
        "mediasift info photo.png -o out.tsv --quiet",
        "import mediasift as ms\nms.info('photo.png').write('python.tsv')",
        "mediasift compare photo.png copy.png --method dark",
        "mediasift convert photo.png -d out --to tif",
        "mediasift shots a.mp4 --detector tenth",
        "mediasift models describe tiny.onnx --task detect --decoder corner --size 8x8 --fit stretch --labels l.txt",
        "mediasift detect photo.png -m tiny.onnx",
    )
    assert "tsv" in formats.stdout
    assert (table.exit_code, python.exit_code) == (0, 0)
    assert (home / "out.tsv").read_bytes().startswith(b"path\tpage\tframe\ttime_s\t")
    assert (home / "out.tsv").read_bytes() == (home / "python.tsv").read_bytes()
    assert pairs.rows[0]["similarity"] == "1.0"
    assert picture.rows[0]["output"].endswith(".tif")
    assert (home / picture.rows[0]["output"]).read_bytes().startswith(b"II*")
    assert [row["frame"] for row in shots.rows] == ["0", "10", "20"]
    assert describing.exit_code == 0, describing.stderr
    assert [(row["label"], row["score"], float(row["width_px"])) for row in objects.rows] == [("cat", "0.75", 4)]


def test_a_model_is_a_file_and_an_entry(package: Path):
    home = package.parents[1]
    (home / "exported_models").unlink()
    shutil.copytree(ROOT / "exported_models", home / "exported_models", copy_function=os.symlink)
    model = write(home / "exported_models", mean_colour(), "colours.onnx").read_bytes()
    registry = home / "exported_models" / "registry.toml"
    text = registry.read_text()
    registry.unlink()
    registry.write_text(
        f"""{text}\n[[model]]\nname = "colours"\nfile = "colours.onnx"\nbytes = {len(model)}\n"""
        f"""sha256 = "{hashlib.sha256(model).hexdigest()}"\nlicence = "MIT"\nabout = "Red, green or blue"\n"""
    )
    listed, shown, whole, labels = run(
        package,
        "mediasift models list",
        "mediasift models show colours",
        "mediasift models verify",
        "mediasift classify photo.png -m colours",
    )
    assert "Red, green or blue" in listed.stdout
    assert "red, green, blue" in shown.stdout
    assert "colours" in whole.stdout
    assert whole.exit_code == 0, whole.stderr
    assert labels.rows[0]["label"] in ("red", "green", "blue")
