"""What a connection's messages about live sessions do.

An input takes its canvases as they stand when its message is read. Small ones go to the worker at once; large
ones are reduced on a thread, where again the newest takes the place of one that waits. Whatever is wrong with
a session's request or its canvases ends that session, and the `Problem` names it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from impasto_protocol.errors import BadValue, ImpastoError, QueueFull, StaleCanvas
from impasto_protocol.messages import (
    Limits,
    LiveInput,
    LiveRequest,
    LiveSeen,
    LiveStatus,
    Pixels,
    Problem,
    StartLive,
    StopLive,
)

from impasto_server.front import live_pictures
from impasto_server.front.canvases import INLINE_BYTES, Canvases
from impasto_server.front.live_desk import LiveDesk
from impasto_server.front.live_pictures import Taken
from impasto_server.front.previews import Previews
from impasto_server.front.requests import check_live, check_live_model, check_live_pictures
from impasto_server.front.sending import Sender
from impasto_server.pool.channel import FeedLive, LiveEvent, LiveFailed, LivePainted

__all__ = ["LiveMessages"]

Spawn = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(eq=False)
class _Session:
    name: str
    request: LiveRequest
    previews: Previews
    live: int = 0  # its number at the desk
    input: int = -1  # the newest
    reducing: bool = False
    next: Taken | None = None  # to be reduced when the one before is done

    def reduce_next(self, taken: Taken | None) -> None:
        if self.next is not None:
            self.next.release()
        self.next = taken


class LiveMessages:
    """The live sessions of one connection. `spawn` runs a task that ends with it."""

    def __init__(
        self, desk: LiveDesk, client: str, canvases: Canvases, limits: Limits, sender: Sender, spawn: Spawn
    ) -> None:
        self._desk = desk
        self._client = client
        self._canvases = canvases
        self._limits = limits
        self._sender = sender
        self._spawn = spawn
        self._sessions: dict[str, _Session] = {}

    async def start(self, message: StartLive) -> None:
        with self._over_if_refused(message.live):
            request = message.request
            check_live(message.live, request, self._limits)
            check_live_model(request, self._desk.models)
            known = self._sessions.get(message.live)
            if known is None:
                await self._open(message)
            elif request != known.request:
                await self._change(known, request)

    async def input(self, message: LiveInput) -> None:
        """One for a session that is over is ignored: it may have crossed the `Problem` that said so."""
        at_s = time.monotonic()
        session = self._sessions.get(message.live)
        if session is None:
            return
        with self._over_if_refused(message.live):
            if message.number <= session.input:
                raise BadValue("The program numbers its live pictures wrongly. Update the program.")
            session.input = message.number
            await self._feed(session, at_s)

    async def seen(self, message: LiveSeen) -> None:
        session = self._sessions.get(message.live)
        if session is not None:
            session.previews.seen(message.number)

    async def stop(self, message: StopLive) -> None:
        self._drop(message.live)

    def close(self) -> None:
        """The connection has ended."""
        for name in list(self._sessions):
            self._drop(name)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _over_if_refused(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception:  # whatever it is, the connection answers it with a `Problem` that names the session
            self._drop(name)
            raise

    def _drop(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is not None:
            self._desk.close(session.live)
            session.reduce_next(None)

    async def _open(self, message: StartLive) -> None:
        if len(self._sessions) >= self._limits.live:
            raise QueueFull(f"{self._limits.live} live previews run already. Stop one of them.")
        previews = Previews(message.live, self._sender, self._spawn, lossy=message.request.lossy)
        session = self._sessions[message.live] = _Session(message.live, message.request, previews)
        session.live = await self._desk.open(
            self._client, message.request, partial(self._hear, session), partial(self._feed_again, session)
        )

    async def _change(self, session: _Session, request: LiveRequest) -> None:
        """What was shown last is painted again: the artist has asked for another picture of the same."""
        session.request = request
        session.previews.lossy = request.lossy
        await self._desk.change(session.live, request)
        if session.input >= 0:
            await self._feed(session, time.monotonic())

    async def _feed(self, session: _Session, at_s: float) -> None:
        try:
            taken = live_pictures.take(self._canvases, session.request, session.input, at_s)
        except StaleCanvas:
            return  # the client has been told; it sends the canvas again, and another input
        try:
            check_live_pictures(session.request, taken.pictures, self._limits)
            factor = live_pictures.factor_for(taken, self._desk.models)
        except ImpastoError:
            taken.release()
            raise
        size = sum(len(pixels.data or b"") for pixels in taken.pictures.values())
        if factor == 1 and size <= INLINE_BYTES and not session.reducing:
            try:
                await self._hand_over(session, taken, taken.pictures)
            finally:
                taken.release()
            return
        session.reduce_next(taken)
        if not session.reducing:
            session.reducing = True
            self._spawn(self._reduce(session))

    async def _feed_again(self, session: _Session) -> None:
        """Its worker is another one and has no input yet."""
        try:
            await self._feed(session, time.monotonic())
        except ImpastoError as error:
            self._drop(session.name)
            self._sender.send(Problem(error.code, error.sentence, live=session.name))

    async def _reduce(self, session: _Session) -> None:
        try:
            while (taken := session.next) is not None:
                session.next = None
                try:
                    factor = live_pictures.factor_for(taken, self._desk.models)
                    pictures = await asyncio.to_thread(_copies, taken, factor)
                finally:
                    taken.release()
                if taken.request is session.request:
                    await self._hand_over(session, taken, pictures)
        finally:
            session.reducing = False

    async def _hand_over(self, session: _Session, taken: Taken, pictures: dict[str, Pixels]) -> None:
        image, mask = pictures.pop("image"), pictures.pop("mask", None)
        await self._desk.feed(
            FeedLive(
                live=session.live,
                input=taken.input,
                image=image,
                mask=mask,
                controls=tuple(pictures.values()),
                sequence=taken.sequence,
                at_s=taken.at_s,
            )
        )

    def _hear(self, session: _Session, event: LiveEvent) -> None:
        if isinstance(event, LivePainted):
            session.previews.show(event)
        elif isinstance(event, LiveFailed):
            if self._sessions.get(session.name) is session:
                self._drop(session.name)
            self._sender.send(Problem(event.error.code, event.error.sentence, live=session.name))
        else:
            self._sender.send(LiveStatus(session.name, event.stage))


def _copies(taken: Taken, factor: int) -> dict[str, Pixels]:
    """By role. Copies: a thread may need longer than to the next stroke."""
    return {role: live_pictures.ready(pixels, factor) for role, pixels in taken.pictures.items()}
