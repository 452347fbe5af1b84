"""What every picture is brought to: sRGB, by its profile, on a background where it is transparent."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

import mediasift as ms
from mediasift.errors import UsageError
from mediasift.media.pictures.colors import (
    Background,
    array_to_srgb,
    parse_color,
    profile_of_code_points,
    profile_of_primaries,
)
from mediasift.media.pictures.images import decode
from tests.media.pictures.test_png import chunk, png
from tests.pictures import encoded, scene

ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)  # white, red, green, blue
P3 = profile_of_code_points(12, 13)


def image(data: bytes, **options) -> np.ndarray:
    (item,) = decode(data, **options)
    return item.image


def by_littlecms(picture: Image.Image, profile: bytes) -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    changed = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert changed is not None
    return np.asarray(changed)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_a_profile_is_followed_in_every_format(form: str):
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(scene(), form, icc_profile=P3, **options)
    with Image.open(io.BytesIO(data)) as stored:
        expected = by_littlecms(stored.convert("RGB"), P3)
        assert np.abs(expected.astype(int) - np.asarray(stored.convert("RGB"))).max() > 10
    assert np.abs(image(data).astype(int) - expected).max() <= 1
    assert np.abs(image(data, profiles=False).astype(int) - scene()).max() <= (90 if form in ("JPEG", "AVIF") else 0)


def test_known_colours():
    # Display P3 (200, 100, 50) in sRGB, computed from the primaries: 215.6, 92.6, 31.
    assert np.abs(array_to_srgb(np.array([[[200, 100, 50]]], np.uint8), P3).astype(int) - (216, 93, 31)).max() <= 1
    linear = profile_of_primaries(1.0, (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06))
    assert array_to_srgb(np.array([[[128, 128, 128]]], np.uint8), linear)[0, 0].tolist() == [188, 188, 188]
    assert profile_of_primaries(0.45455, (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)) == b""


def test_a_profile_of_srgb_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(image(encoded(scene(), "PNG", icc_profile=srgb)), scene())


@pytest.mark.parametrize("profile", [b"", b"damaged", bytes(4000), P3[:200], P3[:300] + bytes(2000)])
def test_a_damaged_profile_is_none(profile: bytes):
    for form in ("PNG", "TIFF"):
        assert np.array_equal(image(encoded(scene(), form, icc_profile=profile)), scene())


def test_grey_and_mismatched_profiles():
    grey = scene()[:, :, 0].copy()
    head = b"\0\0\0\0\x02\x40\0\0mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 256) + b"\0\0"  # gamma 1.0
    body = struct.pack(">I4sII", 1, b"kTRC", 144, 14) + curve
    profile = struct.pack(">I", len(head) + 4 + len(body)) + head + body
    expected = by_littlecms(Image.fromarray(grey), profile)
    for form in ("PNG", "JPEG", "TIFF"):
        data = encoded(grey, form, icc_profile=profile)
        with Image.open(io.BytesIO(data)) as stored:
            expected = by_littlecms(stored.convert("L"), profile)
        assert np.abs(image(data).astype(int) - expected).max() <= 1
    assert np.array_equal(image(encoded(scene(), "TIFF", icc_profile=profile)), scene())  # of grey, in a picture of RGB
    assert image(encoded(grey, "JPEG", icc_profile=P3)).shape == (32, 48, 3)


def test_what_png_says_besides_a_profile():
    def numbers(*parts: float) -> bytes:
        return struct.pack(f">{len(parts)}I", *(round(part * 100_000) for part in parts))

    adobe, plain = (
        chunk(b"cHRM", numbers(*ADOBE)),
        chunk(b"cHRM", numbers(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)),
    )
    gamma, linear = chunk(b"gAMA", numbers(0.45455)), chunk(b"gAMA", numbers(1.0))
    assert np.abs(image(png(gamma, adobe)).astype(int) - scene()).max() > 10
    assert np.array_equal(image(png(gamma, plain)), scene())
    assert np.array_equal(image(png(linear)), scene())  # a gamma alone is often wrong
    assert np.array_equal(image(png(chunk(b"sRGB", b"\0"), gamma, adobe)), scene())
    coded = image(png(chunk(b"cICP", bytes((12, 13, 0, 1))), chunk(b"sRGB", b"\0")))
    assert np.array_equal(coded, array_to_srgb(scene(), P3))
    assert np.array_equal(image(png(chunk(b"cICP", bytes((1, 13, 0, 1))), gamma, adobe)), scene())


def test_reported_wide_gamut_in_every_command(test_data: Path, tmp_path: Path):
    path = test_data / "reports" / "pictures" / "adobe-primaries.png"
    (row,) = ms.convert(path, tmp_path)
    with Image.open(row.output or "") as copy:
        assert "icc_profile" not in copy.info
        assert np.abs(np.asarray(copy).mean(axis=(0, 1)) - (76.7, 135, 87.7)).max() < 1
    (row,) = ms.convert(path, tmp_path / "stored", color_profile="ignore")
    with Image.open(row.output or "") as copy:
        assert np.abs(np.asarray(copy).mean(axis=(0, 1)) - (80, 135, 86.7)).max() < 1
    assert ms.similarity(path, path, color_profile="ignore") == 1
    (pair,) = ms.compare([path, tmp_path / path.name], method="pixels")
    assert pair.similarity == pytest.approx(1, abs=1e-4)


def icon(color: tuple[int, int, int], hidden: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    """uint8 (32, 48, 4): a disc of a colour, transparent around it."""
    y, x = np.mgrid[:32, :48]
    inside = (x - 24) ** 2 + (y - 16) ** 2 < 100
    rgb = np.where(inside[:, :, None], color, hidden)
    return np.dstack([rgb, inside * 255]).astype(np.uint8)


@pytest.mark.parametrize(
    ("color", "ground"),
    [
        ((0, 0, 0), 255), ((255, 255, 255), 0), ((240, 240, 240), 0), ((255, 255, 0), 0), ((128, 128, 128), 255),
        ((255, 0, 0), 255), ((200, 200, 200), 255),
    ],
)  # fmt: skip
def test_white_or_black_where_it_would_vanish(color: tuple[int, int, int], ground: int):
    shown = image(encoded(icon(color), "PNG"))
    assert shown[0, 0].tolist() == [ground] * 3
    assert shown[16, 24].tolist() == list(color)


def test_some_dark_pixels_keep_it_on_white():
    picture = icon((255, 255, 255))
    picture[16, 14:34] = (10, 10, 10, 255)
    assert image(encoded(picture, "PNG"))[0, 0].tolist() == [255] * 3


def test_what_is_hidden_has_no_say():
    first = image(encoded(icon((0, 0, 200), hidden=(1, 2, 3)), "PNG"))
    assert np.array_equal(first, image(encoded(icon((0, 0, 200), hidden=(250, 250, 250)), "PNG")))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "TGA", "QOI", "SGI", "GIF", "AVIF", "JPEG2000", "ICO"])
@pytest.mark.parametrize(
    ("background", "color"), [("auto", (255, 255, 255)), ("#0a0b0c", (10, 11, 12)), ("Navy", (0, 0, 128))]
)
def test_every_format_lies_on_the_background(form: str, background: str, color: tuple[int, int, int]):
    options = {"WEBP": {"lossless": True}, "ICO": {"sizes": [(48, 32)]}}.get(form, {})
    data = encoded(icon((200, 10, 20)), form, **options)
    shown = image(data, suffix=f".{form.lower()}", background=background).astype(int)
    assert np.abs(shown[1, 1] - color).max() <= 3
    assert np.abs(shown[16, 24] - (200, 10, 20)).max() <= 12


def test_palettes_and_16_bits():
    data = encoded(np.asarray(Image.fromarray(icon((9, 9, 9))).quantize(8).convert("RGBA")), "PNG")
    assert image(data)[0, 0].tolist() == [255] * 3
    deep = struct.pack(">4H", 65535, 0, 0, 32768) * (48 * 32)
    rows = b"".join(b"\0" + deep[: 48 * 8] for _ in range(32))
    assert image(png(pixels=zlib.compress(rows), color=6, depth=16))[0, 0].tolist() == [255, 127, 127]


def test_drawings_lie_on_it_too(package):
    package("resvg_py", "svg")
    for color, ground in (("black", 255), ("white", 0)):
        shape = f'<circle cx="10" cy="10" r="5" fill="{color}"/>'
        drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{shape}</svg>'
        assert image(drawing.encode())[0, 0].tolist() == [ground] * 3
        assert image(drawing.encode(), background="red")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_all_frames_lie_on_one_ground(form: str, tmp_path: Path):
    frames = [Image.fromarray(icon(color)) for color in ((255, 255, 255), (0, 0, 0), (255, 0, 0))]
    options = {"lossless": True} if form == "WEBP" else {"disposal": 2} if form == "GIF" else {}
    frames[0].save(
        path := tmp_path / f"a.{form.lower()}", save_all=True, append_images=frames[1:], duration=1000, **options
    )
    items = list(decode(path.read_bytes(), every_frame=True))
    assert [item.image[1, 1].tolist() for item in items] == [[0, 0, 0]] * 3
    rows = [row for row in ms.convert(path, tmp_path / "every", every="1f", to="npy") if not row.error]
    assert [np.load(row.output or "")[1, 1].max() < 9 for row in rows] == [True] * 3
    rows = [row for row in ms.convert(path, tmp_path / "red", every="1f", to="npy", background="red") if not row.error]
    assert np.load(rows[0].output or "")[1, 1].tolist()[0] > 245


def test_reported_icons_are_different_and_legible(test_data: Path):
    folder = test_data / "reports" / "pictures"
    for method in ("phash", "dhash", "ahash", "disc", "pixels"):
        rows = list(ms.duplicates(folder / "icons", method=method))
        assert len(rows) == 4
        assert "pixels" not in {row.match for row in rows}
        if method != "pixels":
            assert len({row.group for row in rows}) > 1 or {row.group for row in rows} == {None}
    assert {row.group for row in ms.duplicates(folder / "icons", match="pixels")} == {None}
    rows = list(ms.duplicates([folder / "star.png", folder / "words.png"]))
    assert [row.group for row in rows] == [None, None]


def test_reported_letters_on_transparent_ground_are_read(test_data: Path):
    folder = test_data / "reports" / "pictures"
    for name in ("black-text-on-transparent.png", "rgba.png", "pal.gif", "icons-palette-arrow.png"):
        shown = image((folder / name).read_bytes())
        assert shown[0, 0].tolist() == [255] * 3
        assert shown.min() == 0


def test_plain_pictures_share_a_hash_and_not_their_pixels(test_data: Path):
    plain = test_data / "reports" / "pictures" / "plain"
    assert {row.group for row in ms.duplicates(plain, method="pixels")} == {None}


def test_lay_and_parse():
    half = np.full((1, 1), 128, np.uint8)
    assert Background("black").lay(np.full((1, 1, 3), 200, np.uint8), half)[0, 0].tolist() == [100] * 3
    assert parse_color("1,2,3") == (1, 2, 3)
    for text in ("", "nonsense", "#12345", "1,2", "1,2,300", "#11223344"):
        with pytest.raises(UsageError, match="colour"):
            parse_color(text)


def pq(nits: float) -> float:
    """The signal 0..1 of so much light (SMPTE ST 2084)."""
    power = (nits / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


@pytest.mark.parametrize("form", ["PNG", "AVIF"])
@pytest.mark.parametrize(("light", "level"), [(1.0, 255), (0.18, 118), (0.0, 0), (3.0, 255)])
def test_high_dynamic_range_is_mapped_as_in_films(form: str, light: float, level: int):
    """Diffuse white is 203 nits (ITU-R BT.2408); 18 % of it is sRGB's 118 (IEC 61966-2-1)."""
    grey = np.full((16, 16, 3), round(pq(203 * light) * 255), np.uint8)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, form, **({"quality": 100, "subsampling": "4:4:4"} if form == "AVIF" else {}))
    data = out.getvalue()
    if form == "PNG":
        data = data[:33] + chunk(b"cICP", bytes((9, 16, 0, 1))) + data[33:]
    else:
        at = data.index(b"colrnclx") + 8
        data = data[:at] + bytes((0, 9, 0, 16)) + data[at + 4 :]
    assert np.abs(image(data).astype(int) - level).max() <= 4
    assert np.abs(image(data, profiles=False).astype(int) - grey).max() <= 1


@pytest.mark.parametrize(
    ("one", "other", "usual"),
    [("colors_hdr_srgb", "colors_hdr_rec2020", "colors_sdr_srgb"),
     ("colors_text_hdr_p3", "colors_text_hdr_rec2020", "colors_text_sdr_srgb")],
)  # fmt: skip
def test_one_scene_in_several_codings_is_one_picture(test_data: Path, one: str, other: str, usual: str):
    """Of libavif's test files; the scene of ordinary range is nearer to what is mapped than to the raw numbers."""
    files = {path.stem: path.read_bytes() for path in (test_data / "valid-images").rglob("*.avif")}
    first, second, plain = (image(files[name]).astype(int) for name in (one, other, usual))
    assert np.abs(first - second).mean() < 3
    assert np.abs(first - plain).mean() < 0.6 * np.abs(image(files[one], profiles=False) - plain).mean()
