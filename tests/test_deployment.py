"""The container and its page, as far as there is no Docker daemon: files, commands, probes, the health check."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
import yaml

from mediasift.cli import main
from tests.test_build import build

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text()).splitlines()
STEPS = [line.partition(" ")[::2] for line in LINES if line and not line.startswith("#")]
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def steps(kind: str) -> list[str]:
    return [text.strip() for one, text in STEPS if one == kind]


def copied() -> list[str]:
    """What comes from the folder of the build."""
    return [name for text in steps("COPY") if "--from=" not in text for name in shlex.split(text)[:-1]]


def is_ignored(path: str) -> bool:
    """As Docker says: the last rule that fits a path, or a folder above it, counts."""
    parts = path.split("/")
    above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    ignored = False
    for rule in IGNORED:
        pattern = rule.lstrip("!")
        if any(fnmatch(one, pattern) or fnmatch(f"/{one}", f"*{pattern[2:]}" if pattern[:2] == "**" else pattern)
               for one in above):  # fmt: skip
            ignored = not rule.startswith("!")
    return ignored


def test_what_is_copied_is_there_and_nothing_else_goes_to_the_daemon():
    assert copied()
    for name in copied():
        assert (ROOT / name).exists(), name
        assert not is_ignored(name), name
    assert {rule[1:] for rule in IGNORED if rule.startswith("!")} == set(copied())
    for name in (".git", ".venv/bin/python", "tests/conftest.py", "docs/reference.md", "examples/a.jpg", "labels.csv",
                 "inference/mediasift/__pycache__/a.pyc", "inference/x.journal.jsonl", ".env"):  # fmt: skip
        assert is_ignored(name), name
    assert not is_ignored("inference/mediasift/cli/__init__.py")


def test_the_wheel_is_made_of_what_is_copied_and_nothing_else(tmp_path: Path):
    folder = tmp_path / "src"
    folder.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    wheel, printed = build(folder)
    assert wheel is not None, printed
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("mediasift/cli/__init__.py", "mediasift/exported_models/registry.toml",
                 "mediasift/exported_models/efficientnet-lite0-int8.onnx"):  # fmt: skip
        assert name in names
    assert wheel.name.startswith("mediasift-")


def test_the_rules_of_lean_and_safe_images():
    """Rules of hadolint by their numbers, and those of the CIS benchmark for images."""
    assert [kind for kind, _ in STEPS if kind in ("ADD", "MAINTAINER", "VOLUME")] == []  # DL3020, DL4000
    assert re.search(r"^\d+\.\d+\.\d+-slim-\w+$", steps("ARG")[0].partition("=")[2])  # DL3006, DL3007: a pinned tag
    assert all(text.startswith("python:${PYTHON}") for text in steps("FROM"))
    assert len(steps("USER")) == 1
    user, group = map(int, steps("USER")[0].split(":"))  # a number, so that runAsNonRoot can be checked
    assert min(user, group) >= 10000  # DL3002
    last = [kind for kind, _ in STEPS][::-1].index("FROM")
    final = STEPS[-last:]
    assert [kind for kind, _ in final].index("COPY") < [kind for kind, _ in final].index("USER")
    assert not [kind for kind, _ in final if kind == "RUN"]  # nothing is installed there: no pip cache, no compiler
    for kind in ("ENTRYPOINT", "CMD"):
        assert isinstance(json.loads(steps(kind)[0]), list)  # DL3025: signals reach the program
    assert all(text.startswith("/") for text in steps("WORKDIR"))  # DL3000
    assert all("--no-cache-dir" in text for text in steps("RUN"))  # DL3042
    assert len(steps("HEALTHCHECK")) == 1


@pytest.fixture
def service() -> Iterator[tuple[HTTPServer, list[str]]]:
    """A server at a free port whose next status is its attribute `status`, and the paths it was asked for."""
    asked: list[str] = []

    class Server(HTTPServer):
        status = 200

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *arguments) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server, asked
        server.shutdown()
        thread.join()


def test_the_health_check_follows_the_status(service):
    server, asked = service
    words = json.loads(steps("HEALTHCHECK")[0].partition("CMD")[2])
    assert words[0] == "python"
    code = words[2].replace(":8000/", f":{server.server_port}/")
    assert code != words[2]
    for status, expected in ((200, 0), (503, 1), (404, 1)):
        server.status = status
        done = subprocess.run([sys.executable, "-I", "-c", code], check=False, stderr=subprocess.DEVNULL)
        assert done.returncode == expected
    assert set(asked) == {"/v2/health/ready"}


def check_command(words: list[str]) -> dict:
    """The options of a command line of mediasift, which must be right."""
    name, *rest = words
    command = main.get_command(click.Context(main), name)
    assert command is not None, words
    if isinstance(command, click.Group):  # watch
        command = command.commands[rest.pop(0) if rest[0] in command.commands else "classify"]
    with command.make_context(name, rest) as context:
        return context.params


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_of_the_image_and_of_the_page_are_commands_of_mediasift():
    lines = [line for block in blocks("bash") for line in re.sub(r"\\\n\s*", " ", block).splitlines()]
    ran = [shlex.split(line, comments=True) for line in lines if "docker run" in line]
    runs = [words[words.index("mediasift") + 1 :] for words in ran]
    assert len(runs) == 3
    listening = json.loads(steps("CMD")[0])
    for words in (listening, *(words or listening for words in runs)):
        check_command(words)
    assert f"EXPOSE {check_command(listening)['port']}" in LINES
    extras = [*re.findall(r"EXTRAS=([\w,-]+)", PAGE), steps("ARG")[1].partition("=")[2]]
    known = re.findall(r"^([\w-]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert {one for extra in extras for one in extra.split(",")} <= set(known)


def test_the_deployment_runs_the_image_as_the_image_is():
    deployment, service = yaml.safe_load_all(blocks("yaml")[0])
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    chosen = check_command(container["args"])
    (port,) = container["ports"]
    assert port["containerPort"] == chosen["port"] == int(steps("EXPOSE")[0])
    assert pod["terminationGracePeriodSeconds"] > chosen["request_timeout_s"]
    assert f"{pod['securityContext']['runAsUser']}:" in steps("USER")[0]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/v2/health/ready", "readinessProbe": "/v2/health/ready",
                     "livenessProbe": "/v2/health/live"}  # fmt: skip
    assert {container[name]["httpGet"]["port"] for name in paths} == {port["name"]}
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert [one["name"] for one in pod["volumes"]] == [one["name"] for one in container["volumeMounts"]]


def test_the_units_of_systemd_start_commands_of_mediasift():
    units = blocks("ini")
    assert len(units) == 2
    for text in units:
        unit = configparser.ConfigParser(strict=True, interpolation=None)
        setattr(unit, "optionxform", str)  # noqa: B010  (names with capitals, which its types forbid)
        unit.read_string(text)
        program, *words = shlex.split(unit["Service"]["ExecStart"])
        assert program.startswith("/")
        assert program.endswith("/mediasift")
        chosen = check_command(words)
        assert int(unit["Service"]["TimeoutStopSec"]) > chosen.get("request_timeout_s", 0)
        assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_make_image_builds_this_file():
    rule = (ROOT / "Makefile").read_text().partition("\nimage:\n\t")[2].splitlines()[0]
    assert rule == "docker build --tag mediasift ."
    assert rule in PAGE
