"""A tiny pair with random weights, and what Transformers' formulas make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import (
    InputDescription,
    ModelDescription,
    OutputDescription,
    TextDescription,
)
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.pair import TextHalf
from mediasift.errors import DescriptionError, ModelNotFound, UsageError
from tests.pictures import scene
from tests.tiny_models import integer, integers, model, node, stored, value_info, write

WORDS = ["[UNK]", "[BOS]", "[EOS]", "[PAD]", "a", "photo", "of", "protest", "portrait", "ship", "red", "crowd"]
WIDTH = 6
RANDOM = np.random.default_rng(11)
EMBEDDING = RANDOM.standard_normal((len(WORDS), WIDTH)).astype(np.float32)
PROJECTION = RANDOM.standard_normal((3, WIDTH)).astype(np.float32)
PICTURES = [scene(40, 30, seed) for seed in range(3)]
TEXTS = ["a protest", "a portrait", "a red ship"]


@pytest.fixture
def pair(tmp_path: Path, package) -> Path:
    """Texts: the mean of their tokens' rows of a table. Pictures: their mean colour, projected."""
    tokenizers = package("tokenizers", "text-labels")
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 1), ("[EOS]", 2)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    gather = node("Gather", ("table", "input_ids"), ("rows",))
    mean = node("ReduceMean", ("rows",), ("text_embeds",), attributes=integers("axes", (1,)) + integer("keepdims", 0))
    text = model([gather, mean], [value_info("input_ids", (1, "T"), 7)], [value_info("text_embeds", (1, WIDTH))],
                 initializers=(stored("table", EMBEDDING),))  # fmt: skip
    write(tmp_path, text, "text.onnx")
    colour = node("ReduceMean", ("x",), ("c",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0))
    project = node("MatMul", ("c", "w"), ("image_embeds",))
    picture = model([colour, project], [value_info("x", ("N", 3, 8, 8))], [value_info("image_embeds", ("N", WIDTH))],
                    initializers=(stored("w", PROJECTION),))  # fmt: skip
    return write(tmp_path, picture, "vision.onnx")


def described(path: Path, **text) -> ModelDescription:
    description = ModelDescription(
        task="embed",
        input=InputDescription(width=8, height=8, fit="stretch", scale=1 / 255),
        output=OutputDescription(values="embedding"),
        text=TextDescription(**{"model": "text.onnx", "tokenizer": "tokenizer.json", "scores": "softmax",
                                "scale": 100.0, **text}),
    )  # fmt: skip
    describe_model(path, description, force=True)
    return description


def cosines(texts: list[str], *, pad_to: int = 0) -> np.ndarray:
    """By numpy: normalised means of the rows of their tokens, against normalised projected mean colours."""
    import cv2

    rows = []
    for text in texts:
        ids = [1, *(WORDS.index(word) if word in WORDS else 0 for word in text.lower().split()), 2]
        rows.append(EMBEDDING[ids + [3] * (pad_to - len(ids))].astype(float).mean(axis=0))
    small = [cv2.resize(one, (8, 8), interpolation=cv2.INTER_AREA).astype(float) / 255 for one in PICTURES]
    vectors = np.array([one.mean(axis=(0, 1)) for one in small]) @ PROJECTION.astype(float)
    one, other = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (vectors, np.array(rows)))
    return one @ other.T


def table(rows: list, texts: list[str]) -> np.ndarray:
    pictures = zip(*[iter(rows)] * len(texts), strict=True)
    return np.array([[row.score for row in sorted(one, key=lambda row: texts.index(row.label))] for one in pictures])


def test_scores_of_clip_are_those_of_transformers(pair: Path):
    """CLIPModel.forward: logits_per_image = logit_scale * cosine; then a softmax over the texts."""
    described(pair, scale=14.3, prompt="a photo of {}")
    rows = list(ms.classify(PICTURES, model=pair, labels=TEXTS, top=0))
    logits = 14.3 * cosines([f"a photo of {text}" for text in TEXTS])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(table(rows, TEXTS), expected, atol=1e-5)
    assert [row.rank for row in rows] == [1, 2, 3] * 3
    best = [row.label for row in ms.classify(PICTURES, model=pair, labels=TEXTS)]
    assert best == [TEXTS[number] for number in expected.argmax(axis=1)]


def test_scores_of_siglip_are_those_of_transformers(pair: Path):
    """SiglipModel.forward: sigmoid of scale * cosine + bias, of texts that are filled up to the trained length."""
    described(pair, scores="sigmoid", scale=9.0, bias=-2.5, length=8, pad_id=3)
    rows = list(ms.classify(PICTURES, model=pair, labels=TEXTS, top=0))
    expected = 1 / (1 + np.exp(-(9.0 * cosines(TEXTS, pad_to=8) - 2.5)))
    assert np.allclose(table(rows, TEXTS), expected, atol=1e-5)


def test_labels_are_the_users_and_counted_like_others(pair: Path):
    described(pair)
    rows: list = list(ms.classify(PICTURES, model=pair, labels=TEXTS, per="source"))
    assert [row.label for row in rows] == TEXTS
    assert sum(row.count for row in rows) == 3
    assert [row.label for row in ms.classify(PICTURES[0], model=pair, labels=["zebra"])] == ["zebra"]


def test_a_picture_model_without_texts_says_so(pair: Path):
    describe_model(pair, ModelDescription(
        task="embed", input=InputDescription(width=8, height=8, fit="stretch"),
        output=OutputDescription(values="embedding"),
    ))  # fmt: skip
    with pytest.raises(DescriptionError, match=r"no text half.*--text-model"):
        ms.classify(PICTURES, model=pair, labels=TEXTS)
    with pytest.raises(DescriptionError, match="no text half"):
        ms.classify(PICTURES, model="fashion-mlp", labels=TEXTS)


def test_a_text_that_is_too_long_and_files_that_are_missing(pair: Path):
    described(pair, length=4, pad_id=3)
    with pytest.raises(UsageError, match=r"'a red ship' has 5 tokens, but text\.onnx takes 4"):
        ms.classify(PICTURES, model=pair, labels=TEXTS)
    description = described(pair, tokenizer="other.json")
    with pytest.raises(ModelNotFound, match=r"other\.json: no such file"):
        TextHalf(pair, description)
    (pair.parent / "other.json").write_text("{}")
    with pytest.raises(DescriptionError, match=r"other\.json: is no tokenizer"):
        TextHalf(pair, description)
    with pytest.raises(DescriptionError, match="text_embeds"):
        TextHalf(pair, described(pair, output_name="pooled"))
    with pytest.raises(DescriptionError, match=r"inputs must be input_ids"):
        TextHalf(pair, described(pair, model="vision.onnx"))
    with pytest.raises(DescriptionError, match="prompt: needs"):
        described(pair, prompt="a photo")


def test_described_and_used_on_the_command_line(pair: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(pair.parent)
    asked = ["models", "describe", "vision.onnx", "--task", "embed", "--scale", "1/255", "--text-model", "text.onnx"]
    refused = CliRunner().invoke(main, asked)
    assert (refused.exit_code, "--text-scale is needed" in refused.stderr) == (2, True)
    done = CliRunner().invoke(main, [*asked, "--text-scale", "100", "--prompt", "a photo of {}"])
    assert done.exit_code == 0, done.output
    from PIL import Image

    Image.fromarray(PICTURES[0]).save("a.png")
    done = CliRunner().invoke(main, ["classify", "a.png", "-m", "vision.onnx", "--labels", "a protest,a portrait",
                                     "--format", "csv", "--quiet"])  # fmt: skip
    assert done.exit_code == 0, done.output
    best = cosines(["a photo of a protest", "a photo of a portrait"])[0].argmax()
    assert f",{['a protest', 'a portrait'][best]}," in done.stdout


def test_pictures_are_found_by_words(pair: Path, tmp_path: Path):
    """In the order of the cosines, without the prompt."""
    from PIL import Image

    described(pair, prompt="a photo of {}")
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / "photos" / f"{number}.png")
    texts = ["a crowd", "red ship"]
    rows = list(ms.search(texts, tmp_path / "photos", method=str(pair), text=True))
    expected = cosines(texts)
    for number, text in enumerate(texts):
        mine = [row for row in rows if row.query == text]
        assert [int(Path(row.path).stem) for row in mine] == list(np.argsort(-expected[:, number]))
        assert [row.similarity for row in mine] == pytest.approx(sorted(expected[:, number], reverse=True), abs=1e-5)
    done = CliRunner().invoke(main, ["search", "a crowd", "--in", str(tmp_path / "photos"), "--method", str(pair),
                                     "--text",
                                     "--top", "1", "--format", "csv", "--quiet"])  # fmt: skip
    assert f"{expected[:, 0].argmax()}.png,,,,a crowd,1," in done.stdout
    with pytest.raises(UsageError, match="pair of picture and text"):
        ms.search("a crowd", tmp_path / "photos", method="phash", text=True)
