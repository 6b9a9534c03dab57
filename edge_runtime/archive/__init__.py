"""Many images at once: what a source holds, its parts, the rows of each part, and the processes that make them."""
