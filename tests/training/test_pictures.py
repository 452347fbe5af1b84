from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mediasift.engines.onnx.description import InputDescription
from mediasift.errors import InputError, UsageError
from mediasift.sources.labelled import Labelled, read_labelled
from mediasift.train.pictures import set_sha256
from tests.pictures import save, scene, solid
from training.pictures import read_pictures, readable, split

SMALL = InputDescription(width=8, height=8, fit="stretch")


def labelled(*labels: tuple[str, ...] | str) -> Labelled:
    given = tuple((one,) if isinstance(one, str) else one for one in labels)
    files = tuple(Path(f"{number}.png") for number in range(len(given)))
    return Labelled(name="set", files=files, labels=given)


def test_pictures_come_at_their_size_in_order_and_broken_ones_with_their_reason(tmp_path: Path):
    files = [save(tmp_path / "b.png", solid((1, 2, 3))), tmp_path / "missing.png", save(tmp_path / "a.jpg", scene())]
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    (tmp_path / "list.txt").write_text("a.jpg\n")
    read = list(read_pictures([*files, tmp_path / "broken.jpg", tmp_path / "list.txt"], SMALL))
    assert [position for position, _, _ in read] == [0, 1, 2, 3, 4]
    assert read[0][1].shape == (8, 8, 3)
    assert (read[0][1] == (1, 2, 3)).all()
    assert [error.partition(":")[0] for _, _, error in read] == ["", "not-found", "", "damaged", "not a picture"]


def test_the_split_is_stratified_seeded_and_leaves_nothing_out():
    data = labelled(*["cat"] * 40, *["dog"] * 10, *["emu"] * 2)
    train, test = split(data, range(52), test_share=0.2, seed=1)
    assert test.targets.sum(axis=0).tolist() == [8, 2, 1]
    assert train.targets.sum(axis=0).tolist() == [32, 8, 1]
    assert sorted((*train.files, *test.files)) == sorted(data.files)
    assert split(data, range(52), test_share=0.2, seed=1)[1].files == test.files
    assert split(data, range(52), test_share=0.2, seed=2)[1].files != test.files


def test_the_split_of_several_labels_follows_the_rarest():
    data = labelled(*[("cat", "dog")] * 10, *["cat"] * 20, *[()] * 5)
    train, test = split(data, range(35), test_share=0.2, seed=0)
    assert test.targets.tolist().count([True, True]) == 2
    assert len(test.files) == 2 + 4 + 1
    assert train.targets.sum(axis=0).tolist() == [24, 8]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_leaves_nothing_is_refused(share: float):
    with pytest.raises(UsageError, match="test-share"):
        split(labelled("a", "a", "b", "b"), range(4), test_share=share, seed=0)


def test_a_label_with_one_readable_picture_is_refused(capsys: pytest.CaptureFixture[str]):
    data = labelled("cat", "cat", "dog", "dog")
    assert readable(data, {}) == [0, 1, 2, 3]
    with pytest.raises(InputError, match="1 readable pictures of 'dog'"):
        readable(data, {3: "damaged: no JPEG"})
    assert capsys.readouterr().out == "left out: 3.png: damaged: no JPEG\n"
    with pytest.raises(InputError, match="0 readable pictures of 'cat'"):
        readable(data, {0: "empty", 1: "empty"})
    with pytest.raises(InputError, match="only one label"):
        readable(labelled("cat", "cat"), {})


def test_the_hash_of_a_set_knows_its_content_and_labels(tmp_path: Path):
    save(tmp_path / "a.png", solid((1, 2, 3)))
    table = tmp_path / "l.csv"
    table.write_text("path,label\na.png,cat\n")
    first = set_sha256(read_labelled(table))
    assert set_sha256(read_labelled(table)) == first
    table.write_text("path,label\na.png,dog\n")
    second = set_sha256(read_labelled(table))
    save(tmp_path / "a.png", solid((1, 2, 4)))
    assert len({first, second, set_sha256(read_labelled(table))}) == 3


def test_gray_models_get_gray_pictures(tmp_path: Path):
    gray = InputDescription(width=4, height=4, fit="stretch", colour="gray")
    ((_, pixels, _),) = read_pictures([save(tmp_path / "a.png", solid((255, 255, 255)))], gray)
    assert pixels.shape == (4, 4)
    assert (np.asarray(pixels) == 255).all()
