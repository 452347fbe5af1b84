"""A reporting checklist, filled in from a manifest; its sections follow REFORMS (Kapoor et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mediasift.provenance.recorded import Recorded, short

UNKNOWN = "Unknown to mediasift: fill in."


def checklist(recorded: Recorded, validation: Sequence[str], *, model: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(section, question, answer); where no manifest holds the answer, it says so.

    Args:
        recorded: The table's manifest.
        validation: What evaluations, agreement and corrected shares say.
        model: What is known of the model or engine.
    """
    counts, settings, table = (recorded.part(name) for name in ("counts", "settings", "table"))
    yield "Study goals", "Which population or distribution is the study about?", UNKNOWN
    yield "Study goals", "Why is a machine used, and not people alone?", UNKNOWN
    command = recorded.data.get("command")
    yield "Reproducibility", "With which command?", f"`{' '.join(command)}`" if command else "Unknown: from Python."
    yield "Reproducibility", "Which software, in which versions?", (
        ", ".join(f"{name} {version}" for name, version in recorded.part("versions").items()) or UNKNOWN
    )  # fmt: skip
    yield "Reproducibility", "On which machine?", (
        ", ".join(map(str, recorded.part("machine").values())) or UNKNOWN
    )  # fmt: skip
    digest = table.get("sha256")
    state = "as it was written" if recorded.is_unchanged else "not beside this manifest as it was written"
    yield "Reproducibility", "Which result?", f"{recorded.table.name}, SHA-256 {short(digest)}..., {state}."
    yield "Reproducibility", "Are data and code public?", UNKNOWN
    yield "Data quality", "Where do the inputs come from, and how were they chosen?", UNKNOWN
    yield "Data quality", "Which inputs were read?", (
        f"{', '.join(recorded.inputs) or 'unknown'}; inputs: {counts.get('sources', 0):,}; rows: "
        f"{counts.get('rows', 0):,}."
    )  # fmt: skip
    yield "Data quality", "What is missing?", _missing(recorded)
    yield "Preprocessing", "How were inputs prepared?", (
        ", ".join(f"{name} {settings[name]}" for name in _READING if settings.get(name) not in (None, [], ""))
        or "Nothing was read but tables."
    )  # fmt: skip
    yield "Modelling", "Which model or engine?", " ".join(model) or "None: the numbers are computed by a stated method."
    yield "Modelling", "Why this one, and which others were tried?", UNKNOWN
    yield "Data leakage", "Did the model see these inputs, or the coded ones, when it was trained?", UNKNOWN
    yield "Metrics and uncertainty", "How good are the results, and how sure is that?", (
        " ".join(validation)
    )  # fmt: skip
    yield "Generalizability", "For which other data do the results hold?", UNKNOWN
    yield "Generalizability", "Which limits and harms are to be stated?", UNKNOWN


_READING = (
    "max_megapixels", "background", "color_profile", "dpi", "pages", "every", "every_frame", "fit", "invert", "crops",
    "language", "clean", "stream", "channel",
)  # fmt: skip
"""Settings of how pictures, films and sound are read."""


def _missing(recorded: Recorded) -> str:
    counts = recorded.part("counts")
    errors = ", ".join(f"{count:,} {code}" for code, count in counts.get("errors", {}).items()) or "none"
    skipped = sum(counts.get("skipped", {}).values())
    gone = len(counts.get("vanished", ()))
    return f"Rows with an error: {errors}. Files left out as no media: {skipped:,}. Inputs gone since: {gone:,}."
