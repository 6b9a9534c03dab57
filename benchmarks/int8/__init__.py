"""What int8 costs and gains: the measurements behind docs/int8.md."""
