"""This computer: what it is, and what was learned on it."""
