"""What no command does: open a connection when offline, unpickle, write elsewhere, leave temporary files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from mediasift.cli import COMMANDS, main
from mediasift.errors import UsageError
from mediasift.system.network import is_offline, refuse_if_offline
from tests.pictures import save, scene, solid
from tests.spy import assert_harmless, did, watching
from tests.tiny_models import mean_colour, write

ROOT = Path(__file__).resolve().parents[2]


def spied(tmp_path: Path, *arguments: str, cwd: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A command's result, and what it did: sockets, unpickling, files opened for writing."""
    environment = watching(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mediasift", *arguments], capture_output=True, text=True, check=False, cwd=cwd,
        env=environment,
    )  # fmt: skip
    return done, did(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with pictures, a model, and a folder for outputs."""
    place = tmp_path / "place"
    (place / "photos").mkdir(parents=True)
    (place / "out").mkdir()
    for number in range(2):
        save(place / "photos" / f"{number}.png", scene(8, 8, seed=number))
    for number in range(24):
        folder = place / "labelled" / ("red" if number % 2 else "blue")
        folder.mkdir(parents=True, exist_ok=True)
        save(
            folder / f"{number}.png",
            scene(32, 32, seed=number) // 3 + solid((150, 0, 0) if number % 2 else (0, 0, 150), 32, 32),
        )
    frames = [Image.fromarray(scene(16, 16, seed=seed)) for seed in (1, 1, 1, 2, 2, 2)]
    frames[0].save(place / "clip.gif", save_all=True, append_images=frames[1:], duration=100)
    with wave.open(str(place / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(bytes(32000))
    (place / "told.csv").write_text("path,text\na.png,one two\n")
    (place / "true.csv").write_text("path,text\na.png,one too\n")
    (place / "labels.csv").write_text(
        "path,page,frame,time_s,rank,label,score,error\nphotos/0.png,,,,1,red,0.9,\nphotos/1.png,,,,1,blue,0.8,\n"
    )
    (place / "coded.csv").write_text(
        "path,page,frame,time_s,coder,label\n"
        + "".join(f"photos/{number}.png,,,,{coder},red\n" for number in range(2) for coder in "ab")
    )
    (place / "book.yaml").write_text("name: n\nvariables:\n  - {name: animal, question: Which, values: [cat, dog]}\n")
    (place / "drawing.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="http://example.org/x.png"/></svg>'
    )
    write(place, mean_colour())
    return place


def test_a_run_writes_beside_its_output_only_and_opens_no_connection(tmp_path: Path, place: Path):
    done, seen = spied(tmp_path, "classify", "photos", "-m", "tiny.onnx", "-o", "out/out.csv", cwd=place)
    assert done.returncode == 0, done.stderr
    assert [line for line in seen if not line.startswith("write ")] == []
    written = {line.split(" ", 1)[1] for line in seen} - {"descriptor", os.devnull}
    assert all(Path(path).parent == place / "out" for path in written), written
    assert list((tmp_path / "tmp").iterdir()) == []
    assert sorted(path.name for path in (place / "out").iterdir()) == ["out.csv", "out.csv.run.json"]


COMMAND_LINES = {
    "classify": [["classify", "photos", "-m", "tiny.onnx"], ["classify", "photos", "-m", "resnet50-v1-12"]],
    "models": [
        ["models", "list"],
        ["models", "pull", "squeezenet1.1-7"],
        ["models", "show", "tiny.onnx"],
        ["models", "verify"],
    ],
    "info": [["info", "photos", "clip.gif"]],
    "convert": [["convert", "photos", "drawing.svg", "-d", "out/copies", "--resize", "50%"]],
    "compare": [["compare", "photos"], ["compare", "photos", "--method", "tiny.onnx", "--layer", "y"]],
    "duplicates": [
        ["duplicates", "photos", "--index", "out/index"],
        ["duplicates", "photos", "--match", "pixels", "-o", "out/same.csv"],
    ],
    "search": [["search", "photos/0.png", "--in", "photos"], ["search", "photos/0.png", "--in", "clip.gif"]],
    "embed": [
        ["embed", "photos", "-m", "fashion-mlp", "-o", "out/vectors.npz"],
        ["embed", "photos", "-m", "tiny.onnx"],
    ],
    "detect": [["detect", "photos", "-m", "tiny.onnx"], ["detect", "photos", "-m", "yolov3-12"]],
    "keyframes": [["keyframes", "clip.gif", "-d", "out"]],
    "shots": [["shots", "clip.gif"], ["shots", "clip.gif", "--summary"]],
    "timeline": [["timeline", "clip.gif", "--vtt", "out"]],
    "ocr": [["ocr", "photos", "--engine", "rapidocr"], ["ocr", "photos"]],
    "transcribe": [
        ["transcribe", "sound.wav"],
        ["transcribe", "sound.wav", "--engine", "google", "--project", "p", "--yes"],
    ],
    "train": [
        ["train", "labelled", "-o", "out/my.onnx", "--backbone", "tiny.onnx", "--layer", "y", "--index", "out/index"]
    ],
    "evaluate": [["evaluate", "told.csv", "true.csv"]],
    "bench": [
        ["bench", "photos", "-m", "tiny.onnx", "--seconds", "0.02", "--cold", "1", "-o", "out/a.json"],
        ["bench", "-m", "tiny.onnx", "--seconds", "0.02", "--cold", "0", "--no-explain", "--pictures", "2"],
        ["bench", "compare", "out/a.json", "out/a.json"],
    ],
    "segment": [["segment", "photos", "-m", "tiny.onnx"]],
    "sample": [["sample", "labels.csv", "-n", "2", "-d", "out/coding"]],
    "agree": [["agree", "coded.csv"]],
    "prevalence": [["prevalence", "labels.csv", "coded.csv", "--coder", "a"]],
    "doctor": [["doctor"]],
    "look": [["look", "labels.csv", "-d", "out/page"]],
    "tag": [
        ["tag", "photos", "--engine", "google-vision", "--yes"],
        ["tag", "photos", "--engine", "codebook", "--codebook", "book.yaml", "--url", "http://127.0.0.1:9/v1",
         "--model", "m"],
    ],
    "merge": [
        ["info", "photos", "--shard", "1/1", "-o", "out/part.csv"],
        ["merge", "out/part.csv", "-o", "out/all.csv"],
    ],
    "cite": [["info", "photos", "-o", "out/info.csv"], ["cite", "out/info.csv.run.json", "-d", "out/paper"]],
    "rerun": [["info", "photos", "-o", "out/info.csv"], ["rerun", "out/info.csv.run.json"]],
}  # fmt: skip

ELSEWHERE = {"serve", "watch", "demo"}
"""Commands that go on until a signal ends them, which `tests/serve` and `tests/run/test_watch` watch; and the tour, a
dozen commands, which `tests/demo/test_tour` watches as it looks at what they make."""


def test_every_command_is_watched():
    assert set(COMMAND_LINES) == set(COMMANDS) - ELSEWHERE


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_offline_no_command_opens_a_connection_or_unpickles(tmp_path: Path, place: Path, command: str):
    for arguments in COMMAND_LINES[command]:
        done, seen = spied(tmp_path, *arguments, cwd=place)
        assert done.returncode in (0, 1, 2, 4, 5, 7), done.stderr
        assert "Traceback" not in done.stderr
        assert_harmless(seen, tmp_path, place)


def test_the_spy_sees_what_it_is_there_for(tmp_path: Path):
    shutil.rmtree(tmp_path / "spy", ignore_errors=True)
    spied(tmp_path, "--version", cwd=tmp_path)
    code = (
        "import socket, pickle, pathlib\npathlib.Path('x').write_text('')\n"
        "pickle.loads(pickle.dumps(pathlib.Path('y')))\nsocket.socket().connect_ex(('127.0.0.1', 1))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "spy"), "SPY_LOG": str(tmp_path / "spy.log")}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    seen = (tmp_path / "spy.log").read_text()
    assert all(event in seen for event in ("socket.connect", "pickle.find_class", "write "))


def test_offline_is_for_one_command(monkeypatch: pytest.MonkeyPatch, place: Path):
    monkeypatch.delenv("MEDIASIFT_OFFLINE", raising=False)
    monkeypatch.chdir(place)
    done = CliRunner().invoke(main, ["classify", "photos", "-m", "tiny.onnx", "--offline"], catch_exceptions=False)
    assert done.exit_code == 0
    assert not is_offline()
    monkeypatch.setenv("MEDIASIFT_OFFLINE", "1")
    with pytest.raises(UsageError, match="needs the network"):
        refuse_if_offline("fetching a model")


def test_a_worker_that_is_offline_cannot_connect(tmp_path: Path):
    code = (
        "from mediasift.system.network import forbid_sockets\nimport socket\nforbid_sockets()\n"
        "try:\n    socket.create_connection(('127.0.0.1', 1))\nexcept Exception as error:\n    print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "--offline" in done.stdout
