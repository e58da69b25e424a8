"""The out-of-memory ladder: what a job gives up, in which order, before it gives up itself.

The order is by what it costs the picture: tiles shift its tone a little, sliced attention and offloading only
take time, a missing second pass loses detail. A job starts on the first rung whatever happened before it, so
that the same seed gives the same bytes.
"""

from __future__ import annotations

import enum
import gc
from collections.abc import Callable
from typing import TypeVar

import torch
from impasto_protocol.errors import OutOfMemory

Result = TypeVar("Result")


class Tier(enum.IntEnum):
    """How a job uses memory; each rung includes the ones above it."""

    FULL = 0
    TILED = 1  # the autoencoder works in tiles
    SLICED = 2  # attention is computed head by head
    OFFLOADED = (
        3  # only the part at work is on the device; pointless where device and host share their memory
    )


def last_tier(device: str) -> Tier:
    return Tier.SLICED if device.startswith("cpu") else Tier.OFFLOADED


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a failed allocation is behind an error: torch has a class for CUDA's, and only words for
    others.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "not enough memory" in text or "out of memory" in text
    )


def attempt(work: Callable[[], Result], step_down: Callable[[], Tier | None], what: str) -> Result:
    """`work()`, again on the next rung after each failed allocation, until `step_down` returns None.

    `work` must be repeatable: it makes its own generators. Raises `OutOfMemory` with `what` in its sentence.
    """
    while True:
        try:
            return work()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler: its traceback keeps the tensors of the failed attempt alive.
        release_cached()
        if step_down() is None:
            raise OutOfMemory(
                f"The device has too little memory for {what}. "
                "Close other programs that use it, or ask for a smaller picture or selection."
            )


def release_cached() -> None:
    """Gives freed memory back to the device, so that other processes and larger blocks can have it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
