"""A live probe: the newest frame, its result, and a summary of the last seconds."""
