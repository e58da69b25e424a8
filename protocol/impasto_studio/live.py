"""Previews that follow the drawing.

What the artist sees goes one way: host → sitting (on its worker) → server; what is painted comes back the
same way and ends in `shown`. The newest wins everywhere, so nothing is ever queued: a picture that was seen
while the one before is being sent takes the place of what waits, and so does a preview that comes while the
UI thread is busy.
"""

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Callable, Deque, Dict, Optional, Tuple, Union

from impasto_client.live import Preview
from impasto_client.session import Session
from impasto_protocol.errors import ImpastoError, ServerUnreachable
from impasto_protocol.rasters import PixelFormat

from impasto_studio.host import Captured, Host, Picture, Watch
from impasto_studio.live_plan import LivePlan
from impasto_studio.masks import masked
from impasto_studio.sitting import Fed, News, Sitting
from impasto_studio.texts import tr
from impasto_studio.view import LiveView
from impasto_studio.workers import Worker

__all__ = ["LiveDesk", "LiveShown"]


@dataclass(frozen=True, eq=False)
class LiveShown:
    """The newest preview, with all that was asked for it."""

    plan: LivePlan
    picture: Picture  # RGB8
    mask: Optional[Picture]  # GRAY8: what of it is new
    version: int  # rising over all sittings
    refined: bool

    @cached_property
    def new(self) -> Picture:
        """Only what the preview changes: outside of the selection the document stays as it is. RGB8, RGBA8"""
        return self.picture if self.mask is None else masked(self.picture, self.mask)


class LiveDesk:
    """On the UI thread. `changed` is called after every change of `view`; `painted` with each preview."""

    def __init__(
        self,
        host: Host,
        worker: Worker,
        *,
        changed: Callable[[], None],
        painted: Callable[[Picture], None],
    ) -> None:
        self.shown: Optional[LiveShown] = None
        self._host = host
        self._worker = worker
        self._changed = changed
        self._painted = painted
        self._numbers = count(1)  # of live sessions
        self._sitting: Optional[Sitting] = None  # while live is on
        self._session: Optional[Session] = None
        self._plan: Union[LivePlan, str, None] = None  # a sentence: why not; None: nobody wants it
        self._document = ""
        self._watched: Optional[Watch] = None
        self._captured: Optional[Captured] = None  # the newest picture of `_watched`
        self._stage = ""
        self._problem: Optional[ImpastoError] = None
        self._previews: Deque[News] = deque(maxlen=1)  # not looked at yet: the newest wins
        self._early: Optional[News] = None  # came before it was told what was fed
        self._fed: Dict[int, Fed] = {}  # by number; those that a preview may yet show
        self._count = 0  # of the newest sitting that was fed
        self._versions = 0  # of the sittings before it: numbers that they used
        self._newest = 0  # number fed last

    # ── from above ───────────────────────────────────────────────────────────────────────────────────────

    def attach(self, session: Optional[Session]) -> None:
        """Another session, or the same one connected again: what was refused may be possible now."""
        self._session = session
        self._problem = None
        self._send()

    def follow(self, plan: Union[LivePlan, str, None], document: str) -> None:
        """What is wanted now, or why it cannot be had, and the document in front. Cheap when nothing of it is
        new."""
        if document != self._document:
            self._document, self.shown = document, None
        if plan == self._plan:
            return
        self._plan, self._problem = plan, None
        if plan is None:
            self._end()
        else:
            self._watch(plan.watch if isinstance(plan, LivePlan) else None)
            self._send()
        self._changed()

    def view(self, on: bool, frames: int) -> LiveView:
        plan, shown = self._plan, self.shown
        if not on or plan is None:
            return LiveView(on, frames=frames)
        refused = plan if isinstance(plan, str) else self._problem.sentence if self._problem else ""
        size = plan.size if isinstance(plan, LivePlan) else shown.plan.size if shown is not None else (0, 0)
        state, sentence = self._state()
        return LiveView(
            on,
            "stopped" if refused else state,
            refused or sentence,
            size,
            shown.picture if shown is not None else None,
            shown.version if shown is not None else 0,
            not refused and self._current(),
            shown is not None and shown.refined,
            frames,
        )

    def _state(self) -> Tuple[str, str]:
        if self._stage == "loading":
            return "loading", tr("Loading the model …")
        if self.shown is None:
            return "waiting", tr("Waiting for the first preview …")
        return "following", ""

    def _current(self) -> bool:
        """Whether what is shown is the document as it was sent last."""
        return self.shown is not None and self.shown.version == self._versions + self._newest

    # ── to the server ────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, watch: Optional[Watch]) -> None:
        if watch != self._watched:
            self._watched, self._captured = watch, None
            self._host.watch(watch, self._seen)

    def _seen(self, captured: Captured) -> None:
        self._captured = captured
        self._send()

    def _send(self) -> None:
        plan, captured, session = self._plan, self._captured, self._session
        if isinstance(plan, LivePlan) and captured is not None and session is not None and not self._problem:
            if self._sitting is None:
                self._sitting = Sitting(self._heard, self._numbers)
            self._sitting.offer(session, plan, captured)
            self._worker.do(self._sitting.feed, self._sent, self._unsent)

    def _sent(self, fed: Optional[Fed]) -> None:
        if fed is None or self._plan is None:
            return
        before = self._current()
        if fed.sitting != self._count:
            self._count, self._versions = fed.sitting, self._versions + self._newest
            self._fed.clear()
        self._fed[fed.number], self._newest = fed, fed.number
        early, self._early = self._early, None
        if early is not None:
            self._look_at(early)
        if self._current() != before:
            self._changed()

    def _unsent(self, error: ImpastoError) -> None:
        if not isinstance(error, ServerUnreachable):  # the client library sends it again
            self._refuse(error)

    def _end(self) -> None:
        self._watch(None)
        sitting, self._sitting = self._sitting, None
        if sitting is not None:
            sitting.withdraw()
            self._worker.do(sitting.end, _nothing, _nothing)
        self.shown = self._early = None
        self._stage = ""
        self._fed.clear()

    # ── from the server ──────────────────────────────────────────────────────────────────────────────────

    def _heard(self, news: News) -> None:
        """On the connection's thread."""
        if news.preview is not None:
            self._previews.append(news)
            self._host.call_soon(self._look)
        else:
            self._host.call_soon(lambda: self._told(news))

    def _told(self, news: News) -> None:
        if self._plan is None:
            return
        if news.problem is not None:
            self._refuse(news.problem)
        else:
            self._stage = news.stage
            self._changed()

    def _refuse(self, error: ImpastoError) -> None:
        """Until something else is wanted."""
        self._problem = error
        self._changed()

    def _look(self) -> None:
        if self._previews:
            self._look_at(self._previews.pop())

    def _look_at(self, news: News) -> None:
        preview = news.preview
        assert preview is not None
        if self._plan is None or news.sitting < self._count:
            return
        fed = self._fed.get(preview.input) if news.sitting == self._count else None
        if fed is None:
            self._early = news
            return
        for number in [number for number in self._fed if number < preview.input]:
            del self._fed[number]
        self._stage = ""
        if fed.plan.watch.document != self._document:
            return  # the artist has gone on to another one
        version = self._versions + preview.input
        self.shown = LiveShown(fed.plan, _picture(preview), fed.mask, version, preview.refined)
        self._painted(self.shown.picture)
        self._changed()


def _picture(preview: Preview) -> Picture:
    return Picture(preview.width, preview.height, PixelFormat.RGB8, preview.pixels)


def _nothing(_: object) -> None:
    pass
