"""A manifest read back: what produced a table, as the run wrote it down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mediasift.errors import InputError
from mediasift.sources.content import LocalFile
from mediasift.sources.records import bytes_of
from mediasift.tables.manifest import manifest_path

_SUFFIX = ".run.json"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A manifest.

    Attributes:
        path: Its file.
        data: Its JSON object.
    """

    path: Path
    data: Mapping[str, Any]

    def part(self, name: str) -> Mapping[str, Any]:
        """One of its objects; an empty one where the manifest has none."""
        part = self.data.get(name)
        return part if isinstance(part, dict) else {}

    @property
    def table(self) -> Path:
        """The table that it is about, which lies beside it."""
        return self.path.with_name(self.path.name.removesuffix(_SUFFIX))

    @property
    def verb(self) -> str:
        """What made the table; empty where the manifest does not say."""
        return str(self.part("settings").get("task", ""))

    @property
    def inputs(self) -> Sequence[str]:
        """What was named."""
        return list(map(str, self.part("settings").get("inputs", ())))

    @property
    def fields(self) -> Sequence[Mapping[str, Any]]:
        """The table's columns, as a Table Schema describes them."""
        return self.part("schema").get("fields") or ()

    @cached_property
    def sizes(self) -> list[int | None]:
        """Bytes of each input, in order; None where they are unknown. Empty where the manifest has none."""
        return [None if one == "?" else int(one) for one in str(self.part("inputs").get("sizes", "")).split()]

    @cached_property
    def table_sha256(self) -> str | None:
        """Of the table as it is now; None where it is gone."""
        return LocalFile(self.table).sha256()[1] if self.table.is_file() else None

    @property
    def is_unchanged(self) -> bool:
        """Whether the table is the one that the run wrote."""
        return self.table_sha256 == self.part("table").get("sha256")


def read_manifest(path: str | Path) -> Recorded:
    """What stands beside a table.

    Args:
        path: `TABLE.run.json`, or the table's own name.

    Raises:
        InputError: There is none, or it is something else.
    """
    file = Path(path)
    if not file.name.endswith(_SUFFIX):
        file = manifest_path(file)
    if not file.is_file():
        raise InputError(f"{file}: no such manifest; name the file TABLE{_SUFFIX} that lies beside a table")
    try:
        data = json.loads(bytes_of(file))
        data["mediasift"], data["settings"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file}: is not a manifest of mediasift, or is damaged ({error!r})") from error
    return Recorded(path=file, data=data)


def short(sha256: Any) -> str:
    """The first digits of a hash, which tell it from others; unknown where there is none."""
    return str(sha256)[:12] if sha256 else "unknown"


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
