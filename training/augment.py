"""Altered copies of pictures, with a table that says what was done to which: `python -m training.augment --help`."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import cv2
import numpy as np

from mediasift.errors import InputError, ItemError, OutputError, UsageError
from mediasift.items import FailedItem
from mediasift.media.pictures.images import decode
from mediasift.sources.finding import find_sources
from mediasift.sources.naming import Inputs
from training.command import TrainingCommand, seed_option

TABLE = "augmented.csv"
SUFFIX = ".png"
"""Without loss, so that a copy has what the table says and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a picture is altered at most; each copy draws its own amounts.

    Attributes:
        rotate: Degrees, either way.
        flip: Mirror left and right, or not.
        crop: Share of width and height that is cut away.
        zoom: Share by which it is enlarged or shrunk around its middle.
        brightness: Share of 255 that is added or taken.
    """

    rotate: float = 0.0
    flip: bool = False
    crop: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """What is done to one copy, in this order.

    Attributes:
        crop_left, crop_top: Where the crop begins, as shares of width and height.
        crop_share: Share of width and height that is kept.
        flipped: Mirrored left and right.
        rotate_degrees: Clockwise, around the middle; corners that come in mirror the picture.
        zoom: Factor.
        brightness: Grey levels added, cut to 0..255.
    """

    crop_left: float
    crop_top: float
    crop_share: float
    flipped: bool
    rotate_degrees: float
    zoom: float
    brightness: int


def draw(limits: Limits, rng: np.random.Generator) -> Alteration:
    """Amounts within the limits, rounded to what the table shows, so that the table suffices to repeat a copy."""
    share = round(1 - float(rng.uniform(0, limits.crop)), 4)
    return Alteration(
        crop_share=share,
        crop_left=round(float(rng.uniform(0, 1 - share)), 4),
        crop_top=round(float(rng.uniform(0, 1 - share)), 4),
        flipped=bool(limits.flip and rng.random() < 0.5),
        rotate_degrees=round(float(rng.uniform(-limits.rotate, limits.rotate)), 2),
        zoom=round(1 + float(rng.uniform(-limits.zoom, limits.zoom)), 4),
        brightness=round(255 * float(rng.uniform(-limits.brightness, limits.brightness))),
    )


def alter(image: np.ndarray, how: Alteration) -> np.ndarray:
    """The altered picture, uint8 (H, W, 3) as the given one, of the size that is left after the crop."""
    height, width = image.shape[:2]
    left, top = int(how.crop_left * width), int(how.crop_top * height)
    kept_width, kept_height = max(1, round(how.crop_share * width)), max(1, round(how.crop_share * height))
    part = image[top : top + kept_height, left : left + kept_width]
    if how.flipped:
        part = part[:, ::-1]
    height, width = part.shape[:2]
    if how.rotate_degrees or how.zoom != 1:
        # OpenCV turns counter-clockwise.
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -how.rotate_degrees, how.zoom)
        part = cv2.warpAffine(
            np.ascontiguousarray(part), turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    return np.clip(part.astype(np.int16) + how.brightness, 0, 255).astype(np.uint8)


def augment(folder: Path, output: Path, *, copies: int, limits: Limits, seed: int) -> Iterator[dict[str, object]]:
    """Writes the copies, and yields a row for each: path, source, copy, what was done, error.

    A copy lies where its source lies, below `output`: `cats/a.jpg` gives `cats/a.jpg-1.png`, `cats/a.jpg-2.png` and so
    on. What is done to a picture depends on the seed and on its name, not on the others.
    """
    for source in find_sources(Inputs(named=[folder])):
        name = Path(source.path)
        try:
            if source.content is None:
                raise source.failure or InputError(f"{source.path}: cannot be read")
            first = next(decode(source.content.read(), suffix=source.content.suffix))
            if isinstance(first, FailedItem):
                raise first.error
        except ItemError as error:
            yield {"path": "", "source": source.path, "copy": "", "error": error.as_cell()}
            continue
        relative = name.relative_to(folder)
        rng = np.random.default_rng([seed, *relative.as_posix().encode("utf-8", "surrogateescape")])
        for copy in range(1, copies + 1):
            how = draw(limits, rng)
            # The suffix stays in the name: a.jpg and a.png must not write one another's copies.
            target = output / relative.parent / f"{relative.name}-{copy}{SUFFIX}"
            _write(target, alter(first.image, how))
            yield {"path": str(target), "source": source.path, "copy": copy, **asdict(how), "error": ""}


def _write(target: Path, image: np.ndarray) -> None:
    done, data = cv2.imencode(SUFFIX, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise OutputError(f"{target}: OpenCV cannot encode it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        temporary.write_bytes(data.tobytes())
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror})") from error


COLUMNS = ("path", "source", "copy", *(field for field in Alteration.__slots__), "error")


@click.command("python -m training.augment", cls=TrainingCommand)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for copies and table.")
@click.option("--copies", default=5, show_default=True, type=click.IntRange(1), help="Of each picture.")
@click.option("--rotate", default=0.0, show_default=True, type=click.FloatRange(0, 180), help="Degrees at most.")
@click.option("--flip", is_flag=True, help="Mirror every other copy left and right.")
@click.option("--crop", default=0.0, show_default=True, type=click.FloatRange(0, 0.9), help="Share cut away at most.")
@click.option(
    "--zoom", default=0.0, show_default=True, type=click.FloatRange(0, 0.9), help="Enlarge or shrink at most."
)
@click.option("--brightness", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Lighter or darker.")
@seed_option
def main(folder: Path, output: Path, copies: int, seed: int, **limits: float) -> None:
    """Write altered copies of the pictures in FOLDER, and a table of what was done to which."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if output.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"-o {output}: lies inside {folder}; a second run would alter the copies")
    rows = list(augment(folder, output, copies=copies, limits=Limits(**limits), seed=seed))  # type: ignore[arg-type]
    if not rows:
        raise InputError(f"{folder}: no pictures in it")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / TABLE).write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from error
    broken = sum(1 for row in rows if row["error"])
    print(
        f"wrote {len(rows) - broken} copies and {output / TABLE}"
        + (f"; {broken} pictures cannot be read" if broken else "")
    )


if __name__ == "__main__":
    main()
