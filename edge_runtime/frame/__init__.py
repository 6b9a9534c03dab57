"""Frames: from files or memory to the network's input."""
