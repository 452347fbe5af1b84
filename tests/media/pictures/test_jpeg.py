"""Half a picture is never a picture: JPEG."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasift.errors import Damaged, ItemError, Unsupported
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.jpeg import decode_jpeg, jpeg_header
from tests.pictures import encoded, scene

END = b"\xff\xd9"


def noisy(width: int = 320, height: int = 240) -> np.ndarray:
    """A picture with detail everywhere, so that its bytes are spread over it."""
    noise = np.random.default_rng(1).integers(-9, 9, (height, width, 3))
    return np.clip(scene(width, height).astype(int) + noise, 0, 255).astype(np.uint8)


def mpo() -> bytes:
    out = io.BytesIO()
    Image.fromarray(noisy()).save(out, "MPO", save_all=True, append_images=[Image.fromarray(noisy()[::-1])])
    return out.getvalue()


def with_thumbnail() -> bytes:
    thumbnail = encoded(scene(160, 120), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 1
    block = exif.tobytes()
    return encoded(noisy(), "JPEG", exif=block + thumbnail)


def cmyk() -> bytes:
    out = io.BytesIO()
    Image.fromarray(noisy()).convert("CMYK").save(out, "JPEG")
    return out.getvalue()


KINDS = {
    "baseline": lambda: encoded(noisy(), "JPEG"),
    "grey": lambda: encoded(noisy()[:, :, 0].copy(), "JPEG"),
    "subsampled": lambda: encoded(noisy(), "JPEG", subsampling=2, optimize=True),
    "restarts": lambda: encoded(noisy(), "JPEG", restart_marker_rows=1),
    "progressive": lambda: encoded(noisy(), "JPEG", progressive=True),
    "cmyk": cmyk,
    "mpo": mpo,
    "thumbnail": with_thumbnail,
}


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest) -> bytes:
    return KINDS[request.param]()


def end_of_first(data: bytes) -> int:
    """Where the first picture's end marker is."""
    return data.index(END, data.index(b"\xff\xda"))


@pytest.mark.parametrize("share", [0.35, 0.55, 0.9, 0.99])
@pytest.mark.parametrize("rest", ["nothing", "end", "zeros", "zeros and end"])
def test_what_is_cut_is_damaged_however_it_ends(whole: bytes, share: float, rest: str):
    scan, end = whole.index(b"\xff\xda"), end_of_first(whole)
    cut = scan + int((end - scan) * share)
    zeros = bytes(end - cut)
    tail = {"nothing": b"", "end": END, "zeros": zeros, "zeros and end": zeros + END}[rest]
    with pytest.raises(Damaged):
        list(decode(whole[:cut] + tail))


def test_whole_files_are_what_libjpeg_makes_of_them(whole: bytes):
    with Image.open(io.BytesIO(whole)) as picture:
        assert np.array_equal(np.asarray(decode_jpeg(whole)), np.asarray(picture))
    assert np.array_equal(np.asarray(decode_jpeg(whole + b"rubbish" * 99)), np.asarray(decode_jpeg(whole)))


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_reduced_is_what_libjpeg_reduces(reduction: int):
    data = KINDS["baseline"]()
    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("RGB", (320 // reduction, 240 // reduction))
        assert np.array_equal(np.asarray(decode_jpeg(data, reduction)), np.asarray(picture))


def test_a_plain_picture_is_no_damage():
    for color in ((3, 3, 3), (200, 200, 200), (127, 127, 127), (128, 128, 128), (255, 255, 255)):
        for size in ((8, 400), (400, 8), (1, 1), (333, 222)):
            for options in ({}, {"optimize": True}, {"progressive": True}):
                data = encoded(np.full((*size, 3), color, np.uint8), "JPEG", **options)
                assert decode_jpeg(data).size == size[::-1]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 100), st.integers(0, 2), st.booleans(), st.integers(0, 9))
def test_no_sound_file_is_refused(width: int, height: int, quality: int, subsampling: int, optimize: bool, seed: int):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    options = {"quality": quality, "subsampling": subsampling, "optimize": optimize}
    data = encoded(picture, "JPEG", **options)
    assert decode_jpeg(data).size == (width, height)


def test_no_photograph_of_the_test_data_is_refused(test_data: Path):
    files = [
        path for folder in ("imagenet-photos", "ants-bees", "detection") for path in (test_data / folder).rglob("*")
    ]
    seen = 0
    for path in files[::3]:
        if path.suffix.lower() in (".jpg", ".jpeg"):
            decode_jpeg(path.read_bytes(), 8)
            seen += 1
    assert seen > 100


def test_most_damage_in_the_middle_is_noticed():
    data, seen = KINDS["baseline"](), 0
    for seed in range(30):
        chance = random.Random(seed)
        at = chance.randrange(data.index(b"\xff\xda") + 20, len(data) - 600)
        damaged = data[:at] + chance.randbytes(512) + data[at + 512 :]
        try:
            list(decode(damaged))
        except ItemError:
            seen += 1
    assert seen >= 24  # libjpeg itself says nothing where it finds its place again


@pytest.mark.parametrize(
    ("name", "is_whole"),
    [
        ("cut55-eoi-appended.jpg", False), ("no-thumb-cut55.jpg", False), ("exif-thumb-cut55.jpg", False),
        ("exif-thumb-zerofilled.jpg", False), ("exif-thumb-full.jpg", True), ("jpeg-lossless.jpg", True),
        ("cmyk.jpg", True),
    ],
)  # fmt: skip
def test_reported_files(name: str, is_whole: bool, test_data: Path):
    data = (test_data / "reports" / "pictures" / name).read_bytes()
    if is_whole:
        assert len(list(decode(data))) == 1
        return
    with pytest.raises(Damaged):
        list(decode(data))


@pytest.mark.parametrize(("form", "cut"), [("WEBP", 0.5), ("AVIF", 0.5), ("WEBP", 0.9), ("AVIF", 0.9)])
def test_other_formats_filled_with_zeros_are_damaged(form: str, cut: float):
    data = encoded(noisy(), form)
    at = int(len(data) * cut)
    with pytest.raises((Damaged, Unsupported)):
        list(decode(data[:at] + bytes(len(data) - at)))


def test_a_webp_filled_with_zeros(test_data: Path):
    with pytest.raises(Damaged):
        list(decode((test_data / "reports" / "pictures" / "webp-zero-half.webp").read_bytes()))


def test_the_profile_comes_in_numbered_parts_and_the_first_exif_counts():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(), "JPEG", exif=exif.tobytes(), icc_profile=bytes(range(256)) * 300)
    header = jpeg_header(data)
    assert header is not None
    assert header.icc == bytes(range(256)) * 300
    assert header.orientation == 6
    assert header.upright_size == (32, 48)
