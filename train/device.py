"""Where a run computes, and in which precision."""

from __future__ import annotations

import ctypes
import platform

import torch

from edge_runtime.errors import UsageError

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def pick_device(name: str) -> torch.device:
    """``auto`` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: The device asked for is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(d for d, there in present.items() if there))
    if not present.get(name):
        raise UsageError(f"There is no device '{name}' here; there is {[d for d, there in present.items() if there]}.")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """``auto`` is bfloat16 where the hardware multiplies it fast (CUDA from Ampere, CPUs with AVX-512), else float32.

    On a CPU with AVX2 alone bfloat16 is emulated and 10 times slower than float32.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    fast = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if fast else "float32"


def keep_memory() -> None:
    """Let the C library keep what tensors free, for those of the next step.

    glibc maps each large tensor anew and returns it at once; the kernel's zeroing of those pages took 18 % of a step of
    the paper's network at 256x256. Does nothing on other systems.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, -1)
