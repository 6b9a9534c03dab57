"""Sections of docs/quality.md, and the tables of README.md and MODEL_CARD.md on what was tried."""
