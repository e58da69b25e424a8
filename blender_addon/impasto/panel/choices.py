"""What the panels' menus offer, and small questions about what the studios say."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from impasto_studio.intent import ControlRow
from impasto_studio.texts import tr

__all__ = [
    "FOLLOWED",
    "done_of",
    "image_modes",
    "inserts",
    "items_of",
    "kind_of",
    "last_seed",
    "models",
    "orders",
    "picture_sizes",
    "pictures",
    "results",
    "seen_from",
    "selections",
    "sources",
    "texture_sizes",
    "unwraps",
    "view_sizes",
    "view_sources",
    "with_row",
]

Offered = list[tuple[Any, str, str]]  # value, name, description

# Guides that the scene has → kinds of ControlNets that can use them, the best one first.
FOLLOWED = {
    "depth": ("depth",),
    "normal": ("normal",),
    "edges": ("edges", "lineart", "softedge", "scribble"),
}


def items_of(offered: Callable[[], Offered]) -> Callable[[Any, Any], list[tuple[str, str, str, int]]]:
    """For an EnumProperty. The list is kept: Blender does not keep the texts of dynamic items itself."""
    kept: list[Any] = []

    def items(self: Any, context: Any) -> list[tuple[str, str, str, int]]:
        now = [(_identifier(value), name, says, at) for at, (value, name, says) in enumerate(offered())]
        if now != kept:
            kept[:] = now
        return kept

    return items


def _identifier(value: Any) -> str:
    """As scripts name it: "IN_TURN", "PX_512"; empty values as what they stand for."""
    if isinstance(value, int):
        return f"PX_{value}" if value else "AUTOMATIC"
    return value.upper().replace(" ", "_") or "AUTOMATIC"


def sources() -> Offered:
    return [
        ("camera", tr("Camera"), tr("The scene's active camera")),
        ("view", tr("3D View"), tr("What you look through")),
    ]


def pictures() -> Offered:
    return [
        ("view", tr("As Shown"), tr("The scene as the 3D view draws it")),
        ("render", tr("Last Render"), tr("What was rendered last, with F12")),
    ]


def inserts() -> Offered:
    return [
        ("image", tr("Image"), tr("A new image, shown in the Image Editor")),
        ("background", tr("Camera Background"), tr("A new image behind what the camera sees")),
    ]


def results() -> Offered:
    return [
        ("into", tr("Into the Image"), tr("The image itself is changed")),
        ("new", tr("New Image"), tr("The image stays, a new one comes beside it")),
    ]


def selections() -> Offered:
    return [
        ("painted", tr("Mask"), tr("Where the mask image is bright")),
        ("box", tr("Box"), tr("A rectangle")),
        ("", tr("Everything"), tr("The whole image")),
    ]


def image_modes() -> Offered:
    return [
        ("fill", tr("Fill"), tr("Repaints a part so that it fits what is around it")),
        ("refine", tr("Refine"), tr("Paints over what is there and keeps as much of it as you say")),
        ("upscale", tr("Upscale"), tr("Makes the image larger and paints its fine detail")),
    ]


def view_sources() -> Offered:
    return [
        ("around", tr("Around"), tr("Placed around the objects, from above and below")),
        ("cameras", tr("Cameras"), tr("The cameras you choose")),
        ("view", tr("This View"), tr("What you look through")),
    ]


def orders() -> Offered:
    return [
        ("together", tr("Together"), tr("All views at once, agreeing while they are painted")),
        ("in turn", tr("In Turn"), tr("One view after the other, each going on from those before")),
    ]


def unwraps() -> Offered:
    return [
        ("own", tr("Object's Own"), tr("The layout the object has")),
        ("new", tr("New"), tr("A new layout beside the object's own")),
    ]


def picture_sizes() -> Offered:
    sizes = [(px, f"{px} px", "") for px in (512, 768, 1024, 1536, 2048)]
    return [*sizes, (0, tr("As Rendered"), tr("The render's size, or the 3D view's on the screen"))]


def texture_sizes() -> Offered:
    return [(px, f"{px} px", "") for px in (512, 1024, 2048, 4096)]


def view_sizes() -> Offered:
    return [(0, tr("Model's Own"), ""), *((px, f"{px} px", "") for px in (256, 512, 768, 1024, 1536))]


def models(side: Any | None) -> Offered:
    if side is None:
        return [("", tr("Automatic"), "")]
    there = [(model.model, model.title, "") for model in side.view.models]
    chosen = side.intent.model
    if chosen and chosen not in [name for name, _, _ in there]:
        there.append((chosen, chosen, tr("It is not there any more")))
    first = there[0][1] if there else ""
    return [("", tr("Automatic ({model})", model=first) if first else tr("Automatic"), ""), *there]


def seen_from(side: Any | None) -> Offered:
    cameras = side.view.cameras if side is not None else ()
    return [("", tr("This View"), ""), *((camera.layer, camera.name, "") for camera in cameras)]


def last_seed(side: Any | None) -> int:
    """Of what was painted last; any number when nothing was."""
    if side is not None:
        painted = getattr(side.view, "history", ()) or getattr(side.view, "results", ())
        if painted:
            return int(painted[0].seed)
    return random.randrange(2**31)


def done_of(side: Any | None) -> float:
    """0 … 1 of the job that is being painted."""
    jobs = [job for job in side.view.jobs if job.state != "failed"] if side is not None else []
    return max(0.0, jobs[0].done) if jobs else 0.0


def kind_of(guide: str, model: Any | None) -> str:
    """Which kind of ControlNet of the model follows a guide; empty: none does."""
    there = model.controls if model is not None else ()
    return next((kind for kind in FOLLOWED[guide] if kind in there), "")


def with_row(rows: tuple[ControlRow, ...], guide: str, on: bool, side: Any | None) -> tuple[ControlRow, ...]:
    others = tuple(row for row in rows if row.layer != guide)
    if not on:
        return others
    kind = kind_of(guide, side.view.model if side is not None else None) or FOLLOWED[guide][0]
    return (*others, replace(ControlRow(kind), layer=guide))
