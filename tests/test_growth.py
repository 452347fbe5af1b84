"""What grows, grows in the number of places that the contract allows, and works everywhere at once.

Each test changes a copy of the package in exactly those places and uses it from outside: on the command line, in
Python, in `--help`, in the worker process, in the manifest.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pictures import save, solid

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


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package."""
    copy = tmp_path / "inference" / "mediasift"
    shutil.copytree(ROOT / "inference" / "mediasift", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "exported_models").symlink_to(ROOT / "exported_models")
    save(tmp_path / "photo.png", solid((100, 100, 100), 8, 8))
    return copy


def insert(package: Path, place: tuple[str, str, str]) -> None:
    """One place: a piece of text before a line of a file."""
    name, before, text = place
    source = (package / name).read_text()
    assert source.count(before) == 1, f"{name} has changed; say where this goes now"
    (package / name).write_text(source.replace(before, text + before))


def started(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A finished Python process that imports the copy."""
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, cwd=package.parents[1],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
    )  # fmt: skip


def run(package: Path, *words: str) -> str:
    """What it prints."""
    done = started(package, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cli(package: Path, *words: str) -> str:
    return run(package, "-m", "mediasift", *words)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_a_verb_is_its_task_and_its_row_in_the_table(package: Path):
    (package / "tasks" / "brightness.py").write_text(BRIGHTNESS)
    insert(package, VERB)
    assert "Report how bright pictures are." in cli(package, "--help")
    text = " ".join(cli(package, "brightness", "--help").split())
    assert "Times this. [default: 1.0; x>0]" in text
    assert "--dpi" in text
    assert "--max-memory" in text
    assert rows(cli(package, "brightness", "photo.png", "--factor", "2"))[0]["brightness"] == "200.0"
    code = "import mediasift as ms\nprint(ms.brightness('photo.png', factor=0.5).to_dicts()[0]['brightness'])"
    assert run(package, "-c", code).strip() == "50.0"
    cli(package, "brightness", "photo.png", "--factor", "2", "-o", "out.csv", "--quiet")
    manifest = json.loads((package.parents[1] / "out.csv.run.json").read_text())
    assert manifest["settings"]["factor"] == 2
    assert manifest["settings"]["task"] == "brightness"


def test_an_option_of_all_that_reads_pictures_is_one_field(package: Path):
    (package / "tasks" / "brightness.py").write_text(BRIGHTNESS)
    insert(package, VERB)
    insert(package, MOOD)
    for verb in ("brightness", "classify", "ocr", "duplicates", "embed", "detect", "convert"):
        assert "--mood [merry|sad]" in cli(package, verb, "--help")
    assert "--mood" not in cli(package, "transcribe", "--help")
    assert rows(cli(package, "brightness", "photo.png", "--mood", "sad"))[0]["asked"] == "sad"
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
    assert run(package, "-c", code).strip() == "mood 'angry': must be one of merry, sad"


def test_an_option_of_a_verb_is_one_field(package: Path):
    field = '    mood: Annotated[str, Option("How they feel.")] = "merry"\n'
    insert(package, ("tasks/classify.py", "    top: Annotated[int", field))
    assert "--mood" in cli(package, "classify", "--help")
    assert "--mood" not in cli(package, "embed", "--help")
    cli(package, "classify", "photo.png", "-m", "digits-lenet", "--mood", "sad", "-o", "out.csv", "--quiet")
    assert json.loads((package.parents[1] / "out.csv.run.json").read_text())["settings"]["mood"] == "sad"
    code = "import mediasift as ms; print(ms.classify('photo.png', model='digits-lenet', mood='sad').settings['mood'])"
    assert run(package, "-c", code).strip() == "sad"


def test_an_engine_is_a_class_with_its_settings_and_a_line_in_its_table(package: Path):
    (package / "engines" / "ocr" / "mirror.py").write_text(MIRROR)
    room, mirror = "engines/ocr/__init__.py", "from mediasift.engines.ocr.mirror import Mirror, MirrorSettings\n"
    insert(package, (room, "from mediasift.engines.ocr.page", mirror))
    insert(package, (room, '"tesseract": Tesseract,', '"mirror": Mirror, '))
    insert(package, (room, "TesseractSettings):", "MirrorSettings, "))
    assert "[mirror|tesseract|rapidocr]" in cli(package, "ocr", "--help")
    (row,) = rows(cli(package, "ocr", "photo.png", "--engine", "mirror", "--motto", "read me"))
    assert row["text"].strip() == "read me"
    assert row["engine"] == "mirror"
    code = "import mediasift as ms\nprint(ms.ocr('photo.png', engine='mirror', motto='hello').to_dicts()[0]['text'])"
    assert run(package, "-c", code).strip() == "hello"
    done = started(package, "-m", "mediasift", "ocr", "photo.png", "--motto", "x")
    assert done.returncode == 2
    assert "--motto is for mirror" in done.stderr


def test_a_kind_of_input_is_a_content_class_and_a_line(package: Path):
    import zipfile

    home = package.parents[1]
    with zipfile.ZipFile(home / "photos.zip", "w") as archive:
        archive.write(home / "photo.png", "inner.png")
    insert(package, ("sources/content.py", "SCHEMES: dict[str", MEMBER))
    insert(package, ("sources/content.py", '"gs://": RemoteRecording', '"zip:": ZipMember, '))
    for verb, column, value in (
        ("info", "width", "8"),
        ("duplicates", "path", "zip:photos.zip!inner.png"),
        ("classify", "error", ""),
        ("convert", "error", ""),
    ):
        extra = {"convert": ("-d", "out"), "classify": ("-m", "digits-lenet")}.get(verb, ())
        (row,) = rows(cli(package, verb, "zip:photos.zip!inner.png", *extra))
        assert row[column] == value
        assert not row["error"]
    code = "import mediasift as ms\nprint(ms.info('zip:photos.zip!inner.png').to_dicts()[0]['format'])"
    assert run(package, "-c", code).strip() == "png"
    (row,) = rows(started(package, "-m", "mediasift", "info", "zip:photos.zip!gone.png").stdout)
    assert row["error"] == "not-found: no such member of the archive"
