"""A live probe: the newest frame, its result, a summary of the last seconds."""
