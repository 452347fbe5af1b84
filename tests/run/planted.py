"""A task whose codec is planted: pictures of one colour that abort, hang, or eat memory when they are decoded.

It is imported by name in the worker process, like any other task.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mediasift.engines.engine import Resources
from mediasift.items import Item
from mediasift.media.pictures import images
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.tasks.task import ModelRunSettings, Reads, Started

ABORT, HANG, ALLOCATE, COMPUTE = 10, 20, 30, 40
"""Red levels of a picture's first pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Red(Row):
    """The first pixel's red."""

    red: int | None = None


@dataclass(frozen=True, kw_only=True)
class Planted(PictureSettings, ModelRunSettings):
    """Settings: where the evil is, and where it is noted what was read."""

    name: ClassVar[str] = "planted"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Red

    where: str = "decode"
    log: str = ""
    slow_s: float = 0.0
    evil: bool = True
    concurrency: int = 1

    def start(self, resources: Resources) -> StartedPlanted:
        """Plant the codec."""
        if self.where == "start":
            os.abort()
        if self.where == "decode" and self.evil:
            _plant()
        return StartedPlanted(self, resources.batch_size or 4)


class StartedPlanted(Started):
    """Does what it was told at the picture it was told."""

    needs = None

    def __init__(self, settings: Planted, batch_size: int) -> None:
        self.settings = settings
        self.batch_size = batch_size
        self.concurrency = settings.concurrency
        self.facts: Mapping[str, Any] = {"where": settings.where}

    def prepare(self, item: Item) -> int:
        red = int(item.image[0, 0, 0])
        if self.settings.log:
            with Path(self.settings.log).open("a") as file:
                file.write(f"{item.path} {item.page or ''}\n")
        if self.settings.where == "prepare" and self.settings.evil:
            _do(red)
        if self.settings.where == "bug" and red == ABORT:
            raise ZeroDivisionError("a bug")
        time.sleep(self.settings.slow_s)
        return red

    def infer(self, batch: Sequence[int]) -> list[list[Row]]:
        if self.settings.where == "infer" and self.settings.evil:
            for red in batch:
                _do(red)
        if self.settings.concurrency > 1:
            time.sleep(self.settings.slow_s)
        return [[Red(red=red)] for red in batch]


def _do(red: int) -> None:
    if red == ABORT:
        ctypes.CDLL(None).abort()
    elif red == HANG:
        time.sleep(1000)
    elif red == COMPUTE:
        while True:
            pass
    elif red == ALLOCATE:
        held = []
        while True:
            held.append(np.ones(4_000_000))


def _plant() -> None:
    decode = images._one

    def planted(data: bytes, name: str, header: Any, reduction: int) -> Any:
        decoded = decode(data, name, header, reduction)
        _do(int(decoded.image[0, 0, 0]))
        return decoded

    images._one = planted
