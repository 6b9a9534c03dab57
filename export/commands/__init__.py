"""``python -m export``: one module for each command."""
