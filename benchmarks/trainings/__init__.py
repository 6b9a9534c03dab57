"""Many trainings: several at a time on this computer, or on the nodes of a Ray cluster; what is done is skipped."""
