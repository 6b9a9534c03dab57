"""A worker: started by :mod:`benchmarks.fuzz.campaign`, not by people."""

from __future__ import annotations

import sys

from benchmarks.fuzz.campaign import work

if __name__ == "__main__":
    work(*map(int, sys.argv[1:4]))
