"""A real service in a process of its own, and a client for it."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 120.0


class Reply:
    """Status, headers and body of an answer."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body
        return self.json()["rows"]


class Service:
    """`mediasift serve` at a free port; as a context manager it ends with SIGTERM, and must end well."""

    def __init__(self, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-P", "-m", "mediasift", "serve", "--port", "0", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference"), **(env or {})}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.log: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.wait_for("listening")["url"]
        self.address = urlsplit(self.url).netloc

    def _read(self) -> None:
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put("")

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next line of the log with this event."""
        while line := self._lines.get(timeout=LONG_S):
            self.log.append(json.loads(line))
            if self.log[-1]["event"] == event:
                return self.log[-1]
        raise AssertionError(f"the service ended before {event!r}: {self.log}")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection(self.address, timeout=LONG_S)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def post(self, path: str, body: Any, content_type: str = "application/octet-stream", **headers: str) -> Reply:
        return self.ask("POST", path, body, Content_Type=content_type, **headers)

    def workers(self) -> list[int]:
        """Numbers of the processes that compute."""
        listed = Path(f"/proc/{self.process.pid}/task")
        children = list[int]()
        for task in listed.iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ends while we look
                children += map(int, (task / "children").read_text().split())
        return children

    def metrics(self) -> dict[str, float]:
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    def end(self) -> int:
        """Ask it to end, and wait; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(LONG_S)
        self._reader.join(LONG_S)
        while not self._lines.empty() and (line := self._lines.get()):
            self.log.append(json.loads(line))
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        code = self.end()
        assert kind is not None or code == 0


def form(*files: tuple[str, bytes], fields: dict[str, str] | None = None) -> tuple[bytes, str]:
    """(body, content type) of a form with these files (RFC 7578)."""
    parts = [
        f'--bound\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    parts += [
        f'--bound\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields or {}).items()
    ]
    return b"".join([*parts, b"--bound--\r\n"]), "multipart/form-data; boundary=bound"
