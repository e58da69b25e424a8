"""The worker's two ends of the channel, each with its own thread, so that painting never waits for a pipe.

`Inbox` reads commands and keeps what is pending; `Outbox` writes events. Both belong to the main thread,
which runs the engine, and to one thread each.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
from impasto_protocol.errors import MalformedFrame

from impasto_server.pool.channel import (
    LENGTH_BYTES,
    MAX_FRAME_BYTES,
    CancelRun,
    CloseLive,
    Event,
    FeedLive,
    InputRead,
    LivePainted,
    OpenLive,
    PreviewRead,
    Progress,
    Run,
    Stop,
    WorkerCommand,
    decode_command,
    frame,
)
from impasto_server.pool.memory import PictureMemory, each_picture, owned, segments

__all__ = ["Inbox", "LiveNews", "Outbox"]

log = logging.getLogger(__name__)
LAST_SECONDS_S = 5.0  # what a running step gets after the channel has ended


@dataclass
class LiveNews:
    """What has come for one live session and has not been looked at: the newest of each."""

    opened: OpenLive | None = None
    fed: FeedLive | None = None
    closed: bool = False


class Inbox:
    """Commands that have not been carried out yet. `news` is a plain attribute: reading it costs nothing."""

    def __init__(self) -> None:
        self.news = False  # something is pending that a running job must look at
        self.stopping = False
        self._changed = threading.Condition()
        self._runs: list[Run] = []
        self._known: set[str] = set()  # jobs that have arrived and not ended
        self._cancelled: set[str] = set()
        self._live: dict[int, LiveNews] = {}

    def put(self, command: WorkerCommand) -> None:
        with self._changed:
            if isinstance(command, Run):
                self._runs.append(command)
                self._known.add(command.job)
            elif isinstance(command, CancelRun):
                if command.job not in self._known:
                    return
                self._cancelled.add(command.job)
            elif isinstance(command, FeedLive):
                self._live.setdefault(command.live, LiveNews()).fed = command
            elif isinstance(command, OpenLive):
                self._live[command.live] = LiveNews(opened=command)
            elif isinstance(command, CloseLive):
                self._live[command.live] = LiveNews(closed=True)
            else:
                self.stopping = True
            self.news = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> Run | None:
        """The newest run, which is the most urgent. None when there is none: after `timeout_s`, as soon as
        there is news of a live session, or when stopping.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._runs or self._live or self.stopping, timeout_s)
            run = self._runs.pop() if self._runs and not self.stopping else None
            self._note_news()
            return run

    def take_runs(self) -> list[Run]:
        """All runs that are pending now, the most urgent first."""
        with self._changed:
            runs, self._runs = self._runs[::-1], []
            self._note_news()
            return runs

    def is_cancelled(self, job: str) -> bool:
        with self._changed:
            return job in self._cancelled

    def ended(self, job: str) -> None:
        with self._changed:
            self._known.discard(job)
            self._cancelled.discard(job)
            self._note_news()

    def live_news(self) -> dict[int, LiveNews]:
        """By session. A look; `take_live` takes."""
        with self._changed:
            return dict(self._live)

    def news_of(self, live: int) -> LiveNews | None:
        """A look that costs next to nothing, for between two steps."""
        return self._live.get(live)

    def take_live(self, live: int) -> LiveNews | None:
        with self._changed:
            news = self._live.pop(live, None)
            self._note_news()
            return news

    def _note_news(self) -> None:
        self.news = bool(self._runs or self._cancelled or self._live) or self.stopping

    def read(self, channel: BinaryIO, memory: PictureMemory, tell: Callable[[InputRead], None]) -> None:
        """The reader thread. When the channel ends, or breaks, so does the process, within seconds."""
        try:
            while (command := _read_command(channel)) is not None and not isinstance(command, Stop):
                if isinstance(command, PreviewRead):
                    memory.release(command.segment)
                elif isinstance(command, FeedLive):
                    self.put(each_picture(command, memory.copied))  # here it costs a frame under way nothing
                    if read := segments(command):
                        tell(InputRead(read))
                else:
                    self.put(command)
        except (OSError, ValueError, MalformedFrame, msgspec.MsgspecError):
            log.exception("The channel from the server is broken.")
        self.put(Stop())
        threading.Timer(LAST_SECONDS_S, os._exit, (1,)).start()


def _read_command(channel: BinaryIO) -> WorkerCommand | None:
    head = channel.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "little")
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {size} bytes was announced")
    body = channel.read(size)
    return decode_command(body) if len(body) == size else None


class Outbox:
    """Events on their way to the front. Unsent progress of a job gives way to newer progress of that job, and
    an unsent preview of a live session to a newer one.
    """

    def __init__(self, channel: BinaryIO, memory: PictureMemory) -> None:
        self._channel = channel
        self._memory = memory
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._sending = False
        self._thread = threading.Thread(target=self._write, name="outbox", daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        """Never blocks. Events of one kind and job keep their order."""
        if isinstance(event, LivePainted):  # copied here: the engine's next frame overwrites its memory
            event = msgspec.structs.replace(event, pixels=owned(self._memory.lend(event.pixels)))
        with self._changed:
            if isinstance(event, Progress):
                stale = [e for e in self._events if isinstance(e, Progress) and e.job == event.job]
                for old in stale:
                    self._events.remove(old)
                if stale and event.preview is None:
                    event = msgspec.structs.replace(event, preview=stale[-1].preview)
            elif isinstance(event, LivePainted):
                event = self._instead_of_older(event)
            self._events.append(event)
            self._changed.notify_all()

    def _instead_of_older(self, event: LivePainted) -> LivePainted:
        for old in [e for e in self._events if isinstance(e, LivePainted) and e.live == event.live]:
            self._events.remove(old)
            if old.pixels.shared is not None:
                self._memory.release(old.pixels.shared.name)
            event = msgspec.structs.replace(
                event,
                device_s=event.device_s + old.device_s,
                wasted_steps=event.wasted_steps + old.wasted_steps,
            )
        return event

    def flush(self, timeout_s: float) -> None:
        """Returns when all has been written, or after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._events and not self._sending, timeout_s)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events)
                event = self._events.popleft()
                self._sending = True
            with contextlib.suppress(OSError):  # the front has gone; the reader thread sees to the rest
                self._channel.write(frame(event))
                self._channel.flush()
            with self._changed:
                self._sending = False
                self._changed.notify_all()
