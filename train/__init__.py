"""Train the paper's fine-tuning strategies, and ours, on HC18."""
