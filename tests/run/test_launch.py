from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from mediasift.cli import main
from mediasift.run import launch
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"cv2", "av", "PIL", "onnxruntime", "pypdfium2", "tqdm"}


def test_the_worker_that_waits_is_taken_once():
    launch.start_ahead("classify")
    (waiting,) = launch._ahead
    first, second = launch.take(), launch.take()
    try:
        assert first is waiting
        assert second is not waiting
    finally:
        for process, memory in (first, second):
            os.close(memory)
            process.kill()
            process.communicate()


def test_a_worker_that_nobody_takes_is_ended():
    launch.start_ahead("classify")
    ((waiting, _),) = launch._ahead
    launch.start_ahead("detect")
    assert waiting.poll() is not None
    ((waiting, _),) = launch._ahead
    launch.discard()
    assert waiting.poll() is not None
    assert launch._ahead == []


def test_a_command_that_is_refused_leaves_no_worker_behind(tmp_path: Path):
    done = CliRunner().invoke(main, ["classify", str(tmp_path), "--top", "none"])
    assert done.exit_code == 2
    assert launch._ahead == []


def test_a_worker_ends_quietly_when_its_job_never_comes():
    launch.start_ahead("classify")
    process, memory = launch.take()
    os.close(memory)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (0, b"", b"")


def test_a_worker_started_before_offline_was_read_obeys_it():
    """The order of the job says so; its environment did not."""
    environment = {name: value for name, value in os.environ.items() if name != "MEDIASIFT_OFFLINE"}
    code = (
        "import json, os, socket, sys\n"
        "from mediasift.run import worker\n"
        "from mediasift.errors import UsageError\n"
        "worker.job_from_json = lambda data: sys.exit()\n"
        "try:\n    worker._serve(None, iter([json.dumps({'offline': True})]), -1, [])\nexcept SystemExit:\n    pass\n"
        "print(os.environ['MEDIASIFT_OFFLINE'])\n"
        "try:\n    socket.create_connection(('127.0.0.1', 9))\nexcept UsageError:\n    print('refused')\n"
    )
    environment["PYTHONPATH"] = str(ROOT / "inference")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["1", "refused"]


def test_the_supervising_process_imports_nothing_that_decodes_or_computes(tmp_path: Path):
    picture = save(tmp_path / "a.png", scene(8, 8))
    model = write(tmp_path, mean_colour())
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mediasift", "classify", str(picture), "-m", str(model),
         "--format", "jsonl"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "inference")},
    )  # fmt: skip
    assert json.loads(done.stdout)["label"] in ("red", "green", "blue")
    names = re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE)
    imported = {name.partition(".")[0] for name in names}
    assert "click" in imported
    assert imported & HEAVY == set()


def test_reading_text_with_rapidocr_binds_no_address(package):
    package("rapidocr", "rapidocr")
    code = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event.startswith('socket.') and event != 'socket.__new__': print(event, arguments[1:])\n"
        "sys.addaudithook(hook)\n"
        "from mediasift.engines.engine import Resources\n"
        "from mediasift.engines.ocr.rapidocr import RapidOcr\n"
        "RapidOcr(None, Resources())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == ""
