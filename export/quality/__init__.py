"""The limits beyond which a frame is refused, derived from good and bad frames."""
