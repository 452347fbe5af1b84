"""Key frames: shots beside PySceneDetect, I-frames beside full decoding, every 1000th frame beside OpenCV, and memory.

    python -m benchmarks.bench_keyframes [VIDEO...] [--minutes 3] [--rounds 3]

Makes its own 1080p clip; VIDEOs are measured as well. PySceneDetect gets an environment of its own in the folder for
temporary files, because it brings an OpenCV that overwrites ours. `--every shot` also writes a picture of each shot,
which PySceneDetect does if asked to, so it is measured both ways. What contestants found is compared before a ratio is
printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import click
import cv2
import numpy as np

from benchmarks.clips import make_clip, read_number, repeated
from benchmarks.measure import alternate, goal, median, ratios, save
from mediasift.media.pictures.encode import write_picture
from mediasift.media.video.every import parse_every
from mediasift.media.video.footage import chosen_frames, measured_cells, open_footage
from mediasift.media.video.shots import find_shots
from mediasift.sources.content import LocalFile

SCENEDETECT = "0.7.2"
OURS, PEER = "mediasift", "scenedetect"


class Peer:
    """PySceneDetect in a process and an environment of its own; started once, so that imports do not count."""

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir()) / f"mediasift-peer-scenedetect-{SCENEDETECT}"
        python = folder / "bin" / "python"
        if not (folder / "ready").exists():
            venv.create(folder, with_pip=True, clear=True)
            for package in (f"scenedetect=={SCENEDETECT}", "opencv-python-headless"):
                subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
            (folder / "ready").touch()
        script = Path(__file__).parent / "peers" / "scenedetect_cuts.py"
        self._process = subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._asked: Any = self._process.stdin
        self._answers: Any = self._process.stdout

    def cuts(self, video: Path, pictures: Path | None = None) -> list[int]:
        """What its content detector finds; one picture of each shot is written into a folder, if one is named."""
        self._asked.write(f"{pictures or ''}\t{video}\n")
        self._asked.flush()
        return list(json.loads(self._answers.readline()))

    def close(self) -> None:
        """End the process."""
        self._asked.close()
        self._process.wait()


def frames_in(video: Path) -> int:
    with open_footage(LocalFile(video)) as footage:
        return len(footage.timetable.ticks)


def our_cuts(video: Path) -> list[int]:
    with open_footage(LocalFile(video)) as footage:
        cells = measured_cells(footage, colours=False, keyframes=True)
        shots = find_shots(cells, detector="content", fades=False)
        return [shot.first for shot in shots][1:]


def our_key_frames(video: Path, pictures: Path) -> int:
    """What `keyframes --every shot -d FOLDER` does: find shots, choose a frame of each, write it."""
    with open_footage(LocalFile(video)) as footage:
        for frame, _ in chosen_frames(footage, parse_every("shot")):
            write_picture(pictures / f"{frame.number}.jpg", frame.rgb(), "jpeg")
        return len(footage.timetable.ticks)


def shots(video: Path, peer: Peer, rounds: int, folder: Path) -> dict[str, Any]:
    """Frames per second of finding shots, and of writing one picture of each as well."""
    ours, theirs = our_cuts(video), peer.cuts(video)
    if ours != theirs:
        return {"cuts differ": {OURS: ours, PEER: theirs}}
    count = frames_in(video)
    here, there = (folder / f"{video.stem}-{name}" for name in (OURS, PEER))
    here.mkdir()
    there.mkdir()

    def asked(pictures: Path | None) -> int:
        peer.cuts(video, pictures)
        return count

    measured = alternate(
        {
            f"{OURS}, with pictures": lambda: our_key_frames(video, here),
            f"{PEER}, cuts alone": lambda: asked(None),
            f"{PEER}, with pictures": lambda: asked(there),
        },
        rounds,
    )
    written = {name: len(list(pictures.iterdir())) for name, pictures in ((OURS, here), (PEER, there))}
    if set(written.values()) != {len(ours) + 1}:
        return {"pictures differ": written}
    return {
        "cuts": len(ours),
        "pictures": len(ours) + 1,
        "frames_per_second": measured,
        "ratio": ratios(measured, f"{PEER}, cuts alone"),
    }


def iframes(video: Path, rounds: int) -> dict[str, Any]:
    """Frames per second of video that are passed: our I-frames, and everything decoded by PyAV with its threads."""
    count = frames_in(video)

    def ours() -> int:
        with open_footage(LocalFile(video)) as footage:
            for _ in footage.iframes():
                pass
        return count

    def everything() -> int:
        with av.open(str(video)) as container:
            container.streams.video[0].thread_type = "AUTO"
            return sum(1 for _ in container.decode(video=0))

    with open_footage(LocalFile(video)) as footage:
        times = [frame.time_s for frame in footage.iframes()]
    with av.open(str(video)) as container:
        keys = [round(frame.time, 6) for frame in container.decode(video=0) if frame.key_frame]
    if times != keys:
        return {"frames differ": {OURS: times, "key frames": keys}}
    measured = alternate({OURS: ours, "all frames": everything}, rounds)
    return {"iframes": len(times), "frames_per_second": measured, "ratio": ratios(measured, "all frames")}


def goals(video: str, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was wanted of a video, beside what was found."""
    cuts, whole = results["--every shot"], results["--every iframe"]
    if "ratio" not in cuts or "ratio" not in whole:
        return []
    all_frames = median(whole["frames_per_second"], "all frames")
    theirs = median(cuts["frames_per_second"], f"{PEER}, cuts alone")
    return [
        goal(
            f"keyframes --every shot -d stills, {video}",
            f"{PEER} {SCENEDETECT}, {kind}",
            cuts["ratio"][f"{OURS}, with pictures"] / cuts["ratio"][f"{PEER}, {kind}"],
            at_least=2,
            aim_for=3,
            agreement=f"{cuts['cuts']} of {cuts['cuts']} cuts",
            why=f"both decode every frame: FFmpeg's decoder alone, with a thread per core, makes {all_frames:.0f} "
            f"frames per second here, {PEER} {theirs:.0f}; ours decodes and measures a stretch per core, of which "
            "clips of a few hundred frames with few I-frames have few",
        )
        for kind in ("cuts alone", "with pictures")
    ] + [
        goal(
            f"keyframes --every iframe, {video}",
            "decoding all frames",
            whole["ratio"][OURS],
            at_least=15,
            aim_for=20,
            agreement=f"{whole['iframes']} of {whole['iframes']} frames",
            why=f"one frame in {results['frames'] / whole['iframes']:.0f} is an I-frame, and they cost several times "
            "as much as the others to decode",
        )
    ]


def thousandth(video: Path, step: int, rounds: int, number_of: Callable[[Any, int], int]) -> dict[str, Any]:
    """Every 1000th frame: chosen frames per second, and how many of them were the right ones."""
    wanted = list(range(0, frames_in(video), step))

    def ours() -> list[Any]:
        with open_footage(LocalFile(video)) as footage:
            return [frame.rgb() for frame, _ in chosen_frames(footage, parse_every(f"{step}f"))]

    def opencv() -> list[Any]:
        capture = cv2.VideoCapture(str(video))
        numbers = []
        for number in wanted:
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            good, image = capture.read()
            numbers.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if good else None)
        capture.release()
        return numbers

    really = {
        name: [
            None if image is None else number_of(image, number) for image, number in zip(look(), wanted, strict=True)
        ]
        for name, look in ((OURS, ours), ("VideoCapture", opencv))
    }
    right = {name: sum(a == b for a, b in zip(numbers, wanted, strict=True)) for name, numbers in really.items()}
    measured = alternate({OURS: lambda: len(ours()), "VideoCapture": lambda: len(opencv())}, rounds)
    return {
        "step": step,
        "wanted": len(wanted),
        "right": right,
        "returned": {"wanted": wanted, **really},
        "chosen_frames_per_second": measured,
        "ratio": ratios(measured, "VideoCapture"),
    }


def by_likeness(video: Path) -> Callable[[Any, int], int]:
    """For clips without numbers: which frame near the wanted one an image is, or -1."""
    small: dict[int, Any] = {}
    with open_footage(LocalFile(video)) as footage:
        for frame in footage.frames():
            small[frame.number] = cv2.resize(frame.rgb(), (64, 36)).astype(int)

    def number_of(image: Any, wanted: int) -> int:
        look = cv2.resize(image, (64, 36)).astype(int)
        near = [number for number in range(wanted - 30, wanted + 31) if number in small]
        best = min(near, key=lambda number: (np.abs(small[number] - look).mean(), abs(number - wanted)))
        return wanted if np.array_equal(small[best], small[wanted]) else best

    return number_of


def memory(folder: Path) -> dict[str, Any]:
    """Peak resident memory of `mediasift keyframes` over one minute and over thirty."""
    minute = make_clip(folder / "minute.mp4", seconds=60, width=640, height=360)
    longer = repeated(minute, folder / "thirty.mp4", 30)
    peaks_of = {}
    for rule in ("shot", "iframe", "1s"):
        peaks = [_peak_mib(video, rule) for video in (minute, longer)]
        peaks_of[rule] = {
            "1 minute, MiB": peaks[0],
            "30 minutes, MiB": peaks[1],
            "growth": round(peaks[1] / peaks[0], 3),
        }
        print(f"memory, --every {rule}: {peaks_of[rule]}", flush=True)
    return peaks_of


def _peak_mib(video: Path, rule: str) -> float:
    """Of the worker process, as the table's manifest tells; getrusage would count this process's memory, too."""
    output = video.with_name(f"{video.stem}-{rule}.csv")
    command = ["keyframes", str(video), "--every", rule, "--quiet", "-o", str(output)]
    subprocess.run([sys.executable, "-m", "mediasift", *command], check=True)
    manifest = json.loads(output.with_name(f"{output.name}.run.json").read_text(encoding="utf-8"))
    return round(int(manifest["counts"]["worker_peak_bytes"]) / 2**20, 1)


@click.command()
@click.argument("videos", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--minutes", type=float, default=3.0, show_default=True, help="Length of the clip it makes.")
@click.option("--height", type=int, default=1080, show_default=True, help="Of the clip it makes.")
@click.option("--rounds", type=int, default=3, show_default=True)
def main(videos: tuple[Path, ...], minutes: float, height: int, rounds: int) -> None:
    """Measure and write results/bench_keyframes.json."""
    peer = Peer()
    result: dict[str, Any] = {"what": "frames of video per second; memory as peak resident MiB", "goals": []}
    with tempfile.TemporaryDirectory() as name:
        made = make_clip(
            Path(name) / "made.mp4", seconds=round(minutes * 60), width=round(height * 16 / 9), height=height
        )
        for video in (made, *videos):
            print(f"== {video.name}", flush=True)
            step = min(1000, max(1, frames_in(video) // 6))
            numbered = (lambda image, _: read_number(image)) if video is made else by_likeness(video)
            result[f"{video.name}, {frames_in(video)} frames"] = measured = {
                "frames": frames_in(video),
                "--every shot": shots(video, peer, rounds, Path(name)),
                "--every iframe": iframes(video, rounds),
                f"--every {step}f": thousandth(video, step, rounds, numbered),
            }
            result["goals"] += goals(video.name, measured)
        peer.close()
        result["memory of mediasift keyframes, 640x360"] = memory(Path(name))
    print(json.dumps(result, indent=1))
    save("bench_keyframes", result, "av", "opencv-python-headless", "numpy")


if __name__ == "__main__":
    main()
