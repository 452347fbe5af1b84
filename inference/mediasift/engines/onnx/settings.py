"""Which model, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mediasift.engines.onnx.meaning import prove
from mediasift.engines.onnx.providers import DEVICES, SPECS
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import DescriptionError, UsageError
from mediasift.settings import MACHINE, Option, Settings

MODEL_OPTION = Option("Name of a model, or an .onnx file; in Python also a loaded model.", short="-m", metavar="MODEL")


@dataclass(frozen=True, kw_only=True)
class DeviceSettings(Settings, group=MACHINE):
    """Where a model runs."""

    device: Annotated[
        str | None,
        Option(
            f"Where the model runs: auto, {', '.join(DEVICES)}; some with a precision, as in openvino:float32. What is "
            "asked for is what runs, or the command stops; auto takes the fastest whose numbers agree with the CPU's.",
            choices=("cpu", "auto", *(spec for spec in SPECS if spec != "cpu")),
            metavar="DEVICE",
            default="cpu, or where a loaded model is",
        ),
    ] = None

    def check_loaded(self, model: OnnxModel, threads: int | None) -> None:
        """Raise a UsageError where another device, or other threads, are named than the model is loaded with."""
        if self.device not in (None, model.device):
            raise UsageError(
                f"device {self.device}: the model is loaded on {model.device} already; load it there with "
                f"load_model({model.path.name!r}, device={self.device!r}), or name no device"
            )
        if threads not in (None, model.threads):
            has = "one thread per core" if model.threads is None else f"threads={model.threads}"
            raise UsageError(
                f"threads {threads}: the model is loaded with {has} already; load it so with "
                f"load_model({model.path.name!r}, threads={threads}), or name no threads"
            )


@dataclass(frozen=True, kw_only=True)
class ModelSettings(DeviceSettings):
    """A model, and where it runs."""

    model: Annotated[str | Path | OnnxModel, MODEL_OPTION] = DEFAULT_CLASSIFIER

    def loaded(self, task: str, threads: int | None) -> OnnxModel:
        """The model, once it has run as its description says.

        Args:
            task: What it must be for.
            threads: Of the model; None for every core this process may use.

        Raises:
            ModelError: It is not here, for another task, or cannot run on the device.
            UsageError: It is loaded on another device, or with other threads, than those that are named.
        """
        model = self.model
        if isinstance(model, OnnxModel):
            self.check_loaded(model, threads)
        else:
            model = load_model(model, device=self.device or "cpu", threads=threads)
        if model.description.task != task:
            raise DescriptionError(f"{model.path}: a model to {model.description.task}, not to {task}")
        prove(model)
        return model
