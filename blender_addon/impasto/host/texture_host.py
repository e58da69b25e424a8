"""What only Blender can do for texturing: `impasto_studio.texture.host.TextureHost`."""

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import repeat
from typing import Any

import bpy
from impasto_protocol.errors import ImpastoError
from impasto_protocol.geometry import pack
from impasto_protocol.messages import Camera
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Failed, LayerEntry, Picture
from impasto_studio.texts import tr
from impasto_studio.texture.host import (
    Gather,
    Gathered,
    NewTextures,
    ObjectEntry,
    Textured,
    TextureScene,
    ViewWanted,
)
from impasto_studio.texture.plan import MOST_OBJECTS

from . import identities, materials, meshes, reading, textures, uvs
from .base import Base, Settings
from .cameras import camera_of, fitted, size_of, view_camera, view_of
from .documents import document_id
from .heat import Overlay
from .images import at_window
from .loop import Loop, Trouble
from .putting import put
from .targets import Group, grouped

__all__ = ["TextureHost"]

LOOK_S = 0.004  # for layouts that have not been looked at, each time the panel asks
CAMERAS_S = 2.0  # between looks for cameras, while their number is the same
MOST_LOOPS = 20_000  # of a mesh whose layout is looked at for the panel: 5 ms

Sliced = Generator[None, None, Any]
logger = logging.getLogger(__name__)


class TextureHost(Base):
    program = "BlenderTextures"

    def __init__(self, loop: Loop, settings: Settings) -> None:
        super().__init__(loop, settings)
        self._encoder = textures.Encoder(loop.call_soon)
        self._overlay = Overlay()
        self._map: NewTextures | None = None  # that is wanted now
        self._maps: list[str] = []  # names of images, where there is no GPU
        self._cameras_of: tuple[Any, ...] = ()
        self._cameras_until_s = 0.0
        self._camera_names: list[str] = []
        self._layouts: dict[tuple[Any, ...], bool] = {}  # of meshes that have been looked at

    def close(self) -> None:
        """At the add-on's end."""
        self._hide_map()
        self._encoder.close()

    # ── the scene ────────────────────────────────────────────────────────────────────────────────────────

    def texture_scene(self) -> TextureScene | None:
        with at_window():
            return self._scene()

    def _scene(self) -> TextureScene | None:
        context = bpy.context
        if context.scene is None or context.view_layer is None:
            return None
        until_s = time.perf_counter() + LOOK_S
        active = context.view_layer.objects.active
        selected = [thing for thing in _selected() if thing.type in meshes.WITH_SURFACE]
        selected.sort(key=lambda thing: (thing != active, thing.name))
        selected = selected[: MOST_OBJECTS + 1]  # more are not painted at once
        cameras = self._cameras()
        ids = identities.ids_of([*selected, *cameras])
        return TextureScene(
            document_id(),
            tuple(map(self._entry, selected, ids, repeat(until_s))),
            tuple(map(LayerEntry, ids[len(selected) :], (thing.name for thing in cameras))),
            view_of(context) is not None,
            textures.names(),
            tuple(dict.fromkeys(filter(None, map(materials.job_of, bpy.data.images)))),
            _busy(),
        )

    def _cameras(self) -> list[Any]:
        """The scene's, the active one first. All objects are asked for it only now and then."""
        scene, now_s = bpy.context.scene, time.perf_counter()
        key = scene.name_full, len(scene.objects), len(bpy.data.cameras)
        if key != self._cameras_of or now_s > self._cameras_until_s:
            self._cameras_of, self._cameras_until_s = key, now_s + CAMERAS_S
            self._camera_names = [thing.name for thing in scene.objects if thing.type == "CAMERA"]
        found = [scene.objects.get(name) for name in self._camera_names]
        cameras = [thing for thing in found if thing is not None and thing.type == "CAMERA"]
        return sorted(cameras, key=lambda thing: (thing != scene.camera, thing.name))

    def _entry(self, thing: Any, known: str, until_s: float) -> ObjectEntry:
        trouble = meshes.no_surface(thing)
        if thing.type != "MESH":
            return ObjectEntry(known, thing.name, 0, False, False, trouble)
        mesh = thing.data
        triangles = max(0, len(mesh.loops) - 2 * len(mesh.polygons))
        usable = self._usable(thing, until_s)
        return ObjectEntry(known, thing.name, triangles, usable, materials.worn(thing) is not None, trouble)

    def _usable(self, thing: Any, until_s: float) -> bool:
        """Whether its layout can be painted on, as far as there was time to look. What the artist has changed
        since is noticed when it is gathered."""
        mesh = thing.data
        layer = next((one.name for one in mesh.uv_layers if one.active_render), "")
        key = (mesh.name_full, layer, len(mesh.loops), len(mesh.polygons))
        late = time.perf_counter() > until_s or len(mesh.loops) > MOST_LOOPS
        if not layer or late or key in self._layouts:
            return self._layouts.get(key, bool(layer))
        looking = uvs.usable(thing, layer)
        try:
            while True:
                next(looking)
        except StopIteration as end:
            self._layouts[key] = bool(end.value)
        return self._layouts[key]

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    def gather(self, wanted: Gather, done: Callable[[Gathered], None], failed: Failed) -> None:
        self.loop.run(_steady(self._gather(wanted)), done, failed)

    def _gather(self, wanted: Gather) -> Sliced:
        self._layouts.clear()
        things = _objects(wanted.document, wanted.objects)
        layers = {}
        for thing in things:
            trouble = meshes.no_surface(thing)
            if trouble:
                raise Trouble(
                    tr("“{name}”: {trouble}", name=thing.name, trouble=trouble[0].lower() + trouble[1:])
                )
            layers[thing.name_full] = yield from _layout(thing, wanted)
        groups: list[Group] = yield from grouped(things, layers, wanted.bases)
        targets = []
        for group in groups:
            ids = tuple(map(identities.keep_id, group.things))
            target = Textured(ids, group.name, wanted.texture_px, wanted.texture_px, group.layer)
            if group.based:
                base = yield from reading.base_of(group.image)
                target = replace(target, width=base.width, height=base.height, base=base)
            targets.append(target)
            yield
        cameras = [_camera(view, wanted.view_px) for view in wanted.views]
        pictures, masks = {}, {}
        for number, (view, camera) in enumerate(zip(wanted.views, cameras, strict=True)):
            size = camera.width, camera.height
            if view.picture:
                pictures[number] = yield from reading.picture_of(view.picture, PixelFormat.RGBA8, size)
            if view.mask:
                masks[number] = yield from reading.picture_of(view.mask, PixelFormat.GRAY8, size)
        painted = [
            meshes.Wanted(thing.name_full, number, group.layer)
            for number, group in enumerate(groups)
            for thing in group.things
        ]
        parts = yield from meshes.parts_of(painted, wanted.others)
        geometry = pack(parts)
        return Gathered(geometry, tuple(targets), tuple(cameras), pictures, masks)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────

    def put(self, textures_: NewTextures, done: Callable[[], None], failed: Failed) -> None:
        def encoded(files: list[bytes]) -> None:
            self.loop.run(_steady(self._put(textures_, files)), lambda _: done(), failed)

        self._encoder.textures(textures_.pictures, encoded, failed)

    def _put(self, new: NewTextures, files: list[bytes]) -> Sliced:
        yield  # all of it in one turn, so that nobody comes between
        things = _objects(
            new.document, tuple(one for target in new.targets for one in target.objects), some=True
        )
        with at_window():
            busy = _busy()
        if busy:
            raise Trouble(busy)
        put(new, files, {identities.id_of(thing): thing for thing in things if thing.type == "MESH"})

    def show_picture(self, name: str, picture: Picture) -> None:
        size = picture.width, picture.height
        alpha = picture.format is PixelFormat.RGBA8

        def encoded(files: list[bytes]) -> None:
            textures.show(name, size, files[0], alpha)

        self._encoder.files([picture], encoded, lambda _: None)

    # ── maps ─────────────────────────────────────────────────────────────────────────────────────────────

    def show_map(self, textures_: NewTextures | None) -> None:
        self._map = textures_
        if textures_ is None:
            self._hide_map()
        else:
            self.loop.run(_steady(self._show_map(textures_)), lambda _: None, lambda _: None)

    def _show_map(self, new: NewTextures) -> Sliced:
        try:
            wanted = []
            for number, target in enumerate(new.targets):
                things = _objects(new.document, target.objects, some=True)
                wanted += [meshes.Wanted(thing.name_full, number, target.layer) for thing in things]
            parts = yield from meshes.parts_of(wanted, others=False)
            self._hide_map()
            if self._map is new:  # else it was put away meanwhile, or another one has come
                yield from self._overlay.show(parts, new.pictures)
            if self._map is None:
                self._hide_map()
        except SystemError:  # no GPU, as on a render farm: as images, then
            self._map_images(new)

    def _map_images(self, new: NewTextures) -> None:
        def encoded(files: list[bytes]) -> None:
            if self._map is not new:
                return
            for target, picture, file in zip(new.targets, new.pictures, files, strict=True):
                name = f"{new.title}: {target.name}"
                image = textures.show(name, (picture.width, picture.height), file, alpha=True)
                image[textures.MAP] = True
                self._maps.append(name)

        self._encoder.files(new.pictures, encoded, lambda _: None)

    def _hide_map(self) -> None:
        self._overlay.clear()
        for name in self._maps:
            image = bpy.data.images.get(name)
            if image is not None and textures.MAP in image:
                bpy.data.images.remove(image)
        self._maps.clear()


def _steady(work: Sliced) -> Sliced:
    """Whatever happens, the studio is told a sentence."""
    try:
        return (yield from work)
    except (Trouble, ImpastoError):
        raise
    except ReferenceError:  # an object was deleted, or an undo came, between two turns
        raise Trouble(tr("The scene has changed while it was read. Try again.")) from None
    except Exception:  # a fault of ours, or a Blender we do not know
        logger.exception("texturing failed")
        raise Trouble(
            tr("Something went wrong inside of Impasto. Try again; Blender's console says more.")
        ) from None


def _selected() -> list[Any]:
    return list(bpy.context.view_layer.objects.selected)


def _objects(document: str, ids: tuple[str, ...], some: bool = False) -> list[Any]:
    """Those that are there; all of them, but for `some`. Raises `Trouble`."""
    if document != document_id():
        raise Trouble(tr("Another file is open now. Go back to the one this is for, then try again."))
    found = [identities.find(one) for one in dict.fromkeys(ids)]
    things = [thing for thing in found if thing is not None]
    if not things or (len(things) < len(found) and not some):
        raise Trouble(tr("The objects are gone. Select others, then try again."))
    return things


def _layout(thing: Any, wanted: Gather) -> Sliced:
    """The layout to paint on; with bases, the one that what it shows now lies on."""
    if wanted.bases:
        shown = materials.base_of(thing)
        if shown is not None:
            layer = shown[1] or next((one.name for one in thing.data.uv_layers if one.active_render), "")
            if layer in thing.data.uv_layers:
                return layer
    return (yield from uvs.layout_of(thing, wanted.unwrap))


def _camera(view: ViewWanted, longest_px: int) -> Camera:
    if view.seen is not None:
        return view.seen
    context = bpy.context
    if not view.camera:
        seen = view_camera(context, longest_px)
        if seen is None:
            raise Trouble(tr("There is no 3D view to look through. Open one, or choose a camera."))
        return seen
    thing = identities.find(view.camera)
    if thing is None or thing.type != "CAMERA":
        raise Trouble(tr("The camera is gone. Choose another one."))
    identities.keep_id(thing)  # it is named in what the panel said last
    size = fitted(size_of(context.scene), longest_px)
    return camera_of(context.scene, thing, context.evaluated_depsgraph_get(), *size)


def _busy() -> str:
    """Why textures cannot be put on at this moment: the sentence, or nothing. In the modes that have an undo
    of their own, putting them on could not be undone."""
    if bpy.app.is_job_running("RENDER"):
        return tr("Blender is rendering. The textures are put on afterwards.")
    mode = bpy.context.mode
    if mode in ("OBJECT", "POSE"):
        return ""
    return tr(
        "Leave {mode} Mode: the textures are put on in Object Mode.", mode=mode.replace("_", " ").title()
    )
