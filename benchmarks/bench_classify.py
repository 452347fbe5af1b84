"""A folder of photographs to labels with ResNet50: beside Keras, a plain loop, OpenCV's dnn and OpenVINO's own runtime.

    python -m benchmarks.bench_classify PHOTOS [--part fp32|int8|openvino]... [--count 96] [--rounds 5]

PHOTOS is a folder of photographs; each part classifies 500x375 JPEG copies of them. `fp32` is the CPU provider, `int8`
the same with 8-bit weights, `openvino` our device of that name. Outputs are compared before a ratio is printed.
OpenVINO's own runtime, the ceiling, gets an environment of its own in the folder for temporary files. Needs the extras
`training` and `openvino`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

import mediasift as ms
from benchmarks.contest import BATCH, CEILING, DECODING, INFERENCE, KERAS, OURS, QUEUED, WAITING, Contest
from benchmarks.measure import alternate, goal, median, ratios, save
from benchmarks.networks import SIZE, Network, photographs, quantized, resnet50
from benchmarks.peer import Peer
from benchmarks.profiles import matrix_product_rate, operations, operator_shares

OPENVINO = "openvino==2026.4.1"
PARTS = {"fp32": (1.5, 2.0), "int8": (3.5, 4.5), "openvino": (7.0, 10.0)}
"""Part → how many times faster than Keras at least, and at best."""


def profile(contest: Contest) -> dict[str, Any]:
    """Where the time goes: stages, operators, and the share of what a matrix product reaches here."""
    table = ms.classify(contest.photos, model=contest.model, batch_size=BATCH)
    count = sum(1 for _ in table)
    stages = {name: table.summary.seconds[name] for name in ("read", "prepare", "infer")}
    rate, needed = matrix_product_rate(), operations(contest.network.path)
    return {
        "stages": {f"{name}, milliseconds per picture": round(1000 * s / count, 2) for name, s in stages.items()},
        "operators": operator_shares(contest.graph, contest.batch),
        "gflop_per_picture": round(needed / 1e9, 2),
        "matrix_product_gflop_per_second": round(rate / 1e9, 1),
        "pictures_per_second_at_that_rate": round(rate / needed, 1),
    }


def explanation(contest: Contest, measured: dict[str, Any], profile: dict[str, Any], wanted: float) -> str:
    """Why the goal is missed, from the profile."""
    reachable, needed = profile["pictures_per_second_at_that_rate"], wanted * median(measured, KERAS)
    peers = [name for name in (WAITING, QUEUED) if name in measured]
    ceiling = max((median(measured, name) for name in peers), default=0.0)
    theirs = f"{ceiling:.1f}" if peers else "gives other labels"
    parts = [
        f"{wanted:g} x Keras would be {needed:.0f} pictures per second",
        f"inference alone reaches {median(measured, INFERENCE):.1f}",
        f"OpenVINO's own runtime at the same precision {theirs}",
        f"the {profile['gflop_per_picture']} GFLOP of a picture fit {reachable:.1f} times into a second of MatMul",
        profile["operators"],
        contest.instructions(),
    ]
    return "; ".join(part for part in parts if part)


def goals(
    part: str, contest: Contest, measured: dict[str, Any], profile: dict[str, Any], same: dict[str, str]
) -> list[Any]:
    """Of one part."""
    at_least, aim_for = PARTS[part]
    end, decode, infer = (median(measured, name) for name in (OURS, DECODING, INFERENCE))
    label = {"fp32": "fp32, cpu", "int8": "int8, cpu", "openvino": "openvino"}[part]
    agreement = f"{same[OURS]}; of Keras, end to end, {same[f'{KERAS}, end to end']}"
    result = [
        goal(f"ResNet50 {label}: folder of {SIZE[0]}x{SIZE[1]} JPEGs, end to end", KERAS, ratios(measured, KERAS)[OURS],
             at_least=at_least, aim_for=aim_for, agreement=agreement,
             why=explanation(contest, measured, profile, at_least)),
        goal(f"ResNet50 {label}: end to end", "1 / (1 / decoding alone + 1 / inference alone)",
             end * (1 / decode + 1 / infer), at_least=0.85, aim_for=0.97, agreement="the same pictures",
             why=", ".join(f"{name}: {spent}" for name, spent in profile["stages"].items())),
    ]  # fmt: skip
    if part == "openvino":
        ceiling = max((WAITING, QUEUED), key=lambda name: median(measured, name))
        result.append(
            goal("ResNet50 openvino: inference", ceiling, infer / median(measured, ceiling), at_least=0.85, aim_for=1.0,
                 agreement=same[ceiling],
                 why=f"ours runs one batch of {BATCH} after another, its queue "
                 f"{contest.theirs['THROUGHPUT']['requests']} at once")
        )  # fmt: skip
    return result


def not_here(contest: Contest, measured: dict[str, Any]) -> list[Any]:
    """The goals of the device openvino where it cannot run, with what OpenVINO's own runtime does there."""
    reached = ratios(measured, KERAS)[CEILING]
    why = f"{contest.unavailable}; OpenVINO's own runtime reaches {reached:g} x Keras end to end on this processor"
    at_least, aim_for = PARTS["openvino"]
    return [
        goal(f"ResNet50 openvino: folder of {SIZE[0]}x{SIZE[1]} JPEGs, end to end", KERAS, None, at_least=at_least,
             aim_for=aim_for, agreement="-", why=why),
        goal("ResNet50 openvino: inference", QUEUED, None, at_least=0.85, aim_for=1.0, agreement="-", why=why),
    ]  # fmt: skip


def measure(part: str, network: Network, photos: Path, peer: Peer, rounds: int) -> None:
    """One part: write results/bench_classify_PART.json."""
    graph, made = quantized(network, photos) if part == "int8" else (network.path, {})
    contest = Contest(part, network, graph, photos, peer)
    same = contest.same_pixels()
    for name, words in same.items():
        print(f"{name}: {words}", flush=True)
    measured = alternate(contest.contestants, rounds)
    result: dict[str, Any] = {
        "what": f"ResNet50 ({part}), batches of {BATCH}, {len(contest.files)} JPEGs of {SIZE[0]}x{SIZE[1]}; pictures "
        "per second. Trained weights are not at hand: the weights are random, with statistics and last layer fitted so "
        "that each photograph has a label of its own",
    }
    if contest.unavailable:
        result["goals"] = not_here(contest, measured)
    else:
        same |= {f"{name}, end to end": words for name, words in contest.end_to_end_labels().items()}
        result["profile"] = profile(contest)
        result["goals"] = goals(part, contest, measured, result["profile"], same)
        result["ours"] = {name: value for name, value in contest.model.facts.items() if not name.startswith("model")}
    result |= {
        "speed": {"measured": measured, "ratio_to_keras": ratios(measured, KERAS)},
        "agreement": same,
        "openvino's own runtime": contest.theirs["THROUGHPUT"],
        **({"quantisation": made} if made else {}),
    }
    save(f"bench_classify_{part}", result, "onnxruntime", "onnxruntime-ep-openvino", "opencv-python-headless", "pillow",
         "tensorflow", "keras", "numpy")  # fmt: skip


@click.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Default: all.")
@click.option("--count", default=96, show_default=True, type=click.IntRange(BATCH), help="Photographs.")
@click.option("--rounds", default=5, show_default=True)
def main(photos: Path, parts: tuple[str, ...], count: int, rounds: int) -> None:
    """Measure and write results/bench_classify_*.json."""
    peer = Peer("openvino", (OPENVINO, "pillow"), "openvino_runtime.py")
    with tempfile.TemporaryDirectory() as name:
        copies = photographs(photos, Path(name) / "photos", count - count % BATCH)
        network = resnet50(Path(name), copies, planar="fp32" in (parts or PARTS))
        for part in parts or PARTS:
            print(f"== {part}", flush=True)
            measure(part, network, copies, peer, rounds)
    peer.close()


if __name__ == "__main__":
    main()
