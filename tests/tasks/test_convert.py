from __future__ import annotations

import colorsys
import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import UsageError
from mediasift.items import Item
from mediasift.media.pictures.transforms import padded, resize, rotate, rotated_size, to_color_model
from mediasift.sources.content import LocalFile
from mediasift.tasks.convert import Convert, output_path
from tests.media.test_information import with_exif
from tests.pictures import encoded, save, scene, solid


def call(*arguments: object):
    return CliRunner().invoke(main, ["convert", *map(str, arguments)], catch_exceptions=False)


def one(tmp_path: Path, image: np.ndarray, **options) -> np.ndarray:
    """The picture converted, read back."""
    (row,) = ms.convert(image, tmp_path / "out", **options)
    assert row.error == ""
    if row.output.endswith((".npy", ".npz")):
        loaded = np.load(row.output)
        pixels = loaded["image"] if row.output.endswith("npz") else loaded
    else:
        pixels = np.asarray(Image.open(row.output))
    assert pixels.shape[:2] == (row.height, row.width)
    return pixels


def test_nothing_asked_nothing_changed(tmp_path: Path):
    picture = scene()
    for to in ("png", "npy", "npz"):
        np.testing.assert_array_equal(one(tmp_path, picture, to=to), picture)
    for to in ("jpg", "webp", "avif"):
        assert np.abs(one(tmp_path, picture, to=to, quality=95).astype(int) - picture).mean() < 4


def test_flip_crop_and_right_angles_move_pixels(tmp_path: Path):
    picture = scene()
    reference = Image.fromarray(picture)
    np.testing.assert_array_equal(one(tmp_path, picture, flip="h"), ImageOps.mirror(reference))
    np.testing.assert_array_equal(one(tmp_path, picture, flip="v"), ImageOps.flip(reference))
    for degrees in (90, 180, 270, 360, -90, 450):
        expected = reference.rotate(-degrees, expand=True)
        np.testing.assert_array_equal(one(tmp_path, picture, rotate=degrees), expected)
    np.testing.assert_array_equal(one(tmp_path, picture, crop=(0.25, 0.5, 1, 1)), picture[16:, 12:])


@pytest.mark.parametrize("canvas", ["keep", "grow"])
@pytest.mark.parametrize("degrees", [45, 10, -33.3, 135, 200, 300])
def test_any_angle_as_pillow_clockwise(canvas: str, degrees: float):
    picture = scene(120, 80)
    reference = Image.fromarray(picture).rotate(
        -degrees, Image.Resampling.BILINEAR, expand=canvas == "grow", fillcolor=(255, 0, 0)
    )
    turned = rotate(picture, degrees, canvas=canvas, color=(255, 0, 0))
    assert abs(turned.shape[0] - reference.height) <= 2
    assert abs(turned.shape[1] - reference.width) <= 2
    height, width = min(turned.shape[0], reference.height), min(turned.shape[1], reference.width)

    def middle(pixels: np.ndarray) -> np.ndarray:
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        return pixels[top : top + height, left : left + width].astype(int)

    # the corners' edges fall half a pixel elsewhere
    assert np.abs(middle(turned) - middle(np.asarray(reference))).mean() < 6
    assert turned[0, 0].tolist() == [255, 0, 0] or canvas == "keep"


@settings(max_examples=100)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(-720, 720))
def test_a_grown_canvas_holds_all_of_the_picture(width: int, height: int, degrees: float):
    turned = rotate(np.full((height, width, 3), 255, np.uint8), degrees, canvas="grow")
    assert turned.shape[:2] == rotated_size(width, height, degrees, "grow")[::-1]
    assert turned.astype(float).sum() / 765 == pytest.approx(width * height, rel=0.05, abs=width + height)


def test_the_canvas_is_capped_before_it_is_made(tmp_path: Path):
    (row,) = ms.convert(scene(1000, 10), tmp_path / "out", rotate=45, max_megapixels=0.1)
    assert row.error.startswith("too-large: 715 x 715")
    (row,) = ms.convert(scene(), tmp_path / "out", size=(100_000, 100_000))
    assert row.error.startswith("too-large: ")


@pytest.mark.parametrize("size", [(224, 224), (15, 15), (30, 7), (100, 90), (160, 20)])
@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_bicubic_agrees_with_pillow_within_one_level(size: tuple[int, int], seed: int):
    picture = np.random.default_rng(seed).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    assert np.abs(resize(picture, *size, "bicubic").astype(int) - expected).max() <= 1


@pytest.mark.parametrize("resample", ["area", "bicubic", "bilinear", "lanczos"])
def test_shrinking_never_aliases(resample: str):
    checks = ((np.indices((240, 240)).sum(axis=0) % 2) * 255).astype(np.uint8)
    picture = np.repeat(checks[:, :, None], 3, axis=2)
    for side in (120, 80, 48, 31, 15):
        assert (
            np.abs(resize(picture, side, side, resample).astype(int) - 127).max() <= 15
        )  # the mean of 3 x 3 fields is 5/9 or 4/9


def test_fits(tmp_path: Path):
    wide = np.concatenate([solid((255, 0, 0), 20, 40), solid((0, 255, 0), 40, 40), solid((0, 0, 255), 20, 40)], axis=1)
    assert one(tmp_path, wide, size=(40, 40)).shape == (40, 40, 3)
    np.testing.assert_array_equal(one(tmp_path, wide, size=(20, 20), fit="crop"), solid((0, 255, 0), 20, 20))
    small = one(tmp_path, wide, size=(40, 40), fit="pad", background="9,8,7")
    assert small[0, 0].tolist() == small[-1, -1].tolist() == [9, 8, 7]
    np.testing.assert_array_equal(small[10:30], resize(wide, 40, 20))
    mirrored = one(tmp_path, wide, size=(40, 40), fit="pad", filling="reflect")
    np.testing.assert_array_equal(mirrored[:10], mirrored[10:20][::-1])
    blurred = padded(scene(80, 40, seed=4), 40, 40, filling="blur")
    np.testing.assert_array_equal(blurred[10:30], resize(scene(80, 40, seed=4), 40, 20))
    assert blurred[:10].std() > 0
    for filling in ("reflect", "blur", "color"):  # one pixel, thin pictures, larger targets
        for shape in ((1, 1), (1, 50), (50, 1)):
            assert padded(np.zeros((*shape, 3), np.uint8), 33, 20, filling=filling).shape == (20, 33, 3)


def test_colour_models_against_the_standard_library_and_known_colours(tmp_path: Path):
    picture = scene(12, 9, seed=5)
    gray = one(tmp_path, picture, color_model="gray")
    assert np.abs(gray.astype(int) - np.asarray(Image.fromarray(picture).convert("L"))).max() <= 1
    hsv = one(tmp_path, picture, color_model="hsv", to="npy")
    expected = np.array([[colorsys.rgb_to_hsv(*(pixel / 255)) for pixel in row] for row in picture])
    assert hsv.dtype == np.float32
    np.testing.assert_allclose(hsv / [360, 1, 1], expected, atol=1e-5)
    lab = to_color_model(np.array([[[255, 0, 0], [0, 0, 255], [255, 255, 255], [128, 128, 128]]], np.uint8), "lab")
    known = [[53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [100, 0, 0], [53.59, 0, 0]]
    np.testing.assert_allclose(lab[0], known, atol=0.6)  # the figures of CIE 1976 for sRGB and D65


def test_exif_goes_unless_it_is_kept(tmp_path: Path):
    source = with_exif(tmp_path / "a.jpg")
    kept = {}
    for exif in ("strip", "keep", "without-place"):
        for to in ("jpg", "png", "webp"):
            (row,) = ms.convert(source, tmp_path / exif, exif=exif, to=to)
            (info,) = ms.info(row.output)
            kept[exif, to] = (info.captured is not None, info.latitude is not None)
            assert (info.width, info.height) == (32, 48)  # upright already, and not turned again
            np.testing.assert_allclose(np.asarray(Image.open(row.output).convert("RGB")).shape, (48, 32, 3))
    for to in ("jpg", "png", "webp"):
        assert kept["strip", to] == (False, False)
        assert kept["keep", to] == (True, True)
        assert kept["without-place", to] == (True, False)


def test_where_the_copies_go(tmp_path: Path):
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    save(photos / "x.jpg", scene())
    save(photos / "x.png", scene())
    save(photos / "sub" / "x.png", scene())
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    done = call(photos, "-d", tmp_path / "out", "--quiet")
    assert done.exit_code == 1
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["sub/x.png", "x.jpg.png", "x.png"]
    table = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [bool(row["error"]) for row in table] == [True, False, False, False]
    for row in table[1:]:
        assert Path(row["output"]).is_file()


@settings(max_examples=200)
@given(st.data())
def test_no_two_pictures_have_one_name(data: st.DataObject):
    names = st.sampled_from(["x", "x.png", "x.jpg", "x.png.png", "x.jpg.png", "x.png.jpg", "x.PNG", "x.tif", "x.old",
                             "x.old.png", "a/x.png", "x.tif.page1.png", "x.page1"])  # fmt: skip
    paths = data.draw(st.lists(st.tuples(names, st.sampled_from([None, 1])), min_size=2, max_size=8, unique=True))
    to = data.draw(st.sampled_from(["png", "jpg", "npy"]))
    settings_ = Convert("out", to=to)
    made = [
        output_path(
            Item(path=path, page=page, image=scene(), original_size=(1, 1), content=LocalFile(Path(path))), settings_
        )
        for path, page in paths
    ]
    clash = {("x.tif", 1), ("x.tif.page1.png", None)}
    if not clash <= set(paths):
        assert len(set(made)) == len(made)


def test_the_same_bytes_when_it_is_done_again(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    for to in ("png", "jpg", "webp", "avif", "npy", "npz"):
        ((first,), (second,)) = (list(ms.convert(tmp_path / "a.png", tmp_path / name, to=to)) for name in ("x", "y"))
        assert Path(first.output).read_bytes() == Path(second.output).read_bytes(), to


def test_the_command_line(tmp_path: Path):
    save(tmp_path / "a.png", scene(80, 40))
    done = call(tmp_path / "a.png", "-d", tmp_path / "out", "--resize", "25%", "--format", "jsonl", "--quiet")
    row = json.loads(done.stdout)
    assert (row["width"], row["height"], row["color_model"]) == (20, 10, "rgb")
    many = (
        "--resize 30x30 --fit pad --background #0a0b0c --rotate 90 --flip v --crop 0,0,.5,1 --color-model gray --to npy"
    )
    done = call(tmp_path / "a.png", "-d", tmp_path / "out", *many.split())
    assert done.exit_code == 0
    assert np.load(tmp_path / "out" / "a.png.npy").shape == (30, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resize", "half"], "must be a percentage"),
        (["--resize", "0x5"], "must be WIDTHxHEIGHT in pixels"),
        (["--resize", "0%"], "more than 0"),
        (["--fit", "pad"], "needs a size"),
        (["--fit", "crop", "--resize", "25%"], "needs a size"),
        (["--color-model", "lab"], "--to npy"),
        (["--exif", "keep", "--to", "npz"], "arrays hold no EXIF"),
        (["--background", "pinkish"], "must be #rrggbb"),
        (["--background", "1,2,300"], "must be #rrggbb"),
        (["--crop", "1,0,0,1"], "crop box"),
        (["--rotate", "nan"], "must be a finite number"),
    ],
)
def test_options_that_cannot_be(arguments: list[str], message: str, tmp_path: Path):
    save(tmp_path / "a.png", scene())
    done = call(tmp_path / "a.png", "-d", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_folders_that_cannot_be(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(UsageError, match="lies in the input"):
        ms.convert(tmp_path, tmp_path / "out")
    with pytest.raises(UsageError, match="would overwrite its own input"):
        list(ms.convert(tmp_path / "a.png", tmp_path, flip="h"))
    assert (tmp_path / "a.png").read_bytes() == before
    assert call(tmp_path / "a.png", "-d", tmp_path / "a.png" / "sub").exit_code == 6


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux tells a process which cores it may use")
def test_the_bytes_of_an_avif_do_not_depend_on_the_number_of_cores(tmp_path: Path):
    save(tmp_path / "a.png", scene(1200, 900))
    made = []
    before = os.sched_getaffinity(0)
    for number, cores in enumerate((before, {min(before)})):
        os.sched_setaffinity(0, cores)
        try:
            (row,) = ms.convert(tmp_path / "a.png", tmp_path / str(number), to="avif", jobs=0)
        finally:
            os.sched_setaffinity(0, before)
        made.append(Path(row.output).read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize("stem", ["x" * 250, "é" * 125, "🙂" * 62 + "ab", "x" * 240])
def test_names_that_are_too_long_are_cut_and_stay_apart(stem: str, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    for last in "12":
        save(folder / f"{stem}{last}.jpg", scene())  # of 255 bytes, most of them
    save(folder / "short.png", scene())
    for options in ({}, {"to": "npz"}):
        rows = list(ms.convert(folder, tmp_path / "out", **options))
        assert [row.error for row in rows] == [""] * len(rows)
        outputs = [Path(row.output) for row in rows]
        assert len(set(outputs)) == len(rows)
        assert all(path.is_file() and len(os.fsencode(path.name)) <= 255 for path in outputs)
        assert [Path(row.output) for row in ms.convert(folder, tmp_path / "out", **options)] == outputs


def test_a_path_that_is_too_long_is_one_row(tmp_path: Path):
    deep = tmp_path / "in"
    for _ in range(16):
        deep = deep / ("d" * 230)
    descend(deep)
    save(tmp_path / "in" / "short.png", scene())
    rows = {Path(row.path).name: row for row in ms.convert(tmp_path / "in", tmp_path / ("o" * 200) / ("p" * 200))}
    assert rows["short.png"].error == ""
    assert rows["a.png"].error.startswith("too-large:")
    assert "longer than the path" in rows["a.png"].error


def descend(folder: Path) -> None:
    """A picture in a folder whose path is almost as long as may be."""
    folder.mkdir(parents=True)
    save(folder / "a.png", scene())


def test_transparency_is_kept_where_it_is_asked_for(tmp_path: Path):
    picture = np.dstack([scene(), np.linspace(0, 255, 48).astype(np.uint8) * np.ones((32, 1), np.uint8)])
    save(tmp_path / "a.png", picture)
    for to in ("png", "webp", "avif", "npy"):
        (row,) = ms.convert(tmp_path / "a.png", tmp_path / "out", color_model="rgba", to=to, quality=100)
        assert row.color_model == "rgba"
        path = Path(row.output)
        numbers = np.load(path) if to == "npy" else np.asarray(Image.open(path))
        assert numbers.shape == (32, 48, 4)
        assert np.abs(numbers[..., 3].astype(int) - picture[..., 3]).max() <= 2
    (row,) = ms.convert(tmp_path / "a.png", tmp_path / "small", color_model="rgba", size=(24, 16), rotate=180)
    with Image.open(row.output) as small:
        expected = Image.fromarray(picture[::-1, ::-1]).resize((24, 16), Image.Resampling.BOX)
        assert np.abs(np.asarray(small).astype(int) - np.asarray(expected)).max() <= 2
    (row,) = ms.convert(tmp_path / "a.png", tmp_path / "padded", color_model="rgba", size=(60, 60), fit="pad")
    with Image.open(row.output) as padded_copy:
        assert padded_copy.getpixel((0, 0)) == (0, 0, 0, 0)
    with pytest.raises(UsageError, match="rgba is no colour model of jpg"):
        ms.convert(tmp_path / "a.png", tmp_path, color_model="rgba", to="jpg")


def test_inks(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    expected = Image.fromarray(scene()).convert("CMYK")
    (row,) = ms.convert(tmp_path / "a.png", tmp_path / "out", color_model="cmyk", to="npy")
    assert np.array_equal(np.load(row.output), np.asarray(expected))
    (row,) = ms.convert(tmp_path / "a.png", tmp_path / "out", color_model="cmyk", to="jpg", quality=100)
    with Image.open(row.output) as copy:
        assert copy.mode == "CMYK"
        assert np.abs(np.asarray(copy).astype(int) - np.asarray(expected)).mean() < 3
    with pytest.raises(UsageError, match="cmyk is no colour model of png"):
        ms.convert(tmp_path / "a.png", tmp_path, color_model="cmyk")


def test_white_of_5_and_6_bits_is_white(tmp_path: Path):
    pixels = np.array([0xFFFF, 0xF800, 0x07E0, 0x001F], "<u2").tobytes()
    masks = (0xF800).to_bytes(4, "little") + (0x07E0).to_bytes(4, "little") + (0x001F).to_bytes(4, "little")
    size = (66 + len(pixels)).to_bytes(4, "little")
    head = b"BM" + size + bytes(4) + (66).to_bytes(4, "little") + (40).to_bytes(4, "little")
    head += (4).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\1\0\x10\0\3\0\0\0" + bytes(20)
    (tmp_path / "a.bmp").write_bytes(head + masks + pixels)
    (row,) = ms.convert(tmp_path / "a.bmp", tmp_path / "out", to="npy")
    assert np.load(row.output).tolist() == [[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]]


def test_what_a_caller_has_in_memory(tmp_path: Path):
    data = encoded(np.dstack([scene(), np.full((32, 48), 128, np.uint8)]))
    path = tmp_path / "a.png"
    path.write_bytes(data)
    picture = Image.open(io.BytesIO(data))
    with path.open("rb") as file:
        given = [path, data, bytearray(data), file, io.BytesIO(data), picture, np.asarray(picture)]
        rows = list(ms.convert(given, tmp_path / "out", to="npy"))
    arrays = [np.load(row.output) for row in rows]
    assert all(np.array_equal(array, arrays[0]) for array in arrays)
    assert [row.path for row in rows[1:3]] == ["bytes[1]", "bytes[2]"]
    assert len(list(ms.convert(data, tmp_path / "one"))) == 1
    with pytest.raises(UsageError, match="mode 'rb'"):
        ms.convert(io.StringIO("text"), tmp_path / "out")
