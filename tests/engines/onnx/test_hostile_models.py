"""Model files that mean harm, or are only broken: a clear exit 4, nothing read outside the folder, the caller lives."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.engines.onnx.description import METADATA_KEY
from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.session import load_model
from mediasift.errors import ModelError
from tests.pictures import save, scene
from tests.tiny_models import COLOURS, mean_colour, model, node, value_info, write

DESCRIBED = {METADATA_KEY: COLOURS.to_json()}
X, Y = value_info("x", ("N", 3, 8, 8)), value_info("y", ("N", 3))


def external(location: str) -> bytes:
    """A model whose one tensor lies in another file."""
    data = b"".join(
        encode(13, encode(1, key) + encode(2, value))
        for key, value in ((b"location", location.encode()), (b"length", b"12"))
    )
    tensor = encode(1, 3) + encode(2, 1) + encode(8, b"w") + data + encode(14, 1)
    add = node("Add", ("m", "w"), ("y",))
    return model([_mean("m"), add], [X], [Y], initializers=(tensor,), metadata=DESCRIBED)


def _mean(output: str) -> bytes:
    from tests.tiny_models import integer, integers

    attributes = integers("axes", (2, 3)) + integer("keepdims", 0)
    return node("ReduceMean", ("x",), (output,), attributes=attributes)


def cyclic() -> bytes:
    return model([node("Abs", ("b",), ("a",)), node("Abs", ("a",), ("b",)), _mean("y")], [X], [Y], metadata=DESCRIBED)


def wrong_types() -> bytes:
    text = value_info("y", ("N", 3), 8)
    return model([_mean("y")], [X], [text], metadata=DESCRIBED)


def custom_operator() -> bytes:
    return model([node("Evil", ("x",), ("y",), domain="com.example")], [X], [Y], metadata=DESCRIBED)


def unknown_operator() -> bytes:
    return model([node("NoSuchOperator", ("x",), ("y",))], [X], [Y], metadata=DESCRIBED)


def missing_input() -> bytes:
    return model([node("Add", ("x", "nowhere"), ("y",))], [X], [Y], metadata=DESCRIBED)


def nested() -> bytes:
    """Graphs in graphs in graphs."""
    inner = encode(1, node("Abs", ("x",), ("y",))) + encode(2, b"g")
    for _ in range(3000):
        attribute = encode(5, encode(1, b"then_branch") + encode(6, inner) + encode(20, 5))
        inner = encode(1, node("If", ("x",), ("y",), attributes=attribute)) + encode(2, b"g")
    return encode(1, 8) + encode(7, inner + encode(11, X) + encode(12, Y)) + encode(8, encode(2, 13))


MODELS: dict[str, Callable[[], bytes]] = {
    "empty": bytes,
    "text": lambda: b"<html>404 not found</html>",
    "truncated": lambda: mean_colour()[:-40],
    "cut in the header": lambda: mean_colour()[:7],
    "cyclic": cyclic,
    "wrong types": wrong_types,
    "custom operator": custom_operator,
    "unknown operator": unknown_operator,
    "missing input": missing_input,
    "nested": nested,
    "data above": lambda: external("../secret"),
    "data above, hidden": lambda: external("folder/../../secret"),
    "data at an absolute path": lambda: external("/etc/passwd"),
    "data nowhere": lambda: external("nothing.bin"),
}


@pytest.mark.parametrize("name", MODELS)
def test_exit_4_and_the_caller_lives(tmp_path: Path, name: str):
    path = write(tmp_path, MODELS[name]())
    (tmp_path.parent / "secret").write_bytes(bytes(12))
    save(tmp_path / "a.png", scene(8, 8))
    with pytest.raises(ModelError, match=r"tiny\.onnx"):
        load_model(path)
    done = CliRunner().invoke(main, ["classify", str(tmp_path / "a.png"), "-m", str(path)], catch_exceptions=False)
    assert done.exit_code == 4, done.stderr
    assert done.stdout == ""
    assert "tiny.onnx" in done.stderr
    for command in (["models", "show", str(path)], ["models", "describe", str(path), "--size", "8x8"]):
        assert CliRunner().invoke(main, command, catch_exceptions=False).exit_code in (0, 4)


def test_too_many_nodes_are_refused(tmp_path: Path):
    path = write(tmp_path, model([node("Abs", ("x",), ("y",))] * 200_001, [X], [Y], metadata=DESCRIBED))
    with pytest.raises(ModelError, match=r"tiny\.onnx: .* more than 200,000 nodes"):  # the same for every command
        load_model(path)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX systems")
@pytest.mark.parametrize("how", ["symlink", "hard link", "pipe", "symlinked folder", "folder", "device"])
def test_data_files_that_lead_elsewhere(tmp_path: Path, how: str):
    folder, secret = tmp_path / "model", tmp_path / "secret.bin"
    folder.mkdir()
    secret.write_bytes(bytes(12))
    location = "data.bin"
    if how == "symlink":
        (folder / location).symlink_to(secret)
    elif how == "hard link":
        os.link(secret, folder / location)
    elif how == "pipe":
        os.mkfifo(folder / location)
    elif how == "symlinked folder":
        (folder / "sub").symlink_to(tmp_path)
        location = "sub/secret.bin"
    elif how == "folder":
        (folder / location).mkdir()
    else:
        (folder / location).symlink_to("/dev/zero")
    path = write(folder, external(location))
    with pytest.raises(ModelError, match="refused"):
        load_model(path)


def test_data_beside_the_model_is_read(tmp_path: Path):
    import numpy as np

    (tmp_path / "data.bin").write_bytes(np.array([1, 2, 3], np.float32).tobytes())
    loaded = load_model(write(tmp_path, external("data.bin")))
    assert loaded.run(np.zeros((1, 3, 8, 8), np.float32)).tolist() == [[1, 2, 3]]


def test_a_model_that_is_a_pipe_or_gone(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.onnx")
    for name in ("pipe.onnx", "gone.onnx"):
        done = CliRunner().invoke(main, ["classify", "a.png", "-m", str(tmp_path / name)], catch_exceptions=False)
        assert done.exit_code == 4
        assert name in done.stderr
