"""Frames made from others: variants whose head can be measured, and frames that must be refused."""
