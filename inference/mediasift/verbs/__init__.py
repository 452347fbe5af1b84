"""One typed function a verb, made from its settings and its row: what `import mediasift` offers and `cli` calls.

A verb is a line in `VERBS`, from which it is made when it is asked for, and one below for type checkers; a function of
another kind is a line in `FUNCTIONS`. Nothing is imported before it is asked for: no verb pays for the others.
"""

from __future__ import annotations

from importlib import import_module
from inspect import isfunction
from typing import TYPE_CHECKING, Any, NamedTuple

BEFORE, TABLES, AFTER, MACHINES = "Before the table", "Tables", "After the table", "Models and machine"
SECTIONS = (BEFORE, TABLES, AFTER, MACHINES)
"""How `mediasift --help` groups commands."""


class Verb(NamedTuple):
    """Where a verb's settings are, as `module:class`, and what `mediasift --help` says of it, in which section.

    One without help is Python's alone.
    """

    settings: str
    help: str = ""
    section: str = TABLES

    def load(self) -> Any:
        """The class of its settings."""
        module, _, name = self.settings.partition(":")
        return getattr(import_module(module), name)


VERBS: dict[str, Verb] = {
    "classify": Verb("mediasift.tasks.classify:Classify", "Label pictures with a model."),
    "info": Verb(
        "mediasift.tasks.info:Inform", "Report format, size, duration, date and place of files, from their headers."
    ),
    "convert": Verb(
        "mediasift.tasks.convert:Convert", "Change size, colours, position and format of pictures.", BEFORE
    ),
    "compare": Verb("mediasift.compare.settings:Compare", "Report how similar pictures are to each other."),
    "duplicates": Verb("mediasift.compare.settings:Duplicates", "Find pictures that are the same, or nearly."),
    "search": Verb("mediasift.compare.settings:Search", "Find the pictures that are most like a given one."),
    "embed": Verb("mediasift.tasks.embed:Embed", "Turn pictures into vectors with a model."),
    "detect": Verb("mediasift.tasks.detect:Detect", "Find objects in pictures and videos, with boxes."),
    "segment": Verb("mediasift.tasks.segment:Segmentation", "Find which pixels show what, with masks and shares."),
    "keyframes": Verb("mediasift.tasks.keyframes:KeyFrames", "Choose frames of videos; write them as stills."),
    "shots": Verb("mediasift.tasks.shots:Shots", "Find the shots of videos and measure them."),
    "shot_summary": Verb("mediasift.tasks.shots:ShotsSummary"),
    "timeline": Verb(
        "mediasift.tasks.timeline:Timeline",
        "Shots, key frames, labels, objects, text and speech of videos on one clock.",
    ),
    "ocr": Verb("mediasift.tasks.ocr:Ocr", "Read the text in pictures and PDFs."),
    "tag": Verb("mediasift.tasks.tag:Tagging", "Have a service recognise what pictures show."),
    "transcribe": Verb("mediasift.tasks.transcribe:Transcribe", "Transcribe the speech in sound and video."),
}
"""Name → settings and help, in the order of `mediasift --help`."""

FUNCTIONS: dict[str, str] = {
    "agree": "mediasift.verbs.functions",
    "bench": "mediasift.verbs.functions",
    "bench_server": "mediasift.verbs.functions",
    "check_model": "mediasift.engines.onnx.checking",
    "cite": "mediasift.verbs.functions",
    "compare_bench": "mediasift.verbs.functions",
    "describe_model": "mediasift.engines.onnx.drafting",
    "doctor": "mediasift.run.doctor",
    "evaluate_labels": "mediasift.verbs.functions",
    "evaluate_text": "mediasift.evaluate.error_rates",
    "inspect_model": "mediasift.engines.onnx.report",
    "list_models": "mediasift.engines.onnx.report",
    "look": "mediasift.verbs.functions",
    "merge": "mediasift.run.merge",
    "prevalence": "mediasift.verbs.functions",
    "pull_model": "mediasift.engines.onnx.pull",
    "rerun": "mediasift.verbs.functions",
    "sample": "mediasift.verbs.functions",
    "show_model": "mediasift.engines.onnx.report",
    "similarity": "mediasift.verbs.functions",
    "similarity_matrix": "mediasift.verbs.functions",
    "train": "mediasift.verbs.functions",
    "watch": "mediasift.verbs.functions",
    "verify_models": "mediasift.engines.onnx.report",
    **dict.fromkeys(("ItemError", "MediasiftError", "SetupError"), "mediasift.errors"),
    **dict.fromkeys(
        ("InputDescription", "ModelDescription", "OutputDescription"), "mediasift.engines.onnx.description"
    ),
    **dict.fromkeys(("Model", "load_model"), "mediasift.tasks.model"),
}
"""Other public names → where they live."""

OF_VERBS: dict[str, tuple[str, Verb]] = {
    "cite": ("cited", Verb("mediasift.provenance.cite:Cite")),
    "rerun": ("proven", Verb("mediasift.provenance.rerun:Rerun")),
}
"""Those of them that are made of all verbs → what makes them, and their settings."""

PUBLIC = (*VERBS, *FUNCTIONS)

if TYPE_CHECKING:
    from mediasift.compare.groups import Duplicate
    from mediasift.compare.neighbours import Neighbour
    from mediasift.compare.pairs import Pair
    from mediasift.compare.settings import Compare, Duplicates, Search
    from mediasift.engines.onnx.checking import check_model as check_model
    from mediasift.engines.onnx.description import InputDescription as InputDescription
    from mediasift.engines.onnx.description import ModelDescription as ModelDescription
    from mediasift.engines.onnx.description import OutputDescription as OutputDescription
    from mediasift.engines.onnx.drafting import describe_model as describe_model
    from mediasift.engines.onnx.pull import pull_model as pull_model
    from mediasift.engines.onnx.report import inspect_model as inspect_model
    from mediasift.engines.onnx.report import list_models as list_models
    from mediasift.engines.onnx.report import show_model as show_model
    from mediasift.engines.onnx.report import verify_models as verify_models
    from mediasift.errors import ItemError as ItemError
    from mediasift.errors import MediasiftError as MediasiftError
    from mediasift.errors import SetupError as SetupError
    from mediasift.evaluate.error_rates import evaluate_text as evaluate_text
    from mediasift.media.information import Info
    from mediasift.provenance.cite import Cite
    from mediasift.provenance.rerun import Rerun
    from mediasift.run.doctor import doctor as doctor
    from mediasift.run.merge import merge as merge
    from mediasift.tasks.classify import Classification, Classify
    from mediasift.tasks.convert import Convert, Converted
    from mediasift.tasks.detect import Detect
    from mediasift.tasks.embed import Embed, Embedding
    from mediasift.tasks.info import Inform
    from mediasift.tasks.keyframes import KeyFrame, KeyFrames
    from mediasift.tasks.model import Model as Model
    from mediasift.tasks.model import load_model as load_model
    from mediasift.tasks.objects import Detection
    from mediasift.tasks.ocr import Ocr, TextRegion
    from mediasift.tasks.segment import Region, Segmentation
    from mediasift.tasks.shots import Shot, Shots, ShotsSummary, ShotSummary
    from mediasift.tasks.tag import Tagged, Tagging
    from mediasift.tasks.timeline import Timeline
    from mediasift.tasks.timeline_parts import Moment
    from mediasift.tasks.transcribe import Segment, Transcribe
    from mediasift.verbs.functions import agree as agree
    from mediasift.verbs.functions import bench as bench
    from mediasift.verbs.functions import bench_server as bench_server
    from mediasift.verbs.functions import cited, proven
    from mediasift.verbs.functions import compare_bench as compare_bench
    from mediasift.verbs.functions import evaluate_labels as evaluate_labels
    from mediasift.verbs.functions import look as look
    from mediasift.verbs.functions import prevalence as prevalence
    from mediasift.verbs.functions import sample as sample
    from mediasift.verbs.functions import similarity as similarity
    from mediasift.verbs.functions import similarity_matrix as similarity_matrix
    from mediasift.verbs.functions import train as train
    from mediasift.verbs.functions import watch as watch
    from mediasift.verbs.verb import verb

    classify = verb(Classify, Classification)
    info = verb(Inform, Info)
    convert = verb(Convert, Converted)
    compare = verb(Compare, Pair)
    duplicates = verb(Duplicates, Duplicate)
    search = verb(Search, Neighbour)
    embed = verb(Embed, Embedding)
    detect = verb(Detect, Detection)
    segment = verb(Segmentation, Region)
    keyframes = verb(KeyFrames, KeyFrame)
    shots = verb(Shots, Shot)
    shot_summary = verb(ShotsSummary, ShotSummary)
    timeline = verb(Timeline, Moment)
    cite = cited(VERBS, Cite)
    rerun = proven(VERBS, Rerun)
    ocr = verb(Ocr, TextRegion)
    tag = verb(Tagging, Tagged)
    transcribe = verb(Transcribe, Segment)


if not TYPE_CHECKING:  # else every name would be there

    def __getattr__(name: str) -> Any:
        if name in VERBS:
            settings = VERBS[name].load()
            value = import_module("mediasift.verbs.verb").verb(settings, settings.row)
            value.__name__ = value.__qualname__ = name
        elif name in FUNCTIONS:
            maker, settings = OF_VERBS.get(name, (name, None))
            value = getattr(import_module(FUNCTIONS[name]), maker)
            value = value if settings is None else value(VERBS, settings.load())
            if isfunction(value) and "<locals>" in value.__qualname__:  # made of settings, and named for its maker
                value.__name__ = value.__qualname__ = name
        else:
            raise AttributeError(f"module 'mediasift.verbs' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
