"""Workers as processes of this machine, one for each device.

A worker that dies is reported with the jobs it had, and started again: at once the first time, later and
later if it keeps dying. Its stderr, and whatever libraries print, goes to worker.log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
from impasto_protocol import places
from impasto_protocol.errors import MalformedFrame

from impasto_server.pool.channel import (
    LENGTH_BYTES,
    MAX_FRAME_BYTES,
    CancelRun,
    Command,
    Ended,
    FeedLive,
    InputRead,
    LiveCommand,
    LivePainted,
    PreviewRead,
    Run,
    Stop,
    WorkerEvent,
    decode_event,
    frame,
)
from impasto_server.pool.interface import PoolListener
from impasto_server.pool.memory import PictureMemory, each_picture, owned, segments

__all__ = ["LocalPool"]

log = logging.getLogger(__name__)

COMPUTING = {
    # OpenMP's threads spin while they wait for each other. When another program (Krita) has the core, a step
    # then takes 25 to 45 times as long: 12 s instead of 0.3 s, 2 threads on 2 busy cores.
    "OMP_WAIT_POLICY": "PASSIVE",
    # glibc gives every large tensor back to the kernel and faults it in again for the next layer: up to a
    # quarter of a 512 px picture's time on the CPU. What is kept goes back with a model (`engine.memory`).
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest it takes
    "MALLOC_TRIM_THRESHOLD_": str(2 << 30),
}
"""The environment in which torch computes well beside other programs. What the artist has set goes first."""

DIFFUSION_ENGINE = "impasto_server.engine.diffusion:DiffusionEngine"
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
GRACE_S = 2.0  # for a worker that was asked to stop
MOST_LENT = 3  # segments of one session its worker has yet to read: another input waits until there are fewer
LOG_BYTES = 8 << 20  # worker.log is started anew beyond this; the last one is kept


@dataclass
class _Seat:
    """A worker's place: the process changes, the number stays."""

    number: int
    device: str
    process: asyncio.subprocess.Process | None = None
    jobs: list[str] = field(default_factory=list)  # handed over and not ended
    held: dict[int, FeedLive] = field(default_factory=dict)  # newest live inputs, until there is room
    lent: dict[str, int] = field(default_factory=dict)  # segment the worker has yet to read → live session
    catching_up: asyncio.Task[None] | None = None  # hands them over
    deaths: int = 0  # since a job last ended


class LocalPool:
    """A `WorkerPool` of local processes. `engine`: `MODULE:FACTORY`, called as factory(device=…, home=…)."""

    def __init__(
        self,
        devices: Sequence[str],
        blob_folder: Path,
        home: Path,
        engine: str = DIFFUSION_ENGINE,
        log: Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._seats = [_Seat(number, device) for number, device in enumerate(devices)]
        self._blob_folder = blob_folder
        self._home = home
        self._engine = engine
        self._log = log if log is not None else places.log_folder(home) / "worker.log"
        self._environment = environment
        self._memory = PictureMemory(places.memory_folder())
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def size(self) -> int:
        return len(self._seats)

    def process_id(self, worker: int) -> int | None:
        """Of the worker's process; None while there is none."""
        process = self._seats[worker].process
        return None if process is None else process.pid

    async def start(self, listener: PoolListener) -> None:
        self._keepers = [asyncio.ensure_future(self._keep(seat, listener)) for seat in self._seats]

    async def run(self, worker: int, command: Run) -> None:
        self._seats[worker].jobs.append(command.job)
        await self._tell(self._seats[worker], command)

    async def cancel(self, worker: int, job: str) -> None:
        await self._tell(self._seats[worker], CancelRun(job))

    async def live(self, worker: int, command: LiveCommand) -> None:
        """Never waits. An input that finds the pipe full, or inputs before it unread, is held, and gives way
        to whatever comes next for its session."""
        seat = self._seats[worker]
        if (older := seat.held.pop(command.live, None)) is not None:
            self._memory.release(*segments(older))
        if seat.process is None or seat.process.stdin is None:
            return
        pipe = seat.process.stdin
        if not isinstance(command, FeedLive):
            _write(pipe, command)
            return
        seat.held[command.live] = each_picture(command, self._memory.lend)
        _hand_over(seat, pipe)
        if command.live in seat.held:
            seat.held[command.live] = each_picture(seat.held[command.live], owned)
            if seat.catching_up is None or seat.catching_up.done():
                seat.catching_up = asyncio.ensure_future(_catch_up(seat, pipe))

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*[_end(seat.process) for seat in self._seats if seat.process is not None])
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        # A process may have been starting while the others were ended.
        await asyncio.gather(*[_end(seat.process) for seat in self._seats if seat.process is not None])
        for seat in self._seats:
            if seat.process is not None:
                self._memory.forget(seat.process.pid)
        self._memory.close()

    async def _keep(self, seat: _Seat, listener: PoolListener) -> None:
        """Keeps one seat taken until the pool stops."""
        while not self._stopping:
            await self._one_life(seat, listener)
            if self._stopping:
                return
            jobs, seat.jobs = tuple(seat.jobs), []
            await listener.worker_lost(seat.number, jobs)
            await asyncio.sleep(min(FIRST_DELAY_S * 2**seat.deaths, LONGEST_DELAY_S))
            seat.deaths += 1

    async def _one_life(self, seat: _Seat, listener: PoolListener) -> None:
        try:
            seat.process = await self._spawn(seat.device)
        except OSError:
            log.exception("Worker %d cannot be started.", seat.number)
            return
        try:
            while (event := await _read_event(seat.process)) is not None:
                if isinstance(event, Ended):
                    seat.deaths = 0
                    with contextlib.suppress(ValueError):
                        seat.jobs.remove(event.job)
                if isinstance(event, InputRead):
                    self._input_read(seat, event)
                elif isinstance(event, LivePainted):
                    await self._show(seat, event, listener)
                else:
                    await listener.worker_event(seat.number, event)
        except (ValueError, MalformedFrame, msgspec.MsgspecError):
            log.exception("Worker %d broke the channel.", seat.number)
        finally:
            if not self._stopping:
                await _kill(seat.process)
                log.warning("Worker %d ended with status %s.", seat.number, seat.process.returncode)
                self._memory.forget(seat.process.pid)
                self._memory.release(
                    *seat.lent, *[name for fed in seat.held.values() for name in segments(fed)]
                )
                seat.process = None
                seat.lent.clear()
                seat.held.clear()
                if seat.catching_up is not None:
                    seat.catching_up.cancel()

    def _input_read(self, seat: _Seat, event: InputRead) -> None:
        self._memory.release(*event.segments)
        for name in event.segments:
            seat.lent.pop(name, None)
        if seat.process is not None and seat.process.stdin is not None:
            _hand_over(seat, seat.process.stdin)

    async def _show(self, seat: _Seat, event: LivePainted, listener: PoolListener) -> None:
        with self._memory.look(event.pixels) as pixels:
            await listener.worker_event(seat.number, msgspec.structs.replace(event, pixels=pixels))
        if event.pixels.shared is not None and seat.process is not None and seat.process.stdin is not None:
            _write(seat.process.stdin, PreviewRead(event.pixels.shared.name))

    async def _spawn(self, device: str) -> asyncio.subprocess.Process:
        environment = dict(os.environ if self._environment is None else self._environment)
        # It shall find what we found, from wherever we were started, and nothing in the current folder.
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        environment["PYTHONSAFEPATH"] = "1"
        environment = {**COMPUTING, **environment}
        with _open_log(self._log) as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "impasto_server.worker", "--engine", self._engine, "--device", device),
                *("--home", str(self._home), "--blobs", str(self._blob_folder)),
                *(() if self._memory.folder is None else ("--memory", str(self._memory.folder))),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._home,
                env=environment,
                limit=MAX_FRAME_BYTES,  # of what is read ahead: a frame in the middle is never held up
            )
        assert process.stdin is not None
        process.stdin.transport.set_write_buffer_limits(high=0)  # `drain`: the worker's pipe has all of it
        return process

    async def _tell(self, seat: _Seat, command: Command) -> None:
        """To a worker that is just dying nothing arrives; its keeper is about to notice."""
        if seat.process is None or seat.process.stdin is None:
            return
        _write(seat.process.stdin, command)
        with contextlib.suppress(OSError):
            await seat.process.stdin.drain()


def _write(pipe: asyncio.StreamWriter, command: Command) -> None:
    with contextlib.suppress(OSError):
        pipe.write(frame(command))


def _hand_over(seat: _Seat, pipe: asyncio.StreamWriter) -> None:
    """Writes what is held, one input at a time, while the pipe has taken all before it. Of a session that has
    enough to read already it stays held."""
    for live in list(seat.held):
        if pipe.transport.get_write_buffer_size() == 0 and list(seat.lent.values()).count(live) < MOST_LENT:
            fed = seat.held.pop(live)
            seat.lent.update(dict.fromkeys(segments(fed), live))
            _write(pipe, fed)


async def _catch_up(seat: _Seat, pipe: asyncio.StreamWriter) -> None:
    """Hands over what is held as soon as the pipe has taken all before it."""
    with contextlib.suppress(OSError):
        while seat.held and pipe.transport.get_write_buffer_size() > 0:
            await pipe.drain()
            _hand_over(seat, pipe)


async def _read_event(process: asyncio.subprocess.Process) -> WorkerEvent | None:
    """None at the end of the channel. ValueError for a frame that is too long."""
    assert process.stdout is not None
    try:
        size = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "little")
        if size > MAX_FRAME_BYTES:
            raise ValueError(f"a frame of {size} bytes was announced")
        return decode_event(await process.stdout.readexactly(size))
    except (asyncio.IncompleteReadError, OSError):
        return None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Asks the process to stop, and makes it if it does not."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.write(frame(Stop()))
            process.stdin.close()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), GRACE_S)
    await _kill(process)


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")
