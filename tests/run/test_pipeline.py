from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.errors import Damaged, InferenceFailed, TryAgain
from mediasift.items import Item
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.run import reading
from mediasift.run.budget import Budget
from mediasift.run.pipeline import Pipeline
from mediasift.sources.content import LocalFile
from mediasift.sources.memory import Array
from mediasift.sources.naming import Source
from mediasift.tasks.task import Fork, Started
from tests.pictures import encoded, save, scene, solid


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade(Row):
    """The first pixel's red."""

    red: int | None = None


class Shades(Started):
    """A task that knows what it was given: real, small, and refusing what it is told to refuse."""

    needs = None

    def __init__(
        self, batch_size: int = 4, refuse_prepare: int = -1, refuse_infer: int = -1, slow: bool = False
    ) -> None:
        self.batch_size = batch_size
        self.refuse_prepare, self.refuse_infer, self.slow = refuse_prepare, refuse_infer, slow
        self.batches: list[list[int]] = []

    def prepare(self, item: Item) -> int:
        red = int(item.image[0, 0, 0])
        if self.slow:
            time.sleep((red * 7 % 5) / 500)
        if red == self.refuse_prepare:
            raise Damaged("refused")
        if red == 255:
            raise ZeroDivisionError("a bug")
        return red

    def infer(self, batch: Sequence[int]) -> list[list[Any]]:
        self.batches.append(list(batch))
        if self.refuse_infer in batch:
            raise InferenceFailed(f"cannot take {self.refuse_infer}")
        return [[Shade(red=red)] if red != 99 else [] for red in batch]


def run(task: Shades, reds: Sequence[int], jobs: int = 2) -> list[Any]:
    sources = [Source(path=f"{i}", content=Array(f"{i}", solid((red, 0, 0), 2, 2))) for i, red in enumerate(reds)]
    pipeline = Pipeline(task, row_type=Shade, reads="pictures", options=PictureSettings(), jobs=jobs)
    return [row for finished in pipeline.run(sources) for row in finished.rows]


@pytest.mark.parametrize("jobs", [0, 1, 2, 7])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_rows_come_in_input_order(jobs: int, batch_size: int):
    reds = [i * 37 % 98 for i in range(50)]
    rows = run(Shades(batch_size, slow=True), reds, jobs)
    assert [(row.path, row.red) for row in rows] == [(str(i), red) for i, red in enumerate(reds)]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 8), max_size=40), st.integers(0, 3), st.integers(1, 9))
def test_every_input_is_one_row_whatever_fails(reds: list[int], jobs: int, batch_size: int):
    rows = run(Shades(batch_size, refuse_prepare=3, refuse_infer=5), reds, jobs)
    assert [row.path for row in rows] == [str(i) for i in range(len(reds))]
    for row, red in zip(rows, reds, strict=True):
        if red == 3:
            assert row.error == "damaged: refused"
        elif red == 5:
            assert row.error.startswith("inference: cannot take 5")
        else:
            assert (row.red, row.error) == (red, "")


def test_a_refused_batch_is_halved_until_its_culprit_is_alone():
    task = Shades(4, refuse_infer=2)
    rows = run(task, [0, 1, 2, 3, 4])
    assert task.batches == [[0, 1, 2, 3], [0, 1], [2], [3], [4]]
    assert [bool(row.error) for row in rows] == [False, False, True, False, False]


def test_sources_that_fail_do_not_pile_up_behind_one_that_waits_for_its_batch():
    asked = []

    def sources():
        for i in range(1000):
            asked.append(i)
            yield Source(path=str(i), content=Array(str(i), solid((1 if i == 0 else 3, 0, 0), 2, 2)))

    pipeline = Pipeline(
        Shades(8, refuse_prepare=3), row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2
    )
    running: Any = pipeline.run(sources())
    assert next(running).rows[0].red == 1
    assert len(asked) < 2 * pipeline.ahead
    running.close()


def test_quick_files_are_read_once_and_come_in_order(tmp_path: Path):
    reads: Counter[str] = Counter()

    class Watched(LocalFile):
        def head(self, size: int = 0) -> bytes:
            reads[self.name] += 1
            return super().head(size)

    files = [tmp_path / f"{number:03}.png" for number in range(400)]
    for number, file in enumerate(files):
        if number != 333:
            file.write_bytes(encoded(solid((number % 98, 0, 0), 2, 2)) if number != 222 else b"")
    sources = [Source(path=file.name, content=Watched(file)) for file in files]
    pipeline = Pipeline(Shades(64), row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2)
    rows: list[Any] = [row for finished in pipeline.run(sources) for row in finished.rows]
    assert [row.path for row in rows] == [file.name for file in files]
    assert {row.path: row.error.partition(":")[0] for row in rows if row.error} == {
        "222.png": "empty", "333.png": "not-found",
    }  # fmt: skip
    assert [row.red for row in rows if not row.error] == [n % 98 for n in range(400) if n not in (222, 333)]
    assert {reads[str(file)] for file in files if file.name != "333.png"} == {1}


def test_a_reader_that_waits_for_an_engine_is_not_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else a quick picture that was read is blamed for one that is computed for long."""
    monkeypatch.setattr(reading, "_QUICK_S", 10.0)  # all but the first are quick, however busy the machine is
    monkeypatch.setattr(reading, "PIECE_S", 0.0)
    goes_on, stands_still = threading.Event(), threading.Event()

    class StandsStill(Shades):
        def infer(self, batch: Sequence[int]) -> list[list[Any]]:
            if 50 in batch:
                stands_still.set()
                assert goes_on.wait(60)
            return super().infer(batch)

    sources = [Source(path=f"{i}", content=LocalFile(save(tmp_path / f"{i}.png", solid((i, 0, 0), 2, 2))))
               for i in range(98)]  # fmt: skip
    pipeline = Pipeline(StandsStill(4), row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2)
    rows: list[Any] = []
    runs = threading.Thread(target=lambda: rows.extend(row for one in pipeline.run(sources) for row in one.rows))
    runs.start()
    assert stands_still.wait(60)
    until = time.monotonic() + 60
    while len(doing := pipeline.marks.going_on()) != 1 and time.monotonic() < until:
        time.sleep(0.01)  # until there is no room for what is read
    goes_on.set()
    runs.join(60)
    assert [one.items for one in doing] == [tuple((number, 0) for number in range(48, 52))]
    assert [row.red for row in rows] == list(range(98))


def test_an_item_in_which_nothing_is_found_is_one_empty_row():
    (row,) = run(Shades(), [99])
    assert (row.path, row.red, row.error) == ("0", None, "")


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_bug_is_not_a_row(jobs: int):
    with pytest.raises(ZeroDivisionError):
        run(Shades(), [1, 255, 2], jobs)


def test_readers_are_only_a_little_ahead():
    asked = []

    def sources():
        for i in range(1000):
            asked.append(i)
            yield Source(path=str(i), content=Array(str(i), solid((1, 0, 0), 2, 2)))

    pipeline = Pipeline(Shades(4), row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2)
    running: Any = pipeline.run(sources())
    next(running)
    assert len(asked) < 30
    running.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mediasift-reader")]


def test_a_source_of_many_items_streams(tmp_path: Path):
    from PIL import Image

    pages = [Image.fromarray(solid((page, 0, 0), 4, 4)) for page in range(40)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    task = Shades(4)
    pipeline = Pipeline(task, row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2)
    sources = [
        Source(path="t", content=LocalFile(tmp_path / "pages.tif")),
        Source(path="u", content=Array("u", solid((7, 0, 0)))),
    ]
    first: Any
    second: Any
    first, second = pipeline.run(sources)
    assert [(row.page, row.red) for row in first.rows] == [(page + 1, page) for page in range(40)]
    assert second.rows[0].red == 7


def test_many_pages_and_a_small_budget_do_not_lock_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Readers hold their share of the budget while they decode, never while they wait for the model."""
    from PIL import Image

    from mediasift.run import reading as module

    monkeypatch.setattr(module, "_BUDGET_MEGAPIXELS", 0.0001)
    pages = [Image.fromarray(solid((page, 0, 0), 20, 20)) for page in range(12)]
    for name in "abcdef":
        pages[0].save(tmp_path / f"{name}.tif", save_all=True, append_images=pages[1:])
    sources = [Source(path=name, content=LocalFile(tmp_path / f"{name}.tif")) for name in "abcdef"]
    pipeline = Pipeline(Shades(5), row_type=Shade, reads="pictures", options=PictureSettings(), jobs=4)
    assert [len(finished.rows) for finished in pipeline.run(sources)] == [12] * 6


def test_the_budget_serialises_what_is_large():
    budget, order = Budget(10), []
    budget.take(8)
    waiter = threading.Thread(target=lambda: (budget.take(50), order.append("large")))
    waiter.start()
    time.sleep(0.05)
    assert order == []
    budget.give_back(8)
    waiter.join(2)
    assert order == ["large"]


@given(st.lists(st.floats(0.000001, 60), max_size=30))
def test_what_was_given_back_leaves_no_rest(pictures: list[float]):
    """Else a picture that is larger than the whole budget would wait forever to be alone."""
    budget = Budget(1e9)
    for megapixels in pictures:
        budget.take(megapixels)
    for megapixels in sorted(pictures):
        budget.give_back(megapixels)
    assert budget.take(2e9, wait=False)


def test_kept_columns_reach_every_row_errors_included(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    kept = (("post", "7"),)
    sources = [
        Source(path="a", content=LocalFile(tmp_path / "a.png"), kept=kept),
        Source(path="b", content=LocalFile(tmp_path / "missing.png"), kept=kept),
    ]
    pipeline = Pipeline(Shades(), row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2)
    rows = [row for finished in pipeline.run(sources) for row in finished.rows]
    assert [row.kept for row in rows] == [kept, kept]
    assert rows[1].error.startswith("not-found")


class Slow(Shades):
    """Answers after a while, several at a time; it counts how many those are, and how many pictures it holds."""

    def __init__(self, concurrency: int, slow_s: float, batch_size: int = 1, **refused: int) -> None:
        super().__init__(batch_size, **refused)
        self.concurrency, self.slow_s = concurrency, slow_s
        self.busy = self.busiest = self.held = self.most_held = 0
        self.lock = threading.Lock()

    def prepare(self, item: Item) -> int:
        with self.lock:
            self.held += 1
            self.most_held = max(self.most_held, self.held)
        return super().prepare(item)

    def infer(self, batch: Sequence[int]) -> list[list[Row]]:
        with self.lock:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        time.sleep(self.slow_s * (1 + batch[0] % 3))
        with self.lock:
            self.busy -= 1
            self.held -= len(batch)
        return super().infer(batch)


@pytest.mark.parametrize("jobs", [0, 2])
def test_as_many_batches_are_computed_at_a_time_as_the_task_allows(jobs: int):
    task = Slow(3, 0.01)
    rows = run(task, range(30), jobs)
    assert [row.red for row in rows] == list(range(30))
    assert task.busiest == 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mediasift-engine")]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 8), max_size=30), st.integers(0, 2), st.integers(1, 4), st.integers(2, 4))
def test_several_at_a_time_give_the_rows_of_one_at_a_time(reds: list[int], jobs: int, batch_size: int, several: int):
    task = Slow(several, 0.0005, batch_size, refuse_prepare=3, refuse_infer=5)
    assert run(task, reds, jobs) == run(Shades(batch_size, refuse_prepare=3, refuse_infer=5), reds, jobs)


def test_pages_of_one_source_wait_in_bounded_memory_while_several_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from PIL import Image

    from mediasift.run import reading as module

    monkeypatch.setattr(module, "PIECE_BYTES", 1)  # as if they were large
    pages = [Image.fromarray(solid((page, 0, 0), 4, 4)) for page in range(60)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    task = Slow(2, 0.003)
    pipeline = Pipeline(task, row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2)
    finished: Any
    (finished,) = pipeline.run([Source(path="t", content=LocalFile(tmp_path / "pages.tif"))])
    assert [row.red for row in finished.rows] == list(range(60))
    assert task.busiest == 2
    assert task.most_held < 12


def test_nothing_piles_up_behind_a_slow_front():
    class Stuck(Slow):
        def infer(self, batch: Sequence[int]) -> list[list[Row]]:
            if batch == [200]:
                time.sleep(0.5)
            return super().infer(batch)

    asked = []

    def sources():
        for i in range(1000):
            asked.append(i)
            yield Source(path=str(i), content=Array(str(i), solid((200 if i == 0 else 1, 0, 0), 2, 2)))

    pipeline = Pipeline(Stuck(2, 0), row_type=Shade, reads="pictures", options=PictureSettings(), jobs=2)
    running: Any = pipeline.run(sources())
    assert next(running).rows[0].red == 200
    assert len(asked) < 3 * pipeline.ahead
    running.close()


def test_a_bug_among_several_that_are_computed_is_raised():
    class Buggy(Slow):
        def infer(self, batch: Sequence[int]) -> list[list[Row]]:
            if batch == [7]:
                raise ZeroDivisionError("a bug")
            return super().infer(batch)

    with pytest.raises(ZeroDivisionError):
        run(Buggy(3, 0.001), range(50))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Shade):
    """Which part saw it."""

    part: str | None = None


class SeenBy(Shades):
    """A part of a task: its rows carry its name, those of failed items too."""

    def __init__(self, name: str, **refused: int) -> None:
        super().__init__(**refused)
        self.name = name

    def infer(self, batch: Sequence[int]) -> list[list[Any]]:
        return [[Seen(red=row.red, part=self.name) for row in rows] for rows in super().infer(batch)]

    def failed(self, row_type: type[Row], error) -> Row:
        return Seen(part=self.name, error=error.as_cell())


class Forked(Started):
    """Every picture goes to two parts with batches of their own, every third to one; the rest is known already."""

    def __init__(self, refuse: int) -> None:
        self.parts: dict[str, Any] = {
            "a": SeenBy("a", batch_size=4, refuse_infer=refuse),
            "b": SeenBy("b", batch_size=3),
        }
        self.parts["b"].concurrency = 2

    def prepare(self, item: Item) -> Fork:
        red = int(item.image[0, 0, 0])
        return Fork(prepared={"a": red} if red % 3 == 0 else {"a": red, "b": red}, rows=[Seen(part="known", red=red)])

    def arranged(self, path: str, rows: Sequence[Any]) -> Sequence[Row]:
        assert all(row.path == path for row in rows)
        return sorted(rows, key=lambda row: row.part != "b")


@pytest.mark.parametrize("jobs", [0, 2])
def test_each_part_of_a_fork_has_its_own_batches_and_its_own_errors(jobs: int):
    task = Forked(refuse=5)
    rows = run(task, range(10), jobs)
    for red in range(10):
        expected = [("known", red, False), ("a", None if red == 5 else red, red == 5)]
        expected = ([("b", red, False)] if red % 3 else []) + expected
        mine = [(row.part, row.red, bool(row.error)) for row in rows if row.path == str(red)]
        assert mine == expected
    assert [len(batch) for batch in task.parts["a"].batches] == [4, 4, 2, 1, 1, 2, 2]
    assert sorted(len(batch) for batch in task.parts["b"].batches) == [3, 3]


def test_what_passes_by_itself_is_tried_again():
    class Overloaded(Shades):
        patience_s = 0.2

        def infer(self, batch: Sequence[int]) -> list[list[Row]]:
            rows = super().infer(batch)
            if batch == [1] and len(self.batches) < 3:
                raise TryAgain("overloaded", after_s=0.01)
            if batch == [2]:
                raise TryAgain("overloaded")
            return rows

    task = Overloaded(1)
    rows = run(task, [0, 1, 2])
    assert task.batches == [[0], [1], [1], [2]]
    assert [row.error for row in rows] == ["", "", "inference: overloaded; it was tried for 0.2 s"]
