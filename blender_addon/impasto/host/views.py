"""The view a render is painted from: the scene's camera or what the artist looks through."""

from typing import Any

import bpy
import numpy
from bpy_extras.view3d_utils import location_3d_to_region_2d
from impasto_protocol.messages import Camera
from impasto_studio.geometry import Box
from impasto_studio.texts import tr
from mathutils import Vector

from .cameras import View, camera_of, fitted, seen_through, size_of, view_of
from .capture.rays import Eye
from .capture.surfaces import SURFACES
from .documents import document_id
from .images import window_of
from .loop import Trouble
from .options import RenderOptions

__all__ = [
    "camera_frame",
    "camera_now",
    "scene_now",
    "scene_of",
    "selected_box",
    "selected_in",
    "size_now",
]

NOWHERE = Box(-1, -1, 1, 1)  # a selection that cannot be seen


def scene_now() -> Any | None:
    """The scene in front, even in a timer's turn."""
    window = window_of(bpy.context)
    return window.scene if window is not None else bpy.context.scene


def scene_of(document: str) -> Any:
    """The scene in front, while that file is open. Raises `Trouble`."""
    scene = scene_now()
    if scene is None or document != document_id():
        raise Trouble(
            tr("Another file was opened. Open the one this was painted for, then apply it from the history.")
        )
    return scene


def selected_in(scene: Any) -> list[Any]:
    """Its selected objects, in the window that shows it."""
    window = next((one for one in bpy.context.window_manager.windows if one.scene == scene), None)
    layer = window.view_layer if window is not None else bpy.context.view_layer
    return [one for one in layer.objects if one.select_get(view_layer=layer)]


def size_now(scene: Any, options: RenderOptions) -> tuple[int, int]:
    """Of the picture, px."""
    view = view_of(bpy.context) if _through_view(options) else None
    size = (view.region.width, view.region.height) if view is not None else size_of(scene)
    return fitted(size, options.longest_px)


def camera_now(scene: Any, options: RenderOptions, width: int, height: int) -> tuple[Camera, View | None]:
    """What is painted from, and the 3D view that can draw it. Raises `Trouble`."""
    view = view_of(bpy.context)
    if _through_view(options):
        if view is None:
            raise Trouble(tr("No 3D view is open. Open one, or paint what the camera shows."))
        return seen_through(view, width, height), view
    if scene.camera is None:
        raise Trouble(tr("The scene has no camera. Add one, or paint what the 3D view shows."))
    return camera_of(scene, scene.camera, bpy.context.evaluated_depsgraph_get(), width, height), view


def _through_view(options: RenderOptions) -> bool:
    """What was rendered is always the camera's."""
    return options.source == "view" and options.picture == "view"


def selected_box(eye: Eye, objects: Any) -> Box:
    """The smallest box around these objects' bounds, as the eye sees them."""
    found: list[Box] = []
    for one in objects:
        if one.type in SURFACES and one.visible_get():
            corners = numpy.array([one.matrix_world @ Vector(corner) for corner in one.bound_box])
            box = _seen(eye, corners)
            if box is not None:
                found.append(box)
    if not found:
        return NOWHERE
    x, y = min(box.x for box in found), min(box.y for box in found)
    right, bottom = max(box.right for box in found), max(box.bottom for box in found)
    return Box(x, y, right - x, bottom - y)


def _seen(eye: Eye, corners: numpy.ndarray) -> Box | None:
    clip = numpy.c_[corners, numpy.ones(len(corners))] @ eye.whole.T
    w = clip[:, 3]
    whole = Box(0, 0, eye.width, eye.height)
    if (w <= 1e-9).all():
        return None
    if (w <= 1e-9).any():
        return whole
    x, y = (clip[:, 0] / w + 1) / 2 * eye.width, (1 - clip[:, 1] / w) / 2 * eye.height
    left, top = int(numpy.floor(x.min())), int(numpy.floor(y.min()))
    right, bottom = int(numpy.ceil(x.max())), int(numpy.ceil(y.max()))
    return Box(left, top, max(1, right - left), max(1, bottom - top)).common(whole)


def camera_frame(scene: Any, region: Any, rv3d: Any) -> tuple[float, float, float, float] | None:
    """Where the camera's frame lies in a 3D view that looks through it: x, y, width, height, px."""
    camera = scene.camera
    if camera is None or rv3d.view_perspective != "CAMERA":
        return None
    pose = camera.matrix_world.normalized()
    corners = [
        location_3d_to_region_2d(region, rv3d, pose @ corner)
        for corner in camera.data.view_frame(scene=scene)
    ]
    if any(corner is None for corner in corners):
        return None
    x, y = min(corner.x for corner in corners), min(corner.y for corner in corners)
    return x, y, max(corner.x for corner in corners) - x, max(corner.y for corner in corners) - y
