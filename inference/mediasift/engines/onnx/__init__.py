"""ONNX files become functions from arrays to arrays that describe themselves."""
