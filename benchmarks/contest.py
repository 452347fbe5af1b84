"""Who classifies the folder of photographs in `bench_classify`, and whether they say the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

import mediasift as ms
from benchmarks.networks import RECIPE, Network, pixels
from benchmarks.peer import Peer
from mediasift.engines.onnx.providers import session_options
from mediasift.engines.onnx.recipe import prepare, smallest_size
from mediasift.engines.onnx.session import load_model
from mediasift.errors import ProviderUnavailable
from mediasift.items import Item
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings
from mediasift.sources.naming import Inputs, find_sources
from mediasift.system.machine import available_cores

BATCH = 8
OURS, DECODING, INFERENCE = "mediasift classify", "mediasift: decoding alone", "mediasift: inference alone"
KERAS = "Keras: image_dataset_from_directory + predict"
LOOP, DNN = "Pillow + onnxruntime, plain loop", "OpenCV dnn, plain loop"
CEILING = "OpenVINO's own runtime, threads that read, queue"
WAITING, QUEUED = (
    "OpenVINO's own runtime: inference alone, one by one",
    "OpenVINO's own runtime: inference alone, queue",
)
LEAST_AGREEMENT = 0.8
"""Share of equal labels, from the same pixels, below which no ratio is printed."""
NOT_THE_SAME = "not the same, no ratio"


class Contest:
    """One part: the contestants and what they said last.

    Args:
        part: fp32, int8 or openvino.
        network: Made by `networks.resnet50`.
        graph: The ONNX file that this part runs: `network.path`, or its 8-bit form.
        photos: Folder.
        peer: OpenVINO's own runtime.
    """

    def __init__(self, part: str, network: Network, graph: Path, photos: Path, peer: Peer) -> None:
        self.network, self.photos, self.peer, self.graph = network, photos, peer, graph
        self.files = sorted(photos.iterdir())
        self.unavailable = ""
        try:
            self.model = load_model(graph, device="openvino" if part == "openvino" else "cpu")
        except ProviderUnavailable as error:
            self.model, self.unavailable = load_model(graph), str(error)
        self.scores: dict[str, np.ndarray] = {}
        self.batch = pixels(photos)[:BATCH]
        np.save(photos.with_name("batch.npy"), self.batch)
        self.theirs = {
            name: peer.ask(do="load", name=name, path=str(graph), hint=name, cores=available_cores())
            for name in ("LATENCY", "THROUGHPUT")
        }
        self.contestants: dict[str, Callable[[], int]] = {
            OURS: self.end_to_end, DECODING: self.decoding, INFERENCE: self.inference, KERAS: self.keras,
            LOOP: self.loop, CEILING: self.ceiling, WAITING: functools.partial(self.alone, "LATENCY", WAITING),
            QUEUED: functools.partial(self.alone, "THROUGHPUT", QUEUED),
        }  # fmt: skip
        if part == "fp32":
            self.contestants[DNN] = self.dnn
        if self.unavailable:  # what OpenVINO itself can do here remains
            self.contestants = {name: self.contestants[name] for name in (KERAS, CEILING, WAITING, QUEUED)}

    def instructions(self) -> str:
        """What the processor lacks for this part, in words."""
        file = Path("/proc/cpuinfo")
        flags = file.read_text(encoding="ascii", errors="replace") if file.exists() else ""
        if "int8" in self.graph.name and "vnni" not in flags:
            return "this processor has no VNNI, so 8-bit products take the slower way on which no sum overflows"
        if self.model.device.startswith("openvino") and "amx" not in flags:
            return "the goal is of processors with AMX, on which OpenVINO multiplies in bf16; this one has none"
        return ""

    def end_to_end(self) -> int:
        """The whole way, as a user goes it; the scores of the best label only."""
        rows = list(ms.classify(self.photos, model=self.model, batch_size=BATCH))
        labels = self.model.description.labels
        scores = np.zeros((len(rows), len(labels)), np.float32)
        for number, row in enumerate(rows):
            scores[number, labels.index(row.label)] = row.score
        self.scores[OURS] = scores
        return len(rows)

    def decoding(self) -> int:
        """Reading and preparing, by as many threads as there are cores."""

        def read(source: Any) -> None:
            for item in read_source(source, "pictures", PictureSettings(), needs=smallest_size(RECIPE)):
                if isinstance(item, Item):
                    prepare(item.image, RECIPE)

        with ThreadPoolExecutor(available_cores()) as pool:
            return len(list(pool.map(read, find_sources(Inputs(named=[self.photos])))))

    def inference(self) -> int:
        """Batches that are prepared already."""
        times = len(self.files) // BATCH
        for _ in range(times):
            self.scores[INFERENCE] = self.model.run(self.batch)
        return times * BATCH

    def keras(self) -> int:
        """As Keras' documentation does it."""
        import keras

        dataset = keras.utils.image_dataset_from_directory(
            self.photos, labels=None, image_size=(224, 224), batch_size=BATCH, crop_to_aspect_ratio=True,
            shuffle=False, verbose=False,
        )  # fmt: skip
        self.scores[KERAS] = self.network.keras.predict(dataset, verbose=0)
        return len(self.scores[KERAS])

    def read(self, file: Path) -> np.ndarray:
        """The middle of a photograph by Pillow, uint8 (1, 224, 224, 3)."""
        picture = Image.open(file).convert("RGB")
        return np.asarray(ImageOps.fit(picture, (224, 224), Image.Resampling.BILINEAR))[None]

    @functools.cached_property
    def session(self) -> ort.InferenceSession:
        """ONNX Runtime's CPU provider; with our options, so that 8-bit sums are exact there too."""
        return ort.InferenceSession(str(self.graph), session_options(), providers=["CPUExecutionProvider"])

    def loop(self) -> int:
        """One photograph after another."""
        name = self.session.get_inputs()[0].name
        self.scores[LOOP] = np.concatenate([self.session.run(None, {name: self.read(f)})[0] for f in self.files])
        return len(self.files)

    @functools.cached_property
    def net(self) -> Any:
        """The network in OpenCV's dnn module."""
        cv2.setNumThreads(available_cores())
        return cv2.dnn.readNetFromONNX(str(self.network.planar))

    def dnn(self) -> int:
        """One photograph after another."""
        scores = []
        for file in self.files:
            self.net.setInput(self.read(file).transpose(0, 3, 1, 2).astype(np.float32))
            scores.append(self.net.forward())
        self.scores[DNN] = np.concatenate(scores)
        return len(self.files)

    def ceiling(self) -> int:
        """The whole way, in the peer's process."""
        self._ask(CEILING, do="classify", name="THROUGHPUT", files=[str(file) for file in self.files], batch=BATCH,
                  size=224)  # fmt: skip
        return len(self.files)

    def alone(self, name: str, contestant: str) -> int:
        """Batches that are prepared already, in the peer's process."""
        times = len(self.files) // BATCH
        self._ask(contestant, do="infer", name=name, inputs=str(self.photos.with_name("batch.npy")), times=times,
                  waiting=name == "LATENCY")  # fmt: skip
        return times * BATCH

    def _ask(self, contestant: str, **request: Any) -> None:
        result = self.photos.with_name("scores.npy")
        self.peer.ask(**request, result=str(result))
        self.scores[contestant] = np.load(result)

    def same_pixels(self) -> dict[str, str]:
        """Contestant → how far it says the same as ONNX Runtime's CPU, all from the same prepared pixels.

        Our 8-bit graph is compared with the float32 one, the peers' with ours: they run the same file.
        """
        prepared = pixels(self.photos)
        given = self.photos.with_name("prepared.npy")
        np.save(given, prepared)
        float32 = in_batches(load_model(self.network.path).run, prepared)
        ours = in_batches(self.model.run, prepared)
        keras = self.network.keras.predict(prepared, verbose=0)
        same = {
            OURS: in_words(ours, float32, "labels as float32 on the CPU"),
            KERAS: in_words(keras, float32, "labels as our float32"),
        }
        if NOT_THE_SAME in same[OURS] + same[KERAS]:
            raise SystemExit(str(same))
        for name, contestant in (("LATENCY", WAITING), ("THROUGHPUT", QUEUED)):
            self._ask(contestant, do="infer", name=name, inputs=str(given), times=1, waiting=name == "LATENCY")
            same[contestant] = in_words(self.scores.pop(contestant), ours, "labels as ours")
        if DNN in self.contestants:
            self.net.setInput(prepared[:BATCH].transpose(0, 3, 1, 2).astype(np.float32))
            same[DNN] = in_words(self.net.forward(), ours[:BATCH], "labels as ours")
        for name, words in same.items():
            if NOT_THE_SAME in words:
                self.contestants.pop(name)
                if name == QUEUED:
                    self.contestants.pop(CEILING)
        return same

    def end_to_end_labels(self) -> dict[str, str]:
        """Contestant → labels as ours when everybody read the files in their own way."""
        ours = self.scores[OURS].argmax(1)
        return {
            name: f"{(self.scores[name].argmax(1) == ours).sum()} of {len(ours)} labels as ours"
            for name in (KERAS, LOOP, DNN, CEILING)
            if name in self.scores
        }


def in_batches(run: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """The scores of all, in batches of the usual size."""
    return np.concatenate([run(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)])


def in_words(scores: np.ndarray, expected: np.ndarray, subject: str) -> str:
    """Equal labels and the largest difference of a score, and whether that is the same network.

    Args:
        said: float32 (N, labels), probabilities.
        expected: The same.
        what: Is counted.
    """
    same, difference = int((scores.argmax(1) == expected.argmax(1)).sum()), float(np.abs(scores - expected).max())
    words = f"{same} of {len(scores)} {subject}, scores within {difference:.1g}"
    return words if same >= LEAST_AGREEMENT * len(scores) else f"{words}: {NOT_THE_SAME}"
