"""Check that an artifact answers as torch does, and measure its accuracy."""
