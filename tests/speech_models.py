"""Tiny speech models with known answers, in the forms that onnx-asr reads: what they "understand" are tones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

TONES = {"▁low": 300.0, "▁high": 2500.0, "er": 700.0}
"""Token → the tone (Hz) that says it."""

FRAME_S = 0.08
"""Eight frames of features, 10 ms each, make one of the model's."""


def _band(hertz: float) -> int:
    """Which of 80 bands of Slaney's mel scale up to 8 kHz, as NeMo's features have them, a tone is in."""

    def mel(value: float) -> float:
        return value * 3 / 200 if value < 1000 else 15 + 27 * np.log(value / 1000) / np.log(6.4)

    return round(mel(hertz) / mel(8000) * 81 - 1)


def tone_reader(folder: Path) -> Path:
    """A CTC model as NeMo exports them: features (B, 80, T) and lengths (B,) → logarithms of (B, T / 8, 4) tokens.

    One convolution: a token is as likely as its band is louder than in the rest of the recording; the blank wins where
    no band is loud.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights, bias = np.zeros((4, 80, 8), np.float32), np.array([0, 0, 0, 20], np.float32)
    for token, hertz in enumerate(TONES.values()):
        weights[token, _band(hertz)] = 1.0
    nodes = [
        helper.make_node("Conv", ["audio_signal", "weights", "bias"], ["scores"], strides=[8], pads=[0, 7]),
        helper.make_node("Transpose", ["scores"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("LogSoftmax", ["turned"], ["logprobs"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "tones",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["batch", 80, "time"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("logprobs", TensorProto.FLOAT, ["batch", "frames", 4])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    _write(onnx, graph, folder / "model.onnx")
    tokens = [*TONES, "<blk>"]
    (folder / "vocab.txt").write_text("".join(f"{token} {index}\n" for index, token in enumerate(tokens)))
    (folder / "config.json").write_text(json.dumps({"model_type": "nemo-conformer-ctc", "features_size": 80}))
    return folder


def language_teller(folder: Path) -> Path:
    """A Whisper model in one file: whatever it hears, it says hello in English or hallo in German, as it is told.

    Untold, it takes the sound for English.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    special = ["<|startoftranscript|>", "<|endoftext|>", "<|transcribe|>", "<|notimestamps|>", "<|en|>", "<|de|>"]
    plain = ["Ġhello", "Ġhallo"]
    # The largest token that it was told is the start when it is to find the language, else the language.
    answers = np.array([special.index("<|en|>"), 0, 0, 0, len(special), len(special) + 1], np.int32)
    nodes = [
        helper.make_node("ReduceMax", ["decoder_input_ids"], ["largest"], axes=[1], keepdims=1),
        helper.make_node("Gather", ["answers", "largest"], ["answer"]),
        helper.make_node("Concat", ["decoder_input_ids", "answer", "end"], ["all"], axis=1),
        helper.make_node("Unsqueeze", ["all", "one"], ["sequences"]),
    ]
    constants = {"answers": answers, "end": np.array([[1]], np.int32), "one": np.array([1])}
    names = ("max_length", "min_length", "num_beams", "num_return_sequences")
    graph = helper.make_graph(
        nodes,
        "languages",
        [
            helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["batch", 80, 3000]),
            *(helper.make_tensor_value_info(name, TensorProto.INT32, [1]) for name in names),
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
                for name in ("length_penalty", "repetition_penalty")
            ),
            helper.make_tensor_value_info("decoder_input_ids", TensorProto.INT32, ["batch", "told"]),
        ],
        [helper.make_tensor_value_info("sequences", TensorProto.INT32, ["batch", 1, "length"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    _write(onnx, graph, folder / "whisper-tiny_beamsearch.onnx")
    (folder / "vocab.json").write_text(json.dumps({token: len(special) + index for index, token in enumerate(plain)}))
    (folder / "added_tokens.json").write_text(json.dumps({token: index for index, token in enumerate(special)}))
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper-ort"}))
    return folder


def _write(onnx, graph, path: Path) -> None:
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
