"""Comparing everything with everything, beside the usual ways, at equal output.

    python -m benchmarks.bench_similarity [--vectors 20000] [--photos 600] [--hashes 1000000] [--rounds 3]
                                          [--peer FOLDER | --no-peer]

(a) all pairs of vectors of 675 numbers above a threshold, against scikit-learn's `cosine_similarity` and a threshold;
(b) a folder of JPEGs to duplicates, against the `imagededup` library's PHash, in a virtual environment of its own that
    is made in FOLDER (it needs torch: some gigabytes);
(c) all pairs of up to so many 64-bit hashes within 10 bits, with planted ones: time and memory as the number grows;
(d) the same beside the exact index of faiss, in the environment of (b): is there a size from which an index wins?

Each measurement of memory is of a process of its own. Needs the extra `training` (scikit-learn) and `dev` (psutil).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.measure import alternate, ratios, save
from mediasift.compare import cosine, hamming
from mediasift.system.machine import available_cores

DIMENSIONS, THRESHOLD, BITS = 675, 0.9, 10
OURS, SKLEARN = "mediasift cosine.pairs", "scikit-learn cosine_similarity + threshold"
FOLDER, PEER = "mediasift duplicates", "imagededup PHash"


def vectors(count: int, kind: str = "pictures") -> np.ndarray:
    """float32 (N, 675): strangers, and one in ten a near copy of another.

    Args:
        kind: `pictures`: 15 x 15 x 3 pixels whose detail falls off as in photographs (amplitude 1 / frequency: Field,
            "Relations between the statistics of natural images ...", 1987), minus their mean; `noise`: any direction
            is as likely as any other, which no picture is, and nothing can be left out.
    """
    rng = np.random.default_rng(0)
    if kind == "noise":
        drawn = rng.normal(size=(count, DIMENSIONS)).astype(np.float32)
    else:
        frequency = np.hypot(np.fft.fftfreq(15)[:, None], np.fft.fftfreq(15)[None, :])
        frequency[0, 0] = np.inf
        spectrum = np.fft.fft2(rng.normal(size=(count, 3, 15, 15))) / frequency
        gray = np.fft.ifft2(spectrum).real
        gray += 2 * gray.mean(axis=1, keepdims=True)  # the channels of a photograph go together
        drawn = gray.reshape(count, DIMENSIONS).astype(np.float32)
    copies = count // 10
    noise = rng.normal(size=(copies, DIMENSIONS)) * 0.2 * drawn[:copies].std(axis=1, keepdims=True)
    drawn[-copies:] = drawn[:copies] + noise.astype(np.float32)
    return drawn


def our_pairs(data: np.ndarray) -> set[tuple[int, int]]:
    """Pairs at or above the threshold."""
    parts = cosine.pairs(cosine.unit(data), THRESHOLD)
    return {(a, b) for left, right, _ in parts for a, b in zip(left.tolist(), right.tolist(), strict=True)}


def their_pairs(data: np.ndarray) -> set[tuple[int, int]]:
    """The same by the usual two lines."""
    from sklearn.metrics.pairwise import cosine_similarity

    left, right = np.nonzero(np.triu(cosine_similarity(data) >= THRESHOLD, 1))
    return set(zip(left.tolist(), right.tolist(), strict=True))


def planted(count: int) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """Random hashes, a thousandth of them planted within 10 bits of another; and where those pairs are."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    pairs = count // 1000
    places = rng.permutation(count)[: 2 * pairs].reshape(2, pairs)
    for a, b in places.T:
        flips = rng.choice(64, rng.integers(0, BITS + 1), replace=False)
        hashes[b] = hashes[a] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0))
    return hashes, {(min(a, b), max(a, b)) for a, b in places.T.tolist()}


def alone(part: str, count: int) -> dict[str, Any]:
    """One part in a process of its own: seconds, and mebibytes above what its data and libraries take."""
    command = [sys.executable, "-m", "benchmarks.bench_similarity", "--part", part, "--count", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    print(f"{part} {count:,}: {result}", flush=True)
    return result


def run_part(part: str, count: int) -> dict[str, Any]:
    """What `alone` runs."""
    expected: set[tuple[int, int]] = set()
    if part == "hashes":
        data, expected = planted(count)
    else:
        data = vectors(count)
        our_pairs(data[:3000])
        their_pairs(data[:3000])  # libraries are loaded, threads are started
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts anew (proc(5))
    before, started = resident_mib("VmRSS"), time.perf_counter()
    if part == "hashes":
        result = {
            (a, b)
            for left, right, _ in hamming.pairs(data, BITS, threads=available_cores())
            for a, b in zip(left.tolist(), right.tolist(), strict=True)
        }
    else:
        result = {"ours": our_pairs, "theirs": their_pairs}[part](data)
    seconds = time.perf_counter() - started
    return {
        "count": count,
        "seconds": round(seconds, 2),
        "extra_mib": round(resident_mib("VmHWM") - before, 1),
        "peak_mib": round(resident_mib("VmHWM"), 1),
        "pairs": len(result),
        "planted": len(expected),
        "planted_found": len(expected & result),
    }


def resident_mib(field: str) -> float:
    """Memory this process holds now (VmRSS) or held at most (VmHWM); Linux. (getrusage counts the parent's, too.)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def compare_vectors(count: int, rounds: int, kind: str) -> dict[str, Any]:
    """Part (a)."""
    data = vectors(count, kind)
    if our_pairs(data) != their_pairs(data):
        raise SystemExit("the pairs differ: nothing to compare")
    work = {OURS: lambda: (our_pairs(data), count)[1], SKLEARN: lambda: (their_pairs(data), count)[1]}
    measured = alternate(work, rounds)
    memory = {name: alone(part, count)["extra_mib"] for name, part in ((OURS, "ours"), (SKLEARN, "theirs"))}
    return {
        "what": f"pairs with cosine >= {THRESHOLD} among {count:,} vectors of {DIMENSIONS}, {kind}; vectors per second",
        "measured": measured,
        "speed_ratio": ratios(measured, SKLEARN)[OURS],
        "extra_memory_mib": memory,
        "memory_ratio": round(memory[SKLEARN] / max(memory[OURS], 0.1), 1),
    }


def make_photos(folder: Path, count: int) -> None:
    """JPEGs of 640x480 and, one in ten, of 12 megapixels; every fifth has a copy of half its size beside it."""
    rng = np.random.default_rng(2)
    for number in range(count):
        width, height = (4000, 3000) if number % 10 == 0 else (640, 480)
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        grain = rng.integers(0, 24, (height // 2, width // 2, 1), dtype=np.uint8)
        picture = cv2.add(picture, np.repeat(cv2.resize(grain, (width, height))[:, :, None], 3, axis=2))
        cv2.imwrite(str(folder / f"{number:05}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        if number % 5 == 1:
            half = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / f"{number:05}-half.jpg"), half)


INDEX_PROGRAM = """
import sys, time
import faiss, numpy as np
hashes = np.load(sys.argv[1])
faiss.omp_set_num_threads(int(sys.argv[3]))
codes = hashes.view(np.uint8).reshape(-1, 8)
started = time.perf_counter()
index = faiss.IndexBinaryFlat(64)
index.add(codes)
ends, _, found = index.range_search(codes, int(sys.argv[2]) + 1)
pairs = (len(found) - len(hashes)) // 2
print(time.perf_counter() - started, pairs)
"""
INDEX_SIZES = (10_000, 30_000, 100_000)


def compare_index(peer: Path) -> list[dict[str, Any]]:
    """Part (d): seconds of both for each size, medians of three runs in turn; they must find as many pairs."""
    python, rows = peer_python(peer), []
    for count in INDEX_SIZES:
        hashes, _ = planted(count)
        seconds: dict[str, list[float]] = {"mediasift": [], "faiss IndexBinaryFlat": []}
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "hashes.npy"
            np.save(file, hashes)
            for _ in range(3):
                started = time.perf_counter()
                ours = sum(len(near[0]) for near in hamming.pairs(hashes, BITS, threads=available_cores()))
                seconds["mediasift"].append(round(time.perf_counter() - started, 3))
                command = [str(python), "-c", INDEX_PROGRAM, str(file), str(BITS), str(available_cores())]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                needed, theirs = done.stdout.split()
                seconds["faiss IndexBinaryFlat"].append(round(float(needed), 3))
                if ours != int(theirs):
                    raise SystemExit(f"{ours} pairs, but faiss found {theirs}: nothing to compare")
        medians = {f"{name}, seconds": round(statistics.median(taken), 3) for name, taken in seconds.items()}
        rows.append({"count": count, "pairs": ours, **medians})
        print(rows[-1], flush=True)
    return rows


PEER_PROGRAM = """
import json, sys
from imagededup.methods import PHash
hasher = PHash(verbose=False)
encodings = hasher.encode_images(image_dir=sys.argv[1])
found = hasher.find_duplicates(encoding_map=encodings, max_distance_threshold=10)
print(json.dumps(sorted({tuple(sorted((a, b))) for a, others in found.items() for b in others})))
"""


def peer_python(folder: Path) -> Path:
    """The interpreter of imagededup's own environment, made where it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "imagededup", "faiss-cpu"], check=True)
    return python


def compare_folders(count: int, rounds: int, peer: Path) -> dict[str, Any]:
    """Part (b)."""
    python = peer_python(peer)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder, count)
        files = len(list(folder.iterdir()))
        pairs: dict[str, set[tuple[str, str]]] = {}

        def ours() -> int:
            command = [sys.executable, "-m", "mediasift", "duplicates", name, "--quiet", "--format", "jsonl"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            listed = [(Path(row["path"]).name, Path(row["representative"]).name) for row in rows if row["match"]]
            pairs[FOLDER] = {(min(pair), max(pair)) for pair in listed}
            return files

        def theirs() -> int:
            done = subprocess.run([python, "-c", PEER_PROGRAM, name], capture_output=True, text=True, check=True)
            pairs[PEER] = {(a, b) for a, b in json.loads(done.stdout.splitlines()[-1])}
            return files

        measured = alternate({FOLDER: ours, PEER: theirs}, rounds)
    wanted = {(f"{number:05}-half.jpg", f"{number:05}.jpg") for number in range(1, count, 5)}
    for contestant, listed in pairs.items():
        if listed != wanted:
            raise SystemExit(f"{contestant}: {len(listed ^ wanted)} pairs too many or too few: nothing to compare")
    return {
        "what": "whole programs, start included: a folder of JPEGs to pairs within 10 bits; pictures per second",
        "pictures": files,
        "pairs": len(wanted),
        "measured": measured,
        "speed_ratio": ratios(measured, PEER)[FOLDER],
    }


def grow(most: int) -> list[dict[str, Any]]:
    """Part (c)."""
    measured = [alone("hashes", count) for count in (10_000, 100_000, 1_000_000) if count <= most]
    for one in measured:
        if one["planted_found"] != one["planted"]:
            raise SystemExit(f"{one['planted'] - one['planted_found']} planted pairs were not found")
    return measured


@click.command()
@click.option("--vectors", "vector_count", default=20_000, show_default=True)
@click.option("--photos", default=600, show_default=True)
@click.option("--hashes", default=1_000_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--peer", type=click.Path(path_type=Path), default=Path(".venv-imagededup"), show_default=True)
@click.option("--no-peer", is_flag=True, help="Leave parts (b) and (d) out.")
@click.option("--part", hidden=True)
@click.option("--count", type=int, hidden=True)
def main(
    vector_count: int, photos: int, hashes: int, rounds: int, peer: Path, no_peer: bool, part: str | None, count: int
) -> None:
    """Measure and write results/bench_similarity.json."""
    if part is not None:
        print(json.dumps(run_part(part, count)))
        return
    result = {
        "vectors": compare_vectors(vector_count, rounds, "pictures"),
        "vectors_without_structure": compare_vectors(vector_count, rounds, "noise"),
        "folder": "left out" if no_peer else compare_folders(photos, rounds, peer.absolute()),
        "hashes": {"what": f"all pairs within {BITS} of 64 bits, one run each", "measured": grow(hashes)},
        "index": {
            "what": f"all pairs within {BITS} of 64 bits, faiss beside; medians of three runs in turn",
            "measured": "left out" if no_peer else compare_index(peer.absolute()),
        },
    }
    save("bench_similarity", result, "numpy", "opencv-python-headless", "scikit-learn")


if __name__ == "__main__":
    main()
