"""The whole of a plugin but its host: commands in, a `View` out.

Threads. `Studio` and everything it owns live on the UI thread: commands, `poll`, the host's callbacks and
`on_view`. The host is called there only. The `Session` is called on four workers only (link, send, fetch and
live), reading `Session.connected` aside; they hand over what they have with `host.call_soon`, and so do the
session's listener and its live session. So nothing here is locked.
"""

import time
from pathlib import Path
from typing import Callable, Optional, Sequence, Tuple, Union

from impasto_client.session import Session
from impasto_protocol.messages import JobChanged, JobProgress, Limits

from impasto_studio.assembling import assemble
from impasto_studio.base_work import short
from impasto_studio.choosing import Chooser
from impasto_studio.desk import Desk
from impasto_studio.gallery import Gallery, Take
from impasto_studio.history import takes_of, to_fetch
from impasto_studio.host import Host
from impasto_studio.inserting import Inserter
from impasto_studio.intent import LIVE, Intent
from impasto_studio.link import Connect, Link, leave
from impasto_studio.live import LiveDesk
from impasto_studio.overlay import Overlay
from impasto_studio.pinning import Pinner
from impasto_studio.recording import Recorder
from impasto_studio.remembered import Memory
from impasto_studio.settings import Settings
from impasto_studio.starting import Starter
from impasto_studio.state import State
from impasto_studio.takes import Comparison
from impasto_studio.tasks import Plan
from impasto_studio.texts import tr
from impasto_studio.view import View
from impasto_studio.work import Work
from impasto_studio.workers import MakeWorker, WorkerThread

__all__ = ["Studio"]


class Studio:
    """Implements `commands.Commands`. `on_view` is called on the UI thread with every new view.

    `open` once, then `poll` a few times a second from a timer of the host, `close` at the end.
    """

    def __init__(
        self,
        host: Host,
        home: Path,
        *,
        on_view: Callable[[View], None],
        connect: Connect = Session.connect,
        worker: MakeWorker = WorkerThread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._on_view = on_view
        self._clock = clock
        self._view = View()
        self._due = False  # a view has been promised to the host's loop
        self._closed = False
        self._looked_at: Tuple[Take, ...] = ()  # what the panel shows of the history
        names = ("send", "fetch", "live", "record", "link")
        self._workers = [worker(f"impasto-{name}", host.call_soon) for name in names]
        send, fetch, live, record, link = self._workers
        self._state = state = State(host, self._changed)
        self._comparison = Comparison()
        self._desk = Desk(host, send, fetch, changed=self._changed, finished=self._finished, say=state.say)
        self._gallery = Gallery(fetch, self._changed)
        self._memory = Memory(host)
        self._overlay = Overlay(host, self._gallery, state.say)
        self._recorder = Recorder(host, record, state.say, self._changed)
        self._live = LiveDesk(host, live, changed=self._changed, painted=self._recorder.add)
        self._pinner = Pinner(host, self._memory, state.say, state.look)
        self._link = Link(
            home,
            host.name,
            link,
            connect,
            self._listen,
            changed=self._changed,
            attached=self._attached,
            detached=self._detached,
        )
        inserter = Inserter(host, self._desk, self._gallery, self._memory, say=state.say, changed=state.look)
        self._starter = Starter(state, self._link, self._desk, self._memory, self._comparison)
        self._chooser = Chooser(state, self._desk, inserter, self._comparison)

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def view(self) -> View:
        """The newest view."""
        return self._view

    @property
    def plan(self) -> Union[Plan, str]:
        """What `start` would do now, or why it cannot."""
        return self._starter.plan()

    @property
    def served(self) -> Optional[Tuple[Session, Limits]]:
        """The session, for what has workers of its own; None while the server is not there."""
        possible, session = self._link.possible, self._link.session
        return (session, possible.limits) if self._link.ready and session and possible else None

    @property
    def live(self) -> bool:
        """What `set_live` said last."""
        return self._state.live

    def open(self) -> None:
        """Reads what was kept, and looks for the server."""
        self._state.load()
        self._link.start_by_itself = self._state.settings.start_server
        self.poll()

    def poll(self) -> None:
        """Notices what nobody tells: another document or selection, a lost connection. Cheap."""
        if not self._closed:
            self._state.look()
            self._link.poll(self._clock())
            self._desk.poll()
            self._state.save()

    def close(self) -> None:
        """Keeps the settings and lets go of the server. Jobs go on there. Does not wait."""
        if not self._closed:
            self._closed = True
            self._overlay.clear()
            self._live.follow(None, "")
            self._recorder.drop()
            self._state.save()
            leave(self._link.release(), self._workers)

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────

    def change(self, intent: Intent) -> None:
        self._state.change(intent)

    def change_settings(self, settings: Settings) -> None:
        self._state.change_settings(settings)

    def set_live(self, on: bool) -> None:
        self._state.set_live(on)
        if not on:
            self._recorder.end()

    def pin_live(self) -> None:
        state = self._state
        state.look()
        shown, scene = self._live.shown, state.scene
        if shown is None or scene is None or scene.document != shown.plan.watch.document:
            state.say(tr("There is no preview to pin yet."))
        else:
            self._pinner.pin(shown, state.intent, scene.box.size)

    def record_live(self, on: bool) -> None:
        if on:
            state = self._state
            self._recorder.begin(short(state.intent.prompt) or tr("Live preview"))
        else:
            self._recorder.end()

    def dismiss_notice(self) -> None:
        self._state.say("")

    def start_server(self) -> None:
        self._link.start_server(self._clock())

    def start(self) -> None:
        if self._state.intent.mode != LIVE:
            self._starter.start()
        elif self._state.live:
            self.pin_live()
        else:
            self.set_live(True)

    def paint_again(self) -> None:
        self._starter.paint_again()

    def make_map(self, row: int) -> None:
        self._starter.make_map(row)

    def cancel(self, job: str) -> None:
        self._desk.cancel(job)

    def cancel_all(self) -> None:
        for job in list(self._desk.works):
            self._desk.cancel(job)

    def dismiss(self, job: str) -> None:
        self._desk.dismiss(job)

    def retry(self, job: str) -> None:
        self._desk.retry(job)

    def compare(self, job: str, index: int) -> None:
        self._chooser.compare(job, index)

    def hover(self, job: str, index: int) -> None:
        self._chooser.hover(job, index)

    def step(self, by: int) -> None:
        self._chooser.step(by)

    def apply(self) -> None:
        self._chooser.apply()

    def put_away(self) -> None:
        self._chooser.put_away()

    def reuse(self, job: str, index: int) -> None:
        self._chooser.reuse(job, index)

    def favourite(self, job: str, index: int, on: bool) -> None:
        self._chooser.favourite(job, index, on)

    def discard(self, job: str) -> None:
        self._chooser.discard(job)

    def look_at(self, takes: Sequence[Take]) -> None:
        self._looked_at = tuple(takes)
        self._changed()

    # ── what comes from below ────────────────────────────────────────────────────────────────────────────

    def _listen(self, message: Union[JobChanged, JobProgress]) -> None:
        """On the connection's thread."""
        self._host.call_soon(lambda: None if self._closed else self._desk.heard(message))

    def _attached(self, session: Session) -> None:
        assert self._link.possible is not None
        self._desk.attach(session, self._link.possible.limits)
        self._gallery.attach(session)
        self._live.attach(session)

    def _detached(self) -> None:
        self._desk.detach()
        self._gallery.attach(None)
        self._live.attach(None)

    def _finished(self, work: Work) -> None:
        self._chooser.finished(work)

    def _changed(self) -> None:
        """Many changes make one view."""
        if not self._due:
            self._due = True
            self._host.call_soon(self._publish)

    def _publish(self) -> None:
        self._due = False
        if self._closed:
            return
        state, works = self._state, self._desk.works
        following = state.live and state.intent.mode == LIVE
        self._live.follow(self._starter.live_plan() if following else None, state.document)
        self._overlay.update(
            state.scene,
            self._comparison,
            works if state.settings.previews else {},
            self._live.shown if state.intent.live_on_canvas else None,
        )
        history = takes_of(works.values(), state.document)
        view = assemble(
            state,
            self._link,
            works.values(),
            self._comparison,
            history,
            self._gallery,
            self._memory,
            self._starter,
            self._live.view(state.live, self._recorder.frames),
            self._overlay.on_canvas and state.settings.previews,
        )
        takes = [(work.job, index) for work, index in history]
        self._gallery.want(to_fetch([(take.job, take.index) for take in view.takes], self._looked_at, takes))
        if view != self._view:
            self._view = view
            self._on_view(view)
