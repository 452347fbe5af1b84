from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli.merge import command
from mediasift.errors import InputError, OutputError, UsageError
from tests.pictures import save, scene

ROOT = Path(__file__).resolve().parents[2]
MEDIASIFT = [sys.executable, "-P", "-m", "mediasift"]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list with carried columns: pictures, a picture of several pages, one broken, one missing, some twice."""
    pages = [scene(seed=seed) for seed in (1, 2, 3)]
    names = [f"{number:02}.png" for number in range(20)]
    for seed, name in enumerate(names):
        save(tmp_path / name, scene(seed=seed))
    save(tmp_path / "pages.tif", pages[0], save_all=True, append_images=[_image(page) for page in pages[1:]])
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    chance = random.Random(3)
    lines = [*names, "pages.tif", "pages.tif", "broken.jpg", "missing.png", *names[:5], names[3], "pages.tif"]
    chance.shuffle(lines)
    table = tmp_path / "posts.csv"
    cells = ("", "=a", '"b, c"')
    posts = [f"{name},{chance.choice(cells)}" for name in lines]
    table.write_text("\n".join(["path,post", *posts, posts[0], posts[0]]) + "\n", encoding="utf-8")
    return table


def _image(array):
    from PIL import Image

    return Image.fromarray(array)


def write(listed: Path, output: Path, **options) -> Path:
    keyword = {"spreadsheet_safe": options.pop("safe", False), "update": options.pop("update", False)}
    with ms.classify(listed, model="digits-lenet", keep=["post"], **options) as table:
        table.write(output, **keyword)
    return output


def parts(listed: Path, count: int, suffix: str = "csv", **options) -> list[Path]:
    folder = listed.parent
    return [
        write(listed, folder / f"part{part}.{suffix}", shard=f"{part}/{count}", **options)
        for part in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "npz"])
def test_the_bytes_of_a_run_that_was_never_divided(listed: Path, count: int, suffix: str):
    whole = write(listed, listed.parent / f"whole.{suffix}", safe=True)
    pieces = parts(listed, count, suffix, safe=True)
    random.Random(count).shuffle(pieces)
    output = listed.parent / f"all.{suffix}"
    summary = ms.merge(pieces, output)
    assert output.read_bytes() == whole.read_bytes()
    one, other = (json.loads(Path(f"{table}.run.json").read_text()) for table in (whole, output))
    for name in ("settings", "model", "versions", "table"):
        assert one[name] == other[name]
    counted = [name for name in one["counts"] if name not in ("taken_over", "repeated", "worker_peak_bytes")]
    assert [one["counts"][name] for name in counted] == [other["counts"][name] for name in counted]
    assert sorted(map(str, one["counts"]["repeated"])) == sorted(map(str, other["counts"]["repeated"]))
    assert summary.rows == one["counts"]["rows"]
    assert [Path(part["path"]).name for part in other["merged"]] == sorted(piece.name for piece in pieces)


def test_more_parts_than_inputs_and_no_media_at_all(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    pieces = parts(tmp_path / "a.png", 3)
    assert sorted(piece.read_bytes().count(b"\n") for piece in pieces) == [1, 1, 2]
    ms.merge(pieces, tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_bytes() == write(tmp_path / "a.png", tmp_path / "whole.csv").read_bytes()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nothing to read"):
        list(ms.classify(tmp_path / "empty", model="digits-lenet", shard="1/3"))


def test_the_command_for_all_finds_the_merged_table_finished(listed: Path):
    output = listed.parent / "all.csv"
    ms.merge(parts(listed, 2), output)
    with ms.classify(listed, model="digits-lenet", keep=["post"]) as table:
        table.write(output)
    assert table.left_alone


def test_a_merged_table_follows_its_parts(listed: Path):
    output, pieces = listed.parent / "all.csv", parts(listed, 2)
    ms.merge(pieces, output)
    save(listed.parent / "new.png", scene(seed=99))
    with listed.open("a", encoding="utf-8") as file:
        file.write("new.png,new\n")
    write(listed, pieces[0], shard="1/2", update=True)
    with pytest.raises(InputError, match="not the same; run the parts with --update"):
        ms.merge(pieces, output)
    write(listed, pieces[1], shard="2/2", update=True)
    ms.merge(pieces, output)
    assert output.read_bytes() == write(listed, listed.parent / "whole.csv").read_bytes()


def test_what_is_not_all_parts_of_one_run_is_refused(listed: Path):
    folder, output = listed.parent, listed.parent / "all.csv"
    one, two, three = parts(listed, 3)

    def refused(pieces: list[Path], message: str, name: Path = output) -> None:
        with pytest.raises((InputError, UsageError, OutputError), match=message):
            ms.merge(pieces, name)
        assert not output.exists()

    refused([], "needs the tables")
    refused([one, three], "part 2 of 3 is missing; run the command with --shard 2/3")
    refused([one, two, three, shutil_copy(two, folder / "again.csv")], "are both part 2")
    refused([one, two, folder / "none.csv"], "no such file")
    refused([one, two, three], "end the name so", folder / "all.parquet")
    refused([one, write(listed, folder / "of2.csv", shard="2/2")], "have the same N")
    refused([one, two, write(listed, folder / "whole.csv")], "is no part of a table")
    refused([one, two, write(listed, folder / "top.csv", shard="3/3", top=2)], "other settings .* top was 1, now 2")
    (folder / "half.csv.journal.jsonl").write_text("{}\n")
    refused([one, two, folder / "half.csv"], "is not finished")
    output.write_text("mine\n")
    with pytest.raises(OutputError, match="never overwritten"):
        ms.merge([one, two, three], output)
    assert output.read_text() == "mine\n"
    output.unlink()
    with one.open("a") as file:
        file.write("more\n")
    refused([one, two, three], "was changed since")


def shutil_copy(table: Path, to: Path) -> Path:
    for ending in ("", ".run.json"):
        shutil.copy(f"{table}{ending}", f"{to}{ending}")
    return to


def test_rows_of_inputs_that_are_gone_are_refused(tmp_path: Path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        save(folder / f"{number}.png", scene(seed=number))
    pieces = [write_folder(folder, tmp_path / f"{part}.csv", f"{part}/2") for part in (1, 2)]
    (folder / "2.png").unlink()
    for part, piece in enumerate(pieces, 1):
        write_folder(folder, piece, f"{part}/2", update=True)
    with pytest.raises(InputError, match=r"inputs that are gone, first .*2\.png; run it with --restart"):
        ms.merge(pieces, tmp_path / "all.csv")


def write_folder(folder: Path, output: Path, shard: str, **options) -> Path:
    with ms.classify(folder, model="digits-lenet", shard=shard) as table:
        table.write(output, **options)
    return output


def test_a_table_of_all_inputs_together_has_no_parts(listed: Path):
    for table in (
        lambda: ms.compare(listed, shard="1/2"),
        lambda: ms.similarity_matrix(listed, shard="1/2"),
        lambda: ms.duplicates(listed, shard="1/2"),
        lambda: ms.search(listed, among=listed, method="phash", shard="1/2"),
        lambda: ms.ocr(listed, per="source", shard="1/2"),
        lambda: ms.ocr(listed, per="item", shard="1/2"),
    ):
        with pytest.raises(UsageError, match="has no parts"):
            table()


def test_a_part_that_is_killed_goes_on(tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(300):
        save(photos / f"{number:03}.png", scene(seed=number))
    job = [*MEDIASIFT, "classify", "photos", "-m", "digits-lenet", "--quiet"]
    subprocess.run([*job, "-o", "whole.csv"], cwd=tmp_path, check=True)
    for part in (2, 1):
        own = [*job, "--shard", f"{part}/2", "-o", f"{part}.csv"]
        run = subprocess.Popen(own, cwd=tmp_path)
        journal = tmp_path / f"{part}.csv.journal.jsonl"
        with suppress(FileNotFoundError):  # it is done before we look
            while run.poll() is None and not (journal.exists() and journal.stat().st_size > 2000):
                time.sleep(0.001)
        run.kill()
        run.wait()
        subprocess.run(own, cwd=tmp_path, check=True)
    all_parts = [*MEDIASIFT, "merge", "1.csv", "2.csv", "-o", "all.csv"]
    merged = subprocess.run(all_parts, cwd=tmp_path, capture_output=True, check=False)
    assert (merged.returncode, merged.stderr) == (0, b"all.csv: 300 rows from 300 files in 2 parts\n")
    assert (tmp_path / "all.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_the_command_says_how_many_and_leaves_with_1_for_error_rows(listed: Path):
    output = listed.parent / "all.csv"
    result = CliRunner().invoke(command, [*map(str, parts(listed, 2)), "-o", str(output)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{output}: {len(_lines(output)) - 1} rows from 33 files in 2 parts\n"


def test_the_script_for_slurm(tmp_path: Path):
    """The scripts of docs/cluster.md, each job of the array as Slurm starts it."""
    array, merge = re.findall(r"```bash\n(#!/bin/bash\n.*?)```", (ROOT / "docs/cluster.md").read_text(), re.DOTALL)
    (jobs,) = re.findall(r"#SBATCH --array=1-(\d+)", array)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(10):
        save(photos / f"{number}.png", scene(seed=number))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for job in range(int(jobs), 0, -1):
        slurm = {"SLURM_ARRAY_TASK_ID": str(job), "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": jobs}
        subprocess.run(["bash", "-c", array], cwd=tmp_path, env={**os.environ, "PATH": path, **slurm}, check=True)
    subprocess.run(["bash", "-c", merge], cwd=tmp_path, env={**os.environ, "PATH": path}, check=True)
    with ms.classify(photos) as table:
        table.write(tmp_path / "whole.csv")
    labels = [[line.split(",")[1:] for line in _lines(tmp_path / name)] for name in ("labels.csv", "whole.csv")]
    assert labels[0] == labels[1]
    assert len(labels[0]) == 11


def _lines(table: Path) -> list[str]:
    return table.read_text(encoding="utf-8").splitlines()
