"""How the files of a table were read, so that coders see what the machine saw: from the manifest beside the table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from mediasift.errors import InputError, SetupError
from mediasift.media.settings import DPI_OPTION, PictureSettings, SoundSettings
from mediasift.settings import Option, Settings
from mediasift.sources.content import LocalFile
from mediasift.tables.manifest import manifest_path

_SEEN = ("max_megapixels", "background", "as_stored", "stream", "dpi", "color_profile")
_HEARD = ("channel", "stream")
"""Options that decide what is seen and heard of a file."""


@dataclass(frozen=True, kw_only=True)
class ReadAgain(Settings):
    """What is read again for people, of a table: how pages are seen, and the table itself."""

    dpi: Annotated[float | None, Option(DPI_OPTION.help, least=1, most=2400, default="as the table was made")] = None
    password: Annotated[str | None, Option("Opens encrypted PDFs.", secret=True, metavar="PASSWORD")] = None
    encoding: Annotated[
        str | None, Option("Of the table, e.g. utf-16 or cp1252.", metavar="NAME", default="utf-8")
    ] = None  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Options of both kinds; of a table without a manifest, the defaults."""

    pictures: PictureSettings
    sound: SoundSettings


def reading_of(table: Path, *, dpi: float | None = None, password: str | None = None) -> Reading:
    """How a table's files were read.

    Args:
        table: With its manifest beside it, or without.
        dpi: Of pages, instead of what the manifest says.
        password: Of PDFs, which no manifest holds.

    Raises:
        InputError: What lies beside the table is no manifest.
    """
    beside = LocalFile(manifest_path(table))
    was: dict[str, Any] = {}
    if beside.state() is not None:
        try:
            was = dict(json.loads(beside.read())["settings"])
            seen, heard = ({name: was[name] for name in names if name in was} for names in (_SEEN, _HEARD))
            if "channel" in was:  # its stream is a sound track
                seen.pop("stream", None)
            else:
                heard.pop("stream", None)
            reading = Reading(pictures=PictureSettings(**seen), sound=SoundSettings(**heard))
        except (ValueError, LookupError, TypeError, SetupError) as error:
            raise InputError(
                f"{beside.path}: is no manifest of a table ({error}); put it elsewhere, or name the table otherwise"
            ) from error
    else:
        reading = Reading(pictures=PictureSettings(), sound=SoundSettings())
    pictures = replace(reading.pictures, password=password, dpi=reading.pictures.dpi if dpi is None else dpi)
    return replace(reading, pictures=pictures)
