"""What is written for each frame: pictures of its measurement."""
