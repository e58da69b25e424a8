"""What becomes of finished takes: they are compared, applied, marked, used again or discarded."""

from dataclasses import replace
from typing import Optional

from impasto_studio.desk import Desk
from impasto_studio.history import marked
from impasto_studio.inserting import Inserter
from impasto_studio.settings import sound
from impasto_studio.state import State
from impasto_studio.takes import Comparison
from impasto_studio.texts import tr
from impasto_studio.work import Work

__all__ = ["Chooser"]


class Chooser:
    """On the UI thread. Commands about takes that are gone do nothing: the panel's list may be a view old."""

    def __init__(self, state: State, desk: Desk, inserter: Inserter, comparison: Comparison) -> None:
        self._state = state
        self._desk = desk
        self._inserter = inserter
        self._comparison = comparison

    def finished(self, work: Work) -> None:
        """A job has more takes than before. Opens them, once, unless the artist is busy with others or
        elsewhere; when no more come, she is told where they are."""
        if work.is_map:
            self._inserter.insert_map(work, self._map_placed)
            return
        elsewhere = self._state.document != work.note.document
        if self._comparison.job == work.job:
            pass  # the strip grows, the shown take stays
        elif not (elsewhere or work.offered or self._undecided()):
            work.offered = True
            self._comparison.open(work.note.document, work.job)
        elif work.state == "done" and elsewhere:
            said = tr("“{title}” is done. It is in the history of its document.", title=work.title)
            self._state.say(said)
        elif work.state == "done":
            self._state.say(tr("“{title}” is done. It is in the history.", title=work.title))
        self._state.changed()

    def compare(self, job: str, index: int) -> None:
        work = self._with_take(job, index)
        if work is not None:
            work.offered = True
            self._comparison.open(work.note.document, job, index)
            self._comparison.hover(None)
            self._state.changed()

    def hover(self, job: str, index: int) -> None:
        self._comparison.hover((job, index) if self._with_take(job, index) is not None else None)
        self._state.changed()

    def step(self, by: int) -> None:
        work = self._compared()
        if work is not None:
            self._comparison.step(by, len(work.layers))
            self._state.changed()

    def put_away(self) -> None:
        self._comparison.close()
        self._state.changed()

    def apply(self) -> None:
        work = self._compared()
        if work is not None:
            self._inserter.apply(work, self._comparison.shown, self._state.intent.insert)

    def reuse(self, job: str, index: int) -> None:
        """The seed is locked with it: else the picture would not come again."""
        work = self._with_take(job, index)
        if work is not None:
            request, then, now = work.layers[index].recipe.request, work.note.intent, self._state.intent
            intent = replace(
                then,
                prompt=then.prompt or request.prompt,
                seed=request.seed,
                takes=now.takes,
                insert=now.insert,
            )
            self._state.change(sound(intent))

    def favourite(self, job: str, index: int, on: bool) -> None:
        work = self._with_take(job, index)
        if work is not None:
            favourites = marked(work.note.favourites, index, on)
            self._desk.annotate(job, replace(work.note, favourites=favourites))

    def discard(self, job: str) -> None:
        if self._with_take(job, 0) is not None:
            self._comparison.gone(job)
            self._desk.forget(job)

    def _map_placed(self, work: Work, layer: str) -> None:
        """The row that asked for the map follows it, if the row is still there."""
        rows, at = list(self._state.intent.controls), work.note.row
        if at < len(rows) and rows[at].kind == work.note.kind:
            rows[at] = replace(rows[at], layer=layer)
            self._state.change(replace(self._state.intent, controls=tuple(rows)))
        self._state.look()

    def _with_take(self, job: str, index: int) -> Optional[Work]:
        work = self._desk.works.get(job)
        return work if work is not None and work.has_takes and 0 <= index < len(work.layers) else None

    def _compared(self) -> Optional[Work]:
        return self._with_take(self._comparison.job, self._comparison.shown)

    def _undecided(self) -> bool:
        """Whether the artist compares takes of this document, and has not applied the one she sees."""
        work = self._compared()
        if work is None or work.note.document != self._state.document:
            return False
        return self._comparison.shown not in work.note.applied
