"""Convert checkpoints to verified TensorFlow Lite artifacts, by way of ONNX, onnx2tf and TFLiteConverter."""
