"""From checkpoints to verified TensorFlow Lite artifacts: torch, ONNX, onnx2tf, TFLiteConverter."""
