"""One job as the studio keeps it. Changed on the UI thread only, but for `stop`."""

from dataclasses import dataclass, field
from threading import Event
from typing import Dict, Optional, Tuple

from impasto_protocol.messages import JobProgress, LayerInfo

from impasto_studio import masks
from impasto_studio.geometry import Box
from impasto_studio.host import Captured, Picture, Scene
from impasto_studio.notes import MAP, Note
from impasto_studio.tasks import Plan
from impasto_studio.texts import tr
from impasto_studio.view import JobView, TakeView

__all__ = ["ENDED", "Place", "Work", "job_view", "pictures", "place", "short", "take_view"]

ENDED = ("done", "failed", "cancelled")
_LONGEST_TITLE = 80


@dataclass(eq=False)
class Work:
    """`plan` and `captured` are None for a job of an earlier run of the host."""

    job: str
    note: Note
    state: (
        str  # capturing | sending | queued | running | done | failed | cancelled (but not yet by the server)
    )
    prompt: str
    created_s: float
    plan: Optional[Plan] = None
    captured: Optional[Captured] = None
    sent: bool = False  # handed to the session
    accepted: bool = False  # the server has said that it keeps the job
    layers: Tuple[LayerInfo, ...] = ()  # finished ones; they come one by one while it runs
    offered: bool = False  # the artist has been shown its takes without asking for them
    progress: Optional[JobProgress] = None
    preview: Optional[Picture] = None  # the newest, RGB8
    previews: int = 0  # how many there were: tells one from the next
    error: str = ""
    views: Dict[int, Tuple[Note, TakeView]] = field(default_factory=dict)  # see `take_view`
    stop: Event = field(default_factory=Event)  # set when cancelled: the sending worker looks at it

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_map(self) -> bool:
        return self.note.mode == MAP

    @property
    def has_takes(self) -> bool:
        return bool(self.layers) and not self.is_map

    @property
    def expected(self) -> int:
        """How many takes it will have."""
        if self.ended:
            return len(self.layers)
        asked = self.plan.request.takes if self.plan is not None else self.note.intent.takes
        return max(asked, len(self.layers))

    @property
    def title(self) -> str:
        return short(self.note.title or self.prompt)

    def over(self) -> None:
        """There is nothing to be done for it any more; its layers stay."""
        self.state = "done"
        self.captured = self.preview = self.progress = None

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


def pictures(plan: Plan, captured: Captured) -> Dict[str, Picture]:
    """What goes to the server, by role; see `GenerateRequest.pictures`."""
    found: Dict[str, Picture] = {}
    if captured.image is not None:
        found["image"] = captured.image
    if plan.mask == "frame":
        found["mask"] = masks.frame(plan.box, Box(0, 0, *plan.size))
    elif captured.mask is not None:
        found["mask"] = masks.inverted(captured.mask) if plan.mask == "outside" else captured.mask
    found.update((f"control {number}", control) for number, control in enumerate(captured.controls, 1))
    return found


# ── where a take belongs ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Place:
    """A take in its document as that is now."""

    box: Box  # what the take covers, for a preview
    x: int  # where its layer goes
    y: int
    resize: Optional[Box] = None
    scale: bool = False
    fits: bool = True  # False: the document has got another size, and the take cannot change it any more


def place(work: Work, index: int, scene: Scene) -> Place:
    """Expanded and upscaled takes change the document's size; the second one applied finds it changed."""
    note, layer = work.note, work.layers[index]
    box = Box(note.box.x + layer.x, note.box.y + layer.y, layer.width, layer.height)
    resize = note.resize
    if resize is None:
        return Place(box, box.x, box.y)
    if scene.box.size == note.size:
        shown = scene.box if note.scale else box
        return Place(shown, *((0, 0) if note.scale else (box.x, box.y)), resize, note.scale)
    moved = box.moved(-resize.x, -resize.y)
    return Place(moved, moved.x, moved.y, fits=scene.box.size == resize.size)


# ── what a panel sees of it ──────────────────────────────────────────────────────────────────────────────


def take_view(work: Work, index: int, thumbnail: Optional[Picture]) -> TakeView:
    """Made once and kept until something about it changes: a history has hundreds of them."""
    note, view = work.views.get(index, (None, None))
    if view is None or note is not work.note or view.thumbnail is not thumbnail:
        view = _take_view(work, index, thumbnail)
        work.views[index] = (work.note, view)
    return view


def _take_view(work: Work, index: int, thumbnail: Optional[Picture]) -> TakeView:
    note, layer = work.note, work.layers[index]
    request = layer.recipe.request
    return TakeView(
        job=work.job,
        index=index,
        box=Box(note.box.x + layer.x, note.box.y + layer.y, layer.width, layer.height),
        prompt=note.intent.prompt or request.prompt,
        seed=request.seed,
        mode=note.mode,
        created_s=work.created_s,
        applied=index in note.applied,
        favourite=index in note.favourites,
        thumbnail=thumbnail,
    )


def job_view(work: Work) -> JobView:
    progress = work.progress
    if progress is None or work.state == "failed":
        return JobView(work.job, work.title, work.state, _waiting(work.state), error=work.error)
    share = progress.step / progress.steps if progress.steps else -1.0
    return JobView(
        work.job,
        work.title,
        work.state,
        _stage(progress),
        done=max(-1.0, min(share, 1.0)),
        position=progress.position,
        remaining_s=progress.remaining_s,
        preview=work.preview,
    )


def _waiting(state: str) -> str:
    return {
        "capturing": tr("Reading the document"),
        "sending": tr("Sending"),
        "queued": tr("Waiting"),
        "running": tr("Starting"),
    }.get(state, "")


def _stage(progress: JobProgress) -> str:
    if progress.stage == "waiting":
        return tr("Waiting, {count} ahead", count=progress.position) if progress.position else tr("Waiting")
    if progress.stage == "sampling":
        return tr("Painting, step {step} of {steps}", step=progress.step, steps=progress.steps)
    return {
        "loading": tr("Loading the model"),
        "encoding": tr("Reading the picture"),
        "decoding": tr("Finishing the picture"),
        "compositing": tr("Fitting it in"),
        "saving memory": tr("Saving memory"),
    }.get(progress.stage, tr("Painting"))
