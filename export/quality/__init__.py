"""Derive the limits beyond which an artifact refuses a frame, from good and bad frames."""
