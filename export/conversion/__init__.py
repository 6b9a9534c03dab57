"""From torch through ONNX to a float32 .tflite file."""
