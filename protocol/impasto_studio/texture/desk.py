"""The jobs of a studio that textures objects: see `impasto_studio.base_desk`."""

import time
from dataclasses import replace
from typing import Callable, Optional, Union

from impasto_protocol.messages import JobSummary

from impasto_studio.base_desk import BaseDesk, new_job
from impasto_studio.gallery import Gallery
from impasto_studio.texts import tr
from impasto_studio.texture.fetching import fetch
from impasto_studio.texture.host import Gathered, TextureHost
from impasto_studio.texture.notes import TextureNote, read_note
from impasto_studio.texture.plan import TexturePlan
from impasto_studio.texture.work import Pictures, TextureWork, parcel_of, too_much
from impasto_studio.workers import Worker

__all__ = ["TextureDesk"]


class TextureDesk(BaseDesk[TextureWork]):
    def __init__(
        self,
        host: TextureHost,
        send: Worker,
        ask: Worker,
        gallery: Gallery,
        *,
        changed: Callable[[], None],
        finished: Callable[[TextureWork], None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(send, ask, changed=changed, finished=finished, say=say)
        self._host = host
        self._gallery = gallery

    def begin(self, plan: TexturePlan) -> str:
        """Returns the job's id."""
        work = _work(plan)
        self._begin(work)
        return work.job

    def annotate(self, job: str, note: TextureNote) -> None:
        """Another note for a job, here at once and in the journal as soon as the server is there."""
        work = self.works.get(job)
        if work is not None and note != work.note:
            work.note = note
            self._note_changed(work)

    def cancel(self, job: str) -> None:
        """What turns out to be done nevertheless is not put on by itself, in no later run either."""
        work = self.works.get(job)
        if work is not None and not work.ended:
            stopped = replace(work.note, stopped=True)
            if work.sent or work.accepted:
                self.annotate(job, stopped)
            work.note = stopped
        super().cancel(job)

    # ── what it does with its kind of job ────────────────────────────────────────────────────────────────

    def _read(self, work: TextureWork) -> None:
        """First what an earlier job has, then the scene."""
        plan = work.plan
        assert plan is not None

        def fetched(pictures: Pictures) -> None:
            if work.ended:
                return  # cancelled meanwhile
            if plan.gather is None:
                self._captured(work, parcel_of(plan, None, pictures))
                return
            self._host.gather(plan.gather, lambda gathered: self._gathered(work, gathered, pictures), failed)

        def failed(sentence: str) -> None:
            self._fail(work, sentence)

        fetch(self._gallery, plan.pictures, fetched, failed)

    def _gathered(self, work: TextureWork, gathered: Gathered, fetched: Pictures) -> None:
        plan, limits = work.plan, self._limits
        assert plan is not None
        trouble = too_much(gathered, limits) if limits is not None else ""
        if trouble:
            self._fail(work, trouble)
            return
        bare = tuple(replace(target, base=None) for target in gathered.targets)
        work.note = replace(work.note, targets=bare)
        self._captured(work, parcel_of(plan, gathered, fetched))

    def _again(self, old: TextureWork) -> Union[TextureWork, str]:
        if old.plan is None:  # of an earlier run of the program
            return tr("What it was painted from is not kept any more. Start it anew.")
        work = _work(old.plan)
        work.note = replace(work.note, targets=old.note.targets)
        return work

    def _worth_keeping(self, work: TextureWork) -> bool:
        return bool(work.views)

    def _dismissed(self, work: TextureWork) -> None:
        self.annotate(work.job, replace(work.note, dismissed=True))

    def _recalled(self, summary: JobSummary) -> Optional[TextureWork]:
        note = read_note(summary.note)
        if note is None:
            return None
        return TextureWork(summary.job, summary.state, summary.prompt, summary.created_s, note=note)

    def _settled(self, work: TextureWork) -> bool:
        return work.inspects and work.ended


def _work(plan: TexturePlan) -> TextureWork:
    return TextureWork(new_job(), "capturing", plan.request.prompt, time.time(), note=plan.note, plan=plan)
