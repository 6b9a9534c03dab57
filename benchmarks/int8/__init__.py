"""What int8 costs and gains: the figures of docs/int8.md."""
