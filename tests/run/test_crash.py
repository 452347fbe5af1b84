"""A sample of what `make crash` tries whole: a run that ends at any call that changes the disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
EVERY = 1 if os.environ.get("MEDIASIFT_EXAMPLES") else 12


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_call_again_gives_the_same_bytes(name: str, package):
    """In a process of its own: threads that another test left behind would be missing in what is forked here."""
    if name == "parquet":
        package("pyarrow", "parquet")
    words = ["--every", str(EVERY), "--first", str(1 + len(name) % EVERY), name]
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.crash", *words],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "inference")},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    calls = re.search(r"(\d+) calls that change the disk, 0 failures", done.stdout)
    assert calls, done.stdout
    assert int(calls[1]) >= 10, "the calls are no longer watched"
