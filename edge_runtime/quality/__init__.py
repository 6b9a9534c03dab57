"""Whether a measurement can be trusted: its figures, their limits, and the verdict."""
