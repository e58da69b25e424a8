"""The step gate: where a running job meets cancellation, live previews, more urgent jobs, and the people who
watch it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from impasto_protocol.messages import Pixels

from impasto_server.engine.interface import Cancelled, Layer
from impasto_server.pool.channel import Progress, Run
from impasto_server.worker.channel_ends import Inbox, Outbox

__all__ = ["Gate", "Stopping"]

REPORT_EVERY_S = 0.05  # more often than eyes can follow
PREVIEW_EVERY_S = 0.2


class Stopping(Cancelled):
    """The whole worker is to end: nobody is told how the job fared, so that it starts anew elsewhere."""


class Gate:
    """The `StepGate` of one job, for the main thread. `paint_live` paints at most one frame of each live
    session that waits for one, `run_nested` a more urgent job to its end; `keep` stores a finished layer."""

    def __init__(
        self,
        job: str,
        inbox: Inbox,
        outbox: Outbox,
        paint_live: Callable[[], None],
        run_nested: Callable[[Run], None],
        keep: Callable[[Layer], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._job = job
        self._inbox = inbox
        self._outbox = outbox
        self._paint_live = paint_live
        self._run_nested = run_nested
        self._keep = keep
        self._clock = clock
        self._begun_s = clock()
        self._waited_s = 0.0  # while live previews and more urgent jobs held the device
        self._stage = ""
        self._reported_s = -REPORT_EVERY_S
        self._preview_s = -PREVIEW_EVERY_S
        self._steps: dict[int, float] = {}  # step → device time at which it was first reported

    @property
    def device_s(self) -> float:
        """How long the job has held the device."""
        return self._clock() - self._begun_s - self._waited_s

    def check(self) -> None:
        """See `StepGate`. What was pending on entry runs here; what comes meanwhile has to wait until this
        job has done another step, so that it always gets on."""
        if not self._inbox.news:
            return
        self._raise_if_cancelled()
        since_s = self._clock()
        try:
            self._paint_live()
            for command in self._inbox.take_runs():
                self._run_nested(command)
        finally:
            self._waited_s += self._clock() - since_s
        self._raise_if_cancelled()

    def _raise_if_cancelled(self) -> None:
        if self._inbox.stopping:
            raise Stopping
        if self._inbox.is_cancelled(self._job):
            raise Cancelled

    def report(self, stage: str, step: int = 0, steps: int = 0, preview: Pixels | None = None) -> None:
        """See `StepGate`. A step that follows too soon is left out, unless it brings a stage or a preview."""
        now_s = self._clock()
        if stage != self._stage:
            self._steps.clear()
        self._steps.setdefault(step, self.device_s)
        if stage == self._stage and preview is None and now_s - self._reported_s < REPORT_EVERY_S:
            return
        self._stage, self._reported_s = stage, now_s
        if preview is not None:
            self._preview_s = now_s
        self._outbox.send(Progress(self._job, stage, step, steps, self._remaining_s(step, steps), preview))

    def wants_preview(self) -> bool:
        """See `StepGate`."""
        return self._clock() - self._preview_s >= PREVIEW_EVERY_S

    def deliver(self, layer: Layer) -> None:
        """See `StepGate`."""
        self._keep(layer)

    def _remaining_s(self, step: int, steps: int) -> float:
        """Time for the steps that are left, at the pace of those done; negative: unknown.

        The first step is left out once there are others: it loads and warms up what the others find ready.
        """
        done = sorted(self._steps)
        if len(done) > 2:
            done = done[1:]
        if len(done) < 2 or steps <= 0:
            return -1.0
        pace_s = (self._steps[done[-1]] - self._steps[done[0]]) / (done[-1] - done[0])
        return max(0.0, pace_s * (steps - step))
