from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mediasift as ms
from mediasift.errors import Interrupted, ModelError, ModelNotFound, UsageError
from mediasift.run.job import Job, job_from_json, job_to_json, settings
from mediasift.run.stream import Stream
from mediasift.run.supervisor import Supervisor
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
from mediasift.tasks.classify import Classify
from tests.pictures import save, solid
from tests.run.planted import ABORT, ALLOCATE, COMPUTE, HANG, Planted
from tests.tiny_models import mean_colour, write

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


@pytest.fixture(autouse=True)
def worker_finds_tests(monkeypatch: pytest.MonkeyPatch):
    """The worker imports the planted task by name."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'inference'}")


def table(tmp_path: Path, reds: list[int], **planted) -> Any:
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    for number, red in enumerate(reds):
        save(folder / f"{number:04}.png", solid((red, 0, 0), 4, 4))
    limits = {} if "timeout_s" in planted else {"timeout_s": 4, "max_memory_gb": 0.5}
    task = Planted(**{"isolate": True, "batch_size": 4, **limits, **planted})
    return Table(Stream(Job(task=task, inputs=Inputs(named=[str(folder)]))))


def outcome(rows) -> list[object]:
    return [row.error.partition(":")[0] or row.red for row in rows]


@pytest.mark.parametrize("where", ["decode", "prepare", "infer"])
def test_an_abort_and_a_glutton_cost_one_row_each(tmp_path: Path, where: str):
    reds = [*range(100, 115), ABORT, *range(115, 126), ALLOCATE, *range(126, 140)]
    running = table(tmp_path, reds, where=where, timeout_s=60, max_memory_gb=0.5)
    rows = list(running)
    assert outcome(rows) == ["crashed" if red in (ABORT, ALLOCATE) else red for red in reds]
    assert "SIGABRT" in rows[15].error
    assert "--max-memory" in rows[27].error
    assert running.summary.worker_restarts >= 2


@pytest.mark.parametrize("where", ["decode", "prepare", "infer"])
def test_a_standstill_costs_one_row(tmp_path: Path, where: str):
    reds = [*range(100, 115), HANG, *range(115, 125), HANG, *range(125, 140)]
    rows = list(table(tmp_path, reds, where=where, timeout_s=1))
    assert outcome(rows) == ["timeout" if red == HANG else red for red in reds]
    assert "--timeout" in rows[15].error


@pytest.mark.parametrize("where", ["decode", "infer"])
def test_what_computes_for_ever_costs_one_row(tmp_path: Path, where: str):
    reds = [*range(100, 115), COMPUTE, *range(115, 125)]
    rows = list(table(tmp_path, reds, where=where, timeout_s=1))
    assert outcome(rows) == ["timeout" if red == COMPUTE else red for red in reds]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process is stopped")
def test_time_in_which_the_worker_is_stopped_is_nobodys(tmp_path: Path):
    running = table(tmp_path, list(range(100, 180)), slow_s=0.03, timeout_s=1)
    worker = running._rows._runner._worker

    def stop() -> None:
        time.sleep(0.5)
        os.kill(worker.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(worker.pid, signal.SIGCONT)

    thread = threading.Thread(target=stop)
    thread.start()
    assert outcome(running) == list(range(100, 180))
    thread.join()
    assert running.summary.worker_restarts == 0


@pytest.mark.parametrize("where", ["decode", "prepare", "infer"])
def test_a_culprit_among_many_small_ones_costs_one_row(tmp_path: Path, where: str):
    """When it comes, a reader takes 64 sources at a time, and the model eight."""
    reds = [100 + number % 100 for number in range(700)]
    reds[450] = reds[690] = ABORT
    rows = list(table(tmp_path, reds, where=where, batch_size=8, timeout_s=60))
    assert outcome(rows) == ["crashed" if red == ABORT else red for red in reds]


def test_a_reader_that_waits_while_the_model_stands_still_is_not_to_blame(tmp_path: Path):
    """While the model hangs, readers fill their queues and come to rest; only the picture in the model is at fault."""
    reds = [*range(100, 104), HANG, *range(105, 160)]
    rows = list(table(tmp_path, reds, where="infer", timeout_s=1))
    assert outcome(rows) == ["timeout" if red == HANG else red for red in reds]


@pytest.mark.parametrize(("evil", "code"), [(ABORT, "crashed"), (HANG, "timeout")])
def test_one_of_several_items_that_are_computed_at_a_time_costs_one_row(tmp_path: Path, evil: int, code: str):
    reds = [*range(100, 107), evil, *range(108, 120)]
    running = table(tmp_path, reds, where="infer", concurrency=3, batch_size=1, slow_s=0.03, timeout_s=1.5)
    assert outcome(running) == [code if red == evil else red for red in reds]
    # Who hangs is known by its time; after a crash, all that were computed are tried again one by one.
    assert running.summary.worker_restarts == (1 if evil == HANG else 2)


def test_many_culprits_in_a_row(tmp_path: Path):
    reds = [ABORT, ABORT, 100, ABORT, 101, ABORT]
    assert outcome(table(tmp_path, reds, where="infer")) == ["crashed", "crashed", 100, "crashed", 101, "crashed"]


@pytest.mark.parametrize("where", ["prepare", "infer"])
def test_one_page_of_many_costs_one_row(tmp_path: Path, where: str):
    pages = [Image.fromarray(solid((red, 0, 0), 4, 4)) for red in (100, 101, ABORT, 102, 103)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    job = Job(
        task=Planted(where=where, batch_size=4, isolate=True, timeout_s=5),
        inputs=Inputs(named=[str(tmp_path / "pages.tif")]),
    )
    rows: list[Any] = list(Table(Stream(job)))
    assert [(row.page, row.red) for row in rows] == [(1, 100), (2, 101), (3, None), (4, 102), (5, 103)]
    assert rows[2].error.startswith("crashed: ")


def test_a_killed_worker_loses_nothing_and_nobody_is_to_blame(tmp_path: Path):
    running = table(tmp_path, list(range(100, 160)), slow_s=0.02)
    killed = []

    def kill() -> None:
        time.sleep(0.4)
        killed.append(running._rows._runner._worker.pid)
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    assert outcome(running) == list(range(100, 160))
    thread.join()
    assert running.summary.worker_restarts == 1


def test_a_bug_in_the_worker_is_raised_with_its_traceback(tmp_path: Path):
    with pytest.raises(RuntimeError, match=r"(?s)a bug in the worker process.*ZeroDivisionError: a bug"):
        list(table(tmp_path, [100, ABORT, 101], where="bug"))


def test_errors_of_the_start_come_out_as_they_are(tmp_path: Path):
    with pytest.raises(ModelNotFound, match="no model 'nonsense'"):
        ms.classify(tmp_path, model="nonsense", isolate=True)
    with pytest.raises(ModelError, match="SIGABRT"):
        table(tmp_path, [100], where="start")


def test_what_cannot_leave_the_process_says_so(tmp_path: Path):
    path = write(tmp_path, mean_colour())
    with pytest.raises(UsageError, match="a loaded model stays in its process"):
        ms.classify(tmp_path, model=ms.load_model(path), isolate=True)
    with pytest.raises(UsageError, match="arrays stay in their process"):
        list(ms.classify([solid((1, 2, 3))], model=path, isolate=True))


def test_no_process_is_left_behind(tmp_path: Path):
    running = table(tmp_path, list(range(100, 130)))
    pid = running._rows._runner._worker.pid
    rows = iter(running)
    next(rows)
    rows.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_orphaned_worker_ends(tmp_path: Path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom tests.run.test_supervisor import table\n"
        f"found = table(Path({str(tmp_path)!r}), [100, 101])\n"
        "print(found._rows._runner._worker.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 10
    while time.monotonic() < until and _lives(pid):
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_stopped_supervisor_blames_nobody(tmp_path: Path):
    """A laptop that sleeps: the clock goes on, what the worker said meanwhile is heard before time is judged."""
    code = (
        "from pathlib import Path\nfrom tests.run.test_supervisor import table\n"
        f"found = table(Path({str(tmp_path)!r}), list(range(100, 180)), slow_s=0.02, timeout_s=1)\n"
        "print('started', flush=True)\n"
        "print([row.error for row in found if row.error], flush=True)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout.readline() == "started\n"
    time.sleep(0.3)
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(child.pid, signal.SIGCONT)
    assert child.communicate(timeout=30)[0] == "[]\n"


def test_jobs_survive_the_way_to_the_worker_and_back():
    task = Classify(model="m", crops=((0, 0, 0.5, 1), (0.5, 0, 1, 1)), top=3, every_frame=True, jobs=3)
    job = Job(task=task, inputs=Inputs(named=["a"]))
    back = job_from_json(job_to_json(job))
    assert back.task == job.task
    assert settings(job)["crops"] == [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]


def test_stopping_before_anything_began(tmp_path: Path):
    running = table(tmp_path, [100])
    assert isinstance(running._rows._runner, Supervisor)
    running._rows._runner._signals.requested = True
    with pytest.raises(Interrupted):
        list(running)
