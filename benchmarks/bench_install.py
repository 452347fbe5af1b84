"""What is installed: the lean core beside the training stack, each by pip into an empty environment.

    python -m benchmarks.bench_install [--keep FOLDER]

Downloads some hundred megabytes (pip's cache is used). Counted are the files in `site-packages`, without pip itself and
without compiled `.pyc` files, which come and go.
"""

from __future__ import annotations

import subprocess
import venv
from collections import Counter
from pathlib import Path

import click

from benchmarks.harness import ROOT, Result, Row, Versus, run

KINDS = {"lean core": ".", "training stack": ".[training]"}
NOT_OURS = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def sizes(folder: Path, packages: str) -> dict[str, float]:
    """Megabytes (10^6 bytes) of each package in an environment with nothing else in it, the largest first."""
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", packages], check=True, cwd=ROOT)
        (folder / "ready").touch()
    site, bytes_of = next(folder.glob("lib/python*/site-packages")), Counter[str]()
    for file in site.rglob("*"):
        top = file.relative_to(site).parts[0]
        if file.is_file() and file.suffix != ".pyc" and not top.startswith(NOT_OURS):
            bytes_of[top.removesuffix(".libs").split("-")[0]] += file.stat().st_size
    return {name: size / 1e6 for name, size in bytes_of.most_common()}


def measure(folder: Path, quick: bool, keep: Path | None) -> Result:
    """Both kinds; `quick` does not apply: an installation is whole or none."""
    del quick
    place = folder if keep is None else keep.absolute()
    sizes_of = {kind: sizes(place / kind.split()[0], packages) for kind, packages in KINDS.items()}
    lean, training = (sum(one.values()) for one in sizes_of.values())
    row = Row(what=f"installed size of the lean core, {lean:.0f} MB: times smaller",
              peer=Versus(training / lean, "the training stack (TensorFlow)", 5.0))  # fmt: skip
    largest = {f"{kind}, MB": dict(list(one.items())[:8]) for kind, one in sizes_of.items()}
    return Result(what="installed size in site-packages, MB (10^6 bytes)", rows=[row], facts=largest)


if __name__ == "__main__":
    run("install", measure, click.Option(["--keep"], type=click.Path(file_okay=False, path_type=Path)))
