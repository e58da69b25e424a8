"""One job as a studio keeps it, whatever it paints. Changed on the UI thread only, but for `stop`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from threading import Event
from typing import Callable, Dict, Optional, Tuple

from impasto_protocol.messages import GenerateRequest, JobProgress, LayerInfo

from impasto_studio.host import Picture
from impasto_studio.texts import tr
from impasto_studio.view import JobView

__all__ = ["ENDED", "BaseWork", "Parcel", "job_view", "short"]

ENDED = ("done", "failed", "cancelled")
_LONGEST_TITLE = 80


@dataclass(frozen=True)
class Parcel:
    """What goes to the server. `pictures` is called on the sending worker: they may have to be made."""

    request: GenerateRequest  # its pictures are None yet, or of the journal
    pictures: Callable[[], Dict[str, Picture]]  # by role; see `GenerateRequest.pictures`


@dataclass(eq=False)
class BaseWork(ABC):
    """`parcel` is there once the host has been read, and until the job is over; there is none for a job of an
    earlier run of the host."""

    job: str
    state: (
        str  # capturing | sending | queued | running | done | failed | cancelled (but not yet by the server)
    )
    prompt: str
    created_s: float
    parcel: Optional[Parcel] = None
    sent: bool = False  # handed to the session
    accepted: bool = False  # the server has said that it keeps the job
    layers: Tuple[LayerInfo, ...] = ()  # finished ones; they come one by one while it runs
    progress: Optional[JobProgress] = None
    preview: Optional[Picture] = None  # the newest, RGB8
    previews: int = 0  # how many there were: tells one from the next
    error: str = ""
    stop: Event = field(default_factory=Event)  # set when cancelled: the sending worker looks at it

    # ── what each kind says of itself ────────────────────────────────────────────────────────────────────

    @property
    @abstractmethod
    def document(self) -> str:
        """Id of the document it is for."""

    @property
    @abstractmethod
    def title(self) -> str:
        """For a list of jobs."""

    @property
    @abstractmethod
    def dismissed(self) -> bool:
        """The artist has read why it failed."""

    @property
    @abstractmethod
    def note_text(self) -> str:
        """For the journal."""

    def stages(self) -> Dict[str, str]:
        """What its states and the server's stages are called, where it is something else than usual."""
        return {}

    # ── what becomes of it ───────────────────────────────────────────────────────────────────────────────

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def over(self) -> None:
        """There is nothing to be done for it any more; its layers stay."""
        self.state = "done"
        self.parcel = self.preview = self.progress = None

    def progressed(self, progress: JobProgress) -> None:
        if self.ended:
            return
        self.state = "queued" if progress.stage == "waiting" else "running"
        self.progress = progress
        pixels = progress.preview
        if pixels is not None and pixels.data is not None:
            self.preview = Picture(pixels.width, pixels.height, pixels.format, pixels.data)
            self.previews += 1


def short(words: str) -> str:
    """In one line that is not too long for a layer's name."""
    text = " ".join(words.split())
    return text if len(text) <= _LONGEST_TITLE else text[: _LONGEST_TITLE - 1] + "…"


# ── what a panel sees of it ──────────────────────────────────────────────────────────────────────────────


def job_view(work: BaseWork) -> JobView:
    progress = work.progress
    if progress is None or work.state == "failed":
        return JobView(work.job, work.title, work.state, _waiting(work), error=work.error)
    share = progress.step / progress.steps if progress.steps else -1.0
    return JobView(
        work.job,
        work.title,
        work.state,
        _stage(work, progress),
        done=max(-1.0, min(share, 1.0)),
        position=progress.position,
        remaining_s=progress.remaining_s,
        preview=work.preview,
    )


def _waiting(work: BaseWork) -> str:
    usual = {
        "capturing": tr("Reading the document"),
        "sending": tr("Sending"),
        "queued": tr("Waiting"),
        "running": tr("Starting"),
    }
    return {**usual, **work.stages()}.get(work.state, "")


def _stage(work: BaseWork, progress: JobProgress) -> str:
    if progress.stage == "waiting":
        return tr("Waiting, {count} ahead", count=progress.position) if progress.position else tr("Waiting")
    if progress.stage == "sampling":
        return tr("Painting, step {step} of {steps}", step=progress.step, steps=progress.steps)
    usual = {
        "loading": tr("Loading the model"),
        "encoding": tr("Reading the picture"),
        "decoding": tr("Finishing the picture"),
        "compositing": tr("Fitting it in"),
        "saving memory": tr("Saving memory"),
    }
    return {**usual, **work.stages()}.get(progress.stage, tr("Painting"))
