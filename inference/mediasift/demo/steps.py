"""The commands of a tour, each as a user types it, and what is shown of what it makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mediasift.demo.inputs import MEDIA, REFERENCE, SPEECH
from mediasift.system.optional import install_line, is_installed

RESULTS = "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of them.

    Attributes:
        title: What it is about.
        words: What stands behind `mediasift`; {media}, {results} and {tour} stand for folders.
        columns: Those of its table that are shown; none where it makes no table.
        first, last: How many of its first and last rows, or lines.
        fails: Whether some of its inputs are broken on purpose.
        lacks: What must be installed before it can run, with the line to type; nothing where all is here.
    """

    title: str
    words: str
    columns: tuple[str, ...] = ()
    first: int = 3
    last: int = 1
    fails: bool = False
    lacks: Callable[[Path], str] = lambda _: ""

    @property
    def table(self) -> str:
        """Its table, below the tour; empty where it makes none."""
        return f"{RESULTS}/{self.words.rpartition('{results}/')[2]}" if self.columns else ""


def _no_tesseract(_: Path) -> str:
    if not is_installed("pytesseract"):
        return f"to read pictures of text: {install_line('ocr')}"
    return "" if shutil.which("tesseract") else "to read pictures of text: apt-get install tesseract-ocr"


def _no_speech(tour: Path) -> str:
    if not is_installed("pocketsphinx"):
        return f"to transcribe: {install_line('speech')}"
    missing = "to make speech: apt-get install espeak-ng, and name a new folder"
    return "" if (tour / SPEECH).exists() else missing


STEPS = (
    Step(title="What is there, from headers", words="info {media} -o {results}/files.csv",
         columns=("path", "page", "format", "width", "height", "duration_s"), first=2, last=4),
    Step(title="Which digits are these? One file is damaged: it has a row, too",
         words="classify {media}/digits -m digits-forest -o {results}/digits.csv",
         columns=("path", "label", "score", "error"), fails=True),
    Step(title="How many of these labels are right?",
         words=f"evaluate {{results}}/digits.csv {{tour}}/{REFERENCE} -o {{results}}/accuracy.csv",
         columns=("measure", "label", "value", "low", "high"), first=6, last=0),
    Step(title="Which pictures are there twice, or nearly?",
         words="duplicates {media}/landscapes -o {results}/duplicates.csv",
         columns=("path", "group", "similarity"), first=7),
    Step(title="Which are most like this one?",
         words="search {media}/landscapes/3.jpg --in {media}/landscapes --top 3 -o {results}/alike.csv",
         columns=("path", "rank", "similarity")),
    Step(title="Smaller, grey copies",
         words="convert {media}/landscapes -d {results}/small --resize 25% --color-model gray -o {results}/small.csv",
         columns=("path", "output", "width", "height"), first=2),
    Step(title="Where does a film cut?", words="shots {media}/film.mp4 -o {results}/shots.csv",
         columns=("path", "shot", "begins", "start_s", "end_s", "brightness")),
    Step(title="A still for each shot",
         words="keyframes {media}/film.mp4 -d {results}/stills -o {results}/keyframes.csv",
         columns=("time_s", "shot", "image_path"), first=4),
    Step(title="All that is known of a film, on one clock", words="timeline {media}/film.mp4 -o {results}/timeline.csv",
         columns=("time_s", "kind", "start_s", "end_s", "shot", "label")),
    Step(title="Text: page 1 holds it, page 2 is a picture of it",
         words="ocr {media}/letter.pdf --level line -o {results}/text.csv",
         columns=("page", "text", "confidence", "engine"), first=5, lacks=_no_tesseract),
    Step(title="Speech, of a machine's voice: the row says how sure the engine is",
         words=f"transcribe {{tour}}/{SPEECH} -o {{results}}/speech.csv",
         columns=("start_s", "end_s", "text", "confidence"), lacks=_no_speech),
    Step(title="What a paper reports of the digits", words="cite {results}/digits.csv.run.json", first=6, last=0),
    Step(title="The digits on a page", words="look {results}/digits.csv -d {tour}/look-digits", fails=True),
    Step(title="The film on a page", words="look {results}/timeline.csv -d {tour}/look-film"),
)  # fmt: skip


def command_words(step: Step, tour: str) -> list[str]:
    """What a user types behind `mediasift`, word by word, for a tour in this folder."""
    folders = {"tour": tour, "media": f"{tour}/{MEDIA}", "results": f"{tour}/{RESULTS}"}
    return [word.format_map(folders) for word in step.words.split()]
