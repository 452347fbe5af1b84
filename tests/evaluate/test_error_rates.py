"""Word and character error rates, against jiwer's own figures and by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jiwer
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import InputError
from mediasift.evaluate.error_rates import TOTAL, text_scores


def test_rates_counted_by_hand():
    scores = text_scores({"a": "the cat sat", "c": "x"}, {"a": "the bat sat down", "b": "two words", "c": ""})
    by_path = {score.path: score for score in scores}
    assert (by_path["a"].words, by_path["a"].word_errors, by_path["a"].word_error_rate) == (4, 2, 0.5)
    assert (by_path["a"].characters, by_path["a"].character_errors) == (16, 6)
    assert (by_path["b"].word_errors, by_path["b"].word_error_rate, by_path["b"].character_error_rate) == (2, 1, 1)
    assert (by_path["c"].word_errors, by_path["c"].word_error_rate) == (1, None)
    assert (by_path[TOTAL].words, by_path[TOTAL].word_errors) == (6, 5)


def test_plain_leaves_case_and_punctuation_out():
    texts, wanted = {"a": "ask not what"}, {"a": "Ask, not WHAT!"}
    assert text_scores(texts, wanted)[0].word_errors == 2
    assert text_scores(texts, wanted, plain=True)[0].word_errors == 0


WORDS = st.lists(st.sampled_from(["ab", "b", "cde", "f"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
@settings(max_examples=50)
def test_rates_in_all_are_jiwers_over_all_texts(pairs: list):
    wanted = {str(i): " ".join(pair[0]) for i, pair in enumerate(pairs)}
    texts = {str(i): " ".join(pair[1]) for i, pair in enumerate(pairs)}
    total = text_scores(texts, wanted)[-1]
    assert total.word_error_rate == pytest.approx(jiwer.wer(list(wanted.values()), list(texts.values())), abs=1e-6)
    assert total.character_error_rate == pytest.approx(jiwer.cer(list(wanted.values()), list(texts.values())), abs=1e-6)


def test_the_command_joins_the_rows_of_a_path(tmp_path: Path):
    result, reference = tmp_path / "lines.jsonl", tmp_path / "true.csv"
    rows = [{"path": "p.png", "text": "one two"}, {"path": "p.png", "text": "tree"}, {"path": "q.png", "text": None}]
    result.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reference.write_text('path,text\np.png,"one two\nthree"\n')
    done = CliRunner().invoke(main, ["evaluate", str(result), str(reference)], catch_exceptions=False)
    assert done.exit_code == 0
    one, total = csv.DictReader(io.StringIO(done.stdout))
    assert (one["path"], one["words"], one["word_errors"], one["character_errors"]) == ("p.png", "3", "1", "1")
    assert (total["path"], total["word_error_rate"]) == (TOTAL, "0.333333")
    out = tmp_path / "scores.csv"
    assert CliRunner().invoke(main, ["evaluate", str(result), str(reference), "-o", str(out)]).exit_code == 0
    assert out.read_text() == done.stdout


def test_tables_that_cannot_be_compared_are_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_text("path,text\na,x\n")
    (tmp_path / "b.csv").write_text("path,text\nb,x\n")
    (tmp_path / "c.csv").write_text("path,label\na,x\n")
    (tmp_path / "d.csv").write_text("path,text\n")
    with pytest.raises(InputError, match="no path in common"):
        ms.evaluate_text(tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(InputError, match="no column 'text'; it has path, label"):
        ms.evaluate_text(tmp_path / "a.csv", tmp_path / "c.csv")
    with pytest.raises(InputError, match="is empty"):
        ms.evaluate_text(tmp_path / "a.csv", tmp_path / "d.csv")
    with pytest.raises(InputError, match="cannot be read"):
        ms.evaluate_text(tmp_path / "a.csv", tmp_path / "nowhere.csv")
