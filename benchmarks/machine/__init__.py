"""The machine while it measures: its load, clock, temperature and energy."""
