"""Sections of the results page, :mod:`benchmarks.pages.results_page`."""
