"""The frames that artifacts are timed and scored on: from a data set, or packed in one file for a device."""
