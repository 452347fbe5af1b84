"""What works here and what is broken: versions, clashing packages, devices that really run, models, disk."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mediasift import __version__
from mediasift.engines.onnx import report
from mediasift.engines.onnx.providers import DEVICES, check_device, provider_is_here
from mediasift.engines.onnx.registry import models_folder
from mediasift.errors import ModelError, ProviderUnavailable
from mediasift.system.machine import available_cores
from mediasift.system.optional import is_installed
from mediasift.tables.manifest import versions

_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_ONNXRUNTIME = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")

_OPTIONAL = {
    "pytesseract": ("ocr", "read text with Tesseract"),
    "rapidocr": ("rapidocr", "read text with RapidOCR"),
    "pocketsphinx": ("speech", "transcribe speech offline"),
    "onnx_asr": ("onnx-speech", "transcribe speech with ONNX models"),
    "pyarrow": ("parquet", "write Parquet tables"),
    "pillow_heif": ("heic", "read HEIC pictures"),
    "resvg_py": ("svg", "read SVG drawings"),
}
"""Import name → (extra, what it is for)."""

_LITTLE_DISK_GB = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: What was looked at.
        state: `ok`, `info` (not there, not needed) or `broken`.
        text: What was found, and what to type where something is to be done.
    """

    subject: str
    state: str
    text: str


def findings() -> Iterator[Finding]:
    """Everything the doctor looks at, in order."""
    yield Finding(subject="mediasift", state="ok", text=f"{__version__}, Python {sys.version.split()[0]}")
    yield Finding(subject="cores", state="ok", text=str(available_cores()))
    yield from _versions()
    yield _variants("OpenCV", _OPENCV, "opencv-python-headless")
    yield _variants("ONNX Runtime", _ONNXRUNTIME, "onnxruntime")
    yield from _devices()
    yield from _models()
    yield from _extras()
    yield from _disk()


def _versions() -> Iterator[Finding]:
    found = versions()
    found.pop("python")
    yield Finding(subject="platform", state="ok", text=found.pop("platform"))
    yield Finding(
        subject="packages", state="ok", text=", ".join(f"{name} {version}" for name, version in found.items())
    )


def _variants(subject: str, names: tuple[str, ...], wanted: str) -> Finding:
    """Several distributions that own one import name overwrite each other."""
    here = [name for name in names if _version(name)]
    if len(here) == 1:
        return Finding(subject=subject, state="ok", text=f"{here[0]} {_version(here[0])}")
    if not here:
        return Finding(subject=subject, state="broken", text=f"not installed; type: pip install {wanted}")
    cure = f"pip uninstall -y {' '.join(here)} && pip install {wanted}"
    return Finding(subject=subject, state="broken", text=f"{' and '.join(here)} overwrite each other; type: {cure}")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _devices() -> Iterator[Finding]:
    for device, provider in DEVICES.items():
        subject = f"device {device}"
        if not provider_is_here(device):
            yield Finding(subject=subject, state="info", text=f"not installed; {provider.install}")
            continue
        try:
            share = check_device(device)
        except ProviderUnavailable as error:
            yield Finding(subject=subject, state="broken" if device == "cpu" else "info", text=str(error))
        else:
            yield Finding(subject=subject, state="ok", text=f"{provider.name} runs{_of_nodes(share)}")


def _of_nodes(share: float | None) -> str:
    return "" if share is None else f", {share:.0%} of a test graph's nodes are on it"


def _models() -> Iterator[Finding]:
    try:
        for name, wrong in report.verify():
            yield Finding(
                subject=f"model {name}", state="broken" if wrong else "ok", text=wrong or "SHA-256 and graph ok"
            )
    except ModelError as error:
        yield Finding(subject="models", state="broken", text=str(error))


def _extras() -> Iterator[Finding]:
    for module, (extra, purpose) in _OPTIONAL.items():
        here = is_installed(module)
        text = f"{module} is installed" if here else f"to {purpose}, type: pip install 'mediasift[{extra}]'"
        yield Finding(subject=f"extra {extra}", state="ok" if here else "info", text=text)
    program = shutil.which("tesseract")
    text = program or "not found; to read text with it: apt-get install tesseract-ocr, or brew install tesseract"
    yield Finding(subject="program tesseract", state="ok" if program else "info", text=text)


def _disk() -> Iterator[Finding]:
    for subject, folder in (("disk here", Path.cwd()), ("disk for models", models_folder())):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free / 1e9
        state = "ok" if free >= _LITTLE_DISK_GB else "broken"
        yield Finding(subject=subject, state=state, text=f"{free:,.1f} GB free at {folder}")
