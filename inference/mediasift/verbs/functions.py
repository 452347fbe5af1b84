"""Functions whose result is no table; their keywords are options of a verb as well."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from mediasift.bench.comparison import compare
from mediasift.bench.load import load
from mediasift.bench.measurement import measure
from mediasift.bench.settings import BenchSettings, CompareSettings, LoadSettings
from mediasift.compare.settings import Compare
from mediasift.errors import Unreadable
from mediasift.evaluate.coders import Agree, Agreed, Agreement, agreed
from mediasift.evaluate.error_rates import EvaluateText, TextScore, evaluate_text
from mediasift.evaluate.evaluation import EvaluateLabels, evaluated
from mediasift.evaluate.labels import Evaluation, Measure
from mediasift.evaluate.prevalence import Prevalence, Share, shares
from mediasift.evaluate.report import measure_rows
from mediasift.evaluate.sample import Sample, Sampled
from mediasift.evaluate.sample import sample as draw
from mediasift.look.settings import Look, Looked
from mediasift.look.settings import look as show
from mediasift.provenance.cite import Cite, Cited
from mediasift.provenance.cite import cite as reported
from mediasift.provenance.rerun import Check, Repeat, Rerun
from mediasift.provenance.rerun import rerun as repeat
from mediasift.rows import Row
from mediasift.run.table import Table
from mediasift.run.watch import Watch, WatchSettings
from mediasift.settings import to_json
from mediasift.sources.memory import Named
from mediasift.tables.formats import write_rows
from mediasift.tables.manifest import Summary
from mediasift.train.settings import Train, Trained
from mediasift.train.settings import train as teach
from mediasift.verbs.verb import table_of

P = ParamSpec("P")
S = TypeVar("S")
R = TypeVar("R")
_Picture = str | Path | NDArray[np.uint8]
_Tables = str | Path | Sequence[str | Path]


def _several(tables: _Tables) -> Sequence[str | Path]:
    """One table or several as a list."""
    return [tables] if isinstance(tables, (str, Path)) else tables


@dataclass(frozen=True, kw_only=True)
class _Two(Compare):
    method: str = "pixels"


def _of(settings: Callable[P, S], work: Callable[[S], R]) -> Callable[P, R]:
    """A function that takes the settings' fields; checkers and `help` show each of them."""

    def verb(*args: P.args, **kwargs: P.kwargs) -> R:
        return work(settings(*args, **kwargs))

    verb.__doc__ = f"{work.__doc__}\n    The arguments are the options of the command line.\n"
    verb.__signature__ = inspect.signature(settings)  # type: ignore[attr-defined]  # of functions, mypy does not know it
    return verb


def _pair(settings: Callable[P, Compare]) -> Callable[Concatenate[_Picture, _Picture, P], float]:
    def similarity(a: _Picture, b: _Picture, /, *args: P.args, **kwargs: P.kwargs) -> float:
        """How similar two pictures are, 1 for the same: by default the cosine of their pixels at 15x15.

        Arguments as for `compare`.

        Raises:
            ItemError: One of them cannot be read.
        """
        first = next(iter(settings(*args, **kwargs).table([a, b])))
        if first.similarity is None:
            raise Unreadable(f"{first.path_a}: {first.error}")
        return first.similarity

    return similarity


def _matrix(settings: Callable[P, Compare]) -> Callable[Concatenate[Named, P], NDArray[np.float64]]:
    def similarity_matrix(inputs: Named, /, *args: P.args, **kwargs: P.kwargs) -> NDArray[np.float64]:
        """Similarity of each picture with each: float64 (N, N), 1 for the same; NaN for what cannot be read.

        Pages and frames are compared one by one. Arguments as for `compare`.
        """
        return settings(*args, **kwargs).matrix(inputs)

    return similarity_matrix


def _taught(settings: Callable[P, Train]) -> Callable[Concatenate[str | Path, P], Trained]:
    def train(data: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> Trained:
        """Teach a classifier one's own labels and write it as one ONNX file; the command line has the same options.

        Args:
            data: A folder with a folder for each label, or a table with the columns path and label.

        Returns:
            The file, its measures on pictures that it had not seen, and what makes them doubtful.
        """
        return teach(data, settings(*args, **kwargs))

    return train


def _compared(settings: Callable[P, Agree]) -> Callable[Concatenate[_Tables, P], Agreed]:
    def agree(tables: _Tables, /, *args: P.args, **kwargs: P.kwargs) -> Agreed:
        """Report how far coders agree; the command line has the same options.

        Args:
            tables: Coded tables, one for each coder, or several coders in one.

        Returns:
            The measures, and the items on which coders disagree.
        """
        return agreed(_several(tables), settings(*args, **kwargs))

    return agree


def _measured(
    settings: Callable[P, EvaluateLabels],
) -> Callable[Concatenate[str | Path, str | Path, P], Evaluation]:
    def evaluate_labels(result: str | Path, reference: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> Evaluation:
        """Report how good a table of labels is; the command line has the same options.

        Args:
            result: Written by `classify`, or any table with the columns path and label.
            reference: What is true: a table, a folder with a folder for each label, or a coded table.

        Returns:
            The measures, the confusion matrix and the mistakes.
        """
        return evaluated(result, reference, settings(*args, **kwargs))

    return evaluate_labels


def _corrected(
    settings: Callable[P, Prevalence],
) -> Callable[Concatenate[str | Path, _Tables, P], list[Share]]:
    def prevalence(table: str | Path, coded: _Tables, /, *args: P.args, **kwargs: P.kwargs) -> list[Share]:
        """Report how often labels occur, corrected for a classifier's errors; the command line has the same options.

        Args:
            table: The classifier's, with a row for every item of the corpus.
            coded: Coded tables of a random sample of it.

        Returns:
            A row for each label and method.
        """
        return shares(table, _several(coded), settings(*args, **kwargs))

    return prevalence


def _drawn(settings: Callable[P, Sample]) -> Callable[Concatenate[str | Path, P], Sampled]:
    def sample(table: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> Sampled:
        """Draw a random sample of a table for people to code; the command line has the same options.

        Args:
            table: Any with the column path.

        Returns:
            What was drawn, and what was left out and why.
        """
        return draw(table, settings(*args, **kwargs))

    return sample


def _watched(
    settings: Callable[P, WatchSettings],
) -> Callable[Concatenate[Table[Any], str | Path, P], Summary]:
    def watch(table: Table[Any], output: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> Summary:
        """Keep a table of folders in which files appear, until Ctrl-C or SIGTERM.

        Args:
            table: A verb's, over folders: `ms.watch(ms.classify("incoming", model=MODEL), "labels.csv")`.
            output: The table's file.

        Returns:
            The counts of the last table.

        Raises:
            UsageError: Something else than folders was named.
            Interrupted: Files are there that are not in the table; the same call goes on.
        """
        watched = Watch(table, settings(*args, **kwargs))
        watched.write(output)
        return watched.summary

    return watch


def _written(row_type: type[Row], rows: Callable[[Sequence[str], Any], Sequence[Row]]) -> Callable[..., Path]:
    """What writes the rows of tables, and settings, into a folder."""

    def again(inputs: Sequence[str], settings: Any, folder: Path) -> Path:
        write_rows(folder / "again.csv", row_type, rows(inputs, settings))
        return folder / "again.csv"

    return again


def _drawn_again(inputs: Sequence[str], settings: Any, folder: Path) -> Path:  # noqa: ARG001  (as every `Repeat`)
    draw(inputs[0], settings)
    return Path(settings.directory) / "design.csv"


REPEATS = {
    "agree": Repeat(Agree, _written(Agreement, lambda tables, settings: agreed(tables, settings).measures)),
    "prevalence": Repeat(Prevalence, _written(Share, lambda tables, settings: shares(tables[0], tables[1:], settings))),
    "evaluate": Repeat(
        EvaluateLabels,
        _written(Measure, lambda tables, settings: measure_rows(evaluated(tables[0], tables[1], settings))),
    ),
    "evaluate-text": Repeat(
        EvaluateText,
        _written(TextScore, lambda tables, settings: evaluate_text(tables[0], tables[1], **to_json(settings))),
    ),
    "sample": Repeat(Sample, _drawn_again),
}  # fmt: skip
"""Verbs that read tables → how they are repeated."""


def _kind(verbs: Mapping[str, Any], verb: str) -> Any:
    """A verb's settings, by the name that manifests have, or how it is repeated; None where it is none of ours."""
    named = verbs.get({"shots-summary": "shot_summary"}.get(verb, verb))
    return REPEATS.get(verb) if named is None else named.load()


def proven(verbs: Mapping[str, Any], settings: Callable[P, Rerun]) -> Callable[Concatenate[str | Path, P], list[Check]]:
    """`mediasift.rerun`, of all verbs and with these settings."""

    def rerun(manifest: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> list[Check]:
        """Run again what a manifest records, and compare the rows; the command line has the same options.

        Args:
            manifest: TABLE.run.json, beside its table.

        Returns:
            What is the same and what is not; the first row with an error is the first difference.
        """
        return repeat(manifest, settings(*args, **kwargs), kinds=partial(_kind, verbs), table_of=table_of)

    return rerun


def _shown(settings: Callable[P, Look]) -> Callable[Concatenate[str | Path | None, P], Looked]:
    def look(table: str | Path | None = None, /, *args: P.args, **kwargs: P.kwargs) -> Looked:
        """Make a page on which a table is looked at in a browser; the command line has the same options.

        Args:
            table: Any with the column path, or path_a and path_b; None for that of the vectors in `map`.

        Returns:
            Where the page is, and what it cannot show.
        """
        return show(table, settings(*args, **kwargs))

    return look


def cited(verbs: Mapping[str, Any], settings: Callable[P, Cite]) -> Callable[Concatenate[str | Path, P], Cited]:
    """`mediasift.cite`, of all verbs and with these settings."""

    def described(verb: str) -> Any:
        kind = _kind(verbs, verb)
        return kind.settings if isinstance(kind, Repeat) else kind

    def cite(manifest: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> Cited:
        """Report what a paper needs of a table; the command line has the same options.

        Args:
            manifest: TABLE.run.json.

        Returns:
            The paragraph on methods, BibTeX, the codebook of the columns and a checklist.
        """
        return reported(manifest, settings(*args, **kwargs), kinds=described)

    return cite


agree = _compared(Agree)
bench = _of(BenchSettings, measure)
bench_server = _of(LoadSettings, load)
compare_bench = _of(CompareSettings, compare)
sample = _drawn(Sample)
evaluate_labels = _measured(EvaluateLabels)
look = _shown(Look)
prevalence = _corrected(Prevalence)
similarity = _pair(_Two)
similarity_matrix = _matrix(Compare)
train = _taught(Train)
watch = _watched(WatchSettings)
