"""A small web server on loopback: files, and answers that go wrong in all the ways that the web knows."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATE = "Wed, 01 Jan 2025 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    """Asks the server's site what to answer."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        site = self.server.site
        with site.lock:
            site.requests.append((self.path, dict(self.headers.items())))
            site.now += 1
            site.most = max(site.most, site.now)
        try:
            if self.path.partition("?")[0] not in site.pages:
                self.answer(404, b"nothing here")
            else:
                page = site.pages[self.path.partition("?")[0]]
                page(self) if callable(page) else self.file(page)
        finally:
            with site.lock:
                site.now -= 1

    def do_HEAD(self):
        raise AssertionError("a HEAD was sent")

    def answer(self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.server.site.sent += len(body)

    def file(self, data: bytes, *, tag: str | None = "", date: str = DATE, most: int | None = None) -> None:
        """As RFC 9110 wants it: ranges, If-Match, If-Range; `most` bytes, then the connection is cut."""
        tag = f'"{hashlib.md5(data).hexdigest()}"' if tag == "" else tag
        known = {"ETag": tag, "Last-Modified": date} if tag else {"Last-Modified": date}
        asked = self.headers
        if tag and asked.get("If-Match", tag) != tag:
            self.answer(412)
            return
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.get("Range", ""))
        if part and asked.get("If-Range", tag) in (tag, date):
            first, end = int(part[1]), min(len(data), int(part[2] or len(data)) + 1)
            if first >= len(data):
                self.answer(416, Content_Range=f"bytes */{len(data)}", **known)
                return
            known["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
            status, body = 206, data[first:end]
        else:
            status, body = 200, data
        self.answer(status, body[:most], length=len(body), Accept_Ranges="bytes", **known)
        if most is not None and most < len(body):
            self.cut()

    def cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: Site

    def handle_error(self, *_):
        pass  # a client that hangs up


Page = bytes | Callable[[Handler], object]


@dataclass
class Site:
    """What a server gives: path → a file, or what answers; and what it was asked."""

    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""
    now: int = 0
    most: int = 0
    sent: int = 0

    def asked(self, path: str) -> int:
        return sum(one.partition("?")[0] == path for one, _ in self.requests)


@contextmanager
def serving(pages: dict[str, Page] | None = None) -> Iterator[Site]:
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site(pages or {}, url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def redirect(target: str, status: int = 302) -> Callable[[Handler], object]:
    return lambda handler: handler.answer(status, Location=target)


def after(failures: int, status: int, page: Page, **headers: str) -> Callable[[Handler], object]:
    """So many answers with this status, then the page."""
    left = iter(range(failures))

    def answer(handler: Handler) -> None:
        if next(left, None) is not None:
            handler.answer(status, **headers)
        elif callable(page):
            page(handler)
        else:
            handler.file(page)

    return answer


def slowly(data: bytes, pause_s: float, piece: int) -> Callable[[Handler], object]:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        for place in range(0, len(data), piece):
            handler.wfile.write(data[place : place + piece])
            time.sleep(pause_s)

    return answer
