"""A step gate for running the engine without a worker."""

from __future__ import annotations


class OpenGate:
    """A step gate that never stops anything."""

    def check(self) -> None: ...

    def report(self, stage: str, step: int = 0, steps: int = 0, preview: object = None) -> None: ...

    def wants_preview(self) -> bool:
        return False

    def deliver(self, layer: object) -> None: ...
