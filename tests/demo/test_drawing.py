"""What is drawn: digits that networks trained on real handwriting read, and landscapes that differ."""

from __future__ import annotations

import numpy as np

from mediasift.demo.drawing import STROKES, digit, landscape, pan
from mediasift.tasks.model import load_model


def test_a_network_trained_on_handwriting_reads_the_digits_and_their_ink_is_centred():
    rng = np.random.default_rng(0)
    drawn = [(number, digit(number, rng)) for number in STROKES for _ in range(10)]
    read = load_model("digits-lenet").predict([np.repeat(image[..., None], 3, 2) for _, image in drawn])
    right = sum(row[0].label == str(number) for (number, _), row in zip(drawn, read, strict=True))
    assert right >= 90
    for _, image in drawn:
        assert image.shape == (28, 28)
        for axis in (0, 1):
            ink = image.sum(1 - axis, dtype=float)
            assert abs((ink * np.arange(28)).sum() / ink.sum() - 13.5) <= 1


def test_landscapes_differ_and_the_same_seed_draws_the_same():
    first, second = landscape(np.random.default_rng(1)), landscape(np.random.default_rng(2))
    assert first.shape == second.shape == (180, 320, 3)
    assert np.abs(first.astype(int) - second).mean() > 10
    np.testing.assert_array_equal(first, landscape(np.random.default_rng(1)))


def test_a_camera_that_turns_sees_the_left_end_first_and_the_right_end_last():
    image = landscape(np.random.default_rng(3))
    frames = pan(image, 9, 200, 100)
    assert len(frames) == 9
    np.testing.assert_array_equal(frames[0], image[:100, :200])
    np.testing.assert_array_equal(frames[-1], image[:100, 120:])
