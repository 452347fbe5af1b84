from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.engines.onnx.onnx_file import check_external_data, read_facts, sha256
from mediasift.engines.onnx.protobuf import encode, varints, walk
from mediasift.errors import ModelError, ModelNotFound
from tests.tiny_models import mean_colour, model, node, value_info, write


def test_facts_agree_with_the_onnx_package(test_data: Path):
    onnx = pytest.importorskip("onnx")
    for path in (test_data / "models").glob("*.onnx"):
        theirs = onnx.load(path)
        ours = read_facts(path)
        assert [node.op_type for node in ours.nodes] == [node.op_type for node in theirs.graph.node]
        assert [tensor.shape for tensor in ours.initializers] == [tuple(t.dims) for t in theirs.graph.initializer]
        assert ours.opsets == {entry.domain: entry.version for entry in theirs.opset_import}
        assert list(ours.outputs) == [value.name for value in theirs.graph.output]


def test_metadata_and_nodes(tmp_path: Path):
    facts = read_facts(write(tmp_path, mean_colour()))
    assert list(facts.metadata) == ["mediasift"]
    assert [node.op_type for node in facts.nodes] == ["ReduceMean"]
    assert (facts.inputs, facts.outputs) == (("x",), ("y",))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files(tmp_path: Path, share: float):
    data = mean_colour()
    with pytest.raises(ModelError, match=r"tiny\.onnx"):
        read_facts(write(tmp_path, data[: int(len(data) * share)]))


def test_no_files(tmp_path: Path):
    with pytest.raises(ModelNotFound):
        read_facts(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match="empty"):
        read_facts(write(tmp_path, b""))
    with pytest.raises(ModelError, match="not a usable ONNX file"):
        read_facts(write(tmp_path, b"this is text, not a model"))
    with pytest.raises(ModelError, match="a folder, not a file"):
        read_facts(tmp_path)


def test_a_fifo_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelError, match="a pipe, socket or device, not a file"):
        read_facts(tmp_path / "pipe.onnx")


def test_too_many_nodes_and_too_deep_graphs(tmp_path: Path):
    many = encode(7, encode(1, node("Abs", ("x",), ("y",))) * 200_001)
    with pytest.raises(ModelError, match="more than 200,000 nodes"):
        read_facts(write(tmp_path, many))
    graph = encode(1, node("Abs", ("x",), ("y",)))
    for _ in range(40):
        graph = encode(1, encode(4, b"If") + encode(5, encode(6, graph)))
    with pytest.raises(ModelError, match="nested"):
        read_facts(write(tmp_path, encode(7, graph)))


def external(location: str) -> bytes:
    """A model with one tensor whose data lie elsewhere."""
    entry = encode(1, b"location") + encode(2, location.encode())
    tensor = encode(1, 1) + encode(2, 1) + encode(8, b"w") + encode(13, entry) + encode(14, 1)
    nodes = [node("Add", ("x", "w"), ("y",))]
    return model(nodes, [value_info("x", (1,))], [value_info("y", (1,))], initializers=(tensor,))


def test_external_data_inside_the_folder_is_fine(tmp_path: Path):
    (tmp_path / "weights.bin").write_bytes(b"\0\0\x80\x3f")
    path = write(tmp_path, external("weights.bin"))
    check_external_data(path, read_facts(path))


@pytest.mark.parametrize("how", ["..", "absolute", "symlink", "hardlink", "fifo", "missing", "folder"])
def test_external_data_elsewhere_are_refused(tmp_path: Path, how: str):
    outside = tmp_path / "outside.bin"
    outside.write_bytes(b"\0\0\x80\x3f")
    folder = tmp_path / "model"
    folder.mkdir()
    inside = folder / "w.bin"
    location = {"..": "../outside.bin", "absolute": str(outside)}.get(how, "w.bin")
    if how == "symlink":
        inside.symlink_to(outside)
    elif how == "hardlink":
        os.link(outside, inside)
    elif how == "fifo":
        os.mkfifo(inside)
    elif how == "folder":
        inside.mkdir()
    path = write(folder, external(location))
    with pytest.raises(ModelError, match=r"refused|cannot be read"):
        check_external_data(path, read_facts(path))


def test_sha256(tmp_path: Path):
    assert sha256(write(tmp_path, b"abc")).startswith("ba7816bf8f01cfea")


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_walk_to_an_end_or_an_error(data: bytes):
    try:
        list(walk(memoryview(data)))
    except ModelError as error:
        assert str(error)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5))
def test_integers_come_back(numbers: list[int]):
    data = b"".join(encode(3, number) for number in numbers)
    assert [varints([value])[0] for _, _, value in walk(memoryview(data))] == numbers
