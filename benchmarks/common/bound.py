"""Run a module as ``python -m`` does, in a process that ends with the one that started it.

``python -m benchmarks.common.bound PARENT MODULE ARGUMENTS...``, where PARENT is the number of the process that starts
it. A training whose parent was killed would go on unseen, and lock or write the folder of the one that replaces it.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Run the module that the arguments name."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":  # elsewhere it is not bound
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed meanwhile
            return
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
