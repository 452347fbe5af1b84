"""Word error rates of the speech engines that run here, on recordings whose words are known.

    python -m benchmarks.bench_speech_errors [--quick]

Three are speech of people (`speech/` of the test data); two are made here by espeak-ng, in voices that are harder to
understand than people's. Writes the table of docs/speech.md as well, unless `--quick`, which takes pocketsphinx alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mediasift as ms
from benchmarks.harness import DATA, ROOT, Result, run
from tests.engines.speech.test_whisper import GERMAN, JFK, base_model
from tests.words import wer

PAGE = ROOT / "docs" / "speech.md"
BEGIN, END = "<!-- error rates: begin (python -m benchmarks.bench_speech_errors) -->", "<!-- error rates: end -->"
CARDS = ["ten of clubs", "four queen of clubs", "seven of clubs", "five five",
         "eight of spades four of clubs seven of hearts"]  # fmt: skip
ENGLISH = "Good morning. Today is Monday, and tomorrow is Tuesday. The weather is good, and the children are at school."
ENGINES: dict[str, dict[str, Any]] = {"pocketsphinx": {}, "whisper, whisper-base": {"engine": "whisper"}}


def recordings(data: Path, folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Name → recordings and what is said in them."""
    for name, voice, text in (("en", "en", ENGLISH), ("de", "de", GERMAN)):
        subprocess.run(["espeak-ng", "-v", voice, "-s", "130", "-w", str(folder / f"{name}.wav"), text], check=True)
    return {
        "a speech of 1961, English": [(data / "jfk.flac", JFK)],
        "a question, English": [(data / "google-audio.wav", "how old is the Brooklyn Bridge")],
        "playing cards, English": [(data / "cards" / f"00{n}.wav", text) for n, text in enumerate(CARDS, 1)],
        "synthetic, English": [(folder / "en.wav", ENGLISH)],
        "synthetic, German": [(folder / "de.wav", GERMAN)],
    }


def rate(files: list[tuple[Path, str]], options: Mapping[str, Any]) -> float:
    """Word error rate over all of them; a language that an engine does not know counts as it is heard."""
    heard = [" ".join(row.text or "" for row in ms.transcribe(path, **options)) for path, _ in files]
    return round(wer(" ".join(text for _, text in files), " ".join(heard)), 3)


def table(rates: Mapping[str, Mapping[str, float]]) -> str:
    """The lines of docs/speech.md."""
    engines = list(next(iter(rates.values())))
    head = ["| recording | " + " | ".join(engines) + " |", "|---" * (1 + len(engines)) + "|"]
    return "\n".join(
        [*head, *(f"| {name} | {' | '.join(f'{row[one]:.2f}' for one in engines)} |" for name, row in rates.items())]
    )


def with_table(page: str, rates: Mapping[str, Mapping[str, float]]) -> str:
    """The page with the table of these rates."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(rates)}\n{END}{rest.partition(END)[2]}"


def measure(folder: Path, quick: bool) -> Result:
    """Every engine on every recording."""
    os.environ["MEDIASIFT_MODELS"] = str(folder)
    engines = dict(list(ENGINES.items())[:1]) if quick else ENGINES
    if not quick:
        base_model(folder / "whisper-base")
    spoken = recordings(DATA / "speech", folder)
    rates = {
        title: {engine: rate(files, options) for engine, options in engines.items()} for title, files in spoken.items()
    }
    if not quick:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), rates), encoding="utf-8")
    print(table(rates))
    packages = ("pocketsphinx",) if quick else ("pocketsphinx", "faster-whisper")
    return Result(what="word error rates of speech engines", facts=rates, packages=packages)


if __name__ == "__main__":
    run("speech_errors", measure)
