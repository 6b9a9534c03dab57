"""``python -m edge_runtime``: one module for each command."""
