"""The training study: runs, results, findings."""
