"""Measure artifacts on this machine, and turn the measurements into reports."""
