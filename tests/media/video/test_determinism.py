"""The same shots and stills of every codec that can be written here, however many cores there are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mediasift.errors import ItemError
from mediasift.media.video import video as video_module
from mediasift.media.video.every import parse_every
from mediasift.media.video.footage import chosen_frames, measured_cells, open_footage
from mediasift.media.video.shots import find_shots
from mediasift.sources.content import LocalFile
from tests.conftest import WHOLE
from tests.pictures import scene
from tests.videos import make_video

FRAMES, WIDTH, HEIGHT = 125, 176, 144  # H.261 knows no other size
SHOTS = (0, 30, 80, 101)
CONTAINERS = ("mkv", "avi", "mov", "nut", "flv", "wmv")
LEFT_OUT = {"exr", "jpeg2000", "jpegls", "gif", "tiff", "wrapped_avframe", "vnull", "cinepak"}
"""Encoders of single pictures, and those that take a minute."""

VARIANTS = {
    "h264-open-gop": ("libx264", "yuv420p", {"x264-params": "open-gop=1:bframes=3:b-pyramid=normal"}),
    "h264-refresh": ("libx264", "yuv420p", {"x264-params": "intra-refresh=1:bframes=2"}),
    "h264-444": ("libx264", "yuv444p", {}),
    "h264-10-bit": ("libx264", "yuv420p10le", {}),
    "hevc-closed-gop": ("libx265", "yuv420p", {"x265-params": "open-gop=0:log-level=none"}),
    "mpeg2-b-frames": ("mpeg2video", "yuv420p", {"bf": "2"}),
    "mpeg4-b-frames": ("mpeg4", "yuv420p", {"bf": "2"}),
    "vp8-altref": ("libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "5"}),
}


QUICK = {name: {"cpu-used": "5"} for name in ("libvpx", "libvpx-vp9")}
"""Options of encoders that take ten times as long without; how well they compress is nothing to us."""


def encoders() -> list[str]:
    """Every video encoder of PyAV's FFmpeg that runs without a device; not the second name of one, as of a format."""
    names = set()
    for name in av.codecs_available - LEFT_OUT:
        if not re.search("_(amf|nvenc|qsv|v4l2m2m|vaapi|videotoolbox|mf|vulkan|d3d12va)$", name):
            try:
                codec = av.Codec(name, "w")
            except ValueError:  # it decodes only
                continue
            if codec.type == "video":
                names.add(codec.name)
    return sorted(names)


@lru_cache(maxsize=1)
def film() -> list[np.ndarray]:
    """Four shots, in which the picture moves, and grain."""
    rng, pictures = np.random.default_rng(3), []
    for seed, length in enumerate((30, 50, 21, 24)):
        still = scene(WIDTH, HEIGHT, seed) // 2
        for step in range(length):
            grain = rng.integers(0, 40, still.shape, dtype=np.uint8)
            pictures.append(np.ascontiguousarray(np.roll(still + grain, step, axis=1)))
    return pictures


CORES = (1, 2, 5) if WHOLE else (1, 5)


def coded(path: Path, codec: str, pixels: str = "yuv420p", options: dict[str, str] | None = None) -> Path:
    return make_video(path, film(), range(FRAMES), codec=codec, pixels=pixels, options=options,
                      time_base=Fraction(1, 25), keyframe_distance=25)  # fmt: skip


def written(folder: Path, codec: str, pixels: str, options: dict[str, str]) -> Path | None:
    """The film in the first container that takes the codec; None where none does, or the codec wants another size."""
    for suffix in CONTAINERS:
        try:
            path = coded(folder / f"a.{suffix}", codec, pixels, options)
        except (av.FFmpegError, ValueError, OverflowError):
            continue
        if path.stat().st_size > 2000:
            return path
    return None


def seen(frame: Any) -> tuple[int, float, str]:
    return frame.number, frame.time_s, hashlib.md5(frame.rgb().tobytes(), usedforsecurity=False).hexdigest()


def each(frames: Iterable[Any]) -> Iterator[tuple[int, float, str]]:
    return map(seen, frames)


def table(path: Path) -> tuple[Any, ...]:
    """Every frame, the shots, frames at distances and I-frames, and what was wrong."""
    with open_footage(LocalFile(path)) as footage:
        assert isinstance(footage, video_module.Video)
        through = list(footage.side_by_side(each, ahead=4))
        shots = [(shot.first, shot.frames, shot.begins) for shot in find_shots(measured_cells(footage))]
        apart = [seen(frame) for frame, _ in chosen_frames(footage, parse_every("33f"))]
        whole = [seen(frame) for frame in footage.iframes()] if footage.timetable.keys else []
        return through, shots, apart, whole, str(footage.complaint())


def tables(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """The one table that any number of cores gives."""
    read = []
    for count in CORES:
        monkeypatch.setattr(video_module, "available_cores", lambda count=count: count)
        read.append(table(path))
    assert all(one == read[0] for one in read)
    return read[0]


@pytest.mark.parametrize("name", [*encoders(), *VARIANTS])
def test_one_table_for_every_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    if name in VARIANTS:
        codec, pixels, options = VARIANTS[name]
    else:
        known = [one.name for one in av.Codec(name, "w").video_formats or ()]
        pixels = next((one for one in ("yuv420p", "rgb24", "bgr24", "rgb8") if one in known), (known or ["yuv420p"])[0])
        codec, options = name, QUICK.get(name, {})
    path = written(tmp_path, codec, pixels, options)
    if path is None:
        return  # it wants a size, a rate or a container of its own
    through, shots, apart, whole, complaint = tables(path, monkeypatch)
    assert set(apart) <= set(through), "a jump shows something else"
    assert set(whole) <= set(through)
    assert [number for number, _, _ in through] == list(range(FRAMES))
    assert complaint == "None"
    assert set(SHOTS) <= {first for first, _, _ in shots}  # some codecs pulse at I-frames


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_errors_of_an_old_encoder_are_heard_before_a_jump(tmp_path: Path, monkeypatch, suffix: str):
    """Only the first packet names the encoder, and what decodes 4:4:4 of its old versions differs.

    Here the name is false, so that both ways of decoding differ from each other: all must be the first packet's.
    """
    path = coded(tmp_path / f"a.{suffix}", "libx264", "yuv444p")
    data = path.read_bytes()
    assert b"x264 - core 1" in data
    path.write_bytes(re.sub(rb"x264 - core 1\d\d", b"x264 - core 120", data))
    with av.open(str(path)) as container:
        count = sum(1 for packet in container.demux(video=0) if packet.size)
    through, *_, complaint = tables(path, monkeypatch)
    assert f"of {FRAMES} frames do not decode" in complaint
    assert len(through) < count == FRAMES


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory):
    """The bytes of the film, coded once."""
    folder = tmp_path_factory.mktemp("undamaged")
    return lru_cache(lambda codec, suffix: coded(folder / f"a.{suffix}", codec).read_bytes())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("codec", "suffix"), [
    ("libx264", "mp4"), ("libx264", "ts"), ("libx265", "mp4"), ("mpeg2video", "ts"), ("mpeg4", "avi"),
])  # fmt: skip
def test_damage_is_the_same_everywhere(tmp_path: Path, monkeypatch, undamaged, codec: str, suffix: str, seed: int):
    path = tmp_path / f"a.{suffix}"
    data, rng = bytearray(undamaged(codec, suffix)), np.random.default_rng(seed)
    for _ in range(4):
        start = int(rng.uniform(0.3, 0.8) * len(data))
        data[start : start + 12] = rng.integers(0, 256, 12, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    try:
        through, *_, complaint = tables(path, monkeypatch)
    except ItemError:
        return
    if suffix == "mp4":  # its index says what should be there; a transport stream loses packets without a word
        assert len(through) == FRAMES or complaint != "None"


def test_malformed_videos_give_one_table(test_data: Path, monkeypatch: pytest.MonkeyPatch):
    files = [test_data / "malformed" / "video" / "corrupted.mp4", test_data / "reports" / "av" / "frag_cut.mp4"]
    assert [len(tables(path, monkeypatch)[0]) for path in files] == [48, 40]


@pytest.mark.parametrize("joined", [1, 2])
def test_what_is_damaged_does_not_depend_on_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joined: int):
    """With threads, the decoder marks a frame that it mended as corrupt only now and then."""
    whole = coded(tmp_path / "a.ts", "libx264")
    data = whole.read_bytes()
    with av.open(str(whole)) as container:  # cut within a frame: where frames end, the encoder decides at each run
        packet = next(one for one in container.demux(video=0) if (one.pos or 0) > 0.6 * len(data))
    (tmp_path / "b.ts").write_bytes(data * (joined - 1) + data[: packet.pos + packet.size // 2])
    (complaint,) = {tables(tmp_path / "b.ts", monkeypatch)[-1] for _ in range(4 if WHOLE else 2)}
    assert "do not decode" in complaint
