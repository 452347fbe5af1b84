"""The plain loops: what somebody writes without mediasift, one function each, as short as it can be and no slower.

    python benchmarks/loops.py NAME INPUT OUTPUT [MODEL]

Each reads INPUT and writes a CSV with a header. They import only what they need; their imports count, as ours do.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def written(output: str, header: list[str], rows: list[list[object]]) -> None:
    with Path(output).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def digits(folder: str, output: str, model: str) -> None:
    """OpenCV reads, ONNX Runtime takes batches of 64."""
    import cv2
    import numpy as np
    import onnxruntime as ort

    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    files, rows = sorted(Path(folder).iterdir()), list[list[object]]()
    for start in range(0, len(files), 64):
        batch = files[start : start + 64]
        pixels = np.stack([np.asarray(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)) for file in batch])
        scores = session.run(None, {name: (pixels / np.float32(255))[..., None]})[0]
        for file, label, score in zip(batch, scores.argmax(1), scores.max(1), strict=True):
            rows.append([file, label, score])
    written(output, ["path", "label", "score"], rows)


def photos(folder: str, output: str, model: str) -> None:
    """Pillow reads and shrinks as torchvision does, ONNX Runtime takes one photograph after another."""
    import numpy as np
    import onnxruntime as ort
    from PIL import Image

    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    rows = list[list[object]]()
    for file in sorted(Path(folder).iterdir()):
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        factor = 256 / min(picture.size)
        picture = picture.resize([round(side * factor) for side in picture.size], Image.Resampling.BILINEAR)
        left, top = ((side - 224) // 2 for side in picture.size)
        pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32) / 255
        (logits,) = session.run(None, {name: ((pixels - mean) / std).transpose(2, 0, 1)[None]})[0]
        scores = np.exp(logits - logits.max())
        rows.append([file, logits.argmax(), scores.max() / scores.sum()])
    written(output, ["path", "label", "score"], rows)


def resnet(folder: str, output: str, model: str) -> None:
    """Pillow reads, shrinks and crops, ONNX Runtime takes one photograph after another."""
    import numpy as np
    import onnxruntime as ort
    from PIL import Image, ImageOps

    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    name, rows = session.get_inputs()[0].name, list[list[object]]()
    for file in sorted(Path(folder).iterdir()):
        with Image.open(file) as opened:
            picture = ImageOps.fit(opened.convert("RGB"), (224, 224), Image.Resampling.BILINEAR)
        scores = session.run(None, {name: np.asarray(picture)[None]})[0][0]
        rows.append([file, scores.argmax(), scores.max()])
    written(output, ["path", "label", "score"], rows)


def keras(folder: str, output: str, model: str) -> None:
    """As Keras' documentation does it."""
    import keras as library

    network = library.models.load_model(model)
    dataset = library.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(224, 224), batch_size=8, crop_to_aspect_ratio=True, shuffle=False,
        verbose=False,
    )  # fmt: skip
    scores = network.predict(dataset.map(library.applications.resnet.preprocess_input), verbose=0)
    rows = zip(sorted(Path(folder).iterdir()), scores.argmax(1), scores.max(1), strict=True)
    written(output, ["path", "label", "score"], [list(row) for row in rows])


def keras_one(picture: str, output: str, model: str) -> None:
    """One grey picture of 28x28."""
    import keras as library

    network = library.models.load_model(model)
    loaded = library.utils.load_img(picture, color_mode="grayscale", target_size=(28, 28))
    scores = network.predict(library.utils.img_to_array(loaded)[None, :, :, 0] / 255, verbose=0)[0]
    written(output, ["path", "label", "score"], [[picture, scores.argmax(), scores.max()]])


def shots(video: str, output: str) -> None:
    """OpenCV decodes and shrinks to 256 pixels; a cut is a mean change of hue, saturation and value of 27 or more."""
    import cv2

    capture, before, number, rows = cv2.VideoCapture(video), None, 0, list[list[object]]()
    while (read := capture.read())[0]:
        frame = read[1]
        size = 256, round(frame.shape[0] * 256 / frame.shape[1])
        hsv = cv2.cvtColor(cv2.resize(frame, size), cv2.COLOR_BGR2HSV)
        if before is not None and cv2.norm(hsv, before, cv2.NORM_L1) / hsv.size >= 27:
            rows.append([number])
        before, number = hsv, number + 1
    written(output, ["frame"], rows)


def ocr(folder: str, output: str) -> None:
    """pytesseract, one picture after another."""
    import pytesseract
    from PIL import Image

    rows = list[list[object]]()
    for file in sorted(Path(folder).iterdir()):
        with Image.open(file) as picture:
            rows.append([file, pytesseract.image_to_string(picture.convert("RGB"))])
    written(output, ["path", "text"], rows)


def duplicates(folder: str, output: str) -> None:
    """ImageHash's pHash of each picture; all pairs within 10 bits."""
    import imagehash
    import numpy as np
    from PIL import Image

    files = sorted(Path(folder).iterdir())
    hashes = list[int]()
    for file in files:
        with Image.open(file) as picture:
            hashes.append(int(str(imagehash.phash(picture)), 16))
    numbers = np.array(hashes, np.uint64)
    rows = list[list[object]]()
    for place, one in enumerate(numbers):
        near = np.flatnonzero(np.bitwise_count(numbers[place + 1 :] ^ one) <= 10) + place + 1
        rows += [[files[place], files[other]] for other in near]
    written(output, ["path", "other"], rows)


def transcribe(folder: str, output: str) -> None:
    """PyAV reads 16 kHz mono, pocketsphinx decodes one recording after another."""
    import av
    import numpy as np
    from pocketsphinx import Decoder

    decoder, rows = Decoder(samprate=16000, loglevel="FATAL"), list[list[object]]()
    for file in sorted(Path(folder).iterdir()):
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
        with av.open(str(file)) as container:
            frames = [one for frame in container.decode(audio=0) for one in resampler.resample(frame)]
        decoder.start_utt()
        decoder.process_raw(np.concatenate([one.to_ndarray()[0] for one in frames]).tobytes(), full_utt=True)
        decoder.end_utt()
        rows.append([file, decoder.hyp().hypstr if decoder.hyp() else ""])
    written(output, ["path", "text"], rows)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
