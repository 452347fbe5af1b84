"""The page on which people code a sample: one file for a browser, which asks no network and takes no text as markup."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from mediasift.evaluate.sample_media import Shown
from mediasift.evaluate.units import Unit
from mediasift.sources.codebook import BETWEEN, NOTHING, Codebook
from mediasift.system.pages import filled

Lists = Sequence[tuple[int, Sequence[Unit]]]
"""(coder, the units to code in their order)."""


def coding_page(codebook: Codebook, columns: Sequence[str], lists: Lists, shown: Mapping[Unit, Shown]) -> bytes:
    """The page, as HTML in UTF-8.

    Args:
        codebook: What is asked.
        columns: Those of the units.
        lists: Who codes what.
        shown: What the page shows of each unit.
    """
    units = list(dict.fromkeys(unit for _, order in lists for unit in order))
    numbers = {unit: number for number, unit in enumerate(units)}
    data = {
        "name": codebook.name,
        "columns": list(columns),
        "variables": [asdict(one) for one in codebook.variables],
        "between": BETWEEN,
        "nothing": NOTHING,
        "items": [{"unit": unit, **asdict(shown[unit])} for unit in units],
        "coders": [{"coder": str(coder), "items": [numbers[unit] for unit in order]} for coder, order in lists],
    }
    known = {name: data[name] for name in ("columns", "variables", "coders")} | {"units": units}
    data["id"] = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]
    return filled("mediasift.evaluate/coding", title=codebook.name, data={"data": data})
