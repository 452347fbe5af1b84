"""Fetch the test data that is public: `python -m tests.fetch_data FOLDER [PREFIX...]`.

Every file comes from its own project, at a fixed commit, and is checked against the SHA-256 in `data.tsv`: lines with
an address are folders there; below each stand the hashes of its files, their places here, and their names there where
they differ. Files that are here already are not fetched again. What was resized (ants-bees) or made for the tests
(reports) is not public.
"""

from __future__ import annotations

import hashlib
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mediasift.system.files import write_file

LIST = Path(__file__).with_name("data.tsv")
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file: its place below the folder, where it comes from, and its SHA-256."""

    name: str
    address: str
    sha256: str


def wanted(text: str, prefixes: tuple[str, ...] = ()) -> Iterator[Wanted]:
    """The files of a list whose places begin with one of the prefixes; all of them without any."""
    folder = ""
    for line in text.splitlines():
        first, *rest = line.split("\t")
        if not rest:
            folder = first
        elif rest[0].startswith(prefixes or ("",)):
            yield Wanted(rest[0], folder + urllib.parse.quote(Path(rest[-1]).name), first)


def download(address: str) -> bytes:
    """The bytes at an address."""
    with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
        return bytes(answer.read())


def fetch(folder: Path, files: Iterator[Wanted], get: Callable[[str], bytes] = download) -> list[str]:
    """Fetch what is not in the folder yet; why some files could not be fetched."""
    problems = []
    for file in files:
        path = folder / file.name
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256:
            continue
        try:
            data = get(file.address)
        except OSError as error:
            problems.append(f"{file.name}: {file.address} cannot be fetched ({error})")
            continue
        if hashlib.sha256(data).hexdigest() != file.sha256:
            problems.append(f"{file.name}: {file.address} holds other bytes than those that were tested with")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    return problems


def main(arguments: list[str]) -> int:
    """0 when every file is there, else 1."""
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    problems = fetch(Path(arguments[0]), wanted(LIST.read_text(encoding="utf-8"), tuple(arguments[1:])))
    print("\n".join([*problems, f"{arguments[0]}: {len(problems)} files are missing"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
