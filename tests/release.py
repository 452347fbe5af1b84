"""Check what a release would publish: `python -m tests.release [dist]`, or `--tag v1.2.3` before it is built.

The wheel and the source archive hold exactly the files that they should; the wheel, installed without anything else in
an environment of its own on the oldest and the newest Python here, labels the pictures of `examples` without a network;
an SBOM (CycloneDX) of that environment goes to build/. Needs pip and cyclonedx-py beside this Python, nothing else: see
`make release`. RELEASING_PYTHONS names interpreters, separated by spaces, where those on the PATH are not meant.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
KINDS = {".py", ".html", ".css", ".js", ".bib", ".typed"}
"""What the package consists of, beside its models."""
LICENCES = ("LICENSE", "LICENSE-APACHE", "NOTICE")
ABOUT = ("README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "hatch_build.py", *LICENCES)
OLDEST, NEWEST = 11, 14
"""Minor versions of Python 3 that are looked for."""


def version() -> str:
    """The one place that has it."""
    text = (ROOT / "inference" / "mediasift" / "__init__.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]


def not_ready(tag: str) -> list[str]:
    """Why this checkout cannot be published under this tag."""
    number = version()
    problems = [] if tag == f"v{number}" else [f"the tag is {tag}, __version__ is {number}"]
    if f"## [{number}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        problems.append(f"CHANGELOG.md has no section [{number}]")
    if not re.search(rf"^version: {re.escape(number)}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE):
        problems.append(f"CITATION.cff does not name version {number}")
    return problems


def in_wheel() -> set[str]:
    """Every file of the wheel, without the folder of its metadata, which is `.dist-info` here."""
    package = ROOT / "inference"
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.suffix in KINDS}
    models = ROOT / "exported_models"
    registry = tomllib.loads((models / "registry.toml").read_text(encoding="utf-8"))["model"]
    shipped = [one["file"] for one in registry if not one.get("url") and not one.get("package")]
    labels = [f"labels/{path.name}" for path in (models / "labels").glob("*.json")]
    files |= {f"mediasift/exported_models/{name}" for name in ("registry.toml", *shipped, *labels)}
    metadata = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", *(f"licenses/{name}" for name in LICENCES))
    return files | {f".dist-info/{name}" for name in metadata}


def in_source_archive() -> set[str]:
    """Every file of the source archive, below its one folder: no model that the build makes."""
    wheel = {name for name in in_wheel() if not name.startswith(".")}
    made = "exported_models/efficientnet-lite0-int8.onnx"
    models = {name.removeprefix("mediasift/") for name in wheel if name.startswith("mediasift/exported_models/")}
    code = {f"inference/{name}" for name in wheel if "/exported_models/" not in name}
    training = {f"training/{path.name}" for path in (ROOT / "training").glob("lite0*")}
    return code | (models - {made}) | training | {*ABOUT, "training/__init__.py", "PKG-INFO", ".gitignore"}


def compared(archive: Path, names: Iterable[str], wanted: set[str]) -> list[str]:
    """What an archive lacks, and what it should not hold."""
    present = set(names)
    return [f"{archive.name} lacks {name}" for name in sorted(wanted - present)] + [
        f"{archive.name} holds {name}, which no release should" for name in sorted(present - wanted)
    ]


def wrong_wheel(wheel: Path) -> list[str]:
    """Why a wheel cannot be published; nothing where it can."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        folder = f"mediasift-{version()}.dist-info"
        plain = [re.sub(rf"^{re.escape(folder)}/", ".dist-info/", name) for name in names]
        return compared(wheel, plain, in_wheel())


def wrong_source_archive(path: Path) -> list[str]:
    """Why a source archive cannot be published; nothing where it can."""
    with tarfile.open(path) as archive:
        names = [str(PurePosixPath(*PurePosixPath(one.name).parts[1:])) for one in archive if one.isfile()]
        return compared(path, names, in_source_archive())


def interpreters() -> list[str]:
    """The oldest and the newest Python here that mediasift supports; those that RELEASING_PYTHONS names instead."""
    if named := os.environ.get("RELEASING_PYTHONS", "").split():
        return named
    present = []
    for minor in range(OLDEST, NEWEST + 1):
        path = shutil.which(f"python3.{minor}")
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            present.append(path)
    return list(dict.fromkeys([*present[:1], *present[-1:]])) or [sys.executable]


def install(wheel: Path, python: str, folder: Path) -> Path:
    """An environment with the wheel and what it needs, nothing else, not even pip; its Python."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    own = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(own), "install", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True)
    for record in folder.rglob("mediasift-*.dist-info/direct_url.json"):
        record.unlink()  # where the wheel lay on this machine, which the SBOM would repeat
    return own


def wrong_labels(python: Path, folder: Path) -> list[str]:
    """Which pictures of `examples` the installed package labels otherwise than they are named; offline, elsewhere."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "MEDIASIFT_"))}
    problems = []
    for group, words in (("scenes", ()), ("digits", ("-m", "digits-forest"))):
        command = [str(python.with_name("mediasift")), "classify", str(ROOT / "examples" / group), *words]
        done = subprocess.run([*command, "--format", "csv"], cwd=folder, env={**kept, "MEDIASIFT_OFFLINE": "1"},
                              capture_output=True, encoding="utf-8", check=False)  # fmt: skip
        rows = {Path(row["path"]).stem: row for row in csv.DictReader(done.stdout.splitlines())}
        named = {path.stem for path in (ROOT / "examples" / group).iterdir()}
        if rows.keys() != named:
            problems.append(f"{group}: {len(rows)} of {len(named)} pictures have a row: {done.stderr[-2000:]}")
        for stem, row in rows.items():
            right = row["error"] if stem == "broken" else stem.replace("-", " ") in row["label"]
            if not right:
                problems.append(f"{group}/{stem}: {row['label'] or row['error'] or 'no error'}")
    return problems


def main(arguments: list[str]) -> int:
    """0 when all may be published, else 1."""
    if arguments[:1] == ["--tag"] and len(arguments) == 2:
        problems = not_ready(arguments[1])
    elif len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__)
        return 2
    else:
        problems = _tried(Path(*(arguments or ["dist"])))
    print("\n".join(problems) or "nothing speaks against it")
    return 1 if problems else 0


def _tried(dist: Path) -> list[str]:
    wheels, archives = list(dist.glob("*.whl")), list(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        return [f"{dist} holds {len(wheels)} wheels and {len(archives)} source archives, not one of each: make release"]
    problems = wrong_wheel(wheels[0]) + wrong_source_archive(archives[0])
    sbom = ROOT / "build" / f"mediasift-{version()}.cdx.json"
    sbom.parent.mkdir(exist_ok=True)
    for python in [] if problems else interpreters():
        with tempfile.TemporaryDirectory() as folder:
            own = install(wheels[0], python, Path(folder) / "environment")
            shown = subprocess.run([own, "--version"], capture_output=True, text=True, check=True).stdout.strip()
            wrong = wrong_labels(own, Path(folder))
            print(f"{shown}: {'labels as it should, offline' if not wrong else 'labels wrongly'}", flush=True)
            problems += [f"{shown}: {one}" for one in wrong]
            command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--mc-type"]
            subprocess.run([*command, "library", "-o", str(sbom), str(own)], check=True)  # of the newest, at the end
    return problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
