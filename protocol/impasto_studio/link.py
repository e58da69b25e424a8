"""The way to the server: found by its token file, connected, asked what it can do, found again.

`Link` lives on the UI thread and is driven by `poll`; everything that may take time is an errand for its own
worker. The `Session` reconnects by itself as long as that can help; when it cannot (a wrong token, another
version), the link drops it and starts over with a new one, since the server may have been put right.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Protocol, Sequence, Tuple, Union

from impasto_client import discovery
from impasto_client.session import Listener, Session
from impasto_protocol import places
from impasto_protocol.errors import ImpastoError, ServerUnreachable
from impasto_protocol.messages import ModelInfo, Welcome

from impasto_studio.plan import Possible
from impasto_studio.texts import tr
from impasto_studio.view import LinkView
from impasto_studio.workers import Worker

__all__ = ["Connect", "Link", "leave"]

RETRY_S = 1.0  # between attempts …
TROUBLE_S = 5.0  # … and when somebody has to put something right first
REFRESH_S = 10.0  # between questions for the models, while all is well
START_S = 60.0  # for a server to come up
ANSWER_S = 10.0  # for a connected server to answer
GOODBYE_S = 5.0  # for the workers to say what they were about to
RECONNECT_S = 0.5  # for the session to be back, before it is looked why it is not


class Connect(Protocol):
    """`Session.connect`, or what stands for it in tests."""

    def __call__(self, home: Optional[Path], name: str, *, program: str, listener: Listener) -> Session: ...


@dataclass(frozen=True)
class _Reached:
    session: Session
    welcome: Welcome
    models: Tuple[ModelInfo, ...]


@dataclass(frozen=True)
class _Unreached:
    error: ImpastoError
    alive: bool  # a server answers in this home, so a connection will come
    can_start: bool  # none runs, and it is known how to start one


class Link:
    """`changed` is called after every change of `view` or `possible`; `attached` when there is a new session,
    and again whenever a lost connection is back; `detached` when a session is of no use any more."""

    def __init__(
        self,
        home: Path,
        name: str,
        worker: Worker,
        connect: Connect,
        listener: Listener,
        *,
        changed: Callable[[], None],
        attached: Callable[[Session], None],
        detached: Callable[[], None],
    ) -> None:
        self.session: Optional[Session] = None
        self.view = LinkView("searching", tr("Looking for the server …"))
        self.possible: Optional[Possible] = None  # None: never connected
        self.can_start = False
        self.start_by_itself = False  # once, as soon as it is known that none is running
        self._home = home
        self._name = name
        self._worker = worker
        self._connect = connect
        self._listener = listener
        self._changed = changed
        self._attached = attached
        self._detached = detached
        self._busy = False
        self._closed = False  # read by the worker
        self._next_s = 0.0
        self._starting_until_s = 0.0  # 0: nobody has asked for a start

    @property
    def ready(self) -> bool:
        return self.view.state == "ready"

    def poll(self, now_s: float) -> None:
        """A few times a second."""
        if self.ready and self.session is not None and not self.session.connected:
            self._show(
                LinkView("connecting", tr("The connection is lost. Your jobs are safe; trying again …"))
            )
            self._next_s = now_s
        if self._busy or now_s < self._next_s:
            return
        self._busy = True
        session = self.session
        self._worker.do(
            lambda: self._reach(session),
            lambda news: self._heard(news, now_s),
            lambda error: self._heard(_Unreached(error, False, False), now_s),
        )

    def start_server(self, now_s: float) -> None:
        self.start_by_itself = False
        self._starting_until_s = now_s + START_S
        self._show(LinkView("starting", tr("The server is starting …")))
        self._worker.do(lambda: discovery.start_server(self._home), lambda _: None, self._not_started)

    def release(self) -> Optional[Session]:
        """Ends looking for the server, and gives the session away: who takes it closes it."""
        self._closed = True
        session, self.session = self.session, None
        return session

    # ── on the worker ────────────────────────────────────────────────────────────────────────────────────

    def _reach(self, session: Optional[Session]) -> Union[_Reached, _Unreached]:
        opened = None
        try:
            if session is None:
                session = opened = self._connect(
                    self._home, self._name, program=_program(self._name), listener=self._listener
                )
            models = tuple(session.models(ANSWER_S if session.connected else RECONNECT_S))
            welcome = session.welcome
        except (ImpastoError, TimeoutError) as problem:
            if opened is not None:
                opened.close()
            error = problem if isinstance(problem, ImpastoError) else _silent()
            return self._unreached(error)
        if self._closed:
            session.close()
        return _Reached(session, welcome, models)

    def _unreached(self, error: ImpastoError) -> _Unreached:
        try:
            discovery.find_server(self._home)
        except ServerUnreachable as absent:
            kept = error if not isinstance(error, ServerUnreachable) else absent
            runs = _process_runs(self._home)
            return _Unreached(kept, False, not runs and places.launch_file(self._home).exists())
        return _Unreached(error, True, False)

    # ── on the UI thread ─────────────────────────────────────────────────────────────────────────────────

    def _heard(self, news: Union[_Reached, _Unreached], now_s: float) -> None:
        self._busy = False
        if isinstance(news, _Unreached):
            self._next_s = now_s + RETRY_S
            self._lost(news, now_s)
            return
        self._starting_until_s = 0.0
        self._next_s = now_s + (REFRESH_S if news.models else RETRY_S)
        fresh = self.session is not news.session or self.view.state != "ready"
        self.session = news.session
        welcome = news.welcome
        possible = Possible(welcome.limits, news.models, welcome.maps, "live" in welcome.capabilities)
        if possible != self.possible:
            self.possible = possible
            self._changed()
        if not news.models:
            self._show(LinkView("connecting", tr("The server is getting ready …")))
            return
        self._show(LinkView("ready", tr("Connected to Impasto {version}", version=welcome.server)))
        if fresh:
            self._attached(news.session)

    def _lost(self, news: _Unreached, now_s: float) -> None:
        self.can_start = news.can_start
        if not isinstance(news.error, ServerUnreachable):
            self._next_s = now_s + TROUBLE_S
            self._drop()
            self._show(LinkView("trouble", news.error.sentence))
        elif now_s < self._starting_until_s:
            self._show(LinkView("starting", tr("The server is starting …")))
        elif self._starting_until_s:
            log = places.log_folder(self._home) / "server.log"
            sentence = tr("The server has not started. Read {log}, then try again.", log=log)
            self._show(LinkView("trouble", sentence, news.can_start))
        elif news.alive:
            self._show(LinkView("connecting", tr("Connecting to the server …")))
        elif news.can_start and self.start_by_itself:
            self.start_server(now_s)
        elif news.can_start:
            self._show(LinkView("absent", tr("The server is not running. Start it."), can_start=True))
        else:
            self._show(LinkView("absent", news.error.sentence))

    def _not_started(self, error: ImpastoError) -> None:
        self._starting_until_s = 0.0
        self._show(LinkView("trouble", error.sentence, self.can_start))

    def _drop(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            self._worker.do(session.close, lambda _: None, lambda _: None)
            self._detached()

    def _show(self, view: LinkView) -> None:
        if view != self.view:
            self.view = view
            self._changed()


def leave(session: Optional[Session], workers: Sequence[Worker]) -> None:
    """Closes the workers, and the session when they have said what they were about to say. Does not wait: the
    first of the workers does."""
    first, *others = workers
    for worker in others:
        worker.close()
    if session is not None:
        first.do(lambda: _end(session, others), _nothing, _nothing)
    first.close()


def _end(session: Session, workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.join(GOODBYE_S)
    session.close()


def _nothing(_: object) -> None:
    """Nobody is told any more."""


def _process_runs(home: Path) -> bool:
    """Whether the server that wrote the token file still runs, be it that it does not answer."""
    try:
        fields = json.loads(places.server_file(home).read_text("utf-8"))
        return discovery.process_alive(int(fields["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _silent() -> ServerUnreachable:
    return ServerUnreachable(tr("The server does not answer. Wait a moment, or start it again."))


def _program(name: str) -> str:
    """ "Krita 5.2.2" → "krita": one name for all versions, since its jobs are theirs."""
    words = name.lower().split()
    return (
        "".join(letter for letter in words[0] if letter.isascii() and letter.isalnum())[:32] if words else ""
    )
