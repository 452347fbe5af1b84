"""How many boundaries of shots are found, and how many that are none: our detectors beside PySceneDetect's two.

    python -m benchmarks.bench_cuts [--seeds 2] [--quick]

Edited clips with known boundaries are made from seeds (`edits.py`), a few of each kind of editing; the labelled clips
of the test data are judged as well. A boundary is found within two frames of it, or of the frames over
which it stretches. F1 is twice the right ones over all that were found and all that there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.edits import KINDS, Boundary, f1, make_edit, matched
from benchmarks.harness import DATA, Result, run
from benchmarks.peer import Peer
from mediasift.media.video.cuts import DEFAULT_DETECTOR, DETECTORS
from mediasift.media.video.footage import measured_cells, open_footage
from mediasift.media.video.shots import find_shots
from mediasift.sources.content import LocalFile

SCENEDETECT = "0.7.2"
PEERS = ("content", "adaptive")

LABELLED: dict[str, tuple[str, list[int] | list[float]]] = {
    "testvideo.mp4 (PySceneDetect's own)": ("video/testvideo.mp4", [30, 180, 394]),
    "counter.mp4 (three grounds, 10 frames a second)": ("video/counter.mp4", [10, 20]),
    "bikes.mp4 (by eye)": ("video/bikes.mp4", [30, 76, 137, 187, 242]),
    "montage of 0.32 s shots": ("reports/av/montage8.mp4", [8 * number for number in range(1, 12)]),
    "flashes of 2 to 3 frames": ("reports/av/flash.mp4", []),
    "fade through white": ("reports/av/fade_white.mp4", [88]),
    "variable frame rate": ("reports/av/s14_vfr.mkv", [1.2, 3.12, 4.08, 8.04, 12.0]),
}
"""Clip → where it is in the test data, and the first frames of its shots, or their seconds."""


def ours(video: Path, detector: str) -> list[int]:
    """First frames of all shots but the first."""
    with open_footage(LocalFile(video)) as footage:
        cells = measured_cells(footage, colours=False)
        return [shot.first for shot in find_shots(cells, detector=detector)][1:]


def frames(video: Path, begins: list[int] | list[float]) -> list[int]:
    """The frames that begin shots, by their numbers or by their seconds from the first frame."""
    with open_footage(LocalFile(video)) as footage:
        table = footage.timetable
        times = [table.time_s(number) for number in range(len(table.ticks))]
    return [
        one if isinstance(one, int) else min(range(len(times)), key=lambda number: abs(times[number] - times[0] - one))
        for one in begins
    ]


def clips(folder: Path, seeds: int) -> Iterator[tuple[str, Path, list[Boundary]]]:
    """What a clip shows, where it is, its boundaries."""
    for kind in KINDS:
        for seed in range(1, seeds + 1):
            video = folder / f"{kind}-{seed}.mp4"
            yield kind, video, make_edit(video, kind, seed)
    for name, (place, begins) in LABELLED.items():
        yield name, DATA / place, [(number, number) for number in frames(DATA / place, begins)]


def measure(folder: Path, quick: bool, seeds: int) -> Result:
    """Judge every detector on every clip."""
    packages = (f"scenedetect=={SCENEDETECT}", "opencv-python-headless")
    peer = Peer(f"scenedetect-{SCENEDETECT}", packages, "scenedetect_detectors.py")
    judged: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
    for kind, video, known in clips(folder, 0 if quick else seeds):
        by_detector = judged.setdefault(kind, {})
        for detector in DETECTORS:
            by_detector.setdefault(f"mediasift {detector}", []).append(matched(ours(video, detector), known))
        for detector in PEERS:
            theirs = frames(video, [float(one) for one in peer.ask(video=str(video), detector=detector)["seconds"]])
            by_detector.setdefault(f"PySceneDetect {detector}", []).append(matched(theirs, known))
        print(kind, {detector: f"{f1(counts):.3f}" for detector, counts in by_detector.items()}, flush=True)
    peer.close()
    names = list(next(iter(judged.values())))
    every = {name: [count for by_detector in judged.values() for count in by_detector[name]] for name in names}
    facts = {kind: {name: f1(counts) for name, counts in one.items()} for kind, one in judged.items()}
    facts["all"] = {name: f1(counts) for name, counts in every.items()}
    for place, what_is_counted in enumerate(("right", "all that a detector gives", "true")):
        facts[what_is_counted] = {name: sum(one[place] for one in counts) for name, counts in every.items()}
    return Result(
        what=f"boundaries of shots: F1 by what a clip shows, {seeds} clips of 40 s of each kind that is made; the "
        f"default is {DEFAULT_DETECTOR}", facts=facts, packages=("av", "numpy"),
    )  # fmt: skip


if __name__ == "__main__":
    run("cuts", measure, click.Option(["--seeds"], type=int, default=2, show_default=True, help="Clips of each kind."))
