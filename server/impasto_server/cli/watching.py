"""Files that other programs write while we look: when each has changed and is whole again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["LOOK_S", "Watched"]

LOOK_S = 0.03  # between two looks: shorter than the eye, long enough for a program to get on with writing

_Look = tuple[
    tuple[int, int, int] | None, ...
]  # of each file: when it was changed, its size, which one it is


class Watched:
    """Several files, watched together. One that is gone is waited for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._taken = self._last = self._look()

    def changed(self) -> bool:
        """Whether they are others than at the last time this was so, all there, and at rest since the last
        call. Call it every `LOOK_S`."""
        look = self._look()
        at_rest, self._last = look == self._last, look
        if not at_rest or None in look or look == self._taken:
            return False
        self._taken = look
        return True

    def _look(self) -> _Look:
        return tuple(_state(path) for path in self._paths)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
