"""The HC18 challenge: its submission file."""
