"""Convert a network from torch to .tflite, by way of ONNX and a SavedModel."""
