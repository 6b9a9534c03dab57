"""Where a run computes, and in which precision."""

from __future__ import annotations

import ctypes
import platform

import torch

from edge_runtime.errors import UsageError

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def pick_device(name: str) -> torch.device:
    """Pick the device; ``auto`` takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        UsageError: This machine does not have the device.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(d for d, there in present.items() if there))
    if not present.get(name):
        raise UsageError(
            f"This machine has no device '{name}'; it has {', '.join(d for d, there in present.items() if there)}."
        )
    return torch.device(name)


def pick_precision(name: str, device: torch.device, as_paper: bool = False) -> str:
    """Pick the precision; ``auto`` is bfloat16 if the hardware multiplies it (CUDA from Ampere, AVX-512), else float32.

    On a CPU with AVX2 alone bfloat16 is emulated and 10 times slower than float32.

    Args:
        name: ``auto`` or a precision.
        device: Where the run computes.
        as_paper: ``auto`` is float16 on CUDA, as in the paper, and float32 elsewhere: bfloat16 rounds eight times
            coarser.

    Raises:
        UsageError: float16 without CUDA.
    """
    if name == "float16" and device.type != "cuda":
        raise UsageError(f"--precision float16 needs CUDA; this run is on '{device}'. Take float32 or bfloat16.")
    if name != "auto":
        return name
    if as_paper:
        return "float16" if device.type == "cuda" else "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    fast = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if fast else "float32"


def keep_memory() -> None:
    """Let the C library keep freed memory for the tensors of the next step. It does nothing on other systems.

    By default glibc maps new pages for each large tensor and returns them at once. Zeroing them took the kernel 18 % of
    a step of the paper's network at 256x256.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, -1)
