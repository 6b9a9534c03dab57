"""Processes by session, and clusters of them."""
