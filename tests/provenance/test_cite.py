"""`mediasift cite`: all from manifests, nothing invented, what is unknown named as unknown."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.registry import entries
from mediasift.errors import InputError, OutputError, UsageError
from mediasift.provenance.sources import ENGINES, METHODS, bibliography
from mediasift.settings import options
from mediasift.verbs import VERBS
from tests.conftest import ROOT
from tests.pictures import save, scene
from tests.tiny_models import COLOURS, mean_colour, write

CODED = "path,coder,label\n" + "".join(
    f"digits/{name}.png,{coder},{label}\n" for name, coder, label in
    [(one, "anna", one) for one in "358"] + [("3", "ben", "3"), ("5", "ben", "5"), ("8", "ben", "3")]
)  # fmt: skip


def call(*words: str) -> str:
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    for name in ("3.png", "5.png", "8.png", "broken.jpg"):
        shutil.copyfile(ROOT / "examples" / "digits" / name, tmp_path / "digits" / name)
    ms.classify("digits", model="digits-lenet", top=2).write("labels.csv")
    return tmp_path / "labels.csv"


def test_the_paragraph_says_what_with_which_model_on_what_and_where(table: Path):
    text = call("cite", "labels.csv.run.json")
    manifest = json.loads(Path("labels.csv.run.json").read_text())
    assert "We ran `classify` (label pictures with a model) of mediasift" in text
    assert "on digits (inputs: 4; rows: 7; rows with an error: 1 damaged)" in text
    assert manifest["model"]["model_sha256"][:12] in text
    assert "licence MIT [@lecun1998gradient]" in text
    assert "the device cpu (CPUExecutionProvider)" in text
    assert "`top` 2" in text
    assert all(f"{name} {version}" in text for name, version in manifest["versions"].items() if name != "mediasift")
    assert "Unknown is how good these results are" in text
    assert text == call("cite", "labels.csv")


def test_the_folder_has_references_codebook_and_checklist(table: Path):
    call("cite", "labels.csv", "-d", "about")
    assert sorted(path.name for path in Path("about").iterdir()) == [
        "checklist.md", "codebook.csv", "codebook.md", "methods.md", "references.bib",
    ]  # fmt: skip
    keys = re.findall(r"^@\w+\{([^,]+),", Path("about/references.bib").read_text(), re.MULTILINE)
    assert keys == ["mediasift", "lecun1998gradient", "onnxruntime", "kapoor2024reforms"]
    with Path("about/codebook.csv").open() as file:
        columns = {row["column"]: row for row in csv.DictReader(file)}
    assert list(columns) == table.read_text().splitlines()[0].split(",")
    assert (columns["score"]["type"], columns["score"]["least"], columns["score"]["most"]) == ("number", "0", "1")
    assert (columns["time_s"]["unit"], columns["page"]["empty_cells"], columns["label"]["empty_cells"]) == (
        "s", "7", "1",
    )  # fmt: skip
    assert len(Path("about/codebook.md").read_text().splitlines()) == 2 + len(columns)
    checklist = Path("about/checklist.md").read_text()
    assert "Rows with an error: 1 damaged." in checklist
    assert checklist.count("Unknown to mediasift: fill in.") >= 7
    with pytest.raises(OutputError, match="is there already"):
        ms.cite("labels.csv", directory="about")


def test_what_validates_the_table_is_known_by_its_hashes(table: Path, package):
    package("yaml", "codebook")
    Path("coded.csv").write_text(CODED)
    (Path("study")).mkdir()
    call("sample", "labels.csv", "-n", "3", "-d", "coding", "--quiet")
    call("agree", "coded.csv", "-o", "study/agreement.csv")
    call("evaluate", "labels.csv", "coded.csv", "--coder", "anna", "-o", "study/measures.csv")
    call("prevalence", "labels.csv", "coded.csv", "--coder", "anna", "-o", "study/shares.csv")
    cited = ms.cite("labels.csv")
    assert "A random sample of 3 of 3 items was drawn" in cited.paragraph
    assert "Coders' agreement on label (3 items coded twice or more): agreement 0.666667" in cited.paragraph
    assert "Against coded.csv: accuracy 1.0 (95 % interval " in cited.paragraph
    assert re.search(r"The share of 8 is 0\.33\d* as the machine labelled", cited.paragraph)
    assert "Unknown is how good" not in cited.paragraph
    assert all(f"{{{key}," in cited.references for key in ("cohen1960kappa", "sarndal1992survey", "ohlsson1995prn"))
    own = ms.cite("study/measures.csv").paragraph
    assert "We ran `evaluate`" in own
    assert "accuracy 1.0" in own
    assert "We ran `agree`" in ms.cite("study/agreement.csv").paragraph
    assert "We ran `sample`" in ms.cite("coding/design.csv.run.json").paragraph
    Path("study/measures.csv").write_text("measure,value\naccuracy,1\n")
    assert "Against coded.csv" not in ms.cite("labels.csv").paragraph, "a table that was edited proves nothing"


def test_what_is_about_another_table_is_refused(table: Path, tmp_path: Path):
    ms.classify("digits", model="digits-lenet", top=1).write("other.csv")
    Path("truth.csv").write_text("path,label\ndigits/3.png,3\n")
    call("evaluate", "other.csv", "truth.csv", "-o", "measures.csv")
    assert "accuracy" not in ms.cite("labels.csv").paragraph
    with pytest.raises(UsageError, match=r"is about another table than labels\.csv"):
        ms.cite("labels.csv", validated=["measures.csv"])
    with pytest.raises(InputError, match="no such manifest"):
        ms.cite("labels.csv", validated=["truth.csv"])


def test_what_no_manifest_says_is_called_unknown(table: Path):
    """The manifest of an earlier version, alone in a folder, of a model that no registry knows."""
    data = json.loads(Path("labels.csv.run.json").read_text())
    del data["schema"], data["versions"], data["machine"], data["inputs"]
    data["model"]["model_sha256"] = "0" * 64
    Path("bare").mkdir()
    Path("bare/labels.csv.run.json").write_text(json.dumps(data))
    cited = ms.cite("bare/labels.csv.run.json")
    assert "what it was trained on and its licence are unknown to mediasift" in cited.paragraph
    assert "Versions: unknown; Python unknown, unknown platform" in cited.paragraph
    assert cited.codebook == ()
    assert "not beside this manifest as it was written" in str(cited.checklist)


def test_a_model_of_ones_own_is_described_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, mean_colour(replace(COLOURS, provenance={"data": "my photographs", "pictures": 40})))
    save(tmp_path / "a.png", scene())
    ms.classify("a.png", model=str(file)).write("t.csv")
    assert "by its own file, data my photographs, pictures 40" in ms.cite("t.csv").paragraph
    file.write_bytes(mean_colour())
    assert "its licence are unknown" in ms.cite("t.csv").paragraph, "another file of the same name"


def test_every_model_and_method_has_its_entry_and_every_entry_is_used():
    named = {key for model in entries().values() for key in model.cite}
    named |= {key for several in ENGINES.values() for key in several} | {
        key for _, several in METHODS for key in several
    }
    assert named | {"mediasift", "kapoor2024reforms"} == set(bibliography())
    assert all(model.cite for model in entries().values())
    for key, entry in bibliography().items():
        assert entry.startswith("@"), key
        assert entry.count("{") == entry.count("}"), key
        assert re.search(r"^  title = ", entry, re.MULTILINE), key


def test_conditions_of_methods_name_settings_that_exist():
    known = {declared.name for verb in VERBS.values() for declared in options(verb.load())} | {"task"}
    assert {name for conditions, _ in METHODS for name in conditions} <= known


def test_the_tools_entry_is_that_of_citation_cff():
    file = (ROOT / "CITATION.cff").read_text()
    for name, pattern in (("title", r'^title: "(.*)"'), ("author", r'- name: "(.*)"'), ("license", "^license: (.*)")):
        value = re.search(pattern, file, re.MULTILINE)[1]
        assert value in bibliography()["mediasift"], name
