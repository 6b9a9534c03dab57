"""Measuring in the browser of a phone: a page on the local network that runs the artifacts with LiteRT.js."""
