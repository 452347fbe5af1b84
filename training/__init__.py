"""Trains the models in `exported_models/` and writes them as ONNX files that describe themselves.

One script per model, `python -m training.NAME --data DIR -o exported_models/NAME.onnx`. Not part of the wheel:
mediasift never imports this package, and none of its libraries (TensorFlow, scikit-learn) is needed to run a model.
"""
