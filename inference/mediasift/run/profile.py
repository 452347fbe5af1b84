"""Profiles: the settings that were fastest for one model on one kind of machine, found by `bench --tune`.

A profile holds what rows cost, never what they say: batch size, threads and reader threads, but not the device or the
precision, whose labels may differ. It lies in the user's cache folder (or where `MEDIASIFT_PROFILES` says), under a
name made of the machine, the model's SHA-256 and the device, so that it is found again without a list and never applies
to anything else. Deleting the file is all it takes to forget it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.registry import find_model
from mediasift.errors import OutputError, UsageError
from mediasift.run.job import Job
from mediasift.system.files import make_folder, write_atomically
from mediasift.system.machine import cache_folder, machine_id

SCHEMA = {"name": "mediasift.profile", "version": 1}

VARIABLE = "MEDIASIFT_PROFILES"

_LEAST = {"batch_size": 1, "threads": 1, "jobs": 0}
"""Settings of a profile → the least that each may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile's file, and its settings, each of which an option of the same name overrides."""

    batch_size: int
    threads: int
    jobs: int
    path: Path


def profile_path(model_sha256: str, device: str) -> Path:
    """Where the profile of a model on this machine lies, whether there is one or not."""
    folder = Path(os.environ.get(VARIABLE) or cache_folder() / "profiles")
    # a colon would not do on Windows
    return folder / f"{machine_id()}-{model_sha256[:16]}-{device.replace(':', '-')}.json"


def save_profile(settings: Mapping[str, int], *, model_sha256: str, device: str, origin: Mapping[str, Any]) -> Path:
    """Write a profile over an older one.

    Args:
        settings: `batch_size`, `threads` and `jobs`.
        model_sha256: Of the ONNX file.
        device: That was asked for; the profile holds for no other.
        origin: How it was found, for the reader of the file.

    Raises:
        OutputError: It cannot be written.
    """
    path = profile_path(model_sha256, device)
    data = {"schema": SCHEMA, "model_sha256": model_sha256, "device": device, "settings": dict(settings), **origin}
    try:
        make_folder(path.parent)
    except OutputError as error:
        raise OutputError(f"{error}; set {VARIABLE}") from error
    write_atomically(path, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def find_profile(model: str | Path, device: str) -> Profile | None:
    """The profile for a model on this machine, if there is one.

    Raises:
        ModelError: There are profiles for this machine, but no such model.
        UsageError: The profile is not what it should be.
    """
    of_any = profile_path("*", device)
    if not any(of_any.parent.glob(of_any.name)):
        return None  # as for almost everybody: the model is not looked at for nothing
    path = profile_path(sha256(find_model(model)), device)
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        chosen = {name: data["settings"][name] for name in _LEAST}
        if data["schema"] != SCHEMA or any(type(n) is not int or n < _LEAST[name] for name, n in chosen.items()):
            raise ValueError("not a profile of this version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: the profile cannot be used ({error}); delete it, or make it again with: mediasift bench --tune"
        ) from error
    return Profile(**chosen, path=path)


def with_profile(job: Job) -> Job:
    """The job with a profile's settings where it has none of its own.

    A model that is loaded already keeps its threads, and its caller has decided the rest.
    """
    model, device = job.cost("model"), job.cost("device") or "cpu"
    free = [name for name in _LEAST if getattr(job.task, name, 0) is None]
    if not (free and model and isinstance(model, str) and isinstance(device, str)):
        return job
    profile = find_profile(model, device)
    if profile is None:
        return job
    chosen: Any = replace(cast("Any", job.task), **{name: getattr(profile, name) for name in free})
    return replace(job, task=chosen, profile=str(profile.path))
