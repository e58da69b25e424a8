"""The desk where jobs are handed in and results are handed out.

It lets the journal, the scheduler and the pool work together, and holds none of their knowledge itself:

    submit ─ check ─ blobs ─ journal ─┬─ scheduler ─ pool ─ worker ─ events ─┬─ journal ─ subscriptions
    start  ─ journal.resume ──────────┘                                     └─ progress ─ subscriptions

Rules that others may rely on:
* Every JobChanged is in the journal before it is delivered; each subscription gets them in the order of
  events.
* A job's first final state stays. Cancelling is durable before it is acknowledged, so a cancelled job stays
  cancelled even if its worker finishes it at the same moment; layers that the journal does not have by then
  are dropped. So with a finished job.
* A job of several takes hands each one out as it is finished, and keeps it when it is cancelled or fails. One
  that is tried once more keeps showing those it had, and ends with the layers of its last try alone.
* When a worker dies, the job that held the device is tried once more, then failed; jobs that waited in its
  gate are queued again as often as it takes. A job that was running each of three times the server itself
  died is given up; stopping it in good order counts for no job.
* While the disk is full, nothing is accepted; results that exist already are written when there is room.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from impasto_protocol.errors import (
    BadValue,
    DiskFull,
    ImpastoError,
    NoSuchInput,
    QueueFull,
    UnknownJob,
    WorkerCrashed,
)
from impasto_protocol.messages import (
    CanvasRef,
    ErrorInfo,
    GenerateRequest,
    InputRef,
    JobChanged,
    JobProgress,
    JobSummary,
    Limits,
    ModelInfo,
    Pixels,
    Submit,
)
from impasto_protocol.rasters import row_size

from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.front.journal import JobRecord, Journal
from impasto_server.front.requests import (
    check_inputs,
    check_model,
    check_note,
    check_submit,
    check_thumbnail,
)
from impasto_server.front.scheduler import Scheduler, Turn, Urgency
from impasto_server.front.thumbnails import Thumbnails
from impasto_server.pool.channel import (
    Ended,
    Event,
    ModelsChanged,
    Painted,
    Progress,
    Ready,
    Run,
    StoredLayer,
)
from impasto_server.pool.interface import Listeners, PoolListener, WorkerPool

__all__ = ["Deliver", "Inputs", "JobDesk", "Subscription"]

log = logging.getLogger(__name__)
T = TypeVar("T")

Deliver = Callable[[JobChanged | JobProgress], None]  # must neither block nor raise: append to a send queue

MOST_CRASHES = 2  # workers a job may take down before it is failed
MOST_FAILED_STARTS = 3  # workers that die in a row before they are ready, until waiting jobs are failed
DISK_RETRY_S = 1.0
PRUNE_EVERY_S = 600.0
LAST_WRITES_S = 2.0  # for what happened just before the end
NEWS_OF_QUEUE_S = 0.25  # shortest time between two rounds of queue positions
MOST_FRESH = 32  # results whose layers are found without a look into the journal
DRAWN_SEEDS = 2**32  # what other programs use too, so that a seed can be typed there


@dataclass(frozen=True)
class Inputs:
    """The pixels behind the CanvasRefs of a Submit, as they stood at its sequence, by role as in
    `GenerateRequest.pictures`. `data` (bytes or memoryview) must not change until `submit` has returned."""

    pictures: Mapping[str, Pixels] = field(default_factory=dict)


@dataclass(eq=False)
class Subscription:
    """One connection's ear. `newest_event` is for `Welcome.last_event`."""

    newest_event: int
    _deliver: Deliver
    _close: Callable[[Subscription], None]
    _missed: list[JobChanged] | None = field(default_factory=list)  # None once started

    def start(self) -> None:
        """Delivers what the client missed, then all that happens, in the order of events; after Welcome."""
        missed, self._missed = self._missed or [], None
        for message in sorted(missed, key=lambda message: message.event):
            self._deliver(message)

    def close(self) -> None:
        """No more deliveries. Idempotent."""
        self._close(self)

    def hear(self, message: JobChanged | JobProgress) -> None:
        """Called by the desk."""
        if self._missed is None:
            self._deliver(message)
        elif isinstance(message, JobChanged):
            self._missed = [*(missed for missed in self._missed if missed.job != message.job), message]


@dataclass
class _Unfinished:
    """What the desk remembers of a job that has no final state."""

    record: JobRecord
    worker: int | None = None
    handed_over: bool = False  # the pool has it
    cancelled: bool = False
    over: bool = False  # its worker has had the last word, which is not in the journal yet
    position: int = -1  # last one told


class JobDesk:
    """All on one event loop. `client` is who asks: nobody sees, cancels or forgets another client's job."""

    def __init__(
        self,
        journal: Journal,
        scheduler: Scheduler,
        pool: WorkerPool,
        blobs: BlobStore,
        limits: Limits,
        *,
        disk_retry_s: float = DISK_RETRY_S,
    ) -> None:
        self._journal = journal
        self._scheduler = scheduler
        self._pool = pool
        self._blobs = blobs
        self._thumbnails = Thumbnails(blobs)
        self._limits = limits
        self._disk_retry_s = disk_retry_s
        self._unfinished: dict[int, _Unfinished] = {}
        self._fresh: dict[tuple[str, str], JobRecord] = {}  # with new layers: about to be fetched
        self._accepting: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._in_order = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._models: tuple[ModelInfo, ...] = ()
        self._devices: dict[int, str] = {}
        self._first_word = asyncio.Event()  # a worker is ready, or none comes up
        self._failed_starts = 0
        self._house: asyncio.Task[None] | None = None
        self._news_due = False
        self._stopping = False

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, *others: PoolListener) -> None:
        """Opens the journal, queues again what a crash interrupted, starts the pool, to which `others` listen
        as well. Raises `DiskFull`."""
        await self._journal.open()
        for record in await self._journal.resume():
            self._unfinished[record.number] = _Unfinished(record)
            self._enqueue(record)
        await self._pool.start(Listeners(self, *others))
        self._house = self._spawn(self._keep_house())

    async def stop(self) -> None:
        """Stops the pool and closes the journal. Unfinished jobs go on at the next start."""
        self._stopping = True
        await self._pool.stop()
        if self._house is not None:
            self._house.cancel()
        tasks = [*self._tasks, *self._accepting.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_WRITES_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._journal.close()

    # ── what clients ask ─────────────────────────────────────────────────────────────────────────────────

    async def subscribe(self, client: str, last_event: int, deliver: Deliver) -> Subscription:
        """Several connections of one client may subscribe at once; each hears of all jobs of the client."""
        subscription = Subscription(0, deliver, lambda ended: self._unsubscribe(client, ended))
        async with self._in_order:
            newest, missed = await self._journal.since(client, last_event)
            subscription.newest_event = newest
            for record in missed:
                subscription.hear(record.changed())
            self._subscriptions.setdefault(client, set()).add(subscription)
        return subscription

    async def submit(self, client: str, submit: Submit, inputs: Inputs) -> None:
        """Accepts a job durably; JobChanged(queued) goes out through the client's subscriptions.

        For an id that is known already, its newest JobChanged goes out again, and nothing else happens.
        Raises leaves of `RequestError`, `QueueFull` or `DiskFull`; then the job is not accepted. Once begun,
        accepting goes on even if the caller is cancelled.
        """
        key = (client, submit.job)
        await self._settled(key)
        task = asyncio.ensure_future(self._accept(client, submit, inputs))
        self._accepting[key] = task
        task.add_done_callback(lambda _: self._accepting.pop(key, None))
        await asyncio.shield(task)

    async def cancel(self, client: str, job: str) -> None:
        """Durable when it returns. Idempotent; JobChanged goes out through the subscriptions in any case, for
        a finished job with the state it has. Raises `UnknownJob`, also for jobs of others."""
        await self._settled((client, job))
        try:
            record, changed = await self._change(lambda: self._journal.cancel(client, job))
        except DiskFull:
            await self._free_device(
                client, job
            )  # it cannot be promised, but the artist wants the device back
            raise
        unfinished = self._unfinished.get(record.number) if changed else None
        if unfinished is None:
            return
        unfinished.cancelled = True
        if unfinished.worker is None:
            self._scheduler.remove(record.number)
            del self._unfinished[record.number]
            self._tell_queue()
        elif unfinished.handed_over:
            await self._pool.cancel(unfinished.worker, str(record.number))

    async def forget(self, client: str, job: str) -> None:
        """Puts a job away, cancelling it if it is unfinished. Unknown jobs are ignored."""
        await self._settled((client, job))
        try:
            if not (await self._journal.known(client, job)).is_final:
                await self.cancel(client, job)
        except UnknownJob:
            return
        self._fresh.pop((client, job), None)
        await self._journal.forget(client, job)

    async def annotate(self, client: str, job: str, note: str) -> JobSummary:
        """Replaces a job's note, durably; the job as it is now. Raises `UnknownJob`, also for jobs of others,
        `BadValue`, `DiskFull`."""
        check_note(note)
        await self._settled((client, job))
        return (await self._journal.annotate(client, job, note)).summary()

    async def jobs(self, client: str) -> tuple[JobSummary, ...]:
        """All that the client has not forgotten, oldest first."""
        return tuple(record.summary() for record in await self._journal.jobs(client))

    async def layer(self, client: str, job: str, index: int, y: int, height: int) -> Pixels:
        """Rows of a result layer; `data` is a read-only memoryview over the stored file.

        Raises `UnknownJob`, `BadValue` for rows or layers that are not there, `NoSuchInput`.
        """
        return await self._rows(await self._layer(client, job, index), y, height)

    async def thumbnail(self, client: str, job: str, index: int, longest_px: int) -> Pixels:
        """A small copy of a result layer, RGBA8. Raises `UnknownJob`, `BadValue`, `NoSuchInput`."""
        check_thumbnail(longest_px)
        ref = await self._layer(client, job, index)
        return await asyncio.to_thread(self._thumbnails.of, ref, longest_px)

    async def input(self, client: str, digest: str, y: int, height: int) -> Pixels:
        """Rows of an image, mask or control image that a job of this client used.

        Raises `NoSuchInput`, `BadValue`.
        """
        ref = await self._journal.input(client, digest)
        if ref is None:
            raise NoSuchInput("The server no longer keeps these pixels. Send the picture again.")
        return await self._rows(ref, y, height)

    async def models(self) -> tuple[ModelInfo, ...]:
        """What the workers can load. Waits for the first one; raises `WorkerCrashed` if none comes up."""
        await self._first_word.wait()
        if not self._models and self._failed_starts:
            raise WorkerCrashed(_NO_WORKER)
        return self._models

    @property
    def device(self) -> str | None:
        """Of the first worker. None until one is ready."""
        return next(iter(self._devices.values()), None)

    # ── what the pool tells ──────────────────────────────────────────────────────────────────────────────

    async def worker_event(self, worker: int, event: Event) -> None:
        if self._stopping:
            return
        if isinstance(event, Ready):
            self._failed_starts = 0
            self._devices[worker] = event.device
            self._models = tuple(event.models)
            self._first_word.set()
            self._scheduler.ready(worker)
            self._dispatch()
        elif isinstance(event, ModelsChanged):
            self._models = tuple(event.models)
        elif isinstance(event, Progress):
            self._tell_progress(event)
        elif isinstance(event, Painted):
            self._painted(worker, event)
        elif isinstance(event, Ended):
            self._ended(worker, event)

    async def worker_lost(self, worker: int, unfinished: tuple[str, ...]) -> None:
        """See `PoolListener`. The scheduler knows better than the pool who held the device: the last one."""
        if self._stopping:
            return
        if self._devices.pop(worker, None) is None:
            self._failed_starts += 1
        jobs = self._scheduler.lost(worker)
        log.warning("Worker %d died with jobs %s (the pool says %s).", worker, jobs, unfinished)
        for number in jobs:
            lost = self._unfinished[number]
            lost.worker, lost.handed_over, lost.position = None, False, -1
            self._spawn(self._try_again(lost, crashed=number == jobs[-1]))
        if self._failed_starts >= MOST_FAILED_STARTS and not self._scheduler.any_ready():
            self._first_word.set()
            for number in self._scheduler.order():
                self._scheduler.remove(number)
                self._spawn(self._finish(number, "failed", error=ErrorInfo(WorkerCrashed.code, _NO_WORKER)))

    async def _try_again(self, lost: _Unfinished, *, crashed: bool) -> None:
        number = lost.record.number
        if lost.cancelled:
            await self._finish(number, "cancelled")
        elif crashed and lost.record.crashes + 1 >= MOST_CRASHES:
            await self._finish(number, "failed", error=ErrorInfo(WorkerCrashed.code, _CRASHED))
        else:
            record = await self._persist(lambda: self._journal.requeue(number, crashed=crashed))
            if record is None:  # cancelled in the meantime
                self._unfinished.pop(number, None)
                return
            lost.record = record
            self._enqueue(record)
            self._dispatch()

    def _painted(self, worker: int, event: Painted) -> None:
        job = self._unfinished.get(int(event.job))
        if job is not None and job.worker == worker and not job.over:
            self._spawn(self._keep(job.record.number, event.layers))

    async def _keep(self, number: int, layers: list[StoredLayer]) -> None:
        """Not tried again when the disk is full, as other changes are: it would come behind newer ones, and
        the last word on the job brings these layers too."""
        try:
            self._hold(await self._change_if(lambda: self._journal.keep(number, layers)))
        except DiskFull as error:
            log.warning("%s", error.sentence)

    def _ended(self, worker: int, event: Ended) -> None:
        number = int(event.job)
        ended = self._unfinished.get(number)
        # A Run that was under way to a worker as it died reaches its successor: that job may end twice.
        if ended is None or ended.worker != worker or ended.over:
            log.warning("Worker %d ended job %s, which it does not have.", worker, event.job)
            return
        ended.over = True
        self._scheduler.ended(worker, number, event.device_s)
        self._spawn(self._finish(number, event.state, event))
        self._dispatch()  # the device does not wait for the disk

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    async def _accept(self, client: str, submit: Submit, inputs: Inputs) -> None:
        known = await self._journal.find(client, submit.job)
        if known is not None:
            self._publish(known)
            return
        check_submit(submit, self._limits)
        check_model(submit.generate, self._models)
        if sum(job.record.client == client for job in self._unfinished.values()) >= self._limits.jobs:
            raise QueueFull(
                f"{self._limits.jobs} of your jobs are waiting already. Let some finish, or cancel some."
            )
        request = await self._stored(client, submit.generate, inputs)
        async with self._in_order:
            record, new = await self._journal.accept(client, submit.job, submit.urgency, request, submit.note)
            if new:
                self._unfinished[record.number] = _Unfinished(record)
                self._enqueue(record)
                self._dispatch()
            # After the worker's first command, before anything that is still to be written: the loop keeps
            # the order of what it is given.
            asyncio.get_running_loop().call_soon(self._publish, record)

    async def _stored(self, client: str, request: GenerateRequest, inputs: Inputs) -> GenerateRequest:
        """The request with its pixels in the blob store and its seed drawn: a retry paints the same bytes."""
        pictures = {
            role: await self._picture(client, named, inputs.pictures.get(role))
            for role, named in request.pictures.items()
        }
        seed = request.seed if request.seed >= 0 else secrets.randbelow(DRAWN_SEEDS)

        def store() -> GenerateRequest:
            check_inputs(request, pictures, self._limits)
            kept = {role: self._put(picture) for role, picture in pictures.items()}
            return dataclasses.replace(request.with_pictures(kept), seed=seed)

        return await asyncio.to_thread(store) if pictures else store()

    async def _picture(
        self, client: str, named: CanvasRef | InputRef, given: Pixels | None
    ) -> Pixels | InputRef:
        if isinstance(named, InputRef):
            kept = await self._journal.input(client, named.digest)
            if kept is None or kept != named:
                raise NoSuchInput("The server no longer keeps these pixels. Send the picture again.")
            return kept
        if given is None:
            raise ValueError("the connection must hand over the pixels of each canvas")
        return given

    def _put(self, picture: Pixels | InputRef) -> InputRef:
        if isinstance(picture, Pixels):
            assert picture.data is not None
            return self._blobs.put(picture.data, picture.width, picture.height, picture.format)
        return picture

    def _enqueue(self, record: JobRecord) -> None:
        self._scheduler.add(record.number, record.client, Urgency[record.urgency.upper()])
        self._tell_queue()

    def _dispatch(self) -> None:
        while not self._stopping and (turn := self._scheduler.next()) is not None:
            self._unfinished[turn.job].worker = turn.worker
            self._spawn(self._hand_over(turn))
            self._tell_queue()

    async def _hand_over(self, turn: Turn) -> None:
        job = self._unfinished.get(turn.job)
        if job is None or job.worker != turn.worker:
            return  # the worker has died meanwhile
        if job.cancelled:
            self._scheduler.ended(turn.worker, turn.job, 0.0)
            del self._unfinished[turn.job]
            self._dispatch()
            return
        request = job.record.request
        kept = {role: ref for role, ref in request.pictures.items() if isinstance(ref, InputRef)}
        job.handed_over = True
        await self._pool.run(turn.worker, Run(str(turn.job), request, kept))
        if job.cancelled:  # while the pool took it: its own cancel may have come too early
            await self._pool.cancel(turn.worker, str(turn.job))
        await self._persist(lambda: self._journal.begin(turn.job))

    async def _finish(
        self, number: int, state: str, ended: Ended | None = None, error: ErrorInfo | None = None
    ) -> None:
        """Writes the last word on a job, as soon as the disk lets it."""
        layers = ended.layers if ended is not None else ()
        error = ended.error if ended is not None else error
        record = await self._persist(lambda: self._journal.finish(number, state, layers, error))
        self._unfinished.pop(number, None)
        self._hold(record)

    def _hold(self, record: JobRecord | None) -> None:
        """Keeps at hand what is about to be fetched."""
        if record is not None and record.layers:
            self._fresh[record.client, record.job] = record
            if len(self._fresh) > MOST_FRESH:
                del self._fresh[next(iter(self._fresh))]

    async def _free_device(self, client: str, job: str) -> None:
        for number, unfinished in self._unfinished.items():
            if (unfinished.record.client, unfinished.record.job) == (client, job):
                unfinished.cancelled = unfinished.worker is not None
                if unfinished.worker is not None and unfinished.handed_over:
                    await self._pool.cancel(unfinished.worker, str(number))
                return

    async def _settled(self, key: tuple[str, str]) -> None:
        """Returns when the job of that name is not just being accepted."""
        while (task := self._accepting.get(key)) is not None:
            await asyncio.wait([task])

    async def _layer(self, client: str, job: str, index: int) -> BlobRef:
        record = self._fresh.get((client, job)) or await self._journal.known(client, job)
        if not 0 <= index < len(record.layers):
            raise BadValue(f"This job has {len(record.layers)} layers; there is no number {index}.")
        return record.layers[index].pixels

    async def _rows(self, ref: BlobRef, y: int, height: int) -> Pixels:
        if height < 1 or y < 0 or y + height > ref.height:
            raise BadValue(f"Rows {y} to {y + height} lie outside the picture, which has {ref.height}.")
        mapped = await asyncio.to_thread(self._blobs.read, ref)
        row = row_size(ref.width, ref.format)
        rows = memoryview(mapped)[y * row : (y + height) * row]
        return Pixels(ref.width, height, ref.format, rows)  # type: ignore[arg-type]  # read-only bytes all the same

    # ── journal, then subscriptions ──────────────────────────────────────────────────────────────────────

    async def _change(self, write: Callable[[], Awaitable[tuple[JobRecord, bool]]]) -> tuple[JobRecord, bool]:
        """A change that a client asked for. One at a time, so that events go out in their order."""
        async with self._in_order:
            record, changed = await write()
            self._publish(record)
            return record, changed

    async def _persist(self, write: Callable[[], Awaitable[JobRecord | None]]) -> JobRecord | None:
        """A change that has happened already: tried until the disk takes it."""
        while True:
            try:
                return await self._change_if(write)
            except DiskFull as error:  # noqa: PERF203  a loop is what retrying is
                log.warning("%s Trying again.", error.sentence)
                await asyncio.sleep(self._disk_retry_s)

    async def _change_if(self, write: Callable[[], Awaitable[JobRecord | None]]) -> JobRecord | None:
        """A change that is told, unless it turns out to be none."""
        async with self._in_order:
            record = await write()
            if record is not None:
                self._publish(record)
            return record

    def _publish(self, record: JobRecord) -> None:
        self._tell(record.client, record.changed())

    def _tell(self, client: str, message: JobChanged | JobProgress) -> None:
        for subscription in tuple(self._subscriptions.get(client, ())):
            subscription.hear(message)

    def _unsubscribe(self, client: str, subscription: Subscription) -> None:
        listening = self._subscriptions.get(client, set())
        listening.discard(subscription)
        if not listening:
            self._subscriptions.pop(client, None)

    def _tell_progress(self, event: Progress) -> None:
        job = self._unfinished.get(int(event.job))
        if job is None or job.cancelled:
            return
        self._tell(
            job.record.client,
            JobProgress(
                job=job.record.job,
                stage=event.stage,
                step=event.step,
                steps=event.steps,
                remaining_s=event.remaining_s,
                preview=event.preview,
            ),
        )

    def _tell_queue(self) -> None:
        """Soon tells every waiting job whose place has changed; many changes make one round."""
        if not self._news_due and not self._stopping:
            self._news_due = True
            self._spawn(self._queue_news())

    async def _queue_news(self) -> None:
        await asyncio.sleep(NEWS_OF_QUEUE_S)
        self._news_due = False
        for place, number in enumerate(self._scheduler.order()):
            job = self._unfinished[number]
            position = place + self._scheduler.running()
            if position != job.position:
                job.position = position
                remaining_s = (position + 1) * self._scheduler.expected_s / self._pool.size
                progress = JobProgress(job.record.job, "waiting", position=position, remaining_s=remaining_s)
                self._tell(job.record.client, progress)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_EVERY_S)
            try:
                await self._journal.prune()
            except DiskFull as error:
                log.warning("%s", error.sentence)

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not (self._stopping and isinstance(error, ImpastoError)):
            log.error("The job desk stumbled.", exc_info=error)


_CRASHED = (
    "The painting process died twice on this job, so it was given up. "
    "A smaller size or another model may work; log/worker.log says more."
)
_NO_WORKER = (
    "The painting process does not start, so nothing can be painted. "
    "Run `impasto doctor`, or look into log/worker.log."
)
