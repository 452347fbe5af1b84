"""Load tests of real servers on loopback whose answers are known: the times that come out are those of the server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.bench import SCHEMA
from mediasift.bench.load import Asked, Client, arrivals, closed_loop, open_loop, summary
from mediasift.cli import main
from mediasift.errors import EngineError, UsageError
from tests.pictures import encoded, save, scene
from tests.serve.service import Service


class Server(ThreadingHTTPServer):
    """Answers with the status that `work` gives after its time; it counts what it was sent."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, work: Callable[[bytes], int]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.work, self.connections = work, 0
        self.bodies: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_port}/v1/classify"

    def process_request(self, *arguments) -> None:
        self.connections += 1
        super().process_request(*arguments)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.bodies.append(body)
        server.headers = dict(self.headers)
        if not (status := server.work(body)):  # the connection ends without an answer
            self.close_connection = True
            return
        answer = b'{"rows": [{"error": ""}]}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def serving(work: Callable[[bytes], int]) -> Iterator[Server]:
    with Server(work) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def one_by_one(service_s: float) -> Callable[[bytes], int]:
    """One request at a time, each for so long."""
    turn = threading.Lock()

    def work(_: bytes) -> int:
        with turn:
            time.sleep(service_s)
        return 200

    return work


def lindley(moments: np.ndarray, service_s: float) -> np.ndarray:
    """Time in the system of each arrival at a single server, first come, first served: D. V. Lindley, The theory of
    queues with a single server, Proc. Camb. Phil. Soc. 48 (1952): W' = max(0, W + S - T)."""
    waits = [0.0]
    for gap in np.diff(moments):
        waits.append(max(0.0, waits[-1] + service_s - gap))
    return np.array(waits) + service_s


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_arrivals_wait_as_long_as_the_theory_of_queues_says(share: float):
    """Pollaczek and Khinchine's mean wait of an M/D/1 queue: share * S / (2 * (1 - share))."""
    moments = arrivals(share, 400_000, np.random.default_rng(1))
    assert (np.diff(moments) >= 0).all()
    assert lindley(moments, 1.0).mean() - 1 == pytest.approx(share / (2 * (1 - share)), rel=0.04)


def test_each_time_is_that_of_the_queue_from_the_moment_it_was_due():
    """A server of one request at a time, at four fifths of what it can do: no answer comes before Lindley's time, and
    in the median little later; the sum over all says that queueing is seen and not left out."""
    moments, service_s = arrivals(16, 6, np.random.default_rng(3)), 0.05
    expected = lindley(moments, service_s)
    with (
        serving(one_by_one(service_s)) as server,
        Client(server.url, (), 30) as client,
        ThreadPoolExecutor(200) as pool,
    ):
        asked = open_loop(client, [b"picture"], moments.tolist(), pool)
    times = np.array([one.ended - one.due for one in asked])
    assert len(asked) == len(moments)
    assert expected.max() > 3 * service_s  # requests do wait there
    assert np.sort(times).sum() >= expected.sum() - 1e-3 * len(times)  # turns may be taken in another order
    assert np.median(times) >= np.median(expected) - 0.01
    assert all(one.left >= one.due for one in asked)


def test_a_server_that_stalls_for_a_second_is_seen_by_all_who_came_in_that_second():
    """Coordinated omission: one closed client sees one slow answer, an open loop as many as were due."""
    began = time.perf_counter()

    def work(_: bytes) -> int:
        time.sleep(max(0.0, began + 2 - time.perf_counter()) if time.perf_counter() > began + 1 else 0)
        return 200

    for kind in ("closed", "open"):
        with serving(work) as server, Client(server.url, (), 30) as client, ThreadPoolExecutor(300) as pool:
            began = time.perf_counter()
            if kind == "closed":
                asked = closed_loop(client, [b"x"], 1, 3, pool)
            else:
                asked = open_loop(client, [b"x"], arrivals(100, 3, np.random.default_rng(1)).tolist(), pool)
        slow = sum(one.ended - one.due > 0.5 for one in asked)
        times = summary([asked[::2], asked[1::2]], 30, 3)["latency_s"]
        if kind == "closed":
            assert slow <= 2  # one; two on a machine that stalls itself
        else:
            assert slow >= 35  # 50 are expected of those due in its first half: more than two deviations away
            assert times["p90"] > 0.3  # the worst tenth of three seconds lies in the stall
            assert times["max"] > 0.9


def test_clients_that_wait_get_what_the_server_can_do():
    with serving(one_by_one(0.02)) as server:
        result = ms.bench_server(server.url, size="8x8", pictures=3, concurrency=[1, 4], seconds=1.5, timeout_s=30)
    one, four = (result["scenarios"][f"concurrency {level}"] for level in (1, 4))
    assert four["median_s"] > 3 * 0.02  # they wait for one another
    assert four["per_second"] <= 50
    assert one["per_second"] <= 50
    for level in (one, four):
        low, high = level["intervals"]["per_second"]
        assert low <= level["per_second"] * 1.001
        assert high >= level["per_second"] * 0.999
        assert level["errors"] == 0
        assert len(level["rounds_s"]) == 5
    assert one["median_s"] >= 0.02
    assert len(set(server.bodies)) == 3
    assert server.connections <= 1 + 1 + 4  # they are kept: one for the check, one for each client


def test_failures_are_counted_by_kind_and_never_make_a_server_look_fast():
    """Every fifth request fails at once: p50 is of answers, p90 never came."""
    numbers = iter(range(10**9))
    with serving(lambda _: 503 if next(numbers) % 5 == 4 else (time.sleep(0.005) or 200)) as server:
        result = ms.bench_server(server.url, size="8x8", pictures=1, qps=[100], seconds=2.5, timeout_s=7)
    level = result["scenarios"]["qps 100"]
    assert level["errors_by_kind"] == {"503": pytest.approx(level["requests"] / 5, abs=2)}
    assert level["latency_s"]["p50"] >= 0.005
    assert level["latency_s"]["p90"] is None
    assert level["latency_s"]["max"] is None
    assert max(max(one) for one in level["rounds_s"]) == 7  # in a comparison each counts as one that timed out
    assert level["per_second"] == pytest.approx(80, rel=0.3)


def test_every_kind_of_failure_has_its_name():
    work = {b"fine": lambda: 200, b"never": lambda: time.sleep(3) or 200, b"no": lambda: 404, b"cut": lambda: 0}
    with serving(lambda body: work[body]()) as server, Client(server.url, ["X-Key: secret"], 0.5) as client:
        kinds = [client.ask(body)[0] for body in (b"fine", b"never", b"no", b"cut", b"fine")]
        assert server.headers["X-Key"] == "secret"
        assert server.headers["Content-Type"] == "application/octet-stream"
    assert kinds == ["", "timeout", "404", "broken", ""]
    with Client(server.url, (), 0.5) as client:
        assert client.ask(b"fine")[0] == "refused"


def test_a_kept_connection_that_the_server_closed_meanwhile_is_opened_again():
    with serving(lambda _: 200) as server, Client(server.url, (), 30) as client:
        assert client.ask(b"x")[0] == ""
        client._here.connection.sock.shutdown(2)
        assert client.ask(b"x")[0] == ""
        assert server.connections == 2


def test_percentiles_need_samples_enough_and_no_request_is_no_result():
    asked = [Asked(0, 0, number / 100, "") for number in range(1, 101)]
    latency = summary([asked[:50], asked[50:]], 30, 1)["latency_s"]
    assert latency == {"p50": 0.5, "p90": 0.9, "max": 1.0}
    with pytest.raises(UsageError, match="no request"):
        summary([], 30, 1)


def bench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, words)], catch_exceptions=False)


def test_the_command_and_a_comparison(tmp_path: Path):
    save(tmp_path / "a.png", scene(8, 8))
    for name, pause in (("before", 0.04), ("after", 0.01)):
        with serving(one_by_one(pause)) as server:
            done = bench("--url", server.url, tmp_path / "a.png", "--concurrency", "1", "--qps", "10", "--seconds", "2",
                         "-o", tmp_path / f"{name}.json", "--header", "X-Key: secret")  # fmt: skip
        assert done.exit_code == 0, done.output
        assert "measuring: qps 10" in done.stderr
        for word in ("concurrency 1", "qps 10", "p50 interval", server.url):
            assert word in done.stdout
        assert server.bodies[0] == (tmp_path / "a.png").read_bytes()
    result = json.loads((tmp_path / "before.json").read_text())
    assert result["schema"] == SCHEMA
    assert "secret" not in json.dumps(result)
    compared = bench("compare", tmp_path / "before.json", tmp_path / "after.json")
    assert compared.exit_code in (0, 7), compared.output
    assert [line.split()[0] for line in compared.stdout.splitlines()[1:3]] == ["concurrency", "qps"]
    assert "faster" in compared.stdout
    assert bench("compare", tmp_path / "after.json", tmp_path / "before.json").exit_code == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--url", "nowhere"], 2, "must be http://HOST"),
        (["--url", "http://127.0.0.1:9/", "--offline"], 2, "--offline"),
        (["--url", "http://127.0.0.1:9/", "--qps", "many"], 2, "separated by commas"),
        (["--url", "http://127.0.0.1:9/", "--qps", "0"], 2, "more than 0"),
        (["--url", "http://127.0.0.1:9/", "-o", "no/folder/a.json"], 6, "make it first"),
        (["--url", "http://127.0.0.1:9/", "nowhere.png"], 3, "no picture to measure with"),
        (["--url", "http://127.0.0.1:9/", "--size", "8x8"], 5, "mediasift serve"),
    ],
)
def test_mistakes_end_at_once_with_what_to_do(words: list[str], code: int, message: str):
    done = bench(*words)
    assert (done.exit_code, message in done.output) == (code, True), done.output


def test_a_server_that_refuses_every_picture_is_not_measured():
    with serving(lambda _: 415) as server, pytest.raises(EngineError, match="415: "):
        ms.bench_server(server.url, size="8x8", pictures=2)


def test_the_service_of_mediasift(tmp_path: Path):
    save(tmp_path / "a.png", scene(28, 28))
    (tmp_path / "b.png").write_bytes(encoded(scene(28, 28))[:60])
    with Service("-m", "digits-lenet", env={"MEDIASIFT_API_KEY": "secret"}) as service:
        url = f"{service.url}/v1/classify"
        with pytest.raises(EngineError, match="401: "):
            ms.bench_server(url, tmp_path)
        result = ms.bench_server(url, tmp_path, concurrency=[1, 4], qps=[20], seconds=2, headers=["X-API-Key: secret"])
    assert result["checked"] == {"pictures": 2, "refused": 0, "error_rows": 1}
    for level in result["scenarios"].values():
        assert level["errors"] == 0
        assert level["samples"] == level["requests"] > 0
