"""Writing a sidecar description for a foreign ONNX file, proven by one run."""

from __future__ import annotations

from pathlib import Path

from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.meaning import prove
from mediasift.engines.onnx.registry import sidecar
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import UsageError
from mediasift.system.files import write_atomically


def describe_model(path: str | Path, description: ModelDescription, *, force: bool = False) -> Path:
    """Write `NAME.json` beside `NAME.onnx` after the model has run once as described; returns its path.

    Args:
        path: The ONNX file.
        description: What to write.
        force: Replace a file of that name.

    Raises:
        UsageError: There is a file of that name.
        DescriptionError: The graph contradicts the description; nothing is written.
        OutputError: The file cannot be written.
    """
    target = sidecar(Path(path))
    if target.exists() and not force:
        raise UsageError(f"{target}: exists, and is not replaced; to replace it: --force")
    prove(OnnxModel(Path(path), description))
    write_atomically(target, f"{description.to_json()}\n".encode())
    return target
