"""Pictures and reports of measurements, and the names of their files."""
