"""Make frames: altered looks of a head that can still be measured, bad frames that must be refused, a run's pool."""
