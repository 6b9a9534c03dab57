"""The search for fast networks: what is tried, how it is measured, and what came of it."""
