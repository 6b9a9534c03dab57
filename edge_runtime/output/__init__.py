"""Pictures of measurements, and the names of their files."""
