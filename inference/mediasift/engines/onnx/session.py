"""An ONNX model that can be run: the file, its description, and the device it really runs on."""

from __future__ import annotations

import timeit
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Engine
from mediasift.engines.onnx.choice import CANDIDATES, fastest
from mediasift.engines.onnx.decoders import SIZED
from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.inner import InnerTensor, readable, score_outputs, with_output
from mediasift.engines.onnx.meaning import check_finite, ending_of
from mediasift.engines.onnx.onnx_file import OnnxFacts, check_external_data, read_facts, sha256
from mediasift.engines.onnx.providers import open_session, precision_of, provider_is_here
from mediasift.engines.onnx.recipe import input_shape, is_small, smallest_size
from mediasift.engines.onnx.registry import find_description, find_model
from mediasift.engines.onnx.runtime import check_threads, first_line, ort_errors, share_of_nodes, sums_overflow
from mediasift.engines.onnx.segmenters import UNBATCHED
from mediasift.errors import DescriptionError, InferenceFailed, ModelError, did_you_mean

_NUMPY = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}
_FEW, _QUICK_S = 8, 0.0002
_DTYPES = {"float32": "tensor(float)", "float16": "tensor(float16)", "uint8": "tensor(uint8)"}


class OnnxModel(Engine):
    """A loaded model; make one with `load_model`.

    Attributes:
        path: The ONNX file.
        description: What the model says of itself.
        device: The device it runs on, one of `providers.SPECS`.
        provider: ONNX Runtime's name of that device's provider.
        share_of_nodes: The share of the graph's nodes that the provider computes, 0..1; the rest the CPU does. None
            where ONNX Runtime does not tell.
        sha256: Of the file.
        threads: As they were asked for; None for every core.
        ending: What the graph's last operations make of its numbers, see `meaning.ending_of`.
        is_proven: Whether it has run as described, see `meaning.prove`.
        input_name, output_name: The tensor that the pictures go into, and the one that `run` returns.
    """

    def __init__(
        self,
        path: Path,
        description: ModelDescription,
        *,
        device: str = "cpu",
        threads: int | None = None,
        inner: InnerTensor | None = None,
    ) -> None:
        check_threads(threads)
        facts = read_facts(path)
        check_external_data(path, facts)
        self.path, self.description, self.sha256, self.threads = path, description, sha256(path), threads
        self.is_proven = False
        if device == "auto":
            device = fastest(
                lambda one: OnnxModel(path, description, device=one, threads=threads, inner=inner),
                description.input,
                [one for one in CANDIDATES if provider_is_here(one)],
            )
        self.device = device
        one_will_do = threads is None and device == "cpu" and is_small(description.input)
        output = self._open(facts, inner, 1 if one_will_do else threads)
        self.provider: str = self._session.get_providers()[0]
        self.share_of_nodes = share_of_nodes(self._session, self.provider)
        inputs = self._session.get_inputs()
        if description.output.decoder in SIZED:  # the size that they also want is no picture
            inputs = [one for one in inputs if len(one.shape) == 4] or inputs
        self._input = self._pick(inputs, description.input.name, "input.name")
        outputs = self._session.get_outputs()
        if description.output.decoder is not None and output is None:
            self._outputs = [one.name for one in outputs]
        else:
            self._outputs = [self._pick(outputs, output, "output.name").name]
        self.input_name, self.output_name = str(self._input.name), str(self._outputs[0])
        self._sizes = self._size_inputs()
        self._check_input()
        if one_will_do and not self._is_quick():
            one_will_do, _ = False, self._open(facts, inner, None)
        self.facts = {
            "model": path.name, "model_sha256": self.sha256, "device": device, "provider": self.provider,
            "share_of_nodes": self.share_of_nodes, "precision": precision_of(device),
        }  # fmt: skip
        if runtime := getattr(self._session, "runtime", ""):
            self.facts["runtime"] = runtime
        cost: dict[str, Any] = {"threads": 1} if one_will_do else {}
        if facts.is_quantized and device == "cpu":
            cost["int8_weights"] = "unsigned, as sums would overflow" if sums_overflow() else "as stored"
        if cost:
            self.facts["cost"] = cost
        if assumed := description.provenance.get("assumed"):
            self.facts["assumed"] = assumed

    def _is_quick(self) -> bool:
        """Whether it takes less time for a picture than reading one does: then more threads are in the way of that."""
        batch = np.zeros((self.fixed_batch or _FEW, *input_shape(self.description.input)), self.description.input.dtype)
        try:
            seconds = min(timeit.repeat(lambda: self._call(batch, len(batch)), number=1, repeat=3))
        except InferenceFailed:
            return False
        return seconds < _QUICK_S * len(batch)

    def _open(self, facts: OnnxFacts, inner: InnerTensor | None, threads: int | None) -> str | None:
        """Open the session; the name of the output to read there."""
        path, own = self.path, self.description.output
        graph: str | bytes = str(path)
        output = own.name if inner is None else inner.name
        self._scaling = own if inner is None and own.scale is not None else None
        if inner is None and self.description.output.decoder is None:
            output = output or self._only_score(facts)
            self.ending = ending_of(facts, output)
            if self._scaling is None and (inner := readable(facts, output)) is not None:
                output = inner.name
        if inner is not None and (inner.scale or inner.name not in facts.outputs):
            graph, output = with_output(path.read_bytes(), inner)
        key = self.sha256[:16] if inner is None else None
        # Forests are over in microseconds: threads that sleep between two calls cost a third of their speed.
        spin = any(node.op_type.startswith("TreeEnsemble") for node in facts.nodes)
        folder = path.resolve().parent
        try:
            self._session = open_session(
                graph, self.device, threads, data_folder=folder, key=key, spin=spin, quantized=facts.is_quantized
            )
        except ort_errors() as error:
            raise ModelError(f"{path}: ONNX Runtime refuses the model: {first_line(error)}") from error
        return output

    def _size_inputs(self) -> dict[str, NDArray[Any]]:
        """Some detectors also want the picture's size; ours is that of the input itself."""
        others = [one for one in self._session.get_inputs() if one.name != self.input_name]
        order = SIZED.get(str(self.description.output.decoder))
        size = [(self.description.input.width, self.description.input.height)[place] for place in order or ()]
        for one in others:
            if order is None or one.shape[-1:] != [2] or one.type not in _NUMPY:
                raise DescriptionError(f"{self.path}: the graph wants another input, {one.name} {one.shape}")
        return {one.name: np.array([size], dtype=_NUMPY[one.type]) for one in others}

    def _only_score(self, facts: OnnxFacts) -> str:
        """The output that can hold scores, where only one can."""
        names = score_outputs(facts) or facts.outputs
        if len(names) != 1:
            raise DescriptionError(
                f"{self.path}: field output.name: the graph has several: {', '.join(names)}; name one (--output-name)"
            )
        return names[0]

    def _pick(self, values: list[Any], wanted: str | None, field: str) -> Any:
        """The graph's input or output that the description means."""
        names = [value.name for value in values]
        if wanted is None and len(values) != 1:
            flag = field.replace(".", "-")
            raise DescriptionError(
                f"{self.path}: field {field}: the graph has several: {', '.join(names)}; name one (--{flag})"
            )
        if wanted is not None and wanted not in names:
            raise DescriptionError(
                f"{self.path}: field {field}: no {wanted!r} in the graph; there is {', '.join(names)}"
                f"{did_you_mean(wanted, names)}"
            )
        return values[0] if wanted is None else values[names.index(wanted)]

    def _check_input(self) -> None:
        wanted = self.description.input
        if _DTYPES[wanted.dtype] != self._input.type:
            known = {kind: name for name, kind in _DTYPES.items()}
            settled = f"--dtype {known[self._input.type]}" if self._input.type in known else (
                f"pictures go in as {', '.join(_DTYPES)}: export it with one of these"
            )  # fmt: skip
            raise DescriptionError(
                f"{self.path}: field input.dtype: {wanted.dtype}, but the graph has {self._input.type}: {settled}"
            )
        shape = input_shape(wanted)
        sides = self._input.shape[1:]
        if len(shape) != len(sides) or any(isinstance(b, int) and a != b for a, b in zip(shape, sides, strict=True)):
            raise DescriptionError(
                f"{self.path}: fields input.width, height, layout give (N, {', '.join(map(str, shape))}), "
                f"but the graph wants {tuple(self._input.shape)}"
            )

    @property
    def needs(self) -> tuple[int, int]:
        """(width, height) below which a picture must not be reduced while it is decoded."""
        return smallest_size(self.description.input)

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """`name`, `dtype` (numpy's name) and `shape` (-1 for what is free) of each output that `run_all` returns."""
        known = {one.name: one for one in self._session.get_outputs()}
        dtypes = {"tensor(float)": "float32", "tensor(double)": "float64"}
        return [
            {
                "name": name, "shape": [side if isinstance(side, int) else -1 for side in known[name].shape],
                "dtype": "float32" if self._scaling else dtypes.get(known[name].type, known[name].type[7:-1]),
            }
            for name in self._outputs
        ]  # fmt: skip

    @property
    def fixed_batch(self) -> int | None:
        """Batch size built into the graph; None when it is free."""
        if self._sizes or self.description.output.decoder in UNBATCHED:
            return 1
        first = self._input.shape[0] if self._input.shape else None
        return first if isinstance(first, int) and first > 0 else None

    def run(self, batch: NDArray[Any], *, pad_to: int | None = None) -> NDArray[Any]:
        """The model's numbers for a batch of prepared pictures.

        Args:
            batch: (N, ...) as the description's input part says; see `recipe.prepare`.
            pad_to: Fill up to this many by repeating the last one; the results of the filling are dropped. One
                shape for all calls keeps ONNX Runtime's memory from growing.

        Returns:
            The described output, (N, ...), in the model's own dtype.

        Raises:
            InferenceFailed: ONNX Runtime refuses the batch.
        """
        return self.run_all(batch, pad_to=pad_to)[0]

    def run_all(self, batch: NDArray[Any], *, pad_to: int | None = None) -> list[NDArray[Any]]:
        """As `run`; for a detector whose description names no output, all of the graph's, in its order."""
        count = len(batch)
        size = self.fixed_batch or max(pad_to or count, 1)
        parts = [self._call(batch[start : start + size], size) for start in range(0, count, size)]
        return parts[0] if len(parts) == 1 else [np.concatenate(same) for same in zip(*parts, strict=True)]

    def _call(self, batch: NDArray[Any], size: int) -> list[NDArray[Any]]:
        count = len(batch)
        if count < size:
            batch = np.concatenate([batch, np.repeat(batch[-1:], size - count, axis=0)])
        try:
            results = self._session.run(self._outputs, {self.input_name: batch, **self._sizes})
        except ort_errors() as error:
            raise InferenceFailed(f"the model failed: {first_line(error)}") from error
        if any(not isinstance(result, np.ndarray) for result in results):
            raise InferenceFailed(f"the output {self.output_name!r} is a sequence or map, not an array of numbers")
        decoder = self.description.output.decoder
        arrays = results if decoder in UNBATCHED else [result[:count] for result in results]
        if decoder is None:  # of thousands of boxes, only those that are reported count
            check_finite(*arrays)
        if (scaling := self._scaling) is not None:
            factor = np.float32(scaling.scale)
            return [(array.astype(np.float32) - scaling.zero_point) * factor for array in arrays]
        return arrays


def load_model(model: str | Path, *, device: str = "cpu", threads: int | None = None) -> OnnxModel:
    """A model that gives numbers, not rows; arguments and errors are those of `mediasift.load_model`."""
    path = find_model(model)
    return OnnxModel(path, find_description(path), device=device, threads=threads)
