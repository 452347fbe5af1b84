from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.mark.parametrize("functional", [False, True], ids=["Sequential", "functional"])
def test_layers_that_differ_in_training_are_converted_as_in_inference(functional: bool):
    """Dropout passes everything on, batch normalisation uses its kept statistics."""
    import keras

    from training.keras_onnx import keras_to_onnx

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.Flatten(),
        keras.layers.Dense(5, activation="softmax"),
    ]
    if functional:
        given = result = keras.Input((8, 8, 3))
        for layer in layers:
            result = layer(result)
        model = keras.Model(given, result)
    else:
        model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    rows = np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    model.fit(rows, np.arange(20) % 5, epochs=1, verbose=0)

    graph = keras_to_onnx(model, input_name="picture", output_name="scores")
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (taken,), (made,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape) == ("picture", ["N", 8, 8, 3])
    assert (made.name, made.shape) == ("scores", ["N", 5])
    expected = model.predict(rows, verbose=0)
    for count in (1, 3, 20):
        (answers,) = session.run(None, {"picture": rows[:count]})
        assert np.abs(answers - expected[:count]).max() <= 1e-5


def test_the_file_does_not_hold_this_machines_paths(tmp_path: Path):
    import keras

    from training.keras_onnx import keras_to_onnx

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    data = keras_to_onnx(model).SerializeToString()
    assert str(Path(__file__).resolve().parents[2]).encode() not in data
    assert str(tmp_path).encode() not in data
