"""Which streams of a container are the film and its sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from mediasift.errors import Damaged
from mediasift.media.containers import picture_streams, probe_container, sound_streams
from tests.videos import numbered


def with_streams(path: Path, *codecs: tuple[str, int, bool]) -> Path:
    """A container with video streams of (codec, frames, is the default)."""
    with av.open(str(path), "w") as container:
        streams = []
        for codec, frames, is_default in codecs:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
            stream.disposition = av.stream.Disposition.default if is_default else av.stream.Disposition(0)
            streams.append((stream, frames))
        for stream, frames in streams:
            for image in numbered(frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(("codecs", "film"), [
    ([("mjpeg", 1, False), ("libx264", 20, True)], 1),
    ([("mjpeg", 1, False), ("libx264", 20, False)], 1),
    ([("libx264", 20, False), ("libx264", 20, True)], 1),
    ([("libx264", 20, False), ("libx264", 20, False)], 0),
    ([("mjpeg", 20, True)], 0),
    ([("mjpeg", 1, True)], 0),
])  # fmt: skip
def test_the_default_film_and_never_its_cover(tmp_path: Path, suffix: str, codecs, film: int):
    path = with_streams(tmp_path / f"a.{suffix}", *codecs)
    with probe_container(path) as container:
        assert picture_streams(container)[0].index == film


def test_a_record_has_no_film(tmp_path: Path):
    """One picture that nobody marked as a cover, beside sound."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        cover, sound = container.add_stream("mjpeg", rate=25), container.add_stream("aac", rate=44100, layout="mono")
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(1)[0], "rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(sound.encode(frame))
        for stream in (cover, sound):
            container.mux(stream.encode(None))
    with probe_container(path) as container:
        assert picture_streams(container) == []
        assert len(sound_streams(container)) == 1


def test_the_reports(test_data: Path):
    folder = test_data / "reports" / "av"
    for name in ("cover_first.mp4", "cover_first.mkv"):
        with probe_container(folder / name) as container:
            assert [one.codec_context.width for one in picture_streams(container)] == [160]
    with probe_container(folder / "late_mjpeg.mov") as container:
        assert len(picture_streams(container)) == 1
    with probe_container(folder / "two_audio.mkv") as container:
        assert sound_streams(container)[0].index == 1


@pytest.mark.parametrize("size", [0, 8, 7, 2**31, 2**63, 2**64 - 1])
def test_a_box_that_claims_any_size_is_a_damaged_file(tmp_path: Path, size: int):
    """The first box of an MP4 with a length of 64 bits, longer than any file."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\0\1mdat" + size.to_bytes(8, "big") + bytes(64))
    with pytest.raises(Damaged, match=r"moov|Invalid"):
        probe_container(path)
