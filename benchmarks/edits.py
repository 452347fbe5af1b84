"""Edited clips with known boundaries, made from a seed: what detectors of cuts are measured with.

Each clip shows one way of editing, or one thing that looks like an edit and is none. Scenes are textures of one palette
each, over which a camera moves and in which something moves; they are no photographs, but differ from each other, and
within themselves, about as shots of a film do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FPS = 25
WIDTH, HEIGHT = 320, 180

Frame = NDArray[np.uint8]
Boundary = tuple[int, int]
"""First and last frame at which a new shot may be said to begin."""


@dataclass
class Edit:
    """A clip that is being made: uint8 (H, W, 3) RGB frames, and where its shots begin."""

    frames: list[Frame]
    boundaries: list[Boundary]


class Scene:
    """One take: a palette, a texture, a camera that moves over it, and a thing that moves in it."""

    def __init__(self, rng: np.random.Generator, *, speed: float = 1.0, thing: float = 1.0) -> None:
        wide, high = 3 * WIDTH, 3 * HEIGHT
        palette = rng.integers(0, 256, (2, 3)).astype(np.float32)
        shades = sum(
            share
            * cv2.resize(rng.random((3 * fine, 5 * fine), np.float32), (wide, high), interpolation=cv2.INTER_CUBIC)
            for fine, share in ((1, 0.55), (4, 0.3), (16, 0.15))
        )
        mixed = palette[0] + (palette[1] - palette[0]) * np.clip(shades, 0, 1)[..., None]
        colours = cv2.resize(rng.integers(-40, 41, (4, 7, 3)).astype(np.float32), (wide, high))
        self._world = np.clip(mixed + colours, 0, 255).astype(np.uint8)
        self._place = np.array([rng.uniform(WIDTH * 0.5, WIDTH * 1.5), rng.uniform(HEIGHT * 0.5, HEIGHT * 1.5)])
        self.way = rng.normal(0, speed, 2)
        self._colour = tuple(int(one) for one in rng.integers(0, 256, 3))
        self._thing = np.array([rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)])
        self._drift, self._size = rng.normal(0, 3 * thing, 2), int(rng.integers(15, 60))
        self._grain = rng

    def frame(self) -> Frame:
        """The next frame."""
        self._place += self.way
        for axis, most in ((0, 2 * WIDTH), (1, 2 * HEIGHT)):  # the camera turns where its world ends
            if not 0 <= self._place[axis] <= most:
                self.way[axis] *= -1
                self._place[axis] = np.clip(self._place[axis], 0, most)
        left, top = (int(one) for one in self._place)
        image = self._world[top : top + HEIGHT, left : left + WIDTH].copy()
        self._thing = (self._thing + self._drift) % (WIDTH, HEIGHT)
        cv2.circle(image, tuple(int(one) for one in self._thing), self._size, self._colour, -1)
        grain = self._grain.integers(-3, 4, image.shape, dtype=np.int16)
        return np.asarray(np.clip(image + grain, 0, 255), np.uint8)


def _hard(edit: Edit, rng: np.random.Generator, *, shortest: float, longest: float, speed: float = 1.0) -> None:
    """Shots of so many seconds, one directly after the other."""
    while len(edit.frames) < 40 * FPS:
        if edit.frames:
            edit.boundaries.append((len(edit.frames), len(edit.frames)))
        scene = Scene(rng, speed=speed, thing=speed)
        edit.frames += [scene.frame() for _ in range(int(rng.uniform(shortest, longest) * FPS))]


def _mixed(
    edit: Edit,
    rng: np.random.Generator,
    mix: Callable[[Frame, Frame, float], Frame],
    *,
    shortest: float,
    longest: float,
) -> None:
    """Shots that go over into each other in so many seconds; `mix` makes a frame of both at 0..1 of the way."""
    scene = Scene(rng)
    for _ in range(10):
        edit.frames += [scene.frame() for _ in range(int(rng.uniform(1.5, 3.5) * FPS))]
        following, count = Scene(rng), int(rng.uniform(shortest, longest) * FPS)
        edit.boundaries.append((len(edit.frames), len(edit.frames) + count))
        edit.frames += [mix(scene.frame(), following.frame(), (step + 1) / (count + 1)) for step in range(count)]
        scene = following
    edit.frames += [scene.frame() for _ in range(2 * FPS)]


def _dissolved(before: Frame, after: Frame, share: float) -> Frame:
    return np.asarray(cv2.addWeighted(before, 1 - share, after, share, 0))


def _wiped(before: Frame, after: Frame, share: float) -> Frame:
    return np.concatenate([after[:, : round(share * WIDTH)], before[:, round(share * WIDTH) :]], axis=1)


def _through(ground: int) -> Callable[[Frame, Frame, float], Frame]:
    """Out to a ground, which stays for a fifth of the time, and in again."""

    def mix(before: Frame, after: Frame, share: float) -> Frame:
        shown, strength = (before, 1 - share / 0.4) if share < 0.5 else (after, (share - 0.6) / 0.4)
        return np.asarray(
            cv2.addWeighted(shown, max(0.0, strength), np.full_like(shown, ground), 1 - max(0.0, strength), 0)
        )

    return mix


def _flashes(edit: Edit, rng: np.random.Generator) -> None:
    """Long shots with camera flashes: two to five frames, which decay in half of the cases."""
    _hard(edit, rng, shortest=6, longest=9)
    borders = [first for first, _ in edit.boundaries]
    for start in range(FPS, len(edit.frames) - FPS, 2 * FPS):
        length = int(rng.integers(2, 6))
        if any(abs(start - border) < FPS for border in borders):
            continue
        decays = bool(rng.integers(2))
        for step in range(length):
            strength = 0.85 * (1 - step / length if decays else 1)
            white = np.full_like(edit.frames[0], 255)
            edit.frames[start + step] = np.asarray(
                cv2.addWeighted(edit.frames[start + step], 1 - strength, white, strength, 0)
            )


def _whips(edit: Edit, rng: np.random.Generator) -> None:
    """One take of a camera that whips round now and then; no cut."""
    scene = Scene(rng, speed=0.5)
    for _ in range(12):
        edit.frames += [scene.frame() for _ in range(2 * FPS)]
        way, scene.way = scene.way, np.array([rng.uniform(25, 45) * rng.choice((-1, 1)), 0.0])
        edit.frames += [scene.frame() for _ in range(int(rng.uniform(0.3, 0.7) * FPS))]
        scene.way = way


def _shaking(edit: Edit, rng: np.random.Generator) -> None:
    """Cuts between takes of a camera that somebody runs with, behind large things that pass."""
    while len(edit.frames) < 40 * FPS:
        if edit.frames:
            edit.boundaries.append((len(edit.frames), len(edit.frames)))
        scene = Scene(rng, speed=6, thing=8)
        for _ in range(int(rng.uniform(2, 4) * FPS)):
            scene.way = 0.7 * scene.way + rng.normal(0, 6, 2)
            edit.frames.append(scene.frame())


KINDS: dict[str, Callable[[Edit, np.random.Generator], None]] = {
    "cuts": lambda edit, rng: _hard(edit, rng, shortest=1, longest=5),
    "montage": lambda edit, rng: _hard(edit, rng, shortest=0.33, longest=0.8),
    "movement": lambda edit, rng: _hard(edit, rng, shortest=1, longest=4, speed=8),
    "shaking": _shaking,
    "whip pans": _whips,
    "flashes": _flashes,
    "dissolves": lambda edit, rng: _mixed(edit, rng, _dissolved, shortest=0.4, longest=1.2),
    "wipes": lambda edit, rng: _mixed(edit, rng, _wiped, shortest=0.3, longest=1),
    "fades through black": lambda edit, rng: _mixed(edit, rng, _through(0), shortest=0.8, longest=2),
    "fades through white": lambda edit, rng: _mixed(edit, rng, _through(255), shortest=0.8, longest=2),
}
"""What a clip shows → what makes it."""


def make_edit(path: Path, kind: str, seed: int) -> list[Boundary]:
    """Write a clip of about 40 s as H.264; where its shots begin."""
    edit, rng = Edit([], []), np.random.default_rng([seed, list(KINDS).index(kind)])
    KINDS[kind](edit, rng)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, image in enumerate(edit.frames):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return edit.boundaries


def matched(detected: list[int], boundaries: list[Boundary], *, slack: int = 2) -> tuple[int, int, int]:
    """(right, detected, true): each boundary is found once, within its frames and so many around."""
    left, right = sorted(detected), 0
    for first, last in boundaries:
        near = next((number for number in left if first - slack <= number <= last + slack), None)
        if near is not None:
            left.remove(near)
            right += 1
    return right, len(detected), len(boundaries)


def f1(counts: Iterator[tuple[int, int, int]] | list[tuple[int, int, int]]) -> float:
    """Of all clips together: 2 right / (found + true); 1 where there is nothing to find and nothing was."""
    right, detected, true = (sum(column) for column in zip(*counts, strict=True))
    return 1.0 if not detected + true else 2 * right / (detected + true)
