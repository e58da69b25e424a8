"""One texture job. Changed on the UI thread only, but for `stop`."""

from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Tuple

from impasto_protocol import geometry
from impasto_protocol.messages import (
    GenerateRequest,
    LayerInfo,
    Limits,
    TextureRequest,
    TextureTarget,
    TextureView,
)
from impasto_protocol.rasters import PixelFormat, raster_size

from impasto_studio.base_work import BaseWork, Parcel, short
from impasto_studio.host import Picture
from impasto_studio.texts import tr
from impasto_studio.texture.host import Gathered
from impasto_studio.texture.notes import NOTHING, TextureNote, write_note
from impasto_studio.texture.plan import TexturePlan
from impasto_studio.texture.view import TextureResult

__all__ = ["Pictures", "TextureWork", "parcel_of", "result", "too_much", "view_image"]

Pictures = Dict[str, Picture]  # by role, see `GenerateRequest.pictures`


@dataclass(eq=False)
class TextureWork(BaseWork):
    """`plan` is None for a job of an earlier run of the program."""

    note: TextureNote = NOTHING
    plan: Optional[TexturePlan] = None
    delivering: bool = False  # its textures are on their way to the objects

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
    def inspects(self) -> bool:
        return self.note.kind == "inspect"

    @property
    def request(self) -> Optional[GenerateRequest]:
        """With every choice made, cameras included; None as long as no layer is finished."""
        return self.layers[0].recipe.request if self.layers else None

    @property
    def views(self) -> Tuple[LayerInfo, ...]:
        """The views that are finished."""
        return self.layers[: self._expected_views]

    @property
    def textures(self) -> Tuple[LayerInfo, ...]:
        """One of each target, or none as long as they are not all finished."""
        found = self.layers[self._expected_views :]
        return found if len(found) == len(self.note.targets) else ()

    @property
    def has_result(self) -> bool:
        return self.state == "done" and not self.inspects and bool(self.layers)

    @property
    def _expected_views(self) -> int:
        texture = self.request.texture if self.request is not None else None
        return 0 if texture is None or texture.inspect else len(texture.views)

    def stages(self) -> Dict[str, str]:
        return {
            "capturing": tr("Reading the scene"),
            "encoding": tr("Looking from all sides"),
            "compositing": tr("Working on the textures"),
        }


def result(work: TextureWork) -> TextureResult:
    finished, request = work.textures, work.request
    texels = sum(layer.width * layer.height for layer in finished)
    painted = sum(layer.metrics.get("covered", -1.0) * layer.width * layer.height for layer in finished)
    return TextureResult(
        work.job,
        work.title,
        work.note.objects,
        len(work.views),
        painted / texels if texels else -1.0,
        request.seed if request is not None else -1,
        work.created_s,
        applied=work.note.applied,
        can_apply=bool(finished),
        textures=bool(finished),
    )


def view_image(job: str, number: int) -> str:
    """Name of the image that shows a view (counted from 1): it is found again once it is painted on."""
    return f"Impasto {job[:6]} view {number}"


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────


def parcel_of(plan: TexturePlan, gathered: Optional[Gathered], fetched: Pictures) -> Parcel:
    """`fetched`: the plan's `pictures`. Where the host has found one too, the host's counts."""
    if gathered is None:
        return Parcel(plan.request, lambda: fetched)
    assert plan.request.texture is not None
    targets = tuple(TextureTarget(one.name, one.width, one.height) for one in gathered.targets)
    before, cameras = plan.request.texture.views, gathered.cameras
    views = tuple(
        replace(before[number], camera=camera) if number < len(before) else TextureView(camera)
        for number, camera in enumerate(cameras)
    )
    texture: TextureRequest = replace(plan.request.texture, targets=targets, views=views)
    pictures = {**fetched, **_pictures(gathered)}
    return Parcel(replace(plan.request, texture=texture), lambda: pictures)


def _pictures(gathered: Gathered) -> Pictures:
    rows = len(gathered.geometry) // geometry.ROW_BYTES
    found = {"geometry": Picture(geometry.ROW_BYTES, rows, PixelFormat.GRAY8, gathered.geometry)}
    for number, target in enumerate(gathered.targets, 1):
        if target.base is not None:
            found[f"base {number}"] = target.base
    found.update((f"view {number + 1}", picture) for number, picture in gathered.pictures.items())
    found.update((f"view mask {number + 1}", picture) for number, picture in gathered.masks.items())
    return found


def too_much(gathered: Gathered, limits: Limits) -> str:
    """What stands against sending it: the sentence, or nothing."""
    pictures: List[Picture] = list(_pictures(gathered).values())
    size = sum(raster_size(one.width, one.height, one.format) for one in pictures)
    if len(gathered.targets) > limits.textures:
        return tr("The server paints {limit} textures at once. Select fewer objects.", limit=limits.textures)
    if len(pictures) > limits.canvases:
        return tr("These are too many textures and views at once. Select fewer objects.")
    if max(max(one.width, one.height) for one in pictures) > limits.canvas_px or size > limits.canvas_bytes:
        return tr(
            "This is {size} MiB, more than the server takes. Select fewer objects, or simplify them.",
            size=-(-size >> 20),
        )
    return ""
