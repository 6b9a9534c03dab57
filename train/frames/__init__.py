"""Make frames: variants whose head can still be measured, and bad frames that must be refused."""
