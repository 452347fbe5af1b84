"""TIFF: what is white, what is a page, what is whole, and what nothing here decodes."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.errors import Damaged, Unsupported
from mediasift.items import FailedItem, Item
from mediasift.media.pictures.images import decode
from tests.pictures import encoded, scene

Entry = tuple[int, int, list[int]]
_SIZES = {1: "B", 3: "H", 4: "I"}


def tiff(*directories: tuple[list[Entry], bytes], order: str = "<") -> bytes:
    """A TIFF of directories with the pixels of each in one strip; sizes and places of the strips are added."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for entries, pixels in directories:
        strip = len(data)
        data += pixels + bytes(len(pixels) % 2)
        whole = sorted([*entries, (273, 4, [strip]), (279, 4, [len(pixels)])])
        outside = {}
        for tag, kind, values in whole:
            body = struct.pack(f"{order}{len(values)}{_SIZES[kind]}", *values)
            if len(body) > 4:
                outside[tag] = len(data)
                data += body + bytes(len(body) % 2)
        struct.pack_into(f"{order}I", data, link, len(data))
        data += struct.pack(f"{order}H", len(whole))
        for tag, kind, values in whole:
            body = struct.pack(f"{order}{len(values)}{_SIZES[kind]}", *values)
            place = struct.pack(f"{order}I", outside[tag]) if tag in outside else body.ljust(4, b"\0")
            data += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
        link = len(data)
        data += bytes(4)
    return bytes(data)


def entries(
    width: int, height: int, bits: int, *, white_is_0: bool = False, kind: int = 1, samples: int = 1, **more: int
) -> list[Entry]:
    photometric = 2 if samples == 3 else 0 if white_is_0 else 1
    return [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [more.get("compression", 1)]),
        (262, 3, [photometric]), (277, 3, [samples]), (278, 4, [height]), (339, 3, [kind] * samples),
        *([(254, 4, [more["subtype"]])] if "subtype" in more else []),
    ]  # fmt: skip


def images(data: bytes) -> list[np.ndarray]:
    return [item.image for item in decode(data) if isinstance(item, Item)]


RAMP = np.linspace(0, 1, 64)[None].repeat(2, axis=0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("white_is_0", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
def test_white_and_black_at_any_depth(bits: int, white_is_0: bool, order: str):
    levels = np.round(RAMP * (2**bits - 1)).astype(np.uint64)
    if bits < 8:
        rows = (levels[:, :, None] >> np.arange(bits - 1, -1, -1).astype(np.uint64)) & np.uint64(1)
        pixels = np.packbits(rows.reshape(2, -1).astype(np.uint8), axis=1).tobytes()
    else:
        pixels = levels.astype(f"{order}u{bits // 8}").tobytes()
    (image,) = images(tiff((entries(64, 2, bits, white_is_0=white_is_0), pixels), order=order))
    expected = levels / (2**bits - 1) * 255
    expected = 255 - expected if white_is_0 else expected
    assert np.abs(image[:, :, 0] - expected).max() <= 1


def test_floats_from_0_to_1_and_no_others():
    for factor, is_read in ((1.0, True), (0.5, True), (255.0, False), (1.5, False), (-1.0, False), (np.nan, False)):
        data = tiff((entries(64, 2, 32, kind=3), (RAMP * factor).astype("<f4").tobytes()))
        if is_read:
            (image,) = images(data)
            assert np.abs(image[:, :, 0] - RAMP * factor * 255).max() <= 1
        else:
            with pytest.raises(Unsupported, match="floating-point samples from"):
                list(decode(data))
    inverted = tiff((entries(64, 2, 32, kind=3, white_is_0=True), RAMP.astype("<f4").tobytes()))
    assert images(inverted)[0][0, :, 0].tolist()[::63] == [255, 0]


@pytest.mark.parametrize(("bits", "kind"), [(8, 2), (16, 2), (32, 2), (16, 3), (64, 3), (64, 1), (32, 5), (64, 6)])
def test_samples_without_a_white_or_a_decoder_are_unsupported(bits: int, kind: int):
    with pytest.raises(Unsupported):
        list(decode(tiff((entries(4, 4, bits, kind=kind), bytes(4 * 4 * bits // 8)))))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("miniswhite16.tif", 255, 0), ("miniswhite8.tif", 255, 0), ("minisblack16.tif", 0, 255),
        ("uint32.tif", 0, 255), ("float32-0-1.tif", 0, 255),
    ],
)  # fmt: skip
def test_reported_ramps(name: str, first: int, last: int, test_data: Path):
    (image,) = images((test_data / "reports" / "pictures" / name).read_bytes())
    assert (image[0, 0, 0], image[-1, -1, 0]) == (first, last)
    assert abs(image.mean() - 127.5) < 1


@pytest.mark.parametrize("name", ["float64-0-1.tif", "float16-0-1.tif", "float32-0-255.tif", "rgb-jpegxl.tif"])
def test_reported_kinds_that_nothing_here_decodes(name: str, test_data: Path):
    path = test_data / "reports" / "pictures" / name
    with pytest.raises(Unsupported):
        list(decode(path.read_bytes()))
    (row,) = ms.info(path)
    assert (row.width, row.height, row.error) == (96, 64, "")


def test_reported_wholes_and_damage(test_data: Path):
    folder = test_data / "reports" / "pictures"
    for path in [*folder.glob("strips-*.tif"), *folder.glob("gray*-strips-*.tif")]:
        if "damaged" in path.name or "cut" in path.name:
            with pytest.raises(Damaged):
                list(decode(path.read_bytes()))
        else:
            assert abs(images(path.read_bytes())[0].mean() - 126.5) < 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma"])
@pytest.mark.parametrize("damage", ["noise", "zeros", "cut"])
def test_damage_in_a_strip(compression: str, damage: str):
    noise = np.random.default_rng(2).integers(-9, 9, (160, 200, 3))
    picture = np.clip(scene(200, 160).astype(int) + noise, 0, 255).astype(np.uint8)
    data = encoded(picture, "TIFF", compression=compression, strip_size=8192)
    assert len(images(data)) == 1
    # In the middle, where there are pixels; 512 bytes, as a sector of a disk.
    at = len(data) // 2
    rest = {"noise": np.random.default_rng(5).bytes(512) + data[at + 512 :], "zeros": bytes(512) + data[at + 512 :]}
    with pytest.raises((Damaged, Unsupported)):
        list(decode(data[:at] + rest.get(damage, b"")))


def test_a_deflate_strip_is_checked_by_its_checksum():
    pixels = np.arange(64 * 64, dtype=np.uint8).tobytes()
    packed = bytearray(zlib.compress(pixels))
    assert len(images(tiff((entries(64, 64, 8, compression=8), bytes(packed))))) == 1
    packed[-1] ^= 1
    with pytest.raises(Damaged, match="part 1 of 1"):
        list(decode(tiff((entries(64, 64, 8, compression=8), bytes(packed)))))


def test_reduced_copies_and_masks_are_no_pages(test_data: Path, tmp_path: Path):
    def page(side: int, value: int, subtype: int) -> tuple[list[Entry], bytes]:
        return entries(side, side, 8, subtype=subtype), bytes([value]) * side**2

    data = tiff(page(8, 10, 0), page(4, 20, 1), page(8, 30, 4), page(8, 40, 2), page(2, 50, 5))
    items = list(decode(data))
    assert [(item.page, int(item.image[0, 0, 0])) for item in items if isinstance(item, Item)] == [(1, 10), (2, 40)]
    (tmp_path / "a.tif").write_bytes(data)
    assert [(row.page, row.pages, row.width) for row in ms.info(tmp_path / "a.tif")] == [(1, 2, 8), (2, 2, 8)]
    assert len(images(tiff(page(8, 10, 1)))) == 1  # all of it a reduced copy: of another file
    pyramid = test_data / "reports" / "pictures" / "pyramid-3levels.tif"
    assert [row.page for row in ms.info(pyramid)] == [None]
    assert [image.shape for image in images(pyramid.read_bytes())] == [(192, 288, 3)]


@pytest.mark.parametrize(
    ("name", "pages"), [("bigtiff-3pages.tif", 3), ("bigtiff-rgb.tif", 1), ("mixed-rgb-then-bilevel.tif", 2)]
)
def test_pages_of_other_files(name: str, pages: int, test_data: Path):
    assert len(images((test_data / "reports" / "pictures" / name).read_bytes())) == pages


def test_one_damaged_page_is_one_error_row():
    good = entries(64, 64, 8, compression=8), zlib.compress(bytes(64 * 64))
    bad = entries(64, 64, 8, compression=8), zlib.compress(bytes(64 * 64))[:-6]
    first, second = decode(tiff(good, bad))
    assert isinstance(first, Item)
    assert isinstance(second, FailedItem)
    assert second.page == 2


def test_camera_raw_is_not_its_preview(test_data: Path, tmp_path: Path):
    preview = entries(8, 8, 8, subtype=1), bytes(64)
    sensor = [(262, 3, [32803]), *[one for one in entries(8, 8, 16) if one[0] != 262]]
    files = {
        "a.nef": tiff(preview, (sensor, bytes(128))),
        "b.dng": tiff(([*preview[0], (50706, 1, [1, 4, 0, 0])], bytes(64))),
        "c.cr2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(4) + tiff(preview)[16:],
        "d.raf": b"FUJIFILMCCD-RAW 0201" + bytes(200),
        "e.cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(200),
        "f.rw2": b"IIU\0\x18\0\0\0" + bytes(200),
        "g.dng": (test_data / "reports" / "pictures" / "sample.dng").read_bytes(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    rows = {Path(row.path).name: row.error for row in ms.convert(tmp_path, tmp_path.parent / "out")}
    assert sorted(rows) == sorted(files)
    for error in rows.values():
        assert error.startswith("unsupported:")
        assert "camera raw" in error.lower()


def test_lab_agrees_with_littlecms(test_data: Path):
    from PIL import ImageCms

    path = test_data / "valid-images" / "pillow" / "hopper.Lab.tif"
    with Image.open(path) as picture:
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        expected = np.asarray(ImageCms.applyTransform(picture, transform)).astype(int)
    assert np.abs(images(path.read_bytes())[0] - expected).max() <= 3


def test_each_page_has_an_orientation_of_its_own():
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    pages = [Image.fromarray(scene(seed=seed)) for seed in range(2)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], exif=exif)
    assert images(out.getvalue())[0].shape == (48, 32, 3)
