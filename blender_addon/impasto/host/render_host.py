"""The Render panel's host: its document is what the scene's camera or the 3D view shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy
from bpy.app.handlers import persistent
from impasto_protocol.rasters import PixelFormat
from impasto_studio.geometry import Box
from impasto_studio.host import (
    Animation,
    Capture,
    Captured,
    Failed,
    LayerEntry,
    NewLayer,
    Picture,
    Scene,
    Seen,
    Shown,
    Watch,
)

from .arrays import array_of, cut, laid_over, picture_of, resized, rgba_of
from .base import Base, Settings
from .capture.drawing import drawn, shaded
from .capture.maps import LAYERS, layer_picture, selection_mask
from .capture.rays import Buffers, Eye, seen
from .capture.rendered import rendered
from .capture.surfaces import Surfaces
from .documents import document_id
from .images import new_image, set_background, show_image, undo_step
from .loop import Loop, Sliced, Trouble
from .options import RenderOptions
from .overlay import Overlay
from .sequences import folder_beside, play_frames, sequence
from .views import camera_frame, camera_now, scene_now, selected_box, size_now

__all__ = ["RenderHost"]

CLOSED = "Another file was opened. Open the one this was painted for, then apply it from the history."
UNSAVED = "Save the file first: the frames are kept beside it."
UNSEEN = "Nothing of the selected objects can be seen from here. Select others, or turn the view."
NAMES = {
    "depth": "Depth",
    "edges": "Edges",
    "normal": "Normals",
    "world normal": "World normals",
    "objects": "Objects",
    "materials": "Materials",
}
LOOK_S = 0.06  # how soon a change is seen …
IDLE_S = 0.25  # … after nothing has changed for a while
IDLE_AFTER = 30  # looks
INSET = 3  # a camera's preview takes this part of a view that does not look through the camera


class RenderHost(Base):
    """`impasto_studio.host.Host`. Settings of the panel in `options`."""

    program = "Blender"

    def __init__(self, loop: Loop, settings: Settings) -> None:
        super().__init__(loop, settings)
        self.options = RenderOptions()
        self._surfaces = Surfaces()
        self._overlay = Overlay(bpy.types.SpaceView3D, "VIEW_3D", self._place)
        self._beside = Overlay(bpy.types.SpaceImageEditor, "IMAGE_EDITOR", self._place_beside)
        self._watching: Sliced | None = None
        self._changed: set[str] = set()  # objects whose geometry has changed since it was last looked at
        self._changes = 0  # of anything in the scene
        self._ground: Picture | None = None  # the newest picture of the whole view
        self._frame = 0  # at which the geometry was read
        self._handler = persistent(lambda *given: self._scene_changed(*given))

    def close(self) -> None:
        """At the add-on's end."""
        self._overlay.close()
        self._beside.close()
        self._stop_watching()
        self._surfaces.clear()

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────

    def scene(self) -> Scene | None:
        scene = scene_now()
        if scene is None:
            return None
        width, height = size_now(scene, self.options)
        selection = self._selection(scene, width, height) if self.options.region else None
        layers = tuple(LayerEntry(layer, NAMES[layer]) for layer in LAYERS)
        return Scene(document_id(), width, height, selection, layers=layers)

    def _selection(self, scene: Any, width: int, height: int) -> Box | None:
        try:
            camera, _ = camera_now(scene, self.options, width, height)
        except Trouble:  # the capture says so
            return Box(0, 0, width, height)
        return selected_box(Eye(camera), _selected(scene))

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    def capture(self, wanted: Capture, done: Callable[[Captured], None], failed: Failed) -> None:
        self.loop.run(self._captured(wanted), done, failed)

    def capture_frame(
        self, frame: int, wanted: Capture, done: Callable[[Captured], None], failed: Failed
    ) -> None:
        """Another frame of the scene; the timeline is put back, also after a failure."""
        self.loop.run(self._frame_captured(frame, wanted), done, failed)

    def _frame_captured(self, frame: int, wanted: Capture) -> Sliced:
        scene = self._scene_of(wanted.document)
        name, before = scene.name, (scene.frame_current, scene.frame_subframe)
        scene.frame_set(frame)
        try:
            return (yield from self._captured(wanted))
        finally:
            scene = bpy.data.scenes.get(name)
            if scene is not None and scene.frame_current == frame:  # else the artist has gone elsewhere
                scene.frame_set(before[0], subframe=before[1])

    def composed(self, picture: Picture, x: int, y: int, ground: Picture | None) -> Picture:
        if ground is None or picture.format is PixelFormat.RGB8:
            return picture
        return picture_of(laid_over(rgba_of(ground), rgba_of(picture), x, y))

    def show_frames(self, frames: tuple[Path, ...], name: str) -> None:
        play_frames(frames, name)

    def frames_folder(self, name: str, key: str) -> Path:
        """Where the frames of one recipe are. Raises `Trouble`: they must outlive Blender."""
        if not bpy.data.filepath:
            raise Trouble(UNSAVED)
        return folder_beside(name, key)

    def _captured(self, wanted: Capture) -> Sliced:
        scene = self._scene_of(wanted.document)
        options = self.options
        width, height = size_now(scene, options)
        camera, view = camera_now(scene, options, width, height)
        eye = Eye(camera)
        image = None
        needs_image = wanted.image or "" in wanted.controls
        if needs_image and options.picture == "render":
            image = picture_of(resized(array_of(rendered(scene)), width, height))
        elif needs_image and view is not None:
            image = drawn(view, eye)
        buffers = None
        if wanted.mask or any(wanted.controls) or (needs_image and image is None):
            buffers = yield from self._seen(eye, rendered=options.picture == "render")
        if needs_image and image is None:
            assert buffers is not None
            image = shaded(buffers, eye)
        if image is not None:
            self._ground = image
        mask = None
        if wanted.mask:
            assert buffers is not None
            if not buffers.selected.any():
                raise Trouble(UNSEEN)
            mask = _cut(selection_mask(buffers), wanted.box)
        controls = []
        for layer in wanted.controls:
            yield
            controls.append(_control(layer, image, buffers, eye, wanted.box))
        return Captured(
            _cut(image, wanted.box) if wanted.image and image is not None else None, mask, tuple(controls)
        )

    def _seen(self, eye: Eye, *, rendered: bool = False, keep: bool = False) -> Sliced:
        context = bpy.context
        placed = yield from self._surfaces.placed(context, rendered=rendered, keep=keep)
        return (yield from seen(eye, placed))

    def _scene_of(self, document: str) -> Any:
        scene = scene_now()
        if scene is None or document != document_id():
            raise Trouble(CLOSED)
        return scene

    # ── putting in ───────────────────────────────────────────────────────────────────────────────────────

    def insert(self, layer: NewLayer, done: Callable[[str], None], failed: Failed) -> None:
        self.loop.run(self._inserted(layer), done, failed)

    def _inserted(self, layer: NewLayer) -> Sliced:
        """A new image in the Image Editor; as one undo step."""
        scene = self._scene_of(layer.document)
        picture = layer.picture
        if layer.size is not None:
            picture = picture_of(resized(array_of(picture), *layer.size))
        if layer.resize is None:
            picture = self._whole(picture, layer, scene)
        yield
        image = new_image(f"Impasto {layer.name}".strip(), picture)
        camera = scene.camera
        if self.options.insert == "background" and camera is not None and camera.library is None:
            set_background(camera.data, image)
        undo_step(f"Impasto: {layer.name}")
        show_image(image)
        return image.name

    def _whole(self, picture: Picture, layer: NewLayer, scene: Any) -> Picture:
        """A part comes onto the picture that it was painted on."""
        width, height = size_now(scene, self.options)
        if (picture.width, picture.height, layer.x, layer.y) == (width, height, 0, 0):
            pixels = array_of(picture)
            if pixels.shape[2] < 4 or (pixels[..., 3] == numpy.iinfo(pixels.dtype).max).all():
                return picture
        ground = self._ground
        if ground is None or (ground.width, ground.height) != (width, height):
            return picture
        above = rgba_of(picture)
        below = rgba_of(ground)
        if above.dtype != below.dtype:
            above = (above >> 8).astype(below.dtype)
        return picture_of(laid_over(below, above, layer.x, layer.y))

    def preview(self, shown: Shown | None) -> bool:
        self._beside.show(shown)
        return self._overlay.show(shown)

    def animate(self, animation: Animation, done: Callable[[], None], failed: Failed) -> None:
        self.loop.run(sequence(animation), lambda _: done(), failed)

    # ── live ─────────────────────────────────────────────────────────────────────────────────────────────

    def watch(self, wanted: Watch | None, seen: Seen) -> None:
        self._stop_watching()
        if wanted is not None:
            bpy.app.handlers.depsgraph_update_post.append(self._handler)
            self._surfaces.clear()
            self._watching = self._followed(wanted, seen)
            self.loop.run(self._watching, _nothing, _nothing)

    def _stop_watching(self) -> None:
        work, self._watching = self._watching, None
        if work is not None:
            self.loop.stop_one(work)
        handlers = bpy.app.handlers.depsgraph_update_post
        while self._handler in handlers:
            handlers.remove(self._handler)

    def _scene_changed(self, *given: Any) -> None:
        """Called by Blender after each change."""
        self._changes += 1
        for update in given[1].updates if len(given) > 1 and given[1] is not None else ():
            if update.is_updated_geometry:
                self._changed.add(update.id.original.name)

    def _followed(self, wanted: Watch, seen: Seen) -> Sliced:
        """Looks now and then, reads only when there is something new, and never ends."""
        told: Captured | None = None
        key: Any = None
        quiet = 0
        while True:
            now = self._key(wanted)
            if now is None or now == key:
                quiet += 1
                yield IDLE_S if quiet > IDLE_AFTER else LOOK_S
                continue
            quiet = 0
            try:
                captured = yield from self._looked_at(wanted)
            except Trouble:  # no camera at the moment, say: it may come back
                yield IDLE_S
                continue
            key = now
            renewed = _renewed(told, captured)
            if renewed is not told:
                told = renewed
                seen(renewed)
            yield LOOK_S

    def _key(self, wanted: Watch) -> Any:
        """Is another one after every change of what is seen; None: there is nothing to be seen."""
        scene = scene_now()
        if scene is None or wanted.document != document_id():
            return None
        try:
            camera, view = camera_now(scene, self.options, wanted.width, wanted.height)
        except Trouble:
            return None
        shading = view.space.shading.type if view is not None else ""
        selected = tuple(one.name for one in _selected(scene)) if wanted.mask else ()
        return camera, shading, self._changes, scene.frame_current, selected, self.options

    def _looked_at(self, wanted: Watch) -> Sliced:
        """What `wanted` shows, in its own size: read small, not reduced."""
        scene = self._scene_of(wanted.document)
        document = size_now(scene, self.options)
        across, down = wanted.width / wanted.box.width, wanted.height / wanted.box.height
        width, height = max(8, round(document[0] * across)), max(8, round(document[1] * down))
        camera, view = camera_now(scene, self.options, width, height)
        eye = Eye(camera)
        box = Box(round(wanted.box.x * across), round(wanted.box.y * down), wanted.width, wanted.height)
        image = None
        if self.options.picture == "render":
            image = picture_of(resized(array_of(rendered(scene)), width, height))
        elif view is not None:
            image = drawn(view, eye)
        buffers = None
        if image is None or wanted.mask or any(wanted.controls):
            changed, self._changed = self._changed, set()
            self._surfaces.changed(changed)
            if scene.frame_current != self._frame:
                self._frame = scene.frame_current
                self._surfaces.clear()
            buffers = yield from self._seen(eye, rendered=self.options.picture == "render", keep=True)
            image = image if image is not None else shaded(buffers, eye)
        mask = None
        if wanted.mask:
            assert buffers is not None
            mask = _cut(selection_mask(buffers), box)
        controls = tuple(_control(layer, image, buffers, eye, box) for layer in wanted.controls)
        return Captured(_cut(image, box), mask, controls)

    # ── over the view ────────────────────────────────────────────────────────────────────────────────────

    def _place(self, context: Any, shown: Shown) -> tuple[float, float, float, float] | None:
        """In the 3D view, or the camera's frame in it; in a corner where neither is looked through."""
        if shown.document != document_id():
            return None
        region, scene = context.region, context.scene
        width, height = size_now(scene, self.options)
        if self.options.source == "view" and self.options.picture == "view":
            frame: Any = (0.0, 0.0, float(region.width), float(region.height))
        else:
            frame = camera_frame(scene, region, context.region_data)
        if frame is None:
            scale = min(region.width / width, region.height / height) / INSET
            frame = (0.0, 0.0, width * scale, height * scale)
        x, y, wide, high = frame
        box = shown.box
        return (
            x + box.x / width * wide,
            y + (height - box.bottom) / height * high,
            box.width / width * wide,
            box.height / height * high,
        )

    def _place_beside(self, context: Any, shown: Shown) -> tuple[float, float, float, float] | None:
        """In an Image Editor that shows nothing else, or the last render: as large as it fits."""
        image, region = context.space_data.image, context.region
        if shown.document != document_id() or (image is not None and image.type != "RENDER_RESULT"):
            return None
        picture = shown.picture
        scale = min(region.width / picture.width, region.height / picture.height)
        width, height = picture.width * scale, picture.height * scale
        return (region.width - width) / 2, (region.height - height) / 2, width, height


def _selected(scene: Any) -> list[Any]:
    window = next((one for one in bpy.context.window_manager.windows if one.scene == scene), None)
    layer = window.view_layer if window is not None else bpy.context.view_layer
    return [one for one in layer.objects if one.select_get(view_layer=layer)]


def _control(layer: str, image: Picture | None, buffers: Buffers | None, eye: Eye, box: Box) -> Picture:
    if not layer:
        assert image is not None
        return _cut(image, box)
    if layer not in LAYERS or buffers is None:
        raise Trouble("This map is not known here: choose another one.")
    return _cut(layer_picture(layer, buffers, eye), box)


def _cut(picture: Picture, box: Box) -> Picture:
    return picture_of(cut(array_of(picture), box))


def _renewed(before: Captured | None, now: Captured) -> Captured:
    """A picture that has not changed is the same object as before; nothing new: all of it is."""
    if before is None:
        return now
    image = before.image if before.image == now.image else now.image
    mask = before.mask if before.mask == now.mask else now.mask
    same = len(before.controls) == len(now.controls)
    controls = tuple(
        old if old == new else new
        for old, new in zip(before.controls if same else now.controls, now.controls, strict=True)
    )
    if image is before.image and mask is before.mask and same and controls == before.controls:
        return before
    return Captured(image, mask, controls)


def _nothing(_: object) -> None:
    """It never ends by itself."""
