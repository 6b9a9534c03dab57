"""Where a model's time goes, operator by operator, and what the machine's arithmetic and memory would allow."""
