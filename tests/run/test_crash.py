"""A sample of what `make crash` tries whole: a run that ends at any call that changes the disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.crash import SCENARIOS, crashes

EVERY = 1 if os.environ.get("MEDIASIFT_EXAMPLES") else 9

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks"),
    pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning"),
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_call_again_gives_the_same_bytes(name: str, tmp_path: Path, package):
    if name == "parquet":
        package("pyarrow", "parquet")
    *failures, count = crashes(name, tmp_path / name, every=EVERY, first=1 + len(name) % EVERY)
    assert failures == []
    assert int(count) >= 10, "the calls are no longer watched"
