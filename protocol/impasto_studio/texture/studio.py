"""The whole of a texture panel but its host: commands in, a `TextureState` out. Threads as in
`impasto_studio.studio`, with three workers: link, send and fetch.
"""

import secrets
import time
from pathlib import Path
from typing import Callable, Dict, Optional, TypeVar, Union

from impasto_client.session import Session
from impasto_protocol.messages import JobChanged, JobProgress

from impasto_studio.gallery import Gallery
from impasto_studio.host import Picture
from impasto_studio.link import Connect, Link, leave
from impasto_studio.plan import Possible
from impasto_studio.texts import tr
from impasto_studio.texture.again import plan_repaint, plan_reproject, shown_views
from impasto_studio.texture.applying import Applier
from impasto_studio.texture.assembling import assemble
from impasto_studio.texture.desk import TextureDesk
from impasto_studio.texture.fetching import fetch
from impasto_studio.texture.host import TextureHost
from impasto_studio.texture.intent import TextureIntent
from impasto_studio.texture.plan import (
    TexturePlan,
    left_out,
    plan_edit,
    plan_inspect,
    plan_project,
    plan_textures,
)
from impasto_studio.texture.state import State
from impasto_studio.texture.view import TextureState
from impasto_studio.texture.work import TextureWork
from impasto_studio.workers import MakeWorker, WorkerThread

__all__ = ["TextureStudio"]

Plans = TypeVar("Plans")
DRAWN_SEEDS = 2**31  # as many as people like to read


class TextureStudio:
    """Implements `commands.TextureCommands`. `on_view` is called on the UI thread with every new view.

    `open` once, then `poll` a few times a second from a timer of the host, `close` at the end.
    """

    def __init__(
        self,
        host: TextureHost,
        home: Path,
        *,
        on_view: Callable[[TextureState], None],
        connect: Connect = Session.connect,
        worker: MakeWorker = WorkerThread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._on_view = on_view
        self._clock = clock
        self._view = TextureState()
        self._due = False  # a view has been promised to the host's loop
        self._closed = False
        names = ("send", "fetch", "link")
        self._workers = [worker(f"impasto-texture-{name}", host.call_soon) for name in names]
        send, ask, link = self._workers
        self._state = state = State(host, self._changed)
        self._gallery = Gallery(ask, self._changed)
        self._desk = TextureDesk(
            host, send, ask, self._gallery, changed=self._changed, finished=self._finished, say=state.say
        )
        self._applier = Applier(host, state, self._desk, self._gallery)
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

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def view(self) -> TextureState:
        """The newest view."""
        return self._view

    def open(self) -> None:
        """Reads what was kept, and looks for the server."""
        self._state.load()
        self.poll()

    def poll(self) -> None:
        """Notices what nobody tells: another file or selection, a lost connection. Cheap."""
        if not self._closed:
            self._state.look()
            self._link.poll(self._clock())
            self._desk.poll()
            self._state.save()

    def close(self) -> None:
        """Keeps the settings and lets go of the server. Jobs go on there, and are put on when the program
        runs again. Does not wait."""
        if not self._closed:
            self._applier.put_away()
            self._closed = True
            self._state.save()
            leave(self._link.release(), self._workers)

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────

    def change(self, intent: TextureIntent) -> None:
        self._state.change(intent)

    def dismiss_notice(self) -> None:
        self._state.say("")

    def start_server(self) -> None:
        self._link.start_server(self._clock())

    def start(self) -> None:
        state = self._state
        state.look()
        plans = self._plan(lambda possible: plan_textures(state.intent, state.scene, possible, _seed()))
        if isinstance(plans, str):
            state.say(plans)
            return
        for plan in plans:
            self._begin(plan)
        state.notice = left_out(state.scene)

    def project(self, picture: str, camera: str) -> None:
        state = self._state
        state.look()
        self._begin(
            self._plan(
                lambda possible: plan_project(state.intent, state.scene, possible, picture, camera, _seed())
            )
        )

    def edit(self, mask: str) -> None:
        state = self._state
        state.look()
        self._begin(
            self._plan(lambda possible: plan_edit(state.intent, state.scene, possible, mask, _seed()))
        )

    def inspect(self, what: str) -> None:
        if not what:
            self._applier.put_away()
            self._changed()
            return
        state = self._state
        state.look()
        job = self._begin(
            self._plan(lambda possible: plan_inspect(state.intent, state.scene, possible, what))
        )
        if job:
            self._applier.inspect(what, job)

    def repaint_view(self, job: str, view: int) -> None:
        work = self._with_result(job)
        if work is not None:
            self._begin(plan_repaint(work, view, _seed()))

    def reproject(self, job: str) -> None:
        self._state.look()
        work = self._with_result(job)
        if work is not None:
            self._begin(plan_reproject(work, self._state.scene))

    def show_views(self, job: str) -> None:
        work = self._with_result(job)
        if work is not None:
            fetch(self._gallery, shown_views(work), self._show_views, self._state.say)

    def apply(self, job: str) -> None:
        work = self._with_result(job)
        if work is not None:
            self._state.look()
            self._applier.apply(work)

    def cancel(self, job: str) -> None:
        self._desk.cancel(job)

    def cancel_all(self) -> None:
        for job in list(self._desk.works):
            self._desk.cancel(job)

    def dismiss(self, job: str) -> None:
        self._desk.dismiss(job)

    def retry(self, job: str) -> None:
        self._desk.retry(job)

    def discard(self, job: str) -> None:
        if self._with_result(job) is not None:
            self._desk.forget(job)

    # ── what comes from below ────────────────────────────────────────────────────────────────────────────

    def _plan(self, make: Callable[[Possible], Union[Plans, str]]) -> Union[Plans, str]:
        """What `make` makes of what the server can do; the state line's sentence while it is not there."""
        possible = self._link.possible
        if possible is None or not self._link.ready:
            return self._link.view.sentence
        return make(possible)

    def _begin(self, plan: Union[TexturePlan, str]) -> str:
        """The job's id; empty, and the sentence said, when there is no plan."""
        if isinstance(plan, str):
            self._state.say(plan)
            return ""
        self._state.notice = ""
        return self._desk.begin(plan)

    def _with_result(self, job: str) -> Optional[TextureWork]:
        work = self._desk.works.get(job)
        return work if work is not None and work.has_result else None

    def _show_views(self, pictures: Dict[str, Picture]) -> None:
        for name, picture in pictures.items():
            self._host.show_picture(name, picture)
        self._state.say(
            tr("The views are among the images. Paint on them if you like, then lay them on anew.")
        )

    def _listen(self, message: Union[JobChanged, JobProgress]) -> None:
        """On the connection's thread."""
        self._host.call_soon(lambda: None if self._closed else self._desk.heard(message))

    def _attached(self, session: Session) -> None:
        assert self._link.possible is not None
        self._gallery.attach(session)
        self._applier.attached()
        self._desk.attach(session, self._link.possible.limits)

    def _detached(self) -> None:
        self._desk.detach()
        self._gallery.attach(None)

    def _finished(self, work: TextureWork) -> None:
        self._applier.finished(work)

    def _changed(self) -> None:
        """Many changes make one view."""
        if not self._due:
            self._due = True
            self._host.call_soon(self._publish)

    def _publish(self) -> None:
        self._due = False
        if self._closed:
            return
        self._applier.settle(self._link.ready)
        state = self._state
        plans = self._plan(lambda possible: plan_textures(state.intent, state.scene, possible, 0))
        why_not = plans if isinstance(plans, str) else ""
        view = assemble(state, self._link, self._desk.works.values(), why_not, self._applier.inspecting)
        if view != self._view:
            self._view = view
            self._on_view(view)


def _seed() -> int:
    return secrets.randbelow(DRAWN_SEEDS)
