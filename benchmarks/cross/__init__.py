"""Cross-validation of the shipped sizes: every image scored by a network that has not seen its exam."""
