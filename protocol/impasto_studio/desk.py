"""The jobs of a studio that paints documents: see `base_desk`."""

import time
from dataclasses import replace
from typing import Callable, Optional, Union

from impasto_protocol.messages import JobSummary

from impasto_studio.base_desk import BaseDesk, new_job
from impasto_studio.host import Captured, Host
from impasto_studio.notes import Note, read_note
from impasto_studio.tasks import Plan
from impasto_studio.texts import tr
from impasto_studio.work import Work, parcel
from impasto_studio.workers import Worker

__all__ = ["Desk"]


class Desk(BaseDesk[Work]):
    def __init__(
        self,
        host: Host,
        send: Worker,
        ask: Worker,
        *,
        changed: Callable[[], None],
        finished: Callable[[Work], None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(send, ask, changed=changed, finished=finished, say=say)
        self._host = host

    def begin(self, plan: Plan, note: Note) -> None:
        self._begin(_work(plan, note))

    def annotate(self, job: str, note: Note) -> None:
        """Another note for a job, here at once and in the journal as soon as the server is there."""
        work = self.works.get(job)
        if work is not None and note != work.note:
            work.note = note
            self._note_changed(work)

    # ── what it does with its kind of job ────────────────────────────────────────────────────────────────

    def _read(self, work: Work) -> None:
        plan = work.plan
        assert plan is not None
        if plan.capture is None:
            self._captured(work, parcel(plan, Captured()))
        else:
            self._host.capture(
                plan.capture,
                lambda captured: self._captured(work, parcel(plan, captured)),
                lambda sentence: self._fail(work, sentence),
            )

    def _again(self, old: Work) -> Union[Work, str]:
        if old.plan is None:  # of an earlier run of the host
            return tr("Its picture is not kept any more. Start it anew from the document.")
        return _work(old.plan, replace(old.note, favourites=(), applied=()))

    def _worth_keeping(self, work: Work) -> bool:
        return work.has_takes

    def _dismissed(self, work: Work) -> None:
        self.annotate(work.job, replace(work.note, dismissed=True))

    def _recalled(self, summary: JobSummary) -> Optional[Work]:
        note = read_note(summary.note)
        if note is None:
            return None
        return Work(summary.job, summary.state, summary.prompt, summary.created_s, note=note)

    def _settled(self, work: Work) -> bool:
        return work.is_map and work.state == "done"


def _work(plan: Plan, note: Note) -> Work:
    return Work(new_job(), "capturing", plan.request.prompt, time.time(), note=note, plan=plan)
