from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pytest

from mediasift.engines import ocr, speech
from mediasift.engines.engine import check_options
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import UsageError
from mediasift.settings import Option, Settings, options

ROOMS: dict[str, Any] = {
    "ocr": (ocr.ENGINES, ocr.OcrEngines),
    "speech": (speech.ENGINES, speech.SpeechEngines),
}


@pytest.mark.parametrize("room", ROOMS)
def test_the_options_of_every_engine_are_options_of_the_room(room: str):
    engines, together = ROOMS[room]
    known = {one.name: one.default for one in options(together)}
    for name, engine in engines.items():
        for one in options(engine.settings):
            assert known[one.name] == one.default, f"{name}: {one.name}"


@pytest.mark.parametrize("engine", [*ocr.ENGINES.values(), *speech.ENGINES.values(), OnnxModel])
def test_every_engine_has_what_a_run_needs(engine: Any):
    assert callable(engine.run)
    assert callable(engine.close)
    if hasattr(engine, "price_usd"):
        assert all(callable(getattr(engine, name)) for name in ("key", "answer_to_json", "answer_from_json"))


@dataclass(frozen=True, kw_only=True)
class Shared(Settings):
    language: Annotated[str | None, Option("Shared.")] = None


@dataclass(frozen=True, kw_only=True)
class Own(Shared):
    beam: Annotated[int, Option("One engine's own.")] = 5


class Plain:
    settings: ClassVar = Shared


class Beams:
    settings: ClassVar = Own


def test_an_option_of_other_engines_is_refused_with_their_names():
    engines = {"plain": Plain, "beams": Beams}
    for settings, chosen in ((Own(language="de"), "plain"), (Own(beam=5), "plain"), (Own(beam=7), "beams")):
        check_options(settings, chosen, engines)
    with pytest.raises(UsageError, match="--beam is for beams: leave --beam out, or choose --engine beams"):
        check_options(Own(beam=7), "plain", engines)
