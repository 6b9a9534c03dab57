"""Markdown and HTML made from result files."""
