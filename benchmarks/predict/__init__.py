"""What a network would cost on CPU cores that nobody here has: predicted, not measured."""
