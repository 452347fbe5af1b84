"""Fetching a registered model: resumed when cut, checked by size and SHA-256, moved into place whole.

pooch decides by hash, keeps the temporary file in the target's folder and moves it; the transfer is ours, because
pooch's own begins anew when a connection is cut.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.registry import Entry, entries, exported_models, models_folder
from mediasift.errors import ModelError, ModelNotFound, OutputError, UsageError
from mediasift.system.locks import lock, unlock
from mediasift.system.network import refuse_if_offline

Told = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes there will be."""

_CHUNK = 1 << 14
"""Bytes that are written at once; a cut loses at most so many."""
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""Answers of a server that may be better in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a transfer may stand still.

    Attributes:
        connect_s: For a connection.
        silence_s: Without a byte.
        attempts: In a row that bring next to nothing; one that brings more starts the count anew.
        pause_s: Before the second attempt, twice that before the third and so on.
    """

    connect_s: float = 10
    silence_s: float = 30
    attempts: int = 4
    pause_s: float = 0.5


class _Cut(Exception):
    """The transfer ended early; what has come is kept."""


def pull(name: str, *, source: str | None = None, told: Told | None = None) -> Path:
    """The file of a registered model, fetched if it is not here already.

    Args:
        name: A name of the registry.
        source: A file, or another URL than the registry's; the bytes must be the same.
        told: Called as bytes arrive.

    Raises:
        ModelNotFound: No such name, or no such file or URL.
        ModelError: It cannot be fetched, or is not the registered file; the message says what to type.
        OutputError: It cannot be written.
    """
    entry = entries().get(name)
    if entry is None:
        raise ModelNotFound(f"no model {name!r}; there are {', '.join(entries())}")
    shipped = exported_models() / entry.file
    if _is(shipped, entry):
        return shipped
    if not (source or entry.url):
        raise ModelError(f"{name} comes with mediasift, but is missing or changed here; type: pip install -U mediasift")
    return fetch(entry, models_folder(), source=source, told=told)


def fetch(
    entry: Entry,
    folder: Path,
    *,
    source: str | None = None,
    told: Told | None = None,
    patience: Patience | None = None,
) -> Path:
    """As `pull`, of any entry, into any folder.

    Several processes may do so at once: each sees the whole file or none.
    """
    target = folder / entry.file
    if _is(target, entry):
        return target
    if (source or entry.url).startswith(("http://", "https://")):
        refuse_if_offline(f"fetching {entry.name}")
    transfer = _Transfer(entry, target, told or _silent, patience or Patience())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _retrieve(transfer, source or entry.url)
    except ModelError:
        raise
    except OSError as error:
        if _is(target, entry):  # another process was faster, and this system replaces no open file
            return target
        why = error.strerror or error
        raise OutputError(f"{target}: cannot be written ({why}); MEDIASIFT_MODELS chooses the folder") from error
    return target


def _is(path: Path, entry: Entry) -> bool:
    return path.is_file() and path.stat().st_size in entry.sizes.values() and sha256(path) in entry.sizes


def _silent(_here: int, _total: int) -> None:
    """Says nothing."""


def _retrieve(transfer: _Transfer, source: str) -> None:
    import pooch

    pooch.get_logger().setLevel("ERROR")
    entry, target = transfer.entry, transfer.target
    while True:
        try:
            pooch.retrieve(source, f"sha256:{entry.sha256}", fname=target.name, path=target.parent, downloader=transfer)
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
            if transfer.resumed:  # the first part may have come from another place; once more, from the beginning
                transfer.resumed = False
                continue
            raise ModelError(
                f"{source}: as many bytes as {entry.name} has, but their SHA-256 is not {entry.sha256}; nothing was "
                f"kept. Try again, or another place: mediasift models pull {entry.name} --from FILE_OR_URL"
            ) from error
        return


class _Transfer:
    """What pooch calls to bring the bytes: from a file, or from a server in as many pieces as it takes."""

    def __init__(self, entry: Entry, target: Path, told: Told, patience: Patience) -> None:
        self.entry = entry
        self.target = target
        self.resumed = False
        self.told = told
        self.patience = patience
        self.partial = target.with_name(f".{target.name}.part")

    def __call__(self, source: str, output: str, _pooch: Any) -> None:
        """Bring all bytes into `output`."""
        if source.startswith(("http://", "https://")):
            self._from_server(source, Path(output))
        elif "://" in source:
            raise UsageError(f"--from {source}: a file, or an address that begins with https:// or http://")
        else:
            self._from_file(Path(source), Path(output))

    def _from_file(self, source: Path, output: Path) -> None:
        if not source.is_file():
            raise ModelNotFound(f"{source}: no such file")
        size = source.stat().st_size
        if size != self.entry.bytes:
            raise self._other(str(source), size)
        shutil.copyfile(source, output)
        self.told(size, size)

    def _from_server(self, url: str, output: Path) -> None:
        """Through the partial file, which outlives us if we are cut; who finds it taken fetches without it."""
        with self.partial.open("ab") as file:
            mine = lock(file.fileno(), self.partial) and _still_there(file, self.partial)
            if mine:
                self.resumed = file.tell() > 0
                try:
                    self._all_of(url, file)
                    file.flush()
                    shutil.copyfile(self.partial, output)
                finally:
                    worth_keeping = 0 < file.tell() < self.entry.bytes
                    file.close()
                    if not worth_keeping:
                        self.partial.unlink(missing_ok=True)
                    unlock(self.partial)
        if not mine:
            with output.open("wb") as own:
                self._all_of(url, own)

    def _all_of(self, url: str, file: IO[bytes]) -> None:
        """Fetch until all bytes are there; what an earlier attempt brought is not fetched again."""
        import requests

        fruitless = 0
        while (before := file.tell()) < self.entry.bytes:
            try:
                self._some_of(requests, url, file)
            except (_Cut, requests.exceptions.RequestException) as error:
                fruitless = 0 if file.tell() - before >= _CHUNK else fruitless + 1
                if fruitless >= self.patience.attempts:
                    raise self._unreachable(url, error, file.tell()) from error
                time.sleep(self.patience.pause_s * fruitless)
        if file.tell() > self.entry.bytes:  # left by a version of us that knew another file under this name
            _empty(file)
            self._all_of(url, file)

    def _some_of(self, requests: Any, url: str, file: IO[bytes]) -> None:
        """One request: the bytes that are missing, or all of them where the server knows no ranges."""
        here, total = file.tell(), self.entry.bytes
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={here}-"} if here else {})}
        limits = (self.patience.connect_s, self.patience.silence_s)
        with requests.get(url, headers=headers, stream=True, timeout=limits) as answer:
            if answer.status_code in _RETRIED:
                raise _Cut(f"the server answers {answer.status_code} {answer.reason}")
            if answer.status_code == 416 or (answer.status_code == 206 and not _begins_at(answer, here)):
                _empty(file)
                raise _Cut("the server's range is another one")
            if answer.status_code not in (200, 206):
                raise ModelNotFound(f"{url}: the server answers {answer.status_code} {answer.reason}. {self._advice()}")
            if answer.status_code == 200 and here:
                _empty(file)
                here = 0
            length = answer.headers.get("Content-Length", "")
            if length.isdigit() and here + int(length) != total:
                raise self._other(url, here + int(length))
            for piece in answer.iter_content(_CHUNK):
                if file.tell() + len(piece) > total:
                    _empty(file)
                    raise self._other(url, None)
                file.write(piece)
                self.told(file.tell(), total)
        if file.tell() < total:
            raise _Cut("the connection was cut")

    def _other(self, source: str, size: int | None) -> ModelError:
        found = f"{size:,} bytes" if size is not None else f"more than {self.entry.bytes:,} bytes"
        return ModelError(
            f"{source}: {found}, but {self.entry.name} has {self.entry.bytes:,}; it is another file. {self._advice()}"
        )

    def _unreachable(self, url: str, error: Exception, here: int) -> ModelError:
        kept = f"{here:,} of {self.entry.bytes:,} bytes are kept, the same command goes on with them. " if here else ""
        return ModelError(f"{self.entry.name} cannot be fetched from {url} ({_reason(error)}). {kept}{self._advice()}")

    def _advice(self) -> str:
        entry = self.entry
        return (
            f"Without a network here: fetch {entry.url} ({entry.bytes / 1e6:.1f} MB) elsewhere, bring the file, and "
            f"type: mediasift models pull {entry.name} --from FILE"
        )


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _still_there(file: IO[bytes], path: Path) -> bool:
    """Whether the open file is the one of that name: another process may have finished and removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _begins_at(answer: Any, position: int) -> bool:
    """Whether a partial answer begins where we left off (RFC 9110, 14.4: `bytes FIRST-LAST/ALL`)."""
    return str(answer.headers.get("Content-Range", "")).replace(" ", "").startswith(f"bytes{position}-")


def _reason(error: Exception) -> str:
    """The innermost cause's sentence: requests and urllib3 wrap it several times."""
    cause: BaseException = error
    while inner := _inside(cause):
        cause = inner
    return str(cause).rpartition(": ")[2] or type(cause).__name__


def _inside(error: BaseException) -> BaseException | None:
    held = (getattr(error, "reason", None), error.__cause__, error.__context__, *error.args)
    return next((inner for inner in held if isinstance(inner, BaseException)), None)
