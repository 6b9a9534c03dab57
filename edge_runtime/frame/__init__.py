"""From a frame in a file or in memory to the network's input."""
