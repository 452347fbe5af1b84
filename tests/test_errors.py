"""The tree of errors: exit codes, cells, and the builtins that a caller would catch."""

from __future__ import annotations

import pytest

from mediasift import errors
from mediasift.errors import ItemError, MediasiftError, SetupError, TryAgain

EXIT_CODES = {
    "UsageError": (2, ValueError), "ConsentNeeded": (2, ValueError), "InputError": (3, OSError),
    "ModelError": (4, SetupError), "ModelNotFound": (4, FileNotFoundError), "DescriptionError": (4, ValueError),
    "ProviderUnavailable": (4, SetupError), "EngineError": (5, SetupError), "MissingPackage": (5, ImportError),
    "OutputError": (6, OSError), "Interrupted": (130, SetupError),
}  # fmt: skip
CODES = {
    "NotFound": ("not-found", FileNotFoundError), "Unreadable": ("unreadable", OSError),
    "NotMedia": ("not-media", ItemError), "EmptyFile": ("empty", ItemError), "Unsupported": ("unsupported", ItemError),
    "Damaged": ("damaged", ValueError), "TooLarge": ("too-large", ItemError), "ItemTimeout": ("timeout", TimeoutError),
    "Crashed": ("crashed", ItemError), "InferenceFailed": ("inference", RuntimeError),
    "Unavailable": ("unavailable", OSError), "TryAgain": ("inference", RuntimeError),
}  # fmt: skip


def test_every_error_is_in_one_of_the_two_tables():
    every = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, MediasiftError)}
    assert every == {*EXIT_CODES, *CODES, "MediasiftError", "SetupError", "ItemError"}


@pytest.mark.parametrize("name", EXIT_CODES)
def test_what_stops_a_run_has_its_exit_code(name: str):
    exit_code, builtin = EXIT_CODES[name]
    error = getattr(errors, name)("what happened")
    assert (error.exit_code, str(error)) == (exit_code, "what happened")
    assert isinstance(error, SetupError)
    assert isinstance(error, builtin)
    assert not isinstance(error, ItemError)


@pytest.mark.parametrize("name", CODES)
def test_what_costs_an_item_is_a_code_and_a_sentence_on_one_line(name: str):
    code, builtin = CODES[name]
    error = getattr(errors, name)("two\n  lines\tof text ")
    assert error.as_cell() == f"{code}: two lines of text"
    assert isinstance(error, ItemError)
    assert isinstance(error, builtin)
    assert not isinstance(error, SetupError)


def test_what_passes_by_itself_carries_when_and_whether_it_is_due():
    assert (TryAgain("busy").after_s, TryAgain("busy").unpaid) == (None, False)
    error = TryAgain("busy", after_s=1.5, unpaid=True)
    assert (error.after_s, error.unpaid) == (1.5, True)
    assert errors.ConsentNeeded("no", estimate="$1").estimate == "$1"


@pytest.mark.parametrize(
    ("name", "known", "end"),
    [
        ("lable", ["path", "label"], "; did you mean label?"),
        ("LABEL", ["path", "Label"], "; did you mean Label?"),
        ("xyz", ["path", "label"], ""),
        ("path", [], ""),
        (None, ["None"], "; did you mean None?"),
    ],
)
def test_the_known_name_that_is_most_like_an_unknown_one_is_named(name: object, known: list[str], end: str):
    assert errors.did_you_mean(name, known) == end


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (0.0499, "0.0499"), (0.000784, "0.000784"), (1.0, "1"), (11.8234, "11.8"), (100.0, "100"),
     (486.2, "486"), (2400.0, "2,400"), (123456.0, "123,456")],
)  # fmt: skip
def test_no_number_in_a_message_is_rounded_to_nothing(number: float, text: str):
    assert errors.plain(number) == text
