"""A peer in a process and an environment of its own, started once, so that imports do not count."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import tempfile
import venv
from contextlib import suppress
from pathlib import Path
from typing import Any

_END_S = 10
"""So long it may take to end by itself."""


class Peer:
    """Answers requests as lines of JSON.

    Args:
        name: Of the environment; made once, in the folder for temporary files.
        packages: What pip installs into it.
        script: In `benchmarks/peers`.
    """

    def __init__(self, name: str, packages: tuple[str, ...], script: str) -> None:
        folder = Path(tempfile.gettempdir()) / f"mediasift-peer-{name}"
        python = folder / "bin" / "python"
        if not (folder / "ready").exists():
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
            (folder / "ready").touch()
        program = Path(__file__).parent / "peers" / script
        self._process = subprocess.Popen(
            [python, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        atexit.register(self.close)
        self._asked: Any = self._process.stdin
        self._answers: Any = self._process.stdout

    def ask(self, **request: Any) -> dict[str, Any]:
        """What it answers; ends the benchmark if it has died."""
        self._asked.write(json.dumps(request) + "\n")
        self._asked.flush()
        if not (line := self._answers.readline()):
            raise SystemExit(f"the peer died: exit code {self._process.wait()}")
        return dict(json.loads(line))

    def close(self) -> None:
        """End the process, and all that it has started: servers leave workers behind that nothing else ends."""
        atexit.unregister(self.close)
        with suppress(BrokenPipeError):  # it has died
            self._asked.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        with suppress(ProcessLookupError):  # nothing is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._answers.close()
