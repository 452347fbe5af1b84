"""A Keras model as an ONNX graph with named input and output and a free batch axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import onnx

OPSET = 18


def keras_to_onnx(
    model: keras.Model, *, input_name: str = "pixels", output_name: str = "probabilities"
) -> onnx.ModelProto:
    """The model as a graph: float32 (N, ...) → float32 (N, ...), as in inference (no dropout, fixed statistics).

    Args:
        model: With one input and one output.
        input_name: What the graph calls its input.
        output_name: What the graph calls its output.
    """
    import tensorflow as tf
    import tf2onnx

    # tf2onnx's from_keras knows Keras 2 only and fails on Keras 3's tensors; a traced function works with both.
    call = tf.function(lambda x: {output_name: model(x, training=False)})
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name=input_name)]
    graph, _ = tf2onnx.convert.from_function(call, input_signature=signature, opset=OPSET)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    return graph
