"""The report: any results of the suite, side by side where their conditions allow it."""
