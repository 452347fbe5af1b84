"""Word error rates of the speech engines that run here, on recordings whose words are known.

    python -m benchmarks.bench_speech_errors

Three are speech of people (`speech/` of the test data); two are made here by espeak-ng, in voices that are harder to
understand than people's. Writes results/bench_speech_errors.json and the table of docs/speech.md.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import mediasift as ms
from benchmarks.measure import save
from tests.engines.speech.test_whisper import GERMAN, JFK, base_model
from tests.words import wer

ROOT = Path(__file__).resolve().parent.parent
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
    head = ["| recording | " + " | ".join(ENGINES) + " |", "|---" * (1 + len(ENGINES)) + "|"]
    return "\n".join(
        [*head, *(f"| {name} | {' | '.join(f'{row[one]:.2f}' for one in ENGINES)} |" for name, row in rates.items())]
    )


def with_table(page: str, rates: Mapping[str, Mapping[str, float]]) -> str:
    """The page with the table of these rates."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(rates)}\n{END}{rest.partition(END)[2]}"


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=ROOT.parent / "shared" / "data" / "speech")
def main(data: Path) -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["MEDIASIFT_MODELS"] = name
        base_model(Path(name) / "whisper-base")
        spoken = recordings(data, Path(name))
        rates = {
            title: {engine: rate(files, options) for engine, options in ENGINES.items()}
            for title, files in spoken.items()
        }
    save("bench_speech_errors", {"what": "word error rates of speech engines", "recordings": rates},
         "pocketsphinx", "faster-whisper")  # fmt: skip
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), rates), encoding="utf-8")
    print(table(rates))


if __name__ == "__main__":
    main()
