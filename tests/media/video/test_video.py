from __future__ import annotations

import gc
import shutil
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import mediasift as ms
from mediasift.errors import Damaged, EmptyFile, ItemError, NotMedia, TooLarge, Unsupported, UsageError
from mediasift.items import FailedItem, Item
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings
from mediasift.media.sound.audio import SoundTrack
from mediasift.media.video.every import Every, chosen_numbers, parse_every
from mediasift.media.video.footage import chosen_frames, open_footage
from mediasift.sources.content import LocalFile
from mediasift.sources.naming import Source
from tests.tiny_models import mean_colour, write
from tests.videos import make_video, numbered, shown, turned

UNEVEN = [0, 40, 75, 200, 240, 241, 500, 1000, 1017, 1900, 2000, 2040, 2333, 4000, 4001, 4100, 5000, 7777, 7800, 9000]


def times_ms(path: Path) -> list[int]:
    with open_footage(LocalFile(path)) as footage:
        return [round(frame.time_s * 1000) for frame in footage.frames()]


def items(path: Path, every: str | None = None, **options) -> list:
    return list(
        read_source(
            Source(path=str(path), content=LocalFile(path)), "pictures", PictureSettings(every=every, **options)
        )
    )


# times


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "libx264"), ("mov", "mpeg4"), ("mkv", "libx264"),
                                               ("webm", "libvpx"), ("webm", "libvpx-vp9")])  # fmt: skip
def test_uneven_times_are_those_that_were_written(tmp_path: Path, suffix: str, codec: str):
    path = make_video(tmp_path / f"a.{suffix}", numbered(20), UNEVEN, codec=codec)
    assert times_ms(path) == UNEVEN
    with open_footage(LocalFile(path)) as footage:
        assert [frame.number for frame in footage.frames()] == list(range(20))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts"])
def test_a_start_that_is_not_zero_is_kept(tmp_path: Path, suffix: str):
    written = [5000 + 40 * i for i in range(30)]
    path = make_video(tmp_path / f"a.{suffix}", numbered(30), written, options={"bf": "0"})
    assert [b - a for a, b in pairwise(times_ms(path))] == [40] * 29
    with av.open(str(path)) as container:
        reference = [round(frame.time * 1000) for frame in container.decode(video=0)]
    assert times_ms(path) == reference
    if suffix != "ts":  # a transport stream adds a delay of the muxer's own
        assert times_ms(path) == written


def test_an_edit_list_hides_what_comes_before_the_start(tmp_path: Path):
    """The muxer writes an edit list for times below zero: those frames are decoded, and not shown."""
    written = [-200 + 40 * i for i in range(20)]
    path = make_video(tmp_path / "a.mp4", numbered(20), written, options={"bf": "0"})
    with open_footage(LocalFile(path)) as footage:
        frames = [(frame.number, round(frame.time_s * 1000), shown(frame.rgb())) for frame in footage.frames()]
    with av.open(str(path)) as container:
        assert [time for _, time, _ in frames] == [round(f.time * 1000) for f in container.decode(video=0)]
    assert [number for number, _, _ in frames] == list(range(len(frames)))


def test_the_delayed_start_of_a_real_clip(test_data: Path):
    assert times_ms(test_data / "video" / "delayed_start.mp4")[:2] == [1075, 1115]


@pytest.mark.parametrize(("name", "codec", "pixels"), [
    ("a.mp4", "libx264", "yuv420p"), ("a.mov", "mpeg4", "yuv420p"), ("a.mkv", "libx264", "yuv420p"),
    ("a.avi", "mpeg4", "yuv420p"), ("b.avi", "mjpeg", "yuvj420p"), ("a.webm", "libvpx", "yuv420p"),
    ("b.webm", "libvpx-vp9", "yuv420p"), ("a.wmv", "wmv2", "yuv420p"), ("a.flv", "libx264", "yuv420p"),
    ("a.ts", "mpeg2video", "yuv420p"), ("a.mpg", "mpeg2video", "yuv420p"), ("a.gif", "gif", "rgb8"),
    ("a.m2ts", "libx264", "yuv420p"),
])  # fmt: skip
def test_every_container_gives_all_frames_in_order_also_after_jumps(tmp_path: Path, name: str, codec: str, pixels: str):
    tick = Fraction(1, 25)
    path = make_video(tmp_path / name, numbered(60), range(60), codec=codec, pixels=pixels, time_base=tick)
    with open_footage(LocalFile(path)) as footage:
        frames = [(frame.number, shown(frame.rgb()), frame.time_s) for frame in footage.frames()]
        jumped = [(frame.number, shown(frame.rgb()), frame.time_s) for frame in footage.at([3, 31, 32, 58])]
        back = [(frame.number, shown(frame.rgb()), frame.time_s) for frame in footage.at([45])]
        assert footage.complaint() is None
    assert [number for number, _, _ in frames] == list(range(60))
    assert [seen for _, seen, _ in frames] == list(range(60))
    assert [round(b[2] - a[2], 3) for a, b in pairwise(frames)] == [0.04] * 59
    assert jumped == [frames[i] for i in (3, 31, 32, 58)]
    assert back == [frames[45]]


def test_animated_webp_and_png(tmp_path: Path):
    pictures = [Image.fromarray(image) for image in numbered(5)]
    for suffix in ("webp", "png", "gif"):
        path = tmp_path / f"a.{suffix}"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 200, 50, 300, 100])
        assert times_ms(path) == [0, 100, 300, 350, 650], suffix
        assert len(items(path)) == 1, "without --every a picture is its first frame"
        assert [(item.frame, item.time_s) for item in items(path, "0.3s")] == [(0, 0.0), (2, 0.3), (3, 0.35)], suffix


# turned clips


@pytest.mark.parametrize(("matrix", "change"), [
    ((1, 0, 0, 1), lambda image: image),
    ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    ((1, 0, 0, -1), lambda image: image[::-1]),
    ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
])  # fmt: skip
def test_turned_and_mirrored_clips_are_upright(tmp_path: Path, matrix, change):
    scene = np.zeros((48, 64, 3), np.uint8)
    scene[:24, :32], scene[:24, 32:], scene[24:, :32] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    path = turned(make_video(tmp_path / "a.mp4", [scene] * 3, [0, 40, 80], options={"crf": "1"}), matrix)
    expected = change(scene)
    for item in items(path, "1f"):
        assert item.image.shape == expected.shape
        assert item.original_size == expected.shape[1::-1]
        assert np.abs(item.image.astype(int) - expected).mean() < 6
    assert [round(item.time_s * 1000) for item in items(path, "1f")] == [0, 40, 80]


@pytest.mark.parametrize("name", ["video_0.mov", "video_90.mov", "video_180.mov"])
def test_the_rotation_clips_are_as_opencv_shows_them(test_data: Path, name: str):
    path = test_data / "video" / "rotation" / name
    captured = cv2.VideoCapture(str(path))
    _, expected = captured.read()
    captured.release()
    first = items(path)[0].image
    assert first.shape == expected.shape
    assert np.abs(first[:, :, ::-1].astype(int) - expected).mean() < 3


# which frames


@pytest.mark.parametrize(("text", "unit", "amount"), [
    ("2s", "s", 2), ("0.5s", "s", Fraction(1, 2)), ("1000f", "f", 1000), ("iframe", "iframe", 1), ("shot", "shot", 1),
])  # fmt: skip
def test_rules_are_read(text: str, unit: str, amount):
    assert parse_every(text) == Every(unit=unit, amount=Fraction(amount))


@pytest.mark.parametrize("text", ["", "0s", "2", "1.5f", "-1s", "s", "1e3s", "iframes", "nan s", "٣s", "0.0000000s"])
def test_other_rules_are_refused(text: str):
    with pytest.raises(UsageError, match="iframe or shot"):
        parse_every(text)
    with pytest.raises(UsageError):
        PictureSettings(every=text)


@given(
    gaps=st.lists(st.integers(1, 3000), min_size=0, max_size=40),
    start=st.integers(-5000, 5000),
    step=st.fractions(Fraction(1, 100), 5, max_denominator=1000),
)
def test_seconds_choose_the_frame_shown_at_each_moment(gaps: list[int], start: int, step: Fraction):
    ticks = [start]
    for gap in gaps:
        ticks.append(ticks[-1] + gap)
    expected, moment = [], Fraction(start, 1000)
    while moment <= Fraction(ticks[-1], 1000):
        number = max(i for i, tick in enumerate(ticks) if Fraction(tick, 1000) <= moment)
        if number not in expected:
            expected.append(number)
        moment += step
    assert chosen_numbers(Every(unit="s", amount=step), ticks, Fraction(1, 1000)) == expected


@pytest.fixture(scope="module")
def numbered_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    return make_video(path, numbered(270), range(270), time_base=Fraction(1, 25), keyframe_distance=20)


@settings(max_examples=25)
@given(st.sets(st.integers(0, 269), min_size=1, max_size=12))
def test_jumping_gives_the_frames_of_reading_through(numbered_clip: Path, numbers: set[int]):
    with open_footage(LocalFile(numbered_clip)) as footage:
        jumped = [(frame.number, shown(frame.rgb())) for frame in footage.at(sorted(numbers))]
    assert jumped == [(number, number) for number in sorted(numbers)]


def test_every_thousandth_frame_second_and_default(numbered_clip: Path):
    assert [item.frame for item in items(numbered_clip, "100f")] == [0, 100, 200]
    assert [(item.frame, item.time_s) for item in items(numbered_clip, "4s")] == [(0, 0.0), (100, 4.0), (200, 8.0)]
    assert [item.frame for item in items(numbered_clip)] == list(range(0, 270, 25))


@pytest.mark.parametrize("name", ["bikes.mp4", "obama_speech.mp4", "delayed_start.mp4", "testvideo.mp4"])
def test_iframes_are_the_codecs_own_and_nothing_else_is_decoded(test_data: Path, name: str):
    path = test_data / "video" / name
    with av.open(str(path)) as container:
        flagged = {packet.pts for packet in container.demux(video=0) if packet.is_keyframe}
    with av.open(str(path)) as container:
        expected = [(i, f.to_ndarray(format="rgb24")) for i, f in enumerate(container.decode(video=0))
                    if f.pts in flagged]  # fmt: skip
    with open_footage(LocalFile(path)) as footage:
        iframes = [(frame.number, frame.rgb(), frame.raw.key_frame) for frame in footage.iframes()]
    assert [number for number, _, _ in iframes] == [number for number, _ in expected]
    assert all(key for _, _, key in iframes)
    for (_, image, _), (_, reference) in zip(iframes, expected, strict=True):
        assert np.array_equal(image, reference)


def test_every_shot_takes_one_sharp_frame_of_each_shot(test_data: Path):
    with open_footage(LocalFile(test_data / "video" / "testvideo.mp4")) as footage:
        chosen = [(frame.number, shot) for frame, shot in chosen_frames(footage, parse_every("shot"))]
    borders = [0, 30, 180, 394, 720]
    assert [shot for _, shot in chosen] == [1, 2, 3, 4]
    for (number, _), (first, end) in zip(chosen, pairwise(borders), strict=True):
        assert abs(number - (first + end - 1) / 2) <= (end - first) / 4


def test_classify_takes_videos(tmp_path: Path):
    red, blue = np.full((48, 64, 3), (230, 20, 20), np.uint8), np.full((48, 64, 3), (20, 20, 230), np.uint8)
    path = make_video(tmp_path / "a.mp4", [red] * 25 + [blue] * 25, range(50), time_base=Fraction(1, 25))
    model = write(tmp_path, mean_colour())
    rows = list(ms.classify(path, model=model))
    assert [(row.frame, row.time_s, row.label, row.error) for row in rows] == [
        (0, 0.0, "red", ""),
        (25, 1.0, "blue", ""),
    ]
    assert [row.label for row in ms.classify(path, model=model, every="shot")] == ["red", "blue"]


# bad input


def failure(path: Path) -> ItemError:
    with pytest.raises(ItemError) as caught:
        items(path)
    return caught.value


def test_files_that_are_no_video_say_what_they_are(tmp_path: Path, test_data: Path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.xyz").write_bytes(b"nothing at all")
    with pytest.raises(EmptyFile):
        times_ms(tmp_path / "empty.mp4")
    with pytest.raises(NotMedia):
        times_ms(tmp_path / "noise.xyz")
    with pytest.raises(Unsupported, match="a picture file"):
        times_ms(test_data / "detection" / "dog.jpg")
    with pytest.raises(Damaged, match=r"named \.avi, but its content is no AVI"):
        items(test_data / "malformed" / "video" / "html-named-avi" / "Megamind.avi")


def test_sound_alone_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert isinstance(failure(path), Unsupported)
    assert "there is no video in it, only audio" in str(failure(path))


def test_a_playlist_is_never_followed(tmp_path: Path, numbered_clip: Path):
    """Nobody is asked on the network, and no other file is opened, whatever the playlist is called."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    place = f"http://127.0.0.1:{server.server_port}/a.ts"
    lists = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{place}\n#EXTINF:5,\n{numbered_clip}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{numbered_clip}'\nfile '{place}'\n",
        "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{place}</BaseURL></MPD>',
        "reference": f"[Reference]\nRef1={place}\n",
    }
    try:
        for name, text in lists.items():
            for suffix in ("mp4", "avi", "ts", "mkv", "wmv", "m3u8", "gif"):
                path = tmp_path / f"{name}.{suffix}"
                path.write_text(text)
                with pytest.raises(ItemError):
                    items(path)
            for suffix in ("mp3", "wav", "mp4", "m4a"):
                path = tmp_path / f"{name}.{suffix}"
                path.write_text(text)
                with pytest.raises(ItemError):
                    list(SoundTrack(LocalFile(path), rate=16_000))
                (row,) = ms.info(path)
                assert row.error
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert asked == []


def test_zero_frames_one_pixel_and_8k(tmp_path: Path):
    empty = make_video(tmp_path / "empty.mkv", numbered(1), [0], codec="mpeg4")
    data = empty.read_bytes()
    (tmp_path / "none.mkv").write_bytes(data[: data.find(b"\x1f\x43\xb6\x75")])  # cut before the first cluster
    with pytest.raises(Damaged, match=r"no frame|cannot be opened"):
        items(tmp_path / "none.mkv")
    dot = make_video(tmp_path / "dot.webm", [np.full((1, 1, 3), 200, np.uint8)] * 3, [0, 40, 80], codec="libvpx")
    assert [item.image.shape for item in items(dot, "1f")] == [(1, 1, 3)] * 3
    assert [item.shot for item in items(dot, "shot")] == [1]
    large = make_video(tmp_path / "large.mp4", [np.full((4320, 7680, 3), 90, np.uint8)] * 2, [0, 40], codec="mjpeg",
                       pixels="yuvj420p")  # fmt: skip
    assert [item.image.shape for item in items(large)] == [(4320, 7680, 3)]
    with pytest.raises(TooLarge, match=r"33\.1776 megapixels"):
        items(large, max_megapixels=30.0)


@pytest.mark.parametrize("every", ["1f", "iframe", "shot"])
def test_every_hostile_file_ends_as_items_or_one_clear_error(test_data: Path, every: str):
    files = [path for path in sorted((test_data / "malformed" / "video").rglob("*")) if path.is_file()]
    assert len(files) > 30
    for path in files:
        try:
            read = items(path, every)
        except ItemError as error:
            assert str(error)
        else:
            assert read
            assert all(isinstance(item, (Item, FailedItem)) for item in read)


def test_damaged_frames_are_counted_and_named(test_data: Path):
    read = items(test_data / "malformed" / "video" / "corrupted.mp4", "1f")
    assert [item.frame for item in read[:-1]] == [number for number in range(50) if number not in (30, 32)]
    assert "2 of 50 frames do not decode and are left out, the first of them frame 30 at 3.000 s" in str(read[-1].error)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["bikes.mp4", "clip.mkv", "clip.ts", "clip.avi", "clip.flv", "clip.wmv"])
def test_truncated_files_end_in_a_note(tmp_path: Path, test_data: Path, name: str, share: float):
    if name == "bikes.mp4":
        whole = test_data / "video" / name
    else:
        codec = {"wmv": "wmv2", "avi": "mpeg4"}.get(name[5:], "libx264")
        noise = np.random.default_rng(1).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
        whole = make_video(tmp_path / name, list(noise), range(40), codec=codec, time_base=Fraction(1, 25))
    data = whole.read_bytes()
    path = tmp_path / f"cut-{name}"
    path.write_bytes(data[: int(len(data) * share)])
    for every in ("1f", "iframe", "0.5s", "shot"):
        try:
            read = items(path, every)
        except ItemError as error:
            assert str(error)
        else:
            assert read


def test_a_video_that_marks_no_iframe_is_an_error_and_not_empty(numbered_clip: Path, tmp_path: Path):
    data = bytearray(numbered_clip.read_bytes())
    data[data.index(b"avcC") + 11] = 0  # no parameter set, so the decoder knows no I-frame; ISO/IEC 14496-15, 5.3.3
    (tmp_path / "none.mp4").write_bytes(data)
    with pytest.raises(Damaged, match=r"none of its \d+ frames is marked"):
        items(tmp_path / "none.mp4", "iframe")


@settings(max_examples=60)
@given(data=st.data())
def test_flipped_bytes_never_crash_or_vanish(numbered_clip: Path, tmp_path_factory: pytest.TempPathFactory, data):
    content = bytearray(numbered_clip.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flipped") / "a.mp4"
    path.write_bytes(bytes(content))
    try:
        read = items(path, data.draw(st.sampled_from(["1f", "50f", "1s", "iframe", "shot"])))
    except ItemError as error:
        assert str(error)
    else:
        assert read


def test_a_file_is_let_go_when_reading_stops_early(numbered_clip: Path):
    reader: Any = read_source(
        Source(path="a", content=LocalFile(numbered_clip)), "pictures", PictureSettings(every="1f")
    )
    assert next(reader).frame == 0
    reader.close()
    gc.collect()
    assert not any("a.mp4" in str(link.resolve()) for link in Path("/proc/self/fd").iterdir() if link.exists())


def test_frames_are_let_go_without_the_garbage_collector(numbered_clip: Path):
    """A frame that is part of a reference cycle stays, with all its pixels, until the collector comes by."""
    copy = turned(Path(shutil.copy(numbered_clip, numbered_clip.with_name("b.mp4"))), (0, 1, -1, 0))
    with open_footage(LocalFile(copy)) as footage:
        gc.collect()
        gc.disable()
        try:
            for frame in footage.frames():
                assert frame.size == (48, 64)
                frame.rgb()
                frame.small()
            del frame
            unreachable = gc.collect()
        finally:
            gc.enable()
    assert unreachable < 50, "270 frames were read"
