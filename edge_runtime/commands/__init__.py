"""The commands of ``python -m edge_runtime``, one module each."""
