"""Every module has its test where CONTRIBUTING says."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests.test_layers import PACKAGE, imports, modules, ours

TESTS = Path(__file__).parent

TESTED_IN = {
    "bench/test_scenarios": "bench/child bench/measurement bench/subject",
    "bench/test_sweep": "bench/settings",
    "cli/test_bench": "bench/report",
    "cli/test_doctor": "run/doctor",
    "cli/test_duplicates": "compare/collection compare/settings",
    "cli/test_evaluate": "evaluate/plots evaluate/report",
    "cli/test_main": "__main__ cli/derived cli/options",
    "compare/test_grouping": "compare/groups compare/methods compare/spaces",
    "compare/test_pairs": "compare/cosine compare/hamming compare/neighbours",
    "engines/speech/test_pocketsphinx": "engines/speech/sphinx_process",
    "evaluate/test_coded": "evaluate/units",
    "evaluate/test_sample_page": "system/pages",
    "demo/test_tour": "cli/demo demo/inputs demo/steps",
    "engines/vision/test_codebook": "engines/vision/codebook_server evaluate/wide",
    "engines/vision/test_codebook_chat": "engines/vision/codebook_format",
    "evaluate/test_sample": "cli/sample evaluate/sample_media evaluate/sample_reading",
    "run/test_cluster": "run/crew",
    "run/test_merge": "cli/merge",
    "engines/onnx/test_meaning": "engines/onnx/inner",
    "engines/onnx/test_onnx_file": "engines/onnx/protobuf",
    "engines/onnx/test_providers": "engines/onnx/choice",
    "cli/test_models": "engines/onnx/describe_settings engines/onnx/drafting",
    "engines/onnx/test_registry": "engines/onnx/labels engines/onnx/report engines/onnx/settings",
    "media/pictures/test_images": "media/libraries media/pictures/levels",
    "media/video/test_shots": "media/video/cuts media/video/frames",
    "media/video/test_video": "media/readers media/settings media/video/animation media/video/decoder "
    "media/video/every media/video/facts media/video/fields media/video/footage media/video/index",
    "run/test_journal": "run/finished",
    "run/test_pipeline": "items run/budget run/lanes run/reading run/works tasks/task",
    "run/test_supervisor": "run/job run/process run/worker",
    "provenance/test_cite": "cli/cite provenance/checklist provenance/evidence provenance/sources",
    "provenance/test_rerun": "cli/rerun provenance/comparing provenance/recorded tables/reports",
    "run/test_estimate": "run/forecast",
    "run/test_table": "run/stream",
    "sources/test_content": "sources/memory",
    "sources/test_naming": "sources/finding sources/folders sources/settings",
    "sources/test_records": "sources/lists",
    "system/test_files": "system/lines",
    "tables/test_writers": "tables/formats tables/stored",
    "train/test_train": "cli/train train/grafting train/page train/pictures train/settings train/writing",
    "serve/test_app": "cli/serve serve/answers serve/choices serve/engine serve/hands serve/lines serve/metrics "
    "serve/requests serve/server serve/settings serve/worker",
    "tasks/test_detect": "tasks/objects",
    "tasks/test_embed": "engines/onnx/embedder tasks/fingerprint",
    "tasks/test_ocr": "engines/ocr/page engines/ocr/rapidocr engines/ocr/tesseract",
    "tasks/test_shots": "cli/shots",
    "tasks/test_tag": "engines/vision/azure engines/vision/azure_answers engines/vision/google "
    "engines/vision/google_answers engines/vision/rekognition engines/vision/rekognition_answers "
    "engines/vision/service engines/vision/stored engines/vision/tags media/counting",
    "tasks/test_timeline": "media/timelines media/video/webvtt tasks/timeline_parts",
    "tasks/test_transcribe": "cli/transcribe engines/speech/phrases tables/texts",
    "cli/test_no_surprises": "system/network",
    "look/test_page": "cli/look look/settings look/thumbnails",
    "evaluate/test_coders": "evaluate/codings",
    "evaluate/test_labels": "evaluate/confusion",
    "evaluate/test_prevalence": "cli/prevalence evaluate/corpus evaluate/design evaluate/dsl",
    "media/test_information": "tasks/info",
    "tasks/test_convert": "media/pictures/encode",
    "sources/test_buckets": "sources/odd_keys",
    "sources/test_remote": "sources/connections sources/fetched sources/keeping sources/origins sources/session "
    "sources/web",
    "run/test_resume": "tables/manifest",
    "run/test_watch": "cli/watch",
    "verbs/test_verbs": "verbs/functions verbs/verb",
}
"""Test file → modules without a file of their own, which it tests, as they are parts of one idea."""


def own_test(module: str) -> Path:
    folder, _, name = module.rpartition("/")
    return TESTS / folder / f"test_{name}.py"


def inner(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


@cache
def reached(test: Path) -> frozenset[str]:
    """Modules of the package that a test imports, directly, through helpers of the tests, or through other modules."""
    helpers = [TESTS / f"{'/'.join(one.split('.')[1:])}.py" for one in imports(test) if one.startswith("tests.")]
    files = [test, TESTS / "conftest.py", *(helper for helper in helpers if helper.is_file())]
    open_ends = {one for path in files for one in ours(path)} | {"mediasift.verbs"}  # what `import mediasift` offers
    known: set[str] = set()
    while open_ends:
        module = open_ends.pop()
        known.add(module)
        within = {one for one in modules() if one.startswith("mediasift.cli.")} if module == "mediasift.cli" else set()
        open_ends |= (ours(modules()[module]) | within) - known
    return frozenset(known)


def test_every_module_has_a_test_of_its_name_or_stands_in_the_table_of_the_others():
    listed = [module for several in TESTED_IN.values() for module in several.split()]
    assert len(listed) == len(set(listed))
    named = {inner(path) for path in modules().values() if path.name != "__init__.py"}
    assert {module for module in named if not own_test(module).is_file()} == set(listed)


@pytest.mark.parametrize("test", TESTED_IN)
def test_a_test_of_several_modules_reaches_them(test: str):
    path = TESTS / f"{test}.py"
    dotted = {f"mediasift.{module.replace('/', '.')}" for module in TESTED_IN[test].split()}
    assert dotted <= reached(path) | {"mediasift.__main__"}


def test_no_test_fails_because_a_machine_is_busy():
    assert settings.default is not None
    assert settings.default.deadline is None
    for path in TESTS.rglob("*.py"):
        assert "deadline=" not in path.read_text().replace("deadline=None", "") or path == Path(__file__)
