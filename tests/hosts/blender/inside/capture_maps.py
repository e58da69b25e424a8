"""Depth, normals, ids and edges against `scene.ray_cast`, and what stays as it was."""

import time
from typing import Any

import bpy
import numpy
import scene_hash
from mathutils import Vector
from under_test import addon

__all__ = ["against_ray_cast", "edges_of_a_cube", "faces_of_a_cube", "furnish", "large_in_pieces", "timed"]


def furnish() -> None:
    """A scene with what is hard: modifiers, mirrored and sheared objects, instances, text, a hidden object,
    a helper drawn as wire, one scaled to nothing, and one behind the camera."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    bpy.ops.mesh.primitive_monkey_add(location=(0, 0, 0.5))
    monkey = bpy.context.object
    monkey.modifiers.new("Smooth", "SUBSURF").levels = 1
    monkey.modifiers.new("Twice", "MIRROR")
    bpy.ops.object.shade_smooth()
    bpy.ops.mesh.primitive_torus_add(location=(2, 1, 0))
    bpy.context.object.scale = (-1, 0.5, 1)
    bpy.ops.mesh.primitive_plane_add(size=12, location=(0, 0, -1))
    bpy.ops.object.text_add(location=(-3, -1, -0.5), rotation=(1.2, 0, 0.4))
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=(-2, 2, 0))
    collection = bpy.data.collections.new("Parts")
    collection.objects.link(bpy.context.object)
    for place in ((-1, 3, 0), (3, -2, 0)):
        instance = bpy.data.objects.new("Instance", None)
        instance.instance_type, instance.instance_collection = "COLLECTION", collection
        instance.location, instance.rotation_euler = place, (0.3, 0.2, 0.9)
        bpy.context.scene.collection.objects.link(instance)
    bpy.ops.mesh.primitive_cube_add(size=4, location=(0, 0, 0))
    bpy.context.object.hide_set(True)
    bpy.context.object.hide_render = True
    bpy.ops.mesh.primitive_cube_add(size=3, location=(9, -9, 6))  # around and behind the eye
    bpy.context.object.location = Vector((9.5, -9.5, 6.5))
    bpy.ops.mesh.primitive_cube_add(location=(0, -2, 0))
    bpy.context.object.scale = (0, 0, 0)
    bpy.ops.object.select_all(action="DESELECT")
    monkey.select_set(True)
    bpy.context.view_layer.objects.active = monkey
    bpy.context.view_layer.update()


def against_ray_cast(kind: str, longest_px: int = 256) -> dict[str, float]:
    """Of a camera of this kind: errors of depth (relative to the deepest), of normals, of what is hit."""
    furnish()
    scene = bpy.context.scene
    scene.camera.data.type, scene.camera.data.ortho_scale = kind, 9.0
    scene.camera.data.shift_x = 0.05
    bpy.context.view_layer.update()
    before = scene_hash.scene_state()
    buffers, eye, longest_s = _captured(longest_px)
    changed = scene_hash.differences(before, scene_hash.scene_state())
    depsgraph = bpy.context.evaluated_depsgraph_get()
    origins, directions = eye.rays(0, eye.width, 0, eye.height)
    finite = numpy.isfinite(buffers.depth)
    owners = {one.number: one.name for one in buffers.owners}
    deep = float(buffers.depth[finite].max())
    missed, errors, angles, names = 0, [], [], 0
    rays = range(0, len(origins), 7)
    for ray in rays:
        hit, at, normal, _, found, _ = scene.ray_cast(
            depsgraph, Vector(origins[ray]), Vector(directions[ray])
        )
        pixel = divmod(ray, eye.width)
        if hit != bool(finite[pixel]):
            missed += 1
        elif hit:
            truth = float(eye.depth(numpy.array([at]))[0])
            errors.append(abs(truth - buffers.depth[pixel]) / deep)
            names += found.name != owners[int(buffers.objects[pixel])]
            facing = Vector(buffers.facet[pixel])
            if found.name != "Torus":  # `ray_cast` gets the normals of squeezed objects wrong
                angles.append(1.0 - abs(facing.dot(normal.normalized())))
    return {
        "rays": len(rays),
        "hit": len(errors),
        "missed": missed,
        "worst": float(max(errors)),
        "p999": float(numpy.quantile(errors, 0.999)),
        "facets": float(numpy.quantile(angles, 0.99)),
        "other objects": names,
        "changed": len(changed),
        "longest slice": longest_s,
        "selected": float(buffers.selected.mean()),
    }


def _captured(longest_px: int) -> tuple[Any, Any, float]:
    cameras, surfaces, rays = (
        addon("host.cameras"),
        addon("host.capture.surfaces"),
        addon("host.capture.rays"),
    )
    scene = bpy.context.scene
    size = cameras.fitted(cameras.size_of(scene), longest_px)
    eye = rays.Eye(cameras.camera_of(scene, scene.camera, bpy.context.evaluated_depsgraph_get(), *size))
    longest_s = 0.0

    def run(work: Any) -> Any:
        nonlocal longest_s
        while True:
            start = time.perf_counter()
            try:
                next(work)
            except StopIteration as end:
                return end.value
            finally:
                longest_s = max(longest_s, time.perf_counter() - start)

    placed = run(surfaces.Surfaces().placed(bpy.context))
    return run(rays.seen(eye, placed)), eye, longest_s


def timed(longest_px: int, triangles: int) -> dict[str, float]:
    """Seconds for everything of a view of one large mesh, and of the longest slice."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    side = int((triangles / 2) ** 0.5)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=side, y_subdivisions=side, size=6)
    start = time.perf_counter()
    _, _, longest_s = _captured(longest_px)
    return {"all": time.perf_counter() - start, "longest slice": longest_s}


def large_in_pieces() -> dict[str, Any]:
    """A plane of many triangles is read in pieces, which no map shows."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=150, y_subdivisions=150, size=40)
    bpy.context.scene.camera.location, bpy.context.scene.camera.rotation_euler = (0, 0, 9), (0.3, 0.2, 0)
    bpy.context.view_layer.update()
    buffers, eye, _ = _captured(256)
    surfaces = addon("host.capture.surfaces")
    return {
        "pieces": -(-2 * 150 * 150 // surfaces.PIECE),
        "holes": int((buffers.objects == 0).sum()),
        "objects": int(buffers.objects.max()),
        "lines": int(addon("host.capture.maps").edges(buffers, eye).sum()),
        "up": float(buffers.normal[..., 2].min()),
    }


def _cube(angle: float = 0.0) -> Any:
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 256
    scene.camera.location, scene.camera.rotation_euler = (0, 0, 8), (0, 0, 0)
    bpy.data.objects["Cube"].rotation_euler = (0, angle, 0)
    bpy.context.view_layer.update()
    return _captured(256)


def faces_of_a_cube() -> dict[str, Any]:
    """From straight above: distance and the normals' colours; and the mask of what is selected."""
    maps = addon("host.capture.maps")
    buffers, eye, _ = _cube()
    middle = 128, 128
    colours = {}
    for layer in ("normal", "world normal"):
        picture = maps.layer_picture(layer, buffers, eye)
        start = 3 * (middle[0] * picture.width + middle[1])
        colours[layer] = list(picture.pixels[start : start + 3])
    tilted, eye_tilted, _ = _cube(0.5)  # its upper side turns to the picture's right
    picture = maps.layer_picture("normal", tilted, eye_tilted)
    colours["to the right"] = list(picture.pixels[start : start + 3])
    mask = numpy.frombuffer(maps.selection_mask(buffers).pixels, numpy.uint8)
    return {
        "depth": float(buffers.depth[middle]),
        "background": bool(numpy.isinf(buffers.depth[0, 0])),
        "selected": bool(
            (mask.reshape(256, 256)[middle] == 255) and mask.sum() == 255 * buffers.selected.sum()
        ),
        **colours,
    }


def edges_of_a_cube() -> dict[str, float]:
    """Its outline from above is four lines; of a smooth sphere there is only the outline."""
    maps = addon("host.capture.maps")
    buffers, eye, _ = _cube()
    lines = maps.edges(buffers, eye)
    rows, columns = numpy.nonzero(lines)
    seen = buffers.objects > 0
    box = numpy.nonzero(seen)
    bpy.ops.object.delete()
    bpy.ops.mesh.primitive_uv_sphere_add(radius=1.5, segments=64, ring_count=32)
    bpy.ops.object.shade_smooth()
    bpy.context.view_layer.update()
    ball, eye_ball, _ = _captured(256)
    round_lines = maps.edges(ball, eye_ball)
    inner = ball.objects > 0
    for _ in range(2):
        inner = inner & numpy.roll(inner, 1, 0) & numpy.roll(inner, -1, 0) & numpy.roll(inner, 1, 1)
        inner &= numpy.roll(inner, -1, 1)
    return {
        "pixels": int(lines.sum()),
        "around": int(2 * (numpy.ptp(box[0]) + numpy.ptp(box[1]))),
        "left": int(columns.min() - box[1].min()),
        "top": int(rows.min() - box[0].min()),
        "inside the ball": int((round_lines & inner).sum()),
        "of the ball": int(round_lines.sum()),
    }
