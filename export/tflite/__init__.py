"""What is inside a .tflite file: read, written, run, timed, audited."""
