"""UV layouts: whether one can be painted on, and new ones, made beside the artist's and without her noticing.

A new layout is computed on a copy of the mesh, in a scene that is gone afterwards: modes, selections and the
active layout stay as they are. Only the layout itself is added to the mesh.
"""

from collections.abc import Generator
from typing import Any

import bpy
import numpy as np
from impasto_studio.texts import tr

from .images import at_window
from .loop import Trouble

__all__ = ["LAYER", "corners", "covered", "fans", "layout_of", "new_layout", "usable"]

LAYER = "Impasto"
GRID = 128  # squares a side, for looking at what a layout covers
STREWN = 1.5  # points along each side of such a square
CHUNK = 1 << 15  # triangles looked at in one turn
MOST_OVERLAP = 0.5  # of the area: mirrored and stacked islands are the artist's wish, a heap of faces is none
BEYOND = 1e-3  # by how much corners may lie outside of 0 … 1
MARGIN = 0.004  # between islands: two texels of 512, four of 1024
ANGLE = 1.15  # radians, 66°: as Blender's own Smart UV Project
Sliced = Generator[None, None, Any]


def layout_of(thing: Any, unwrap: str) -> Sliced:
    """Name of the layout to paint on: the one the object renders with, if it is usable and `unwrap` does not
    ask for a new one; else one of ours, which is made if it is not there. Raises `Trouble`."""
    mesh = thing.data
    if unwrap == "own":
        own = next((one.name for one in mesh.uv_layers if one.active_render), "")
        if own and (yield from usable(thing, own)):
            return own
    if LAYER not in mesh.uv_layers or not (yield from usable(thing, LAYER)):
        new_layout(thing)
        yield
    return LAYER


def usable(thing: Any, layer: str) -> Sliced:
    """Returns whether it lies within 0 … 1, has an area, and is not a heap. Of a mesh that is being edited,
    nobody can tell."""
    mesh = thing.data
    if mesh.is_editmode:
        return True
    uvs, triangles = corners(mesh, layer), fans(mesh)
    yield
    if uvs.size == 0 or not np.isfinite(uvs).all():
        return False
    if uvs.min() < -BEYOND or uvs.max() > 1.0 + BEYOND:
        return False
    cover, area = yield from covered(uvs, triangles)
    share = float(cover.mean())
    return bool(area > 1e-6 and area < share / (1.0 - MOST_OVERLAP) + 0.05)


def corners(mesh: Any, layer: str) -> np.ndarray:
    """(loops, 2) float32."""
    data = mesh.uv_layers[layer].data
    uvs = np.empty(2 * len(data), np.float32)
    data.foreach_get("uv", uvs)
    return uvs.reshape(-1, 2)


def covered(uvs: np.ndarray, triangles: np.ndarray) -> Sliced:
    """Returns which squares of a grid triangles (T, 3) of corners lie in, roughly: (GRID, GRID) bool; and the
    sum of their areas."""
    grid, sum_ = np.zeros((GRID, GRID), bool), 0.0
    for start in range(0, len(triangles), CHUNK):
        corner = uvs[triangles[start : start + CHUNK]]
        one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        area = 0.5 * np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
        sum_ += float(area.sum(dtype=np.float64))
        count = np.ceil(np.sqrt(area) * GRID * STREWN)
        yield
        for level in range(12):  # triangles of a like size at once
            fineness = 1 << level
            mine = corner[(count > fineness // 2) & (count <= fineness)] if level else corner[count <= 1]
            if len(mine):
                _strew(grid, mine, fineness)
                yield
    return grid, sum_


def _strew(grid: np.ndarray, corner: np.ndarray, fineness: int) -> None:
    """Marks the squares of evenly strewn points of triangles (T, 3, 2)."""
    steps = (np.arange(fineness, dtype=np.float32) + np.float32(1 / 3)) / fineness
    a, b = (one.ravel() for one in np.meshgrid(steps, steps, indexing="ij"))
    weights = np.stack([1.0 - a - b, a, b], axis=1)[a + b < 1.0]
    at = (weights @ corner * GRID).astype(np.intp).clip(0, GRID - 1).reshape(-1, 2)
    grid[at[:, 1], at[:, 0]] = True


def new_layout(thing: Any, layer: str = LAYER) -> None:
    """Makes it, or makes it anew. Raises `Trouble` where that cannot be."""
    mesh = thing.data
    if mesh.is_editmode:
        raise Trouble(
            tr(
                "“{name}” needs a UV layout, and it is in Edit Mode. Leave Edit Mode, then try again.",
                name=thing.name,
            )
        )
    if not mesh.polygons:
        raise Trouble(
            tr(
                "The faces of “{name}” are all made by its modifiers. Apply them, then try again.",
                name=thing.name,
            )
        )
    uvs = _unwrapped(thing)
    active, rendered = mesh.uv_layers.active_index, [one.active_render for one in mesh.uv_layers]
    target = mesh.uv_layers.get(layer) or mesh.uv_layers.new(name=layer, do_init=False)
    if target is None:
        raise Trouble(
            tr(
                "“{name}” has eight UV layouts, and there is no room for another. Remove one.",
                name=thing.name,
            )
        )
    mesh.uv_layers[target.name].data.foreach_set("uv", uvs.ravel())
    if rendered:
        mesh.uv_layers.active_index = active
        for one, was in zip(mesh.uv_layers, rendered, strict=False):
            if was:
                one.active_render = True
    mesh.update()


def fans(mesh: Any) -> np.ndarray:
    """(T, 3) corners: each polygon as a fan. Good enough for areas."""
    count = len(mesh.polygons)
    start, total = np.empty(count, np.int32), np.empty(count, np.int32)
    mesh.polygons.foreach_get("loop_start", start)
    mesh.polygons.foreach_get("loop_total", total)
    fans = [np.empty((0, 3), np.int64)]
    for step in range(2, int(total.max(initial=0))):
        first = start[total > step]
        fans.append(np.stack([first, first + step - 1, first + step], axis=1))
    return np.concatenate(fans)


def _unwrapped(thing: Any) -> np.ndarray:
    """(loops, 2) float32 of the object's own mesh, by Smart UV Project."""
    copy = thing.data.copy()
    twin = bpy.data.objects.new("Impasto unwraps", copy)
    scene = bpy.data.scenes.new("Impasto unwraps")
    try:
        twin.matrix_world = thing.matrix_world
        while copy.uv_layers:
            copy.uv_layers.remove(copy.uv_layers[0])
        copy.uv_layers.new(name=LAYER)
        scene.collection.objects.link(twin)
        view_layer = scene.view_layers[0]
        view_layer.objects.active = twin
        twin.select_set(True, view_layer=view_layer)
        around = {
            "scene": scene,
            "view_layer": view_layer,
            "object": twin,
            "active_object": twin,
            "selected_objects": [twin],
            "selected_editable_objects": [twin],
        }
        with at_window(), bpy.context.temp_override(**around):
            bpy.ops.object.mode_set(mode="EDIT")
            try:
                with bpy.context.temp_override(edit_object=twin, **around):
                    _project()
            finally:
                bpy.ops.object.mode_set(mode="OBJECT")
        uvs = corners(copy, LAYER)
    except RuntimeError:
        raise _beyond_us(thing) from None
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.objects.remove(twin)
        bpy.data.meshes.remove(copy)
    if not np.isfinite(uvs).all() or np.ptp(uvs, axis=0).min(initial=1.0) <= 0.0:
        raise _beyond_us(thing)
    return uvs.clip(0.0, 1.0)


def _project() -> None:
    bpy.ops.mesh.reveal(select=True)
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(
        angle_limit=ANGLE, island_margin=MARGIN, area_weight=0.0, correct_aspect=False, scale_to_bounds=False
    )


def _beyond_us(thing: Any) -> Trouble:
    return Trouble(
        tr("“{name}” could not be unwrapped. Unwrap it in the UV Editor, then try again.", name=thing.name)
    )
