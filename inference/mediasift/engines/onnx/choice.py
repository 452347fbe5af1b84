"""`--device auto`: the fastest device whose numbers agree with the processor's."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import InputDescription
from mediasift.engines.onnx.recipe import arrange, noise
from mediasift.errors import InferenceFailed, ModelError

if TYPE_CHECKING:
    from mediasift.engines.onnx.session import OnnxModel

CANDIDATES = ("tensorrt", "cuda", "coreml", "directml", "openvino")
"""What `auto` tries beside the CPU, in this order, which decides between equals."""

MAX_DIFFERENCE = 0.05
"""Of the range of the CPU's numbers: half precision stays well below it, a driver that computes wrongly does not."""

_BATCH = 8
_CALLS = 3


def relative_difference(reference: NDArray[Any], other: NDArray[Any]) -> float:
    """Largest difference of two devices' outputs for the same items, as a share of the range of the first's numbers.

    Where one is not a number, the difference is infinite.
    """
    first, second = (values.astype(np.float64) for values in (reference, other))
    difference = float(np.nan_to_num(np.abs(first - second), nan=np.inf).max(initial=0.0))
    extent = float(np.ptp(first)) if first.size else 0.0
    return difference / extent if extent else (0.0 if difference == 0 else np.inf)


def fastest(load: Callable[[str], OnnxModel], wanted: InputDescription, devices: Sequence[str]) -> str:
    """The device that runs a batch of noise fastest, of those whose numbers agree with the CPU's.

    Measured rather than looked up in a list, because which is faster depends on model and machine: a small model
    loses more on the way to a GPU than it gains there. Nothing is run where there is only the CPU.

    Args:
        load: Loads the model on a device, or raises a ModelError.
        wanted: The model's input.
        devices: To try beside the CPU; the first of equals is taken.
    """
    loaded: dict[str, OnnxModel] = {}
    for device in devices:
        with suppress(ModelError):
            loaded[device] = load(device)
    if not loaded:
        return "cpu"
    reference = load("cpu")
    shape = (wanted.height, wanted.width) + (() if wanted.colour == "gray" else (3,))
    batch = np.stack([arrange(one, wanted) for one in noise((_BATCH, *shape))])
    expected = reference.run(batch)
    seconds = {}
    for device, model in loaded.items():
        with suppress(InferenceFailed):
            if relative_difference(expected, model.run(batch)) <= MAX_DIFFERENCE:
                seconds[device] = _seconds(model, batch)
    seconds["cpu"] = _seconds(reference, batch)
    return min(seconds, key=lambda device: seconds[device])


def _seconds(model: OnnxModel, batch: NDArray[Any]) -> float:
    """The quickest of a few calls; the first, which may compile, was made before."""
    return min(timeit.repeat(lambda: model.run(batch), number=1, repeat=_CALLS))
