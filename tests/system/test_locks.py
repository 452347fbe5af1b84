from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mediasift.system import locks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX systems")

TAKE = """
import sys
from pathlib import Path
from mediasift.system.locks import lock
with open(sys.argv[1], "a") as file:
    print(lock(file.fileno(), Path(sys.argv[1])))
"""


def taken_elsewhere(path: Path) -> str:
    """Whether another process gets the lock."""
    environment = {**os.environ, "PYTHONPATH": str(Path(locks.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", TAKE, path], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


def test_a_file_is_ours_until_it_is_closed(tmp_path: Path):
    path = tmp_path / "journal"
    with path.open("a") as file:
        assert locks.lock(file.fileno(), path)
        assert taken_elsewhere(path) == "False"
        locks.unlock(path)
    assert taken_elsewhere(path) == "True"
    assert [one.name for one in tmp_path.iterdir()] == ["journal"]


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch):
    def refuse(_file: int) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(locks, "_system_lock", refuse)


@pytest.mark.parametrize(
    ("owner", "is_taken"),
    [
        (None, True),
        ("another-host 1", False),
        ("HERE 1", False),  # it runs
        ("HERE ME", True),  # an earlier process of our number
        ("HERE 4194400", True),  # larger than any process number of Linux
        ("HERE nonsense", False),
        ("", False),
    ],
)
def test_where_there_are_no_locks_a_file_beside_it_names_the_process(
    tmp_path: Path, no_locks: None, owner: str | None, is_taken: bool
):
    path, beside = tmp_path / "journal", tmp_path / "journal.lock"
    if owner is not None:
        owner = owner.replace("HERE", socket.gethostname()).replace("ME", str(os.getpid()))
        beside.write_text(owner)
    with path.open("a") as file:
        assert locks.lock(file.fileno(), path) == is_taken
    assert beside.read_text() == (f"{socket.gethostname()} {os.getpid()}" if is_taken else owner)
    locks.unlock(path)
    assert beside.exists() != is_taken


def test_other_troubles_are_no_reason_for_a_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def busy(_file: int) -> None:
        raise OSError(errno.EWOULDBLOCK, "busy")

    monkeypatch.setattr(locks, "_system_lock", busy)
    assert not locks.lock(0, tmp_path / "journal")
    assert list(tmp_path.iterdir()) == []
