"""The text half of a pair that puts pictures and texts into one space (CLIP, SigLIP): texts → vectors, and scores.

A pair is described as one model, by the description of its picture half: a network of its own, a tokenizer's file, and
how a cosine becomes a score. Sources: Transformers, `CLIPModel.forward` (softmax over texts of scale * cosine) and
`SiglipModel.forward` (sigmoid of scale * cosine + bias, each text for itself).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.meaning import check_finite
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.providers import open_session
from mediasift.engines.onnx.runtime import first_line, ort_errors
from mediasift.errors import DescriptionError, InferenceFailed, ModelError, ModelNotFound, UsageError
from mediasift.system.optional import require

_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class TextHalf:
    """The text half of a described pair, loaded.

    Args:
        path: The picture half's file; the other files lie beside it.
        description: Its description.
        threads: Of the network; None for every core.

    Attributes:
        text: What the description says of it.
        facts: Its file's SHA-256, and the tokenizer's.

    Raises:
        DescriptionError: The description has no text half, or one that does not fit the files.
        ModelNotFound: A file is missing.
        MissingPackage: The package `tokenizers` is not installed.
    """

    def __init__(self, path: Path, description: ModelDescription, *, threads: int | None = None) -> None:
        if description.text is None:
            raise DescriptionError(
                f"{path}: has no text half, so that labels of one's own and texts mean nothing to it; a pair (CLIP, "
                "SigLIP) is described with mediasift models describe --text-model"
            )
        self.path, self.text = path, description.text
        self._model, tokenizer = (self._beside(name) for name in (self.text.model, self.text.tokenizer))
        self._tokenizer = _tokenizer(tokenizer)
        folder = self._model.resolve().parent
        try:
            self._session = open_session(str(self._model), "cpu", threads, data_folder=folder, key=None, spin=False)
        except ort_errors() as error:
            raise ModelError(f"{self._model}: ONNX Runtime refuses the model: {first_line(error)}") from error
        self._inputs, self._output = self._known_inputs(), self._known_output()
        self.facts = {"text_model_sha256": sha256(self._model), "tokenizer_sha256": sha256(tokenizer)}

    def _beside(self, name: str) -> Path:
        file = self.path.parent / name
        if not file.is_file():
            raise ModelNotFound(f"{file}: no such file; {self.path.name} is half of a pair and needs it beside it")
        return file

    def _known_inputs(self) -> dict[str, Any]:
        """Name of the input → numpy's type: the tokens, and where the graph wants it the mask."""
        kinds = {one.name: _INTEGERS.get(one.type) for one in self._session.get_inputs()}
        known = {"input_ids", "attention_mask"}
        if "input_ids" not in kinds or not set(kinds) <= known or None in kinds.values():
            shown = ", ".join(f"{one.name} {one.type}" for one in self._session.get_inputs())
            raise DescriptionError(
                f"{self._model}: the inputs must be input_ids, and perhaps attention_mask, of int64 or int32; found "
                f"{shown}"
            )
        return kinds

    def _known_output(self) -> str:
        names = [one.name for one in self._session.get_outputs()]
        wanted = self.text.output_name or (names[0] if len(names) == 1 else None)
        if wanted is None and "text_embeds" in names:
            wanted = "text_embeds"
        if wanted not in names:
            raise DescriptionError(
                f"{self._model}: field text.output_name: {self.text.output_name!r}; the graph gives {', '.join(names)}"
            )
        return str(wanted)

    def vectors(self, texts: Sequence[str], *, prompt: bool = True) -> NDArray[np.float32]:
        """float32 (texts, D), of length 1.

        Args:
            texts: As the user typed them.
            prompt: Put each into the pair's prompt first.

        Raises:
            UsageError: A text is longer than the network takes.
        """
        return unit(np.stack([self._vector(self.text.prompt.replace("{}", one) if prompt else one) for one in texts]))

    def _vector(self, text: str) -> NDArray[np.float32]:
        tokens = self._tokenizer.encode(text).ids
        length = self.text.length or len(tokens)
        if len(tokens) > length:
            raise UsageError(f"the text {text!r} has {len(tokens)} tokens, but {self._model.name} takes {length}")
        rest = length - len(tokens)
        given = {"input_ids": [*tokens, *[self.text.pad_id] * rest], "attention_mask": [1] * len(tokens) + [0] * rest}
        feed = {name: np.array([given[name]], dtype=kind) for name, kind in self._inputs.items()}
        try:
            (vector,) = self._session.run([self._output], feed)
        except ort_errors() as error:
            raise UsageError(f"the text {text!r}: {self._model.name} refuses it: {first_line(error)}") from error
        check_finite(vector)
        if vector.ndim != 2 or len(vector) != 1:
            raise DescriptionError(f"{self._model}: the output {self._output!r} has shape {vector.shape}, not (1, D)")
        return np.asarray(vector[0], dtype=np.float32)

    def scores(self, pictures: NDArray[np.float32], texts: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well each text fits each picture, float32 (pictures, texts), 0..1.

        Args:
            pictures: float32 (N, D), as the picture half gives them.
            texts: See `vectors`.

        Raises:
            InferenceFailed: The two halves have vectors of different lengths.
        """
        if pictures.shape[1] != texts.shape[1]:
            raise InferenceFailed(
                f"{self.path.name} gives vectors of {pictures.shape[1]} numbers, {self._model.name} of "
                f"{texts.shape[1]}: they are no pair, or another output is meant (--output-name, --text-output-name)"
            )
        numbers = self.text.scale * (unit(pictures).astype(np.float64) @ texts.T) + self.text.bias
        if self.text.scores == "sigmoid":
            return np.asarray(0.5 * (1 + np.tanh(numbers / 2)), dtype=np.float32)
        numbers = np.exp(numbers - numbers.max(axis=1, keepdims=True))
        return np.asarray(numbers / numbers.sum(axis=1, keepdims=True), dtype=np.float32)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors at length 1; one of zeros as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _tokenizer(file: Path) -> Any:
    tokenizers = require("tokenizers", extra="text-labels")
    try:
        tokenizer = tokenizers.Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptionError(f"{file}: cannot be read ({error})") from error
    except Exception as error:
        raise DescriptionError(f"{file}: is no tokenizer's JSON file ({error})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
