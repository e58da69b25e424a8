"""One job of a document, and where its takes belong. Changed on the UI thread only, but for `stop`."""

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple

from impasto_studio import masks
from impasto_studio.base_work import BaseWork, Parcel, short
from impasto_studio.geometry import Box
from impasto_studio.host import Captured, Picture, Scene
from impasto_studio.notes import MAP, NOTHING, Note, write_note
from impasto_studio.tasks import Plan
from impasto_studio.view import TakeView

__all__ = ["Place", "Work", "parcel", "place", "take_view"]


@dataclass(eq=False)
class Work(BaseWork):
    """`plan` is None for a job of an earlier run of the host."""

    note: Note = NOTHING
    plan: Optional[Plan] = None
    offered: bool = False  # the artist has been shown its takes without asking for them
    views: Dict[int, Tuple[Note, TakeView]] = field(default_factory=dict)  # see `take_view`

    @property
    def document(self) -> str:
        return self.note.document

    @property
    def title(self) -> str:
        return short(self.note.title or self.prompt)

    @property
    def dismissed(self) -> bool:
        return self.note.dismissed

    @property
    def note_text(self) -> str:
        return write_note(self.note)

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


def parcel(plan: Plan, captured: Captured) -> Parcel:
    """What goes to the server."""
    return Parcel(plan.request, lambda: _pictures(plan, captured))


def _pictures(plan: Plan, captured: Captured) -> Dict[str, Picture]:
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
