"""Step gates for tests: one that only listens, one that cancels, one that lets other jobs in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from impasto_protocol.messages import Pixels
from impasto_server.engine.interface import Cancelled, Layer


@dataclass
class Listener:
    """Counts checks and keeps what was reported and delivered."""

    previews: bool = False
    checks: int = 0
    reports: list[tuple[str, int, int]] = field(default_factory=list)
    shown: list[Pixels] = field(default_factory=list)
    delivered: list[Layer] = field(default_factory=list)

    def check(self) -> None:
        self.checks += 1

    def report(self, stage: str, step: int = 0, steps: int = 0, preview: Pixels | None = None) -> None:
        self.reports.append((stage, step, steps))
        if preview is not None:
            self.shown.append(preview)

    def wants_preview(self) -> bool:
        return self.previews

    def deliver(self, layer: Layer) -> None:
        self.delivered.append(layer)

    @property
    def stages(self) -> list[str]:
        """Stages in order, each run of equal ones once."""
        names = [stage for stage, _, _ in self.reports]
        return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]


@dataclass
class Canceller(Listener):
    """Cancels at the given check."""

    at: int = 1

    def check(self) -> None:
        super().check()
        if self.checks == self.at:
            raise Cancelled


@dataclass
class Yielding(Listener):
    """Runs `other` inside each check, as the worker does with a more urgent job."""

    other: Callable[[], object] = lambda: None

    def check(self) -> None:
        super().check()
        self.other()
