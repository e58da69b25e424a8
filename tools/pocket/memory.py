"""A setting of the C library that makes training steps on a CPU faster."""

from __future__ import annotations

import ctypes
import sys


def keep() -> None:
    """Tell glibc to keep freed memory: otherwise every step gives its tensors back to the kernel and faults
    them in again, which cost 15 % of a training step.
    """
    if sys.platform == "linux":
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_threshold, 32 * 2**20)
