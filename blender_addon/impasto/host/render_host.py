"""The Render panel's host: its document is what the scene's camera or the 3D view shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy
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
from impasto_studio.texts import tr

from .arrays import array_of, laid_over, part_of, picture_of, resized, rgba_of
from .base import Base, Settings
from .capture.drawing import drawn, shaded
from .capture.maps import LAYERS, control_picture, names, selection_mask
from .capture.rays import Eye, seen
from .capture.rendered import rendered
from .capture.surfaces import Surfaces
from .documents import document_id
from .images import new_image, set_background, show_image, undo_step
from .loop import Loop, Sliced, Trouble
from .options import RenderOptions
from .overlay import Overlay
from .sequences import folder_beside, play_frames, sequence
from .views import camera_frame, camera_now, scene_now, scene_of, selected_box, selected_in, size_now
from .watching import Watcher

__all__ = ["RenderHost"]

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
        self._watcher = Watcher(loop, self._surfaces, lambda: self.options)
        self._ground: Picture | None = None  # the newest picture of the whole view

    def close(self) -> None:
        """At the add-on's end."""
        self._overlay.close()
        self._beside.close()
        self._watcher.stop()
        self._surfaces.clear()

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────

    def scene(self) -> Scene | None:
        scene = scene_now()
        if scene is None:
            return None
        width, height = size_now(scene, self.options)
        selection = self._selection(scene, width, height) if self.options.region else None
        called = names()
        layers = tuple(LayerEntry(layer, called[layer]) for layer in LAYERS)
        return Scene(document_id(), width, height, selection, layers=layers)

    def _selection(self, scene: Any, width: int, height: int) -> Box | None:
        try:
            camera, _ = camera_now(scene, self.options, width, height)
        except Trouble:  # the capture says so
            return Box(0, 0, width, height)
        return selected_box(Eye(camera), selected_in(scene))

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    def capture(self, wanted: Capture, done: Callable[[Captured], None], failed: Failed) -> None:
        self.loop.run(self._captured(wanted), done, failed)

    def capture_frame(
        self, frame: int, wanted: Capture, done: Callable[[Captured], None], failed: Failed
    ) -> None:
        """Another frame of the scene; the timeline is put back, also after a failure."""
        self.loop.run(self._frame_captured(frame, wanted), done, failed)

    def _frame_captured(self, frame: int, wanted: Capture) -> Sliced:
        scene = scene_of(wanted.document)
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
            raise Trouble(tr("Save the file first: the frames are kept beside it."))
        return folder_beside(name, key)

    def _captured(self, wanted: Capture) -> Sliced:
        scene = scene_of(wanted.document)
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
            placed = yield from self._surfaces.placed(bpy.context, rendered=options.picture == "render")
            buffers = yield from seen(eye, placed)
        if needs_image and image is None:
            assert buffers is not None
            image = shaded(buffers, eye)
        if image is not None:
            self._ground = image
        mask = None
        if wanted.mask:
            assert buffers is not None
            if not buffers.selected.any():
                raise Trouble(
                    tr(
                        "Nothing of the selected objects can be seen from here. "
                        "Select others, or turn the view."
                    )
                )
            mask = part_of(selection_mask(buffers), wanted.box)
        controls = []
        for layer in wanted.controls:
            yield
            controls.append(control_picture(layer, image, buffers, eye, wanted.box))
        return Captured(
            part_of(image, wanted.box) if wanted.image and image is not None else None, mask, tuple(controls)
        )

    # ── putting in ───────────────────────────────────────────────────────────────────────────────────────

    def insert(self, layer: NewLayer, done: Callable[[str], None], failed: Failed) -> None:
        self.loop.run(self._inserted(layer), done, failed)

    def _inserted(self, layer: NewLayer) -> Sliced:
        """A new image in the Image Editor; as one undo step."""
        scene = scene_of(layer.document)
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
        self._watcher.watch(wanted, seen)

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
