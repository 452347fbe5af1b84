"""A Keras model as an ONNX graph with named input and output and a free batch axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import onnx

OPSET = 18


def keras_to_onnx(
    model: keras.Model,
    *,
    input_name: str = "pixels",
    output_name: str = "probabilities",
    dtype: str = "float32",
    channels_first: bool = False,
) -> onnx.ModelProto:
    """The model as a graph: (N, ...) → float32 (N, ...), as in inference (no dropout, fixed statistics).

    Args:
        model: With one input and one output.
        input_name: What the graph calls its input.
        output_name: What the graph calls its output.
        dtype: Type of the graph's input; uint8 is turned into float32 inside.
        channels_first: Take (N, C, H, W) where the model takes (N, H, W, C).
    """
    import tensorflow as tf
    import tf2onnx

    # tf2onnx's from_keras knows Keras 2 only and fails on Keras 3's tensors; a traced function works with both.
    call = tf.function(lambda x: {output_name: model(tf.cast(x, tf.float32), training=False)})
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), dtype, name=input_name)]
    graph: onnx.ModelProto
    graph, _ = tf2onnx.convert.from_function(
        call, input_signature=signature, opset=OPSET, inputs_as_nchw=[input_name] if channels_first else None
    )
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    return graph
