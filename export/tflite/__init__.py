"""Read, write, run, time and audit .tflite files."""
