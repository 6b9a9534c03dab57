"""What the runtime costs and withstands: overhead, soak, quality."""
