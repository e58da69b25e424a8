"""Cameras against Blender's own projection."""

import math
from typing import Any

import bpy
import numpy
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from under_test import addon

__all__ = ["against_the_view", "worst_error_px"]

SIZES = ((1920, 1080), (1080, 1920), (640, 640))


def worst_error_px() -> dict[str, float]:
    """The farthest that a projected point lies from where Blender says, by case, in px of a 1024 picture."""
    cameras = addon("host.cameras")
    scene = bpy.context.scene
    camera = scene.camera
    worst = {}
    for kind in ("PERSP", "ORTHO"):
        for fit in ("AUTO", "HORIZONTAL", "VERTICAL"):
            for aspect in ((1.0, 1.0), (2.0, 1.0), (1.0, 1.5)):
                error = 0.0
                for size in SIZES:
                    _set(scene, camera, kind, fit, aspect, size)
                    made = cameras.camera_of(
                        scene, camera, bpy.context.evaluated_depsgraph_get(), *cameras.fitted(size, 1024)
                    )
                    error = max(error, _error(scene, camera, made))
                worst[f"{kind} {fit} {aspect}"] = error
    return worst


def _set(
    scene: Any, camera: Any, kind: str, fit: str, aspect: tuple[float, float], size: tuple[int, int]
) -> None:
    data, render = camera.data, scene.render
    data.type, data.sensor_fit = kind, fit
    data.lens, data.ortho_scale, data.sensor_width, data.sensor_height = 37.0, 7.0, 32.0, 22.0
    data.shift_x, data.shift_y = 0.13, -0.21
    camera.scale = (1.0, 2.0, 0.5)
    render.resolution_x, render.resolution_y = size
    render.pixel_aspect_x, render.pixel_aspect_y = aspect
    bpy.context.view_layer.update()


def _error(scene: Any, camera: Any, made: Any) -> float:
    view = numpy.array(made.world_to_camera).reshape(4, 4)
    projection = numpy.array(made.projection).reshape(4, 4)
    error = 0.0
    for x in (-3.0, 0.5, 2.0):
        for y in (-2.0, 1.0):
            for z in (-1.0, 0.0, 2.5):
                point = Vector((x, y, z))
                truth = world_to_camera_view(scene, camera, point)
                clip = projection @ view @ numpy.array([x, y, z, 1.0])
                across = (clip[0] / clip[3] + 1) / 2
                up = (clip[1] / clip[3] + 1) / 2
                error = max(error, math.hypot((across - truth.x) * made.width, (up - truth.y) * made.height))
                assert math.isclose(-(view @ [x, y, z, 1.0])[2], truth.z, rel_tol=1e-5)
    return error


def against_the_view() -> float:
    """How far a 3D view's matrices are from what `view_camera` makes of them."""
    cameras = addon("host.cameras")
    found = cameras.view_of(bpy.context)
    made = cameras.view_camera(bpy.context, 512)
    whole = numpy.array(made.projection).reshape(4, 4) @ numpy.array(made.world_to_camera).reshape(4, 4)
    truth = numpy.array(found.rv3d.window_matrix) @ numpy.array(found.rv3d.view_matrix)
    return float(numpy.abs(whole - truth).max())
