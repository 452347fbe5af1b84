from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from mediasift.errors import Damaged, EmptyFile, ItemError, NotMedia, TooLarge, Unsupported
from mediasift.items import FailedItem, Item
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.probe import color_code_points
from mediasift.media.pictures.tones import HLG, PQ
from tests.pictures import encoded, scene


def one(data: bytes, **options) -> Item:
    (decoded,) = decode(data, **options)
    assert isinstance(decoded, Item)
    assert decoded.image.dtype == np.uint8
    assert decoded.image.ndim == 3
    assert decoded.image.shape[2] == 3
    return decoded


def difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA", "QOI", "PCX", "SGI"])
def test_lossless_formats_give_the_pixels(form: str):
    picture = scene()
    assert difference(one(encoded(picture, form), suffix=f".{form.lower()}").image, picture) == 0


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF", "JPEG2000"])
def test_lossy_formats_give_pillows_pixels(form: str):
    data = encoded(scene(), form)
    with Image.open(io.BytesIO(data)) as picture:
        assert difference(one(data).image, np.asarray(picture.convert("RGB"))) <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_once(form: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(), form, exif=exif.tobytes(), **({"lossless": True} if form == "WEBP" else {}))
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    decoded = one(data)
    assert difference(decoded.image, expected) <= 2
    assert decoded.original_size == (expected.shape[1], expected.shape[0])


def test_what_is_transparent_lies_on_white():
    opacity = np.linspace(0, 255, 48).astype(np.uint8) * np.ones((32, 1), np.uint8)
    picture = np.dstack([scene(), opacity])
    ground = Image.new("RGBA", (48, 32), "white")
    expected = np.asarray(Image.alpha_composite(ground, Image.fromarray(picture)).convert("RGB"))
    for form in ("PNG", "TIFF", "TGA", "QOI", "SGI"):
        assert difference(one(encoded(picture, form), suffix=f".{form.lower()}").image, expected) <= 1


def test_grey_with_alpha_and_one_bit():
    grey = scene()[:, :, 0]
    la = Image.merge("LA", (Image.fromarray(grey), Image.new("L", (48, 32), 7)))
    out = io.BytesIO()
    la.save(out, "PNG")
    assert (
        difference(one(out.getvalue()).image, np.dstack([np.round(255 - (255 - grey.astype(int)) * 7 / 255)] * 3)) <= 1
    )
    out = io.BytesIO()
    Image.fromarray(grey > 127).save(out, "PNG")
    assert difference(one(out.getvalue()).image, np.dstack([(grey > 127) * np.uint8(255)] * 3)) == 0


def test_palette():
    indexed = Image.fromarray(scene()).quantize(16)
    for form in ("PNG", "GIF", "BMP"):
        out = io.BytesIO()
        indexed.save(out, form)
        assert difference(one(out.getvalue()).image, np.asarray(indexed.convert("RGB"))) == 0


def test_sixteen_bits_are_scaled_by_257():
    grey = np.arange(0, 65536, 41, dtype=np.uint16)[: 32 * 48].reshape(32, 48)
    expected = np.dstack([np.round(grey / 257).astype(np.uint8)] * 3)
    for form in ("PNG", "TIFF"):
        assert difference(one(encoded(grey, form)).image, expected) <= 1


def test_floats_are_scaled_by_255():
    grey = np.linspace(0, 1, 32 * 48, dtype=np.float32).reshape(32, 48)
    expected = np.dstack([np.round(grey * 255).astype(np.uint8)] * 3)
    assert difference(one(encoded(grey, "TIFF")).image, expected) <= 1


def test_cmyk_is_pillows():
    cmyk = Image.fromarray(scene()).convert("CMYK")
    out = io.BytesIO()
    cmyk.save(out, "JPEG", quality=95)
    with Image.open(io.BytesIO(out.getvalue())) as picture:
        assert difference(one(out.getvalue()).image, np.asarray(picture.convert("RGB"))) == 0


def test_an_item_per_page():
    out = io.BytesIO()
    pages = [Image.fromarray(scene(seed=seed)) for seed in range(3)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    decoded = list(decode(out.getvalue()))
    assert [page.page for page in decoded] == [1, 2, 3]
    for seed, page in enumerate(decoded):
        assert isinstance(page, Item)
        assert difference(page.image, scene(seed=seed)) == 0


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_first_frame_or_every_frame(form: str):
    frames = [Image.fromarray(scene(seed=seed)) for seed in range(4)]
    options = {"lossless": True} if form == "WEBP" else {}
    out = io.BytesIO()
    frames[0].save(out, form, save_all=True, append_images=frames[1:], **options)
    first = one(out.getvalue())
    assert first.frame is None
    decoded = list(decode(out.getvalue(), every_frame=True))
    assert [frame.frame for frame in decoded] == [0, 1, 2, 3]
    assert isinstance(decoded[0], Item)
    assert difference(decoded[0].image, first.image) == 0
    if form != "GIF":
        assert isinstance(decoded[3], Item)
        assert difference(decoded[3].image, scene(seed=3)) <= 1


def test_a_page_that_is_cut_off_is_an_error_after_the_others():
    out = io.BytesIO()
    pages = [Image.fromarray(scene(400, 400, seed=seed)) for seed in range(3)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    for cut in (200, 60_000):
        first, *others = decode(out.getvalue()[:-cut])
        assert isinstance(first, Item)
        assert isinstance(others[-1], FailedItem)
        assert others[-1].page == len(others) + 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_an_error_never_half_a_picture(form: str, share: float):
    data = encoded(scene(300, 200), form)
    with pytest.raises((Damaged, Unsupported)):
        list(decode(data[: int(len(data) * share)]))


def test_a_jpeg_without_its_end_marker_is_read_when_its_pixels_are_there():
    data = encoded(scene(), "JPEG")
    assert difference(one(data[:-2] + b"\0" * 16).image, one(data).image) <= 2


def test_a_jpeg_with_rubbish_behind_it():
    data = encoded(scene(), "JPEG")
    assert difference(one(data + b"rubbish" * 100).image, one(data).image) == 0


def test_kinds_of_nothing():
    with pytest.raises(EmptyFile):
        list(decode(b""))
    with pytest.raises(NotMedia):
        list(decode(b"just text", suffix=".txt"))
    with pytest.raises(Damaged, match="no JPEG"):
        list(decode(b"just text", suffix=".jpg"))
    with pytest.raises(Unsupported, match="document"):
        list(decode(b"%PDF-1.4\n", suffix=".jpg"))
    with pytest.raises(Unsupported, match="EPS"):
        list(decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"))


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def test_bombs_are_refused_with_little_memory():
    tracemalloc.start()
    for width, height in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (10_001, 10_000)):
        with pytest.raises(TooLarge, match="--max-megapixels"):
            list(decode(bomb(width, height)))
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_the_limit_can_be_moved():
    data = encoded(scene(100, 100))
    with pytest.raises(TooLarge, match=r"100 x 100 is 0\.01 megapixels, more than the limit of 0\.009;"):
        list(decode(data, max_megapixels=0.009))
    with pytest.raises(TooLarge, match=r"is 100\.01 megapixels, more than the limit of 100;"):
        list(decode(bomb(10_001, 10_000), max_megapixels=100))
    one(data, max_megapixels=0.01)


@pytest.mark.parametrize(
    ("needs", "factor"), [(None, 1), ((700, 10), 1), ((600, 10), 1), ((100, 100), 4), ((10, 10), 8)]
)
def test_large_jpegs_are_reduced_while_decoding(needs: tuple[int, int] | None, factor: int):
    data = encoded(scene(1200, 900), "JPEG")
    decoded = one(data, needs=needs)
    assert decoded.image.shape[:2] == (-(-900 // factor), -(-1200 // factor))
    assert decoded.original_size == (1200, 900)


def test_the_reduction_minds_the_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(1200, 300), "JPEG", exif=exif.tobytes())
    decoded = one(data, needs=(75, 300))
    assert decoded.original_size == (300, 1200)
    assert decoded.image.shape == (600, 150, 3)


def test_before_each_decode_its_pixels_are_announced():
    announced: list[float] = []
    one(encoded(scene(200, 100)), admit=announced.append)
    assert announced == [0.02]


@settings(max_examples=150)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "ICO", "PCX", "JPEG2000"]),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
    st.integers(0, 5000),
)
def test_flipped_bytes_and_cuts_give_a_picture_or_an_item_error(form: str, flips: list[tuple[int, int]], cut: int):
    data = bytearray(encoded(scene(), form))
    for position, value in flips:
        data[position % len(data)] = value
    try:
        for decoded in decode(bytes(data[: max(1, cut)]), every_frame=True, max_megapixels=20):
            assert isinstance(decoded, FailedItem) or decoded.image.shape[2] == 3
    except ItemError as error:
        assert error.as_cell()


def test_valid_files_agree_with_pillow_or_are_unsupported(test_data: Path, package):
    package("pillow_heif", "heic")
    package("resvg_py", "svg")
    seen = 0
    for path in sorted((test_data / "valid-images").rglob("*.*")):
        try:
            decoded = next(iter(decode(path.read_bytes(), suffix=path.suffix, background="white")))
        except (Unsupported, NotMedia):
            continue
        assert isinstance(decoded, Item), path
        seen += 1
        is_hdr = (color_code_points(path.read_bytes()) or (0, 0))[1] in (PQ, HLG)  # Pillow maps no tones
        expected = None if is_hdr else pillow_rgb(path)
        if expected is not None:
            assert difference(decoded.image, expected) <= 2, path
    assert seen >= 155


def pillow_rgb(path: Path) -> np.ndarray | None:
    """Pillow's upright picture in sRGB on white; None where Pillow cannot read it or it has more than 8 bits."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as picture:
                picture.load()
                if picture.mode.startswith("I") or path.name in ("basn2c16.png", "basi0g16.png"):
                    return None
                upright = ImageOps.exif_transpose(picture)
                alpha = upright.convert("RGBA").getchannel("A")
                if profile := picture.info.get("icc_profile"):
                    mode = upright.mode if upright.mode in ("L", "CMYK") else "RGB"
                    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
                    colors = ImageCms.profileToProfile(
                        upright.convert(mode), source, ImageCms.createProfile("sRGB"), outputMode="RGB"
                    )
                else:
                    colors = upright.convert("RGB")
                assert colors is not None
                ground = Image.new("RGB", upright.size, "white")
                ground.paste(colors, mask=alpha)
                return np.asarray(ground)
        except (OSError, ValueError, SyntaxError, ImageCms.PyCMSError):
            return None


def test_malformed_files_give_pictures_or_item_errors(test_data: Path):
    codes = set()
    for path in sorted((test_data / "malformed" / "images").rglob("*.*")):
        if path.is_file():
            try:
                list(decode(path.read_bytes(), suffix=path.suffix))
            except ItemError as error:
                codes.add(error.code)
    assert {"damaged", "unsupported", "not-media", "too-large"} <= codes


def test_nine_orientations_show_one_scene(test_data: Path):
    folder = test_data / "exif-orientation"
    pictures = [one((folder / f"Landscape_{n}.jpg").read_bytes()).image for n in range(9)]
    for picture in pictures[1:]:
        assert picture.shape == pictures[0].shape
        assert np.abs(picture.astype(int) - pictures[0]).mean() < 6
