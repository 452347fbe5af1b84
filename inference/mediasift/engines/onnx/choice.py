"""`--device auto`: the fastest device whose numbers agree with the processor's; and how well two devices agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import InputDescription
from mediasift.engines.onnx.providers import provider_is_here
from mediasift.engines.onnx.recipe import arrange
from mediasift.errors import InferenceFailed, ModelError

CANDIDATES = ("tensorrt", "cuda", "coreml", "directml", "openvino")
"""What `auto` tries beside the CPU, in this order, which decides between equals."""

MAX_DIFFERENCE = 0.05
"""Of the range of the CPU's numbers: half precision stays well below it, a driver that computes wrongly does not."""

_BATCH = 8
_CALLS = 3


class Runs(Protocol):
    """A loaded model; see `session.OnnxModel`."""

    def run(self, batch: NDArray[Any], *, pad_to: int | None = None) -> NDArray[Any]:
        """The model's numbers, (N, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well two devices agree on the same batch.

    Attributes:
        labels: Share of items whose largest number is at the same place, 0..1.
        largest_difference: Over all numbers.
        relative_difference: The same as a share of the range of the first device's numbers.
    """

    labels: float
    largest_difference: float
    relative_difference: float


def agreement(reference: NDArray[Any], other: NDArray[Any]) -> Agreement:
    """Two devices' outputs for the same items, (N, ...) each; numbers that are none differ infinitely."""
    first, second = (values.reshape(len(values), -1).astype(np.float64) for values in (reference, other))
    same = first.argmax(axis=1) == second.argmax(axis=1) if first.size else np.ones(len(first), dtype=bool)
    difference = float(np.nan_to_num(np.abs(first - second), nan=np.inf).max(initial=0.0))
    extent = float(np.ptp(first)) if first.size else 0.0
    relative = difference / extent if extent else (0.0 if difference == 0 else np.inf)
    return Agreement(labels=float(same.mean()), largest_difference=difference, relative_difference=float(relative))


def compare_devices(reference: Runs, other: Runs, pictures: Sequence[NDArray[Any]], *, batch_size: int) -> Agreement:
    """Two loaded copies of one model on the same prepared pictures (see `recipe.prepare`)."""
    parts = [np.stack(pictures[start : start + batch_size]) for start in range(0, len(pictures), batch_size)]
    outputs = [np.concatenate([model.run(part, pad_to=batch_size) for part in parts]) for model in (reference, other)]
    return agreement(*outputs)


def candidates() -> list[str]:
    """Devices beside the CPU that are installed here; whether they work only a session tells."""
    return [device for device in CANDIDATES if provider_is_here(device)]


def fastest(load: Callable[[str], Runs], wanted: InputDescription, devices: Sequence[str]) -> str:
    """The device that runs a batch of noise fastest, of those whose numbers agree with the CPU's.

    Measured rather than looked up in a list, because which is faster depends on model and machine: a small model
    loses more on the way to a GPU than it gains there. Nothing is run where there is only the CPU.

    Args:
        load: Loads the model on a device, or raises a ModelError.
        wanted: The model's input.
        devices: To try beside the CPU; the first of equals is taken.
    """
    loaded: dict[str, Runs] = {}
    for device in devices:
        try:
            loaded[device] = load(device)
        except ModelError:
            continue
    if not loaded:
        return "cpu"
    reference = load("cpu")
    batch = _noise(wanted, _BATCH)
    expected = reference.run(batch)
    seconds = {}
    for device, model in loaded.items():
        try:
            if agreement(expected, model.run(batch)).relative_difference <= MAX_DIFFERENCE:
                seconds[device] = _seconds(model, batch)
        except InferenceFailed:
            continue
    seconds["cpu"] = _seconds(reference, batch)
    return min(seconds, key=lambda device: seconds[device])


def _noise(wanted: InputDescription, count: int) -> NDArray[Any]:
    random = np.random.default_rng(0)
    shape = (wanted.height, wanted.width) + (() if wanted.colour == "gray" else (3,))
    return np.stack([arrange(random.integers(0, 256, shape, dtype=np.uint8), wanted) for _ in range(count)])


def _seconds(model: Runs, batch: NDArray[Any]) -> float:
    """The quickest of a few calls; the first, which may compile, was made before."""
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        model.run(batch)
        taken.append(time.perf_counter() - started)
    return min(taken)
