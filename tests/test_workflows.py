"""What runs on the project's own machines: that the files can be read, and that every command in them exists.

That a workflow works there is shown only by a run there.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import skip
from tests.release import NEWEST, OLDEST, ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def load(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def commands(workflow) -> list[str]:
    """Every command of its jobs, those of a matrix too."""
    lists = [job.get("strategy", {}).get("matrix", {}).get("command", []) for job in workflow["jobs"].values()]
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    return [*runs, *(one for several in lists for one in several)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_command_of_a_workflow_exists(path: Path):
    targets = re.findall(r"^([\w.$()/-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    every = commands(load(path))
    assert every
    for command in every:
        for target in re.findall(r"\bmake ([\w./-]+)", command):
            assert target.replace(".venv", "$(VENV)") in targets or target in targets, command
        for module in re.findall(r"python -m ((?:tests|benchmarks|docs)[\w.]*)", command):
            assert importlib.util.find_spec(module), command
        for file in re.findall(r"\b(?:tests|docs|benchmarks)/[\w/.]+", command):
            assert (ROOT / file).exists(), command


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_no_more_than_it_must(path: Path):
    workflow = load(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        assert job["runs-on"]
        assert job.get("permissions", {}) in ({}, {"contents": "read"}) or name == "publish"
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_publishing_needs_no_password_and_attests_what_make_release_has_tried():
    jobs = load(GITHUB / "workflows" / "publish.yml")["jobs"]
    tried = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert any(command.startswith("make release") for command in tried)
    publish = jobs["publish"]
    assert (publish["needs"], publish["permissions"]) == ("build", {"id-token": "write"})
    assert publish["steps"][-1]["with"] == {"attestations": True}
    assert not [step for step in publish["steps"] if "run" in step]  # nothing of ours runs where it may publish


def test_every_python_that_is_named_is_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [one.rpartition(" ")[2] for one in project["classifiers"] if "Python :: 3." in one]
    assert named == [f"3.{minor}" for minor in range(OLDEST, NEWEST + 1)]
    assert project["requires-python"] == f">={named[0]}"
    assert load(GITHUB / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == named


def test_the_nightly_run_tries_every_long_check():
    nightly = " ".join(commands(load(GITHUB / "workflows" / "nightly.yml")))
    for check in ("crash", "kills", "cluster_kills", "serve_load", "memory", "fuzz"):
        assert re.search(rf"make {check}\b|tests\.{check}\b", nightly), check
    assert "make audit" in nightly


def test_the_nightly_run_tries_the_whole_of_each_sample():
    nightly = (GITHUB / "workflows" / "nightly.yml").read_text(encoding="utf-8")
    samples = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__) and
               re.search(r"\bWHOLE\b|MEDIASIFT_EXAMPLES", path.read_text(encoding="utf-8"))]  # fmt: skip
    assert len(samples) > 10
    for path in samples:
        assert path.relative_to(ROOT).as_posix() in nightly, path


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_for_issues_are_complete(path: Path):
    form = load(path)
    assert form["name"]
    assert form["description"]
    questions = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in questions} == {"textarea"}
    assert all(part["attributes"]["label"] for part in questions)
    assert len({part["id"] for part in questions}) == len(questions)
    assert any(part.get("validations", {}).get("required") for part in questions)


def test_the_lock_file_holds_everything_that_is_installed_for_development():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(one for several in project["optional-dependencies"].values() for one in several),
    ]
    names = {plain(re.split(r"[\[<>=;]", one)[0]) for one in wanted} - {"mediasift"}
    lock = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    locked = [line for line in lock.splitlines() if not line.startswith("#")]
    assert names <= {plain(line.split("==")[0]) for line in locked}
    assert all(re.fullmatch(r"[\w.-]+==[\w.!+]+( ; .+)?", line) for line in locked)  # no address, no path


def plain(name: str) -> str:
    """A package's name as an index knows it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def test_the_hooks_mend_and_refuse_what_make_check_refuses(tmp_path: Path):
    if shutil.which("git") is None:
        skip("git is not installed: apt-get install git")
    files = {"pyproject.toml": ROOT / "pyproject.toml", ".pre-commit-config.yaml": ROOT / ".pre-commit-config.yaml"}
    for name, source in files.items():
        shutil.copy(source, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    bad = tmp_path / "bad.py"
    bad.write_text('"""A module."""\nimport os\nx = {  "a":1 }\n', encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "bad.py", ".pre-commit-config.yaml"], cwd=tmp_path, check=True)
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "HOME": str(tmp_path),
        "PRE_COMMIT_HOME": str(tmp_path / "store"),
    }
    for hook, mended in (("format", 'x = {"a": 1}'), ("lint", None)):
        done = subprocess.run([sys.executable, "-m", "pre_commit", "run", hook, "--all-files"], cwd=tmp_path,
                              env=environment, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        if mended:
            assert mended in bad.read_text(encoding="utf-8")
    assert "import os" not in bad.read_text(encoding="utf-8")
