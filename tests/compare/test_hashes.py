from __future__ import annotations

from pathlib import Path

import imagehash
import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import mediasift as ms
from mediasift.compare.hashes import HASHES, cosine_transform, to_hashes
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.transforms import resize, to_gray
from tests.pictures import save, scene, solid

REFERENCE = {"ahash": imagehash.average_hash, "dhash": imagehash.dhash, "phash": imagehash.phash}


def as_number(hashed: imagehash.ImageHash) -> int:
    return int(str(hashed), 16)


def ours(name: str, image: np.ndarray) -> int:
    size = HASHES[name]
    return int(to_hashes(name, resize(to_gray(image), size.width, size.height, "lanczos")[None])[0])


@pytest.mark.parametrize("name", HASHES)
@settings(max_examples=150)
@given(data=st.data())
def test_bit_for_bit_the_reference_given_the_same_shrunken_pixels(name: str, data: st.DataObject):
    size = HASHES[name]
    values = data.draw(st.sampled_from([st.integers(0, 255), st.sampled_from([0, 255]), st.sampled_from([7, 8])]))
    pixels = data.draw(arrays.arrays(np.uint8, (size.height, size.width), elements=values, fill=values))
    symmetry = data.draw(st.sampled_from(["none", "left-right", "top-bottom", "both"]))
    if symmetry in ("left-right", "both"):
        pixels = np.maximum(pixels, pixels[:, ::-1])
    if symmetry in ("top-bottom", "both"):
        pixels = np.maximum(pixels, pixels[::-1])
    reference = REFERENCE[name](Image.fromarray(pixels))  # of this size already, so nothing is resampled
    different = int(to_hashes(name, pixels[None])[0]) ^ as_number(reference)
    assert different & ~(ties(pixels) if name == "phash" else 0) == 0


def ties(pixels: np.ndarray) -> int:
    """Bits of phash whose coefficient is the median itself but for rounding, where either answer is right."""
    low = scipy.fft.dctn(pixels.astype(float), type=2)[:8, :8]
    near = np.abs(low - np.median(low)) <= 1e-9 * np.abs(low).max()
    return int("".join("01"[int(bit)] for bit in near.ravel()), 2)


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (1, 1, 1), (13, 130, 77)])
def test_plain_pictures_as_the_reference(name: str, colour: tuple[int, int, int]):
    size = HASHES[name]
    gray = resize(to_gray(solid(colour)), size.width, size.height, "lanczos")
    assert int(to_hashes(name, gray[None])[0]) == as_number(REFERENCE[name](Image.fromarray(gray)))


@pytest.fixture(scope="module")
def photos(test_data: Path) -> list[np.ndarray]:
    files = [*sorted((test_data / "imagenet-photos").iterdir())[:60],
             *sorted((test_data / "near-duplicates" / "base_images").iterdir()),
             *sorted((test_data / "book-pictures").iterdir())]  # fmt: skip
    return [next(iter(decode(file.read_bytes()))).image for file in files]


@pytest.mark.parametrize("name", HASHES)
def test_at_most_2_of_64_bits_off_the_reference_on_photographs(name: str, photos: list[np.ndarray]):
    worst = 0
    for image in photos:
        worst = max(worst, (ours(name, image) ^ as_number(REFERENCE[name](Image.fromarray(image)))).bit_count())
    assert worst <= 2


def test_many_at_once_are_what_each_is_alone():
    pixels = np.stack([resize(to_gray(scene(seed=seed)), 32, 32, "lanczos") for seed in range(5)])
    together = to_hashes("phash", pixels)
    assert together.dtype == np.uint64
    assert together.tolist() == [int(to_hashes("phash", one[None])[0]) for one in pixels]
    assert to_hashes("phash", pixels[:0]).shape == (0,)


@settings(max_examples=30)
@given(st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_the_cosine_transform_is_its_definition(half: int, seed: int):
    count = 2 * half
    values = np.random.default_rng(seed).normal(size=(3, count))
    k, n = np.arange(count)[:, None], np.arange(count)[None, :]
    expected = values @ (2 * np.cos(np.pi * k * (2 * n + 1) / (2 * count))).T
    np.testing.assert_allclose(cosine_transform(values, axis=1), expected, atol=1e-9)


def test_the_same_pixels_have_the_same_hash_in_every_format(tmp_path: Path):
    noise = np.random.default_rng(4).integers(-30, 30, (800, 1200, 3))
    picture = np.clip(scene(1200, 800).astype(int) + noise, 0, 255).astype(np.uint8)
    jpeg = save(tmp_path / "a.jpg", picture, quality=60)
    with Image.open(jpeg) as decoded:
        save(tmp_path / "b.png", np.asarray(decoded))
    for method in (*HASHES, "disc", "pixels"):
        (pair,) = ms.compare([jpeg, tmp_path / "b.png"], method=method)
        assert pair.similarity == 1, method
        _, duplicate = ms.duplicates([jpeg, tmp_path / "b.png"], method=method)
        assert (duplicate.similarity, duplicate.match) == (1, "pixels"), method
        (near,) = ms.search(jpeg, tmp_path / "b.png", method=method)
        assert near.similarity == 1, method
