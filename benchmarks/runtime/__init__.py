"""What the runtime costs, and how it behaves: overhead, many frames, refusal."""
