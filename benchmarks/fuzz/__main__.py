"""A worker. :mod:`benchmarks.fuzz.campaign` starts it, people do not."""

from __future__ import annotations

import sys

from benchmarks.fuzz.campaign import work

if __name__ == "__main__":
    work(*map(int, sys.argv[1:4]))
