"""What is installed: the lean core against the training stack, each by pip into an empty environment.

    python -m benchmarks.bench_install [--keep FOLDER]

Downloads some hundred megabytes (pip's cache is used). Counted are the files in `site-packages`, without pip itself and
without compiled `.pyc` files, which come and go.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.measure import goal, save

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"lean core": ".", "training stack": ".[training]"}
NOT_OURS = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def install(folder: Path, packages: str) -> Path:
    """The `site-packages` of an environment with nothing else in it; one that is there already is taken."""
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", packages], check=True, cwd=ROOT)
        (folder / "ready").touch()
    return next(folder.glob("lib/python*/site-packages"))


def sizes(packages: Path) -> dict[str, float]:
    """Megabytes (10^6 bytes) of each folder and file in `site-packages`, the largest first."""
    bytes_of: Counter[str] = Counter()
    for file in packages.rglob("*"):
        top = file.relative_to(packages).parts[0]
        if file.is_file() and file.suffix != ".pyc" and not top.startswith(NOT_OURS):
            bytes_of[top.removesuffix(".libs").split("-")[0]] += file.stat().st_size
    return {name: round(size / 1e6, 1) for name, size in bytes_of.most_common()}


def largest(sizes_mb: dict[str, float], count: int = 10) -> dict[str, float]:
    """The largest, and the rest in one number."""
    names = list(sizes_mb)
    rest = round(sum(sizes_mb[name] for name in names[count:]), 1)
    return {**{name: sizes_mb[name] for name in names[:count]}, f"{max(len(names) - count, 0)} more": rest}


@contextlib.contextmanager
def place(keep: Path | None) -> Iterator[Path]:
    """The folder to keep, or one that goes."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


@click.command()
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the environments here.")
def main(keep: Path | None) -> None:
    """Measure and write results/bench_install.json."""
    with place(keep) as folder:
        sizes_of = {kind: sizes(install(folder / kind.split()[0], named)) for kind, named in KINDS.items()}
    totals = {kind: round(sum(packages.values()), 1) for kind, packages in sizes_of.items()}
    for kind, total in totals.items():
        print(f"{kind}: {total} MB, {largest(sizes_of[kind])}")
    lean, training = totals.values()
    result = {
        "what": "installed size in site-packages, without pip and compiled files, MB (10^6 bytes)",
        "goals": [
            goal("installed size of the lean core, times smaller", "training stack", training / lean,
                 at_least=5.0, aim_for=7.0, agreement="the lean core runs every shipped model",
                 why=f"of {lean} MB are {', '.join(f'{n} {mb}' for n, mb in list(sizes_of['lean core'].items())[:4])}"),
        ],
        "total": totals,
        **{f"{kind}, by package": largest(packages) for kind, packages in sizes_of.items()},
    }  # fmt: skip
    save("bench_install", result)


if __name__ == "__main__":
    main()
