"""Fetching a registered model: resumed when cut, checked by size and SHA-256, moved into place whole."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.registry import (
    Entry,
    entries,
    exported_models,
    folders,
    models_folder,
    where,
    without_package,
)
from mediasift.errors import ModelError, ModelNotFound, OutputError, UsageError, did_you_mean
from mediasift.system.locks import lock, unlock
from mediasift.system.network import refuse_if_offline
from mediasift.system.optional import install_line
from mediasift.system.progress import Transfer

Report = Callable[[int, int], object]
"""Called with the bytes that are here and the bytes there will be."""

_CHUNK = 1 << 14
"""Bytes that are written at once; a cut loses at most so many."""
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""Answers of a server that may be better in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a transfer may stand still.

    Attributes:
        silence_s: Without a connection or a byte.
        attempts: In a row that bring next to nothing; one that brings more starts the count again.
        pause_s: Before the second attempt, twice that before the third and so on.
        total_s: All together; None allows a minute and 50 kB a second: a server may drip.
    """

    silence_s: float = 30
    attempts: int = 4
    pause_s: float = 0.5
    total_s: float | None = None


def pull_model(
    model: str, *, source: str | None = None, progress: TextIO | None = None, timeout_s: float | None = None
) -> Path:
    """The file of a known model, fetched if it is not on this machine; resumed if it was cut before.

    Args:
        model: A name of the registry.
        source: A file, or another URL than the registry's; the bytes must be the same. Of a model of several files,
            the folder.
        progress: Where to report how far it is.
        timeout_s: How long it may take; None allows a minute and 50 kB a second.

    Raises:
        ModelNotFound: No such name, or no such file or URL.
        ModelError: It cannot be fetched, or is not the registered file; the message says what to type.
        OutputError: It cannot be written.
    """
    if known := folders().get(model):
        for part in known.parts:
            place = f"{source.rstrip('/')}/{Path(part.file).name}" if source else None
            with contextlib.closing(Transfer(progress, part.file)) as report:
                fetch(part, models_folder(), source=place, report=report)
        return models_folder() / model
    entry = entries().get(model)
    if entry is None:
        names = [*entries(), *folders()]
        raise ModelNotFound(f"no model {model!r}; there are {', '.join(names)}{did_you_mean(model, names)}")
    shipped = exported_models() / entry.file
    if _is(shipped, entry):
        _check_file(source, entry)
        return shipped
    if entry.package and not source:
        if (path := where(entry)) is None:
            raise ModelError(without_package(entry))
        return path
    if not (source or entry.url):
        raise ModelError(
            f"{model} comes with mediasift, but is missing or changed here; type: {install_line()} --force-reinstall"
        )
    with contextlib.closing(Transfer(progress, model)) as report:
        return fetch(entry, models_folder(), source=source, report=report, patience=Patience(total_s=timeout_s))


def fetch(
    entry: Entry,
    folder: Path,
    *,
    source: str | None = None,
    report: Report | None = None,
    patience: Patience | None = None,
) -> Path:
    """As `pull_model`, of any entry, into any folder; of several processes each sees the whole file or none."""
    target = folder / entry.file
    if _is(target, entry):
        _check_file(source, entry)
        return target
    source = source or entry.url
    is_address = source.startswith(("http://", "https://"))
    if is_address:
        refuse_if_offline(f"fetching {entry.name}")
    elif "://" in source:
        raise UsageError(f"--from {source}: a file, or an address that begins with https:// or http://")
    transfer = _Transfer(entry, source, report or (lambda *_: None), patience or Patience())
    # The first outlives a run that is cut; a process that finds it taken fetches without it.
    shared, own = (target.with_name(f".{target.name}{mark}.part") for mark in ("", f".{secrets.token_hex(4)}"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = shared if is_address and transfer.is_whole(shared) else own
        if part is shared or transfer.is_whole(own):
            part.replace(target)
    except ModelError:
        raise
    except OSError as error:
        if not _is(target, entry):  # another process was faster, and this system replaces no open file
            why = error.strerror or error
            raise OutputError(f"{target}: cannot be written ({why}); MEDIASIFT_MODELS chooses the folder") from error
    finally:
        with contextlib.suppress(OSError):
            own.unlink(missing_ok=True)
    return target


def _check_file(source: str | None, entry: Entry) -> None:
    """Raise a ModelError where a file was named that is not the model, though the model is here already."""
    file = Path(source or "")
    if source is None or "://" in source or _is(file, entry):
        return
    if not file.is_file():
        raise ModelNotFound(f"{file}: no such file")
    raise ModelError(f"{file}: is not {entry.name}, which is here already; its SHA-256 is {sha256(file)}")


def _is(path: Path, entry: Entry) -> bool:
    return path.is_file() and path.stat().st_size in entry.sizes.values() and sha256(path) in entry.sizes


class _Cut(Exception):
    """The transfer ended early; what has come is kept."""


class _Transfer:
    """Brings the bytes: from a file, or from a server in as many pieces as it takes."""

    def __init__(self, entry: Entry, source: str, report: Report, patience: Patience) -> None:
        self.entry, self.source, self.report, self.patience = entry, source, report, patience
        self.total = entry.bytes
        self.deadline_s = time.monotonic() + (patience.total_s or 60 + max(entry.sizes.values()) / 50_000)

    def is_whole(self, part: Path) -> bool:
        """Whether the file holds the model now; False where another process writes it."""
        with part.open("a+b") as file:
            if not (lock(file.fileno(), part) and _still_there(file, part)):
                return False
            try:
                self._fill(file, part)
            except BaseException:
                if not 0 < file.tell() < self.total:  # nothing to go on with
                    file.close()
                    part.unlink(missing_ok=True)
                raise
            finally:
                unlock(part)
        return True

    def _fill(self, file: IO[bytes], part: Path) -> None:
        resumed = file.tell() > 0
        while True:
            (self._from_server if "://" in self.source else self._from_file)(file)
            file.flush()
            if sha256(part) in self.entry.sizes:
                return
            _empty(file)
            if not resumed:
                raise ModelError(
                    f"{self.source}: as many bytes as {self.entry.name} has, but their SHA-256 is not "
                    f"{self.entry.sha256}; nothing was kept. Try again, or another place: mediasift models pull "
                    f"{self.entry.name} --from FILE_OR_URL"
                )
            resumed = False  # the first part may have come from another place; once more, from the beginning

    def _from_file(self, file: IO[bytes]) -> None:
        source = Path(self.source)
        if not source.is_file():
            raise ModelNotFound(f"{source}: no such file")
        if (size := source.stat().st_size) not in self.entry.sizes.values():
            raise self._other(f"{size:,}")
        with source.open("rb") as given:
            shutil.copyfileobj(given, file)
        self.report(size, size)

    def _from_server(self, file: IO[bytes]) -> None:
        """Ask until all bytes are there; what an earlier attempt brought is not fetched again."""
        if file.tell() > self.total:  # left by a version of us that knew another file under this name
            _empty(file)
        fruitless = 0
        while (before := file.tell()) < self.total:
            try:
                self._ask(file)
            except _Cut as cut:
                here = file.tell()
                fruitless = 0 if here - before >= _CHUNK else fruitless + 1
                if fruitless >= self.patience.attempts:
                    raise self._given_up(str(cut), here) from cut
                self._check_time(file)
                time.sleep(self.patience.pause_s * fruitless)

    def _check_time(self, file: IO[bytes]) -> None:
        if time.monotonic() > self.deadline_s:
            raise self._given_up("it takes too long; more time: --timeout SECONDS", file.tell())

    def _given_up(self, why: str, here: int) -> ModelError:
        kept = f"{here:,} of {self.total:,} bytes are kept, the same command goes on with them. " if here else ""
        return ModelError(f"{self.entry.name} cannot be fetched from {self.source} ({why}). {kept}{self._advice()}")

    def _ask(self, file: IO[bytes]) -> None:
        """One request: the bytes that are missing, or all of them where the server knows no ranges."""
        here = file.tell()
        with self._answer(here) as answer:
            if answer.status in _RETRIED:
                raise _Cut(f"the server answers {answer.status} {answer.reason}")
            part = answer.headers.get("Content-Range", "").replace(" ", "")  # RFC 9110, 14.4: `bytes FIRST-LAST/ALL`
            if answer.status == 416 or (answer.status == 206 and not part.startswith(f"bytes{here}-")):
                _empty(file)
                raise _Cut("the server's range is another one")
            if answer.status not in (200, 206):
                raise ModelNotFound(
                    f"{self.source}: the server answers {answer.status} {answer.reason}. {self._advice()}"
                )
            if answer.status == 200:
                _empty(file)
                here = 0
            length = answer.headers.get("Content-Length", "")
            if length.isdigit():
                if here + int(length) not in self.entry.sizes.values():
                    raise self._other(f"{here + int(length):,}")
                self.total = here + int(length)
            while piece := _piece(answer):
                if file.tell() + len(piece) > self.total:
                    _empty(file)
                    raise self._other(f"more than {self.total:,}")
                file.write(piece)
                self.report(file.tell(), self.total)
                self._check_time(file)
        if file.tell() < self.total:
            raise _Cut("the connection was cut")

    def _answer(self, here: int) -> Any:
        headers = {"Accept-Encoding": "identity", "User-Agent": "mediasift"}
        headers |= {"Range": f"bytes={here}-"} if here else {}
        with _connection():
            try:
                request = urllib.request.Request(self.source, headers=headers)  # noqa: S310  (http or https)
                return urllib.request.urlopen(request, timeout=self.patience.silence_s)  # noqa: S310  (the same)
            except urllib.error.HTTPError as error:
                return error  # an answer, too

    def _other(self, size: str) -> ModelError:
        return ModelError(
            f"{self.source}: {size} bytes, but {self.entry.name} has {self.entry.bytes:,}; it is another file. "
            f"{self._advice()}"
        )

    def _advice(self) -> str:
        entry = self.entry
        source = "FOLDER (with all its files)" if "/" in entry.file else "FILE"
        return (
            f"Without a network here: fetch {entry.url} ({entry.bytes / 1e6:.1f} MB) elsewhere, bring the file, and "
            f"type: mediasift models pull {entry.name} --from {source}"
        )


@contextlib.contextmanager
def _connection() -> Iterator[None]:
    """What fails inside is the connection, or the address, not the disk."""
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _Cut(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _piece(answer: Any) -> bytes:
    with _connection():
        return bytes(answer.read1(_CHUNK))


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _still_there(file: IO[bytes], path: Path) -> bool:
    """Whether the open file is the one of that name: another process may have finished and removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
