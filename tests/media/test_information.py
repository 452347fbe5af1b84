from __future__ import annotations

import hashlib
import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

import mediasift as ms
from mediasift.media.containers import picture_streams
from tests.pictures import save, scene
from tests.videos import make_video, numbered


def rows(*inputs: Path) -> list:
    return list(ms.info(list(inputs)))


def test_the_books_pictures(test_data: Path):
    jpeg, png = rows(*sorted((test_data / "book-pictures").iterdir()))
    assert (jpeg.format, jpeg.width, jpeg.height, jpeg.color_model) == ("jpeg", 805, 453, "RGB")
    assert (png.format, png.width, png.height, png.color_model) == ("png", 1540, 978, "RGBA")
    file = test_data / "book-pictures" / "259_3_32_15.jpg"
    assert jpeg.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert jpeg.bytes == file.stat().st_size


def test_sizes_are_upright(test_data: Path):
    table = rows(test_data / "exif-orientation")
    assert len({(row.width, row.height) for row in table}) == 1
    assert all(row.width > row.height for row in table)


def test_videos_and_sounds(test_data: Path):
    (video,) = rows(test_data / "video" / "testvideo.mp4")
    assert (video.kind, video.width, video.height) == ("video", 1280, 720)
    assert video.fps == pytest.approx(30, abs=0.05)
    assert video.duration_s == pytest.approx(24, abs=0.1)
    for name in ("jfk.wav", "jfk.flac", "jfk.mp3"):
        (sound,) = rows(test_data / "speech" / name)
        assert sound.kind == "sound"
        assert sound.duration_s == pytest.approx(11.0, abs=0.1)
        assert sound.sample_rate_hz in (16000, 44100)


def test_pages(test_data: Path, tmp_path: Path):
    pages = [Image.fromarray(scene(width=30 + page)) for page in range(3)]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    assert [(row.page, row.pages, row.width) for row in rows(tmp_path / "scan.tiff")] == [
        (1, 3, 30),
        (2, 3, 31),
        (3, 3, 32),
    ]
    (refused,), opened = (list(ms.info(test_data / "pdf" / "encrypted.pdf", password=p)) for p in (None, "test_user"))
    assert refused.error.startswith("unreadable: the PDF is encrypted")
    assert [row.pages for row in opened] == [len(opened)] * len(opened)
    for pdf in (test_data / "pdf").glob("*.pdf"):
        table = rows(pdf)
        if not table[0].error:
            assert [row.page for row in table] == list(range(1, table[0].pages + 1))
            assert all(row.width > 0 and row.height > 0 for row in table)
            assert table[0].kind == "document"


def with_exif(path: Path, *, south_west: bool = True, date: str = "2016:08:14 07:05:33") -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = date
    exif.get_ifd(0x8769)[0x9011] = "+02:00"
    exif.get_ifd(0x8825).update({
        1: "S" if south_west else "N", 2: (IFDRational(33), IFDRational(51), IFDRational(3540, 100)),
        3: "W" if south_west else "E", 4: (IFDRational(151), IFDRational(12), IFDRational(40)),
    })  # fmt: skip
    Image.fromarray(scene()).save(path, exif=exif)
    return path


def test_when_and_where_it_was_taken(tmp_path: Path):
    (row,) = rows(with_exif(tmp_path / "a.jpg"))
    assert row.captured == "2016-08-14T07:05:33+02:00"
    assert row.latitude == pytest.approx(-(33 + 51 / 60 + 35.4 / 3600), abs=1e-6)
    assert row.longitude == pytest.approx(-(151 + 12 / 60 + 40 / 3600), abs=1e-6)
    assert (row.width, row.height) == (32, 48)
    (row,) = rows(with_exif(tmp_path / "b.jpg", south_west=False, date="0000:00:00 00:00:00"))
    assert row.captured is None
    assert row.latitude > 0
    assert row.longitude > 0
    (row,) = rows(save(tmp_path / "c.jpg", scene()))
    assert (row.captured, row.latitude, row.longitude) == (None, None, None)


def test_no_pixel_is_decoded(tmp_path: Path):
    data = io.BytesIO()
    Image.fromarray(scene(400, 300)).save(data, "PNG")
    (tmp_path / "cut.png").write_bytes(data.getvalue()[:2000])
    (row,) = rows(tmp_path / "cut.png")
    assert (row.width, row.height, row.error) == (400, 300, "")


def test_whatever_is_in_the_test_data_is_a_row(test_data: Path):
    folders = [test_data / name for name in ("valid-images", "malformed", "video", "speech", "pdf", "ocr")]
    table = rows(*folders)
    assert all(bool(row.error) != bool(row.sha256) for row in table)
    valid = [row for row in table if "valid-images" in row.path]
    assert sum(1 for row in valid if row.width) > 0.95 * len([row for row in valid if not row.error])


def test_arrays_have_no_header():
    (row,) = ms.info(scene())
    assert row.error.startswith("unsupported: ")


def test_a_cover_picture_is_no_video_whatever_it_is_coded_in(tmp_path: Path):
    """And a film in a coding of still pictures is one."""
    song = with_cover(tmp_path / "song.mp3")
    film = make_video(tmp_path / "film.avi", numbered(5), range(5), codec="mjpeg", pixels="yuvj420p")
    assert [row.kind for row in rows(song, film)] == ["sound", "video"]
    with av.open(str(film)) as container:
        assert len(picture_streams(container)) == 1
    with av.open(str(song)) as container:
        assert len(container.streams.video) == 1
        assert picture_streams(container) == []


def with_cover(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44100, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(scene(16, 16), format="rgb24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def test_sound_that_does_not_begin_with_its_signature(tmp_path: Path):
    """ADTS has none that is long enough to be sure of; FFmpeg searches for the first frame."""
    path = tmp_path / "a.aac"
    with av.open(str(path), "w", format="adts") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (row,) = rows(path)
    assert (row.error, row.kind, row.sample_rate_hz) == ("", "sound", 44100)
    (tmp_path / "b.aac").write_text("<html>")
    (row,) = rows(tmp_path / "b.aac")
    assert row.error.startswith("damaged")


def test_colours_of_pictures_and_pages(tmp_path: Path):
    """Of a picture with a header but no pixels the header stays, beside the error."""
    red, blue = (Image.new("RGB", (40, 30), color) for color in ((250, 0, 0), (0, 0, 250)))
    red.save(tmp_path / "a.tif", save_all=True, append_images=[blue])
    red.save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    first, second, whole, broken = ms.info(tmp_path, colors=True)
    assert (first.page, first.mean_color, first.dominant_colors) == (1, "#fa0000", "#fa0000 1.000")
    assert (second.page, second.mean_color, whole.mean_color) == (2, "#0000fa", "#fa0000")
    assert broken.error
    (plain,) = rows(tmp_path / "b.png")
    assert (plain.mean_color, plain.brightness) == (None, None)
