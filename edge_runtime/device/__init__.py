"""This computer: its hardware, and the number of threads that was found best on it."""
