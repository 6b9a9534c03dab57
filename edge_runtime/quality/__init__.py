"""Whether a measurement can be trusted: figures, limits, verdict."""
