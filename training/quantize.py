"""A float model as 8-bit integers: `python -m training.quantize --help`.

Static quantisation in QDQ form, activations uint8, weights int8 with a scale per channel (U8S8): see
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html. The ranges of the activations come from
pictures that go through mediasift's own reader.
"""

from __future__ import annotations

import contextlib
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnxruntime as ort

from mediasift.engines.onnx.description import METADATA_KEY, ModelDescription
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.providers import ort_errors
from mediasift.engines.onnx.recipe import arrange
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import InputError, MediasiftError, ModelError, OutputError
from mediasift.sources.content import LocalFile
from mediasift.sources.finding import find_sources
from mediasift.sources.naming import Inputs
from mediasift.system.machine import available_cores
from mediasift.system.optional import require
from training.command import TrainingCommand, check_output, output_option, recorded, seed_option
from training.pictures import read_pictures

HELD_OUT = 200
"""Pictures, at most, on which the labels are compared."""
ROUNDS = 7
"""In each, every model runs a batch; medians are compared."""
BATCH = 8
QUANTIZABLE = {"Conv", "MatMul", "Gemm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The 8-bit model beside the float one, on pictures that it was not calibrated with.

    Attributes:
        pictures: How many.
        label_agreement: Share with the same best label, as mediasift runs it (exact on every processor).
        fast_label_agreement: The same with ONNX Runtime's fast kernels, which overflow without VNNI.
        speed_ratio: Pictures per second over the float model's, as mediasift runs it.
        fast_speed_ratio: The same with the fast kernels.
        size_ratio: Of the files.
        vnni: Whether this processor has the instructions that make fast and exact one.
    """

    pictures: int
    label_agreement: float
    fast_label_agreement: float
    speed_ratio: float
    fast_speed_ratio: float
    size_ratio: float
    vnni: bool


def quantize(model: Path, inputs: np.ndarray, output: Path, *, input_name: str, reduce_range: bool) -> None:
    """Write the 8-bit form of an ONNX file.

    Args:
        model: A float model.
        inputs: To calibrate with, as the graph takes them, (N, ...).
        output: The file to write; it gets the metadata of the other.
        input_name: Of the graph.
        reduce_range: Weights in 7 bits, which no processor's sums overflow.

    Raises:
        ModelError: There is nothing to quantise, or ONNX Runtime's quantiser fails.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    kinds = {node.op_type for node in onnx.load(model, load_external_data=False).graph.node}
    if "QuantizeLinear" in kinds or not kinds & QUANTIZABLE:
        why = "is 8-bit already" if "QuantizeLinear" in kinds else f"has no {', '.join(sorted(QUANTIZABLE))}"
        raise ModelError(f"{model}: {why}; there is nothing to quantise")

    class Calibration(CalibrationDataReader):  # type: ignore[misc]
        """One batch after another."""

        def __init__(self) -> None:
            self.batches = iter([inputs[start : start + 1] for start in range(len(inputs))])

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next one, None at the end."""
            batch = next(self.batches, None)
            return None if batch is None else {input_name: batch}

    failures: tuple[type[Exception], ...] = (
        *ort_errors(), onnx.checker.ValidationError, KeyError, TypeError, AttributeError,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        try:
            quant_pre_process(model, prepared, skip_symbolic_shape=True)
            quantize_static(
                prepared,
                output,
                Calibration(),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=reduce_range,
            )
        except failures as error:
            raise ModelError(f"{model}: ONNX Runtime's quantiser fails: {str(error)[:300]}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice on its root logger."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def compare(original: OnnxModel, quantized: OnnxModel, inputs: np.ndarray) -> Comparison:
    """Labels and speed of both, on held-out inputs (N, ...)."""
    fast = _fast(quantized.path)
    size = original.fixed_batch or BATCH
    name = quantized.input_name

    def run_fast(batch: np.ndarray) -> np.ndarray:
        return np.asarray(fast.run([fast.get_outputs()[0].name], {name: batch})[0])

    answers = {
        "float": _labels(original.run, inputs, size),
        "int8": _labels(quantized.run, inputs, size),
        "fast": _labels(run_fast, inputs, size),
    }
    batch = np.resize(inputs, (size, *inputs.shape[1:]))
    seconds = _medians({"float": original.run, "int8": quantized.run, "fast": run_fast}, batch)
    return Comparison(
        pictures=len(inputs),
        label_agreement=float((answers["float"] == answers["int8"]).mean()),
        fast_label_agreement=float((answers["float"] == answers["fast"]).mean()),
        speed_ratio=round(seconds["float"] / seconds["int8"], 3),
        fast_speed_ratio=round(seconds["float"] / seconds["fast"], 3),
        size_ratio=round(quantized.path.stat().st_size / original.path.stat().st_size, 3),
        vnni=has_vnni(),
    )


def _fast(path: Path) -> Any:
    """A session without the setting that keeps 8-bit sums exact."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _labels(run: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, size: int) -> np.ndarray:
    """The best label's number for each; for one number per picture, whether it is more than half."""
    outputs = []
    for start in range(0, len(inputs), size):
        batch = inputs[start : start + size]
        full = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        outputs.append(run(full)[: len(batch)].reshape(len(batch), -1))
    scores = np.concatenate(outputs)
    return scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0.5


def _medians(contestants: dict[str, Callable[[np.ndarray], Any]], batch: np.ndarray) -> dict[str, float]:
    """Seconds per batch; everybody has a turn in each round, and the first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(ROUNDS + 1):
        for name, run in contestants.items():
            started = time.perf_counter()
            run(batch)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(samples) for name, samples in seconds.items()}


def has_vnni() -> bool:
    """Whether the processor multiplies 8-bit numbers without overflow (x86 only; others always do)."""
    file = Path("/proc/cpuinfo")
    flags = file.read_text(encoding="ascii", errors="replace") if file.exists() else ""
    return "vnni" in flags or "flags\t" not in flags


def gather(folder: Path, model: OnnxModel, *, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs to calibrate with and inputs held out, from the pictures of a folder in seeded order.

    Raises:
        InputError: There are not enough that can be read.
    """
    sources = find_sources(Inputs(named=[folder]))
    files = [source.content.path for source in sources if isinstance(source.content, LocalFile)]
    order = np.random.default_rng(seed).permutation(len(files))[: count + HELD_OUT]
    wanted = model.description.input
    chosen = [files[position] for position in order]
    pictures = [arrange(pixels, wanted) for _, pixels, _ in read_pictures(chosen, wanted) if pixels is not None]
    if len(pictures) <= count:
        raise InputError(
            f"{folder}: {len(pictures)} pictures can be read; --count {count} for calibration leaves none to compare on"
        )
    return np.stack(pictures[:count]), np.stack(pictures[count:])


def describe(original: OnnxModel, comparison: Comparison, **how: Any) -> ModelDescription:
    """The float model's description, with what quantisation made of it."""
    given = original.description
    return replace(
        given,
        input=replace(given.input, name=original.input_name),
        provenance={**given.provenance, "quantized": {"from_sha256": sha256(original.path), **how}},
        metrics={**given.metrics, **{f"int8_{name}": value for name, value in asdict(comparison).items()}},
        tolerance=None,
    )


@click.command("python -m training.quantize", cls=TrainingCommand)
@click.argument("model")
@click.option("--calibrate", required=True, type=click.Path(path_type=Path), help="Folder with typical pictures.")
@click.option("--count", default=100, show_default=True, type=click.IntRange(1), help="Pictures to calibrate with.")
@click.option("--reduce-range", is_flag=True, help="Weights in 7 bits: exact everywhere, a little less precise.")
@click.option(
    "--min-agreement", default=0.95, show_default=True, type=click.FloatRange(0, 1), help="Refuse fewer equal labels."
)
@seed_option
@output_option
@click.pass_context
def main(
    ctx: click.Context,
    model: str,
    calibrate: Path,
    count: int,
    reduce_range: bool,
    min_agreement: float,
    seed: int,
    output: Path,
) -> None:
    """Write MODEL, a name or a described ONNX file, as 8-bit integers, if it still says the same."""
    import onnx

    check_output(output)
    require("onnx", extra="training")
    original = load_model(model)
    inputs, held_out = gather(calibrate, original, count=count, seed=seed)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        quantize(original.path, inputs, temporary, input_name=original.input_name, reduce_range=reduce_range)
        given = replace(original.description, tolerance=None)
        comparison = compare(original, OnnxModel(temporary, given), held_out)
        for name, value in asdict(comparison).items():
            print(f"{name:<22} {value}")
        if comparison.label_agreement < min_agreement:
            raise ModelError(
                f"{output}: not written: {comparison.label_agreement:.4f} of the labels agree, --min-agreement is "
                f"{min_agreement}; calibrate with more, or more typical, pictures"
            )
        graph = onnx.load(temporary)
        del graph.metadata_props[:]
        description = describe(original, comparison, command=recorded(ctx), seed=seed, calibrated_with=len(inputs))
        graph.metadata_props.add(key=METADATA_KEY, value=description.to_json())
        onnx.save(graph, temporary)
        temporary.replace(output)
    except OSError as error:
        if isinstance(error, MediasiftError):
            raise
        raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
