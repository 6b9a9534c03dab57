"""Quantize a float32 .tflite file to int8, within a budget for the loss."""
