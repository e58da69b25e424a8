"""What the live preview follows: the scene as the camera or the 3D view shows it, read after each change."""

from collections.abc import Callable
from typing import Any

import bpy
from bpy.app.handlers import persistent
from impasto_studio.geometry import Box
from impasto_studio.host import Captured, Seen, Watch

from .arrays import array_of, part_of, picture_of, resized
from .capture.drawing import drawn, shaded
from .capture.maps import control_picture, selection_mask
from .capture.rays import Eye, seen
from .capture.rendered import rendered
from .capture.surfaces import Surfaces
from .documents import document_id
from .loop import Loop, Sliced, Trouble
from .options import RenderOptions
from .views import camera_now, scene_now, scene_of, selected_in, size_now

__all__ = ["Watcher"]

LOOK_S = 0.06  # how soon a change is seen …
IDLE_S = 0.25  # … after nothing has changed for a while
IDLE_AFTER = 30  # looks


class Watcher:
    """Follows at most one `Watch` at a time."""

    def __init__(self, loop: Loop, surfaces: Surfaces, options: Callable[[], RenderOptions]) -> None:
        self._loop = loop
        self._surfaces = surfaces  # also of those who read the scene once
        self._options = options
        self._watching: Sliced | None = None
        self._changed: set[str] = set()  # objects whose geometry has changed since it was last looked at
        self._changes = 0  # of anything in the scene
        self._frame = 0  # at which the geometry was read
        self._handler = persistent(lambda *given: self._scene_changed(*given))

    def watch(self, wanted: Watch | None, seen: Seen) -> None:
        """From now on this instead; None: nothing."""
        self.stop()
        if wanted is not None:
            bpy.app.handlers.depsgraph_update_post.append(self._handler)
            self._surfaces.clear()
            self._watching = self._followed(wanted, seen)
            self._loop.run(self._watching, _nothing, _nothing)

    def stop(self) -> None:
        work, self._watching = self._watching, None
        if work is not None:
            self._loop.stop_one(work)
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
            camera, view = camera_now(scene, self._options(), wanted.width, wanted.height)
        except Trouble:
            return None
        shading = view.space.shading.type if view is not None else ""
        selected = tuple(one.name for one in selected_in(scene)) if wanted.mask else ()
        return camera, shading, self._changes, scene.frame_current, selected, self._options()

    def _looked_at(self, wanted: Watch) -> Sliced:
        """What `wanted` shows, in its own size: read small, not reduced."""
        scene = scene_of(wanted.document)
        document = size_now(scene, self._options())
        across, down = wanted.width / wanted.box.width, wanted.height / wanted.box.height
        width, height = max(8, round(document[0] * across)), max(8, round(document[1] * down))
        camera, view = camera_now(scene, self._options(), width, height)
        eye = Eye(camera)
        box = Box(round(wanted.box.x * across), round(wanted.box.y * down), wanted.width, wanted.height)
        image = None
        if self._options().picture == "render":
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
            placed = yield from self._surfaces.placed(
                bpy.context, rendered=self._options().picture == "render", keep=True
            )
            buffers = yield from seen(eye, placed)
            image = image if image is not None else shaded(buffers, eye)
        mask = None
        if wanted.mask:
            assert buffers is not None
            mask = part_of(selection_mask(buffers), box)
        controls = tuple(control_picture(layer, image, buffers, eye, box) for layer in wanted.controls)
        return Captured(part_of(image, box), mask, controls)


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
