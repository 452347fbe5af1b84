from __future__ import annotations

import numpy as np
import pytest

from mediasift.media.pictures.planes import look_up


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
@pytest.mark.parametrize("tables", [1, 3])
@pytest.mark.parametrize("planar", [False, True])
def test_every_pixel_is_its_tables_number(dtype: str, shape: tuple[int, ...], tables: int, planar: bool):
    if tables == 3 and len(shape) == 2:
        return
    random = np.random.default_rng(3)
    picture = random.integers(0, 256, shape, dtype=np.uint8)
    levels = random.normal(size=(tables, 256)).astype(dtype)
    for one in (picture, np.flip(picture, 1), np.repeat(picture, 2, axis=0)[::2]):
        made = look_up(one, levels, planar=planar)
        assert made.dtype == dtype
        for place in np.ndindex(*shape):
            channel = place[2] if len(shape) == 3 else 0
            there = (channel, *place[:2]) if planar and len(shape) == 3 else place
            assert made[there] == levels[channel % tables, one[place]]
