"""What a task is: settings that can be written down, and a started task with two halves.

A task is a frozen dataclass of settings (see `mediasift.settings`). `start` does all set-up that can fail: it loads the
model or finds the engine, and raises a `SetupError` before the first file is read. What it returns has two halves.
`prepare` is CPU work on one item; it runs in reader threads, several at a time, and may raise an `ItemError` for that
item. `infer` is the expensive call on a batch. Reading, threads, batching, order, retries, progress, journal, output
and errors are `run`'s, and no task knows of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from mediasift.engines.engine import Resources
from mediasift.errors import ItemError
from mediasift.rows import Row
from mediasift.settings import MACHINE, Option, Settings

if TYPE_CHECKING:
    from mediasift.engines.onnx.session import OnnxModel

Reads = Literal["pictures", "frames", "sound", "video", "files", "timeline"]
"""Pictures (and chosen frames of videos), chosen frames of what moves, clips of sound, whole videos, files of any kind
of which nothing but headers is read, and all that a timeline looks at and listens to."""

TIMEOUT_S = 120.0
"""For one item, unless asked otherwise: Tesseract may need a minute for a full page of newsprint."""


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings, group=MACHINE):
    """What rows cost, never what they say."""

    jobs: Annotated[int | None, Option("Reader threads, 0 for none.", least=0, metavar="N", default="one per core")] = (
        None
    )
    isolate: Annotated[
        bool,
        Option(
            "Read and compute in a process of its own, as the command line does: whatever crashes there, stands still "
            "or eats memory costs one error row, and Ctrl-C leaves an output that can be continued.",
            flag="",
        ),
    ] = False
    timeout_s: Annotated[
        float, Option("An item that takes longer ends as an error row.", flag="--timeout", above=0, metavar="SECONDS")
    ] = TIMEOUT_S
    max_memory_gb: Annotated[
        float | None,
        Option(
            "An item that makes the run need more ends as an error row.", flag="--max-memory", above=0, metavar="GB",
            default="3/4 of the machine's",
        ),
    ] = None  # fmt: skip

    cluster: Annotated[
        str | None,
        Option(
            "Compute on a cluster of dask.distributed: local:N processes here, the file that a scheduler writes, or "
            "tls://HOST:PORT.", metavar="ADDRESS|local:N|FILE.json", default="this machine",
        ),
    ] = None  # fmt: skip
    estimate: Annotated[
        int | None,
        Option(
            "Do a random sample of the inputs instead, and say which hours, disk space, requests and money all of them "
            "will take, here and on so many machines.", least=1, metavar="MACHINES", default="no estimate",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CountSettings(Settings):
    """Counts instead of what is counted; `evaluate.counts` makes them."""

    per: Annotated[
        Literal["item", "source"] | None,
        Option(
            "Count: a row for each label of each picture, page or frame (item), or of each film, document or folder "
            "of pictures (source), instead of one for each thing that was found.", default="no counting",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EngineRunSettings(RunSettings, group=MACHINE):
    """The same for verbs with an engine that computes here."""

    threads: Annotated[
        int | None,
        Option("Threads of the engine.", least=1, metavar="N", default="one per core; 1 for light models"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ModelRunSettings(EngineRunSettings, group=MACHINE):
    """The same for verbs with a model that is called on batches."""

    batch_size: Annotated[int | None, Option("Items per model call.", least=1, metavar="N", default="the task's")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """What `prepare` makes of an item that several parts of a task work on, or none of them.

    Attributes:
        prepared: Part → what goes into its `infer`.
        rows: What is known already.
    """

    prepared: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Row] = ()


class Started:
    """A task ready to work. Attributes are read once, when the run starts; what most tasks have is here.

    Attributes:
        batch_size: Prepared items per `infer` call.
        concurrency: How many `infer` calls may go on at a time.
        needs: Smallest (width, height) a picture may be reduced to while decoding; None: full size.
        patience_s: How long a call that may succeed later (`errors.TryAgain`) is repeated.
        facts: What produced the rows (model sha256, provider, engine version), for journal and manifest.
        engine: What `infer` calls, where it may be one that is paid: `run` puts its ledger around that.
        parts: Name → a started task that gets what a `Fork` has for it; none for a task that works alone.
    """

    batch_size: int = 1
    concurrency: int = 1
    needs: tuple[int, int] | None = None
    patience_s: float = TIMEOUT_S
    facts: Mapping[str, Any] = {}
    engine: Any = None
    parts: Mapping[str, Started] = {}

    def prepare(self, item: Any) -> Any:
        """Cheap work on one item, as the task `reads` it; as it stands here, none."""
        return item

    def infer(self, batch: Sequence[Any]) -> Sequence[Sequence[Row] | ItemError]:
        """The rows of each prepared item, in order, without their place. No rows: one empty row is made.

        An ItemError in their place costs that item alone; a `TryAgain` makes `run` repeat the call.

        As it stands here, `prepare` has made the rows.
        """
        return batch

    def failed(self, row_type: type[Row], error: ItemError) -> Row:
        """The row of an item that failed; in a fork, the part's."""
        return row_type(error=error.as_cell())

    def arranged(self, path: str, rows: Sequence[Row]) -> Sequence[Row]:
        """All rows of a finished source, as they go into the table; `path` is the source's."""
        del path
        return rows

    def close(self) -> None:
        """Let go of what is held; called once, when the run ends."""
        for held in (self.engine, *self.parts.values()):
            if held is not None:
                held.close()


class StartedModel(Started):
    """A task with a model that is called on batches.

    Attributes:
        pad_to: What the model's batches are filled up to, so that all are of one shape; None leaves them as they are.
    """

    def __init__(self, settings: Any, model: OnnxModel, resources: Resources, batch_size: int = 8) -> None:
        """Of free batch sizes, take the one that is asked for, else this one, or more where pictures are small."""
        self.settings, self.model = settings, model
        wanted = model.description.input
        several = min(_MOST, max(batch_size, batch_size * _PHOTOGRAPH // (wanted.width * wanted.height)))
        self.batch_size = model.fixed_batch or resources.batch_size or several
        self.pad_to: int | None = self.batch_size
        self.facts, self.needs = model.facts, model.needs


_PHOTOGRAPH, _MOST = 224 * 224, 64
"""Pixels for which the usual batch size of a task is right, as larger ones gain little on a CPU; of smaller pictures
more go in together, and this many at most: 64 digits of 28x28 take a call little longer than one."""


class Task(Protocol):
    """The settings of a job; a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]
    reads: ClassVar[Reads]
    row: ClassVar[type[Row]]

    def start(self, resources: Resources) -> Started:
        """Set up whatever the task needs, or raise a SetupError."""


@dataclass(frozen=True, kw_only=True)
class RowsTask(RunSettings):
    """A task without an engine: preparing an item makes its rows."""

    def start(self, resources: Resources) -> Started:  # noqa: ARG002  (as every Task)
        """Set up what `rows` needs, or raise a SetupError."""
        self.set_up()
        return _StartedRows(self)

    def set_up(self) -> None:
        """Make folders, find encoders."""

    def rows(self, item: Any) -> list[Row]:
        """The rows of an item, without their place."""
        raise NotImplementedError  # each task has its own


class _StartedRows(Started):
    def __init__(self, task: RowsTask) -> None:
        self.prepare = task.rows  # type: ignore[method-assign]  # the task's own
