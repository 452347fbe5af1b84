"""The shots of a film of 1280x720: beside a loop of OpenCV, PySceneDetect, and decoding alone.

    python -m benchmarks.bench_shots [--quick]

Whole programs, imports included, but PySceneDetect's, whose process is started before; it gets an environment of its
own, because it brings an OpenCV that overwrites ours. `ffmpeg -f null` on the same cores is what is possible.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import LOOPS, Result, Row, alternate, mediasift, program, run, versus
from benchmarks.material import column, film
from benchmarks.peer import Peer

OURS, KEYS, LOOP = "mediasift shots", "mediasift keyframes -d stills", "OpenCV, a loop"
DECODING, PEER = "ffmpeg -f null: decoding alone", "PySceneDetect 0.7.2, content detector"
FRAMES, GOLDEN = 720, (30, 180, 394)
"""Of the test video, and its cuts by PySceneDetect's list. It begins and ends in black, so two of it join unseen."""


def measure(folder: Path, quick: bool) -> Result:
    """Everyone finds the cuts that are known."""
    times = 1 if quick else 8
    video, ours, theirs, stills = film(folder, times), folder / "ours.csv", folder / "theirs.csv", folder / "stills"
    peer = Peer("scenedetect-0.7.2", ("scenedetect==0.7.2", "opencv-python-headless"), "scenedetect_detectors.py")
    work = {
        OURS: mediasift("shots", video, "-o", ours, "--restart"),
        KEYS: mediasift("keyframes", video, "-d", stills, "-o", folder / "keys.csv", "--restart"),
        LOOP: program(*LOOPS, "shots", video, theirs),
        PEER: lambda: peer.ask(video=str(video), detector="content"),
        DECODING: program("ffmpeg", "-v", "error", "-i", video, "-map", "0:v", "-f", "null", "-"),
    }
    timings = alternate(work, FRAMES * times, 1 if quick else 3)
    peer.close()
    wanted = {turn * FRAMES + cut for turn in range(times) for cut in GOLDEN}
    for path in (ours, theirs):
        if not wanted <= (cuts := {int(frame) for frame in column(path, "frame")}):
            raise SystemExit(f"{path.name}: no cut at {sorted(wanted - cuts)}, no ratio")
    rows = [
        Row(what=f"{name.removeprefix('mediasift ')}, {FRAMES * times:,} frames of 1280x720",
            loop=versus(timings, name, LOOP, 1.0), peer=versus(timings, name, PEER, 1.0),
            limit=versus(timings, name, DECODING, floor), outputs=f"the {len(wanted)} known cuts")
        for name, floor in ((OURS, 0.85), (KEYS, None))
    ]  # fmt: skip
    return Result(what="shots of a film; frames per second", rows=rows, timings={"film": timings},
                  packages=("av", "opencv-python-headless", "numpy"))  # fmt: skip


if __name__ == "__main__":
    run("shots", measure)
