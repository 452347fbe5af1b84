"""Asking a server that speaks the chat format, over a real socket: what it takes, refuses, says too late or never."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mediasift.engines.vision.codebook_chat import Chat
from mediasift.engines.vision.codebook_format import Dialect, Question
from mediasift.errors import EngineError, InferenceFailed, TryAgain, UsageError
from tests.chat_server import FINGERPRINT, MODEL, ChatServer, chatting

QUESTION = Question(text="Is it red?", schema={"type": "object"}, name="red", seed=7, temperature=0.0, max_tokens=50)


def soon() -> float:
    return time.monotonic() + 60


@pytest.fixture
def server():
    with chatting(lambda asked: {"red": "yes"}) as (served, url):
        yield served, url


def ask(url: str, *, model: str = MODEL, key_env: str | None = None, timeout_s: float = 60):
    return Chat(url, model, key_env).ask(QUESTION, time.monotonic() + timeout_s)


def test_the_request_is_what_the_reference_says(server: tuple[ChatServer, str]):
    served, url = server
    answer = ask(f"{url}/")
    assert answer.text == '{"red": "yes"}'
    assert (answer.model, answer.note) == (f"{MODEL} {FINGERPRINT}", "")
    assert (answer.tokens("prompt"), answer.tokens("completion")) == served.billed[0]
    assert served.asked[0].body == {
        "model": MODEL, "messages": QUESTION.messages, "max_tokens": 50, "temperature": 0.0, "seed": 7,
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "red", "strict": True, "schema": {"type": "object"}},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("refuses", "absent", "note"),
    [
        ({"json_schema"}, set(), "constrained to JSON, not to the schema"),
        ({"json_schema", "json_object"}, {"response_format"}, "not constrained"),
        ({"seed"}, {"seed"}, "without seed"),
        ({"temperature"}, {"temperature"}, "without temperature"),
        ({"max_tokens"}, {"max_tokens"}, ""),
        ({"json_schema", "json_object", "seed", "temperature", "max_tokens"},
         {"response_format", "seed", "temperature", "max_tokens"}, "not constrained; without seed and temperature"),
    ],
)  # fmt: skip
def test_what_a_server_does_not_take_is_left_out_and_noted(server, refuses: set, absent: set, note: str):
    served, url = server
    served.refuses = refuses
    chat = Chat(url, MODEL, None)
    assert chat.ask(QUESTION, soon()).note == (f"the server does not take all that was asked: {note}" if note else "")
    assert absent.isdisjoint(served.asked[0].body)
    assert served.asked[0].body.get("max_completion_tokens", 50) == 50
    served.refuses = {one for one in refuses if one not in ("seed", "temperature")}
    assert chat.ask(QUESTION, soon()).note.endswith(note), "it is remembered, so that all rows are asked alike"


def test_a_refusal_of_one_question_changes_nothing_for_the_others(server):
    served, url = server
    chat = Chat(url, MODEL, None)
    served.plans = [(400, {}, b'{"error": "the schema of this picture is odd"}')] * 3
    with pytest.raises(InferenceFailed, match="says 400: the schema of this picture is odd") as error:
        chat.ask(QUESTION, soon())
    assert error.value.unpaid
    assert chat.ask(QUESTION, soon()).note == ""


@pytest.mark.parametrize("style", ["well", "thinking", "parts"])
def test_where_the_text_is(server, style: str):
    served, url = server
    served.style = style
    assert ask(url).text == '{"red": "yes"}'


def test_a_refusal_and_a_cut_are_seen(server):
    served, url = server
    served.plans = ["refusal", "filtered", "cut", "empty"]
    answers = [ask(url) for _ in range(4)]
    assert [one.refusal for one in answers] == ["I cannot help with that.", "a content filter", "", ""]
    assert [one.is_cut for one in answers] == [False, False, True, False]
    assert answers[3].text == ""


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again(server, status: int):
    served, url = server
    served.plans = [status]
    with pytest.raises(TryAgain, match=f"says {status}: planned: {status}") as error:
        ask(url)
    assert error.value.unpaid == (status in (429, 503, 529))
    assert error.value.after_s is None


def test_retry_after_is_heard(server):
    served, url = server
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    served.plans = [
        (429, {"Retry-After": "7"}, b"{}"),
        (503, {"Retry-After": later}, b""),
        (503, {"Retry-After": "x"}, b""),
    ]
    waits = []
    for _ in range(3):
        with pytest.raises(TryAgain) as error:
            ask(url)
        waits.append(error.value.after_s)
    assert waits[0] == 7
    assert 0 < waits[1] <= 60
    assert waits[2] is None


@pytest.mark.parametrize("plan", ["drop", (200, {"Content-Length": "99"}, b'{"choices": [')])
def test_a_lost_connection_is_tried_again_and_may_be_paid(server, plan):
    served, url = server
    served.plans = [plan]
    with pytest.raises(TryAgain, match="the connection to http") as error:
        ask(url)
    assert not error.value.unpaid


@pytest.mark.parametrize("plan", ["never", "drip"])
def test_a_server_that_never_answers_is_left(server, plan: str):
    served, url = server
    served.plans = [plan]
    began = time.monotonic()
    with pytest.raises(TryAgain, match="did not answer within 1 s"):
        ask(url, timeout_s=1)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (402, b'{"error": {"message": "Insufficient credits"}}', "the same command goes on when there is credit"),
        (429, b'{"error": {"message": "You exceeded your current quota"}}', "when there is credit"),
        (403, b'{"error": "no"}', "type --key-env NAME"),
        (404, b"404 page not found", r"does --url end as in \.\.\./v1"),
        (405, b"", "405: nothing"),
    ],
)
def test_what_all_questions_would_share_stops_the_run(server, status: int, body: bytes, says: str):
    served, url = server
    served.plans = [(status, {}, body)]
    with pytest.raises(EngineError, match=says):
        ask(url)


def test_a_redirect_is_not_followed(server):
    served, url = server
    served.plans = [(307, {"Location": "http://127.0.0.1:9/v1"}, b"")]
    with pytest.raises(EngineError, match=r"says 307: nothing\. It points to http://127\.0\.0\.1:9/v1"):
        ask(url)
    assert len(served.asked) == 1


def test_an_unknown_model_or_address_is_named(server):
    _, url = server
    with pytest.raises(EngineError, match=r"The model `huge` does not exist.*Is huge its name there"):
        ask(url, model="huge")
    with pytest.raises(EngineError, match="404 page not found"):
        ask(url.removesuffix("/v1"))


def test_the_key_comes_from_the_variable_and_is_never_repeated(server, monkeypatch: pytest.MonkeyPatch):
    served, url = server
    served.key = "sk-right"
    monkeypatch.setenv("TINY_KEY", "sk-right\n")
    assert ask(url, key_env="TINY_KEY").text
    monkeypatch.setenv("TINY_KEY", "sk-wrong")
    with pytest.raises(EngineError, match=r"401: Incorrect API key provided: \*\*\*") as error:
        ask(url, key_env="TINY_KEY")
    assert "sk-wrong" not in str(error.value)
    monkeypatch.setenv("TINY_KEY", " ")
    with pytest.raises(UsageError, match="--key-env TINY_KEY: that environment variable is empty"):
        ask(url, key_env="TINY_KEY")


@pytest.mark.parametrize("plan", ["html", "other", 400, 413, (200, {}, b'{"error": {"code": 400, "message": "odd"}}')])
def test_what_is_wrong_with_one_question_costs_a_row(server, plan):
    served, url = server
    served.plans = [plan]
    with pytest.raises(InferenceFailed) as error:
        ask(url)
    assert not isinstance(error.value, TryAgain)


def test_a_status_inside_a_good_answer_counts(server):
    served, url = server
    served.plans = [(200, {}, b'{"error": {"code": 503, "message": "upstream"}}')]
    with pytest.raises(TryAgain, match="says 503: upstream"):
        ask(url)


@pytest.mark.parametrize(
    "url", ["localhost:11434", "ftp://localhost/v1", "http://", "http://[::1/v1", "http://u:secret@localhost/v1",
            "http://localhost/v1?key=secret", "http://localhost:99999/v1"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str):
    with pytest.raises(UsageError, match="--url") as error:
        ask(url)
    assert "secret" not in str(error.value)


def test_where_nobody_listens_nothing_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(EngineError, match="nothing answers there"):
        Chat(f"http://127.0.0.1:{port}/v1", MODEL, None)


def test_offline_refuses_even_loopback(server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_OFFLINE", "1")
    with pytest.raises(UsageError, match="--offline"):
        ask(server[1])
    assert not server[0].asked


def test_a_proxy_is_not_asked_for_what_is_here(server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ask(server[1]).text


def test_no_time_left_sends_nothing(server):
    served, url = server
    with pytest.raises(InferenceFailed, match="no time is left") as error:
        Chat(url, MODEL, None).ask(QUESTION, time.monotonic())
    assert error.value.unpaid
    assert not served.asked


def test_halves_of_characters_do_not_come_in(server):
    served, url = server
    served.plans = [(200, {}, b'{"choices": [{"message": {"content": "a \\ud83d \\ud83d\\ude00"}}]}')]
    assert ask(url).text == "a ? \N{GRINNING FACE}"


def test_dialects_end():
    one, steps = Dialect(), 0
    while (one := one.without("response_format seed temperature max_tokens")) is not None:
        steps += 1
    assert steps == 5
