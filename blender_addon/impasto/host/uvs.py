"""UV layouts: whether one can be painted on, and new ones, made beside the artist's and without her noticing.

A new layout is computed on a copy of the mesh, in a scene that is gone afterwards: modes, selections and the
active layout stay as they are. Only the layout itself is added to the mesh.
"""

from typing import Any

import bpy
import numpy as np

from .loop import Trouble

__all__ = ["LAYER", "covered", "layout_of", "made", "new_layout", "usable"]

LAYER = "Impasto"
GRID = 256  # squares a side, for looking at what a layout covers
MOST_OVERLAP = 0.5  # of the area: mirrored and stacked islands are the artist's wish, a heap of faces is none
BEYOND = 1e-3  # by how much corners may lie outside of 0 … 1
MARGIN = 0.004  # between islands: two texels of 512, four of 1024
ANGLE = 1.15  # radians, 66°: as Blender's own Smart UV Project
IN_EDIT_MODE = "“{name}” needs a UV layout, and it is in Edit Mode. Leave Edit Mode, then try again."
BEYOND_US = "“{name}” could not be unwrapped. Unwrap it in the UV Editor, then try again."


def layout_of(thing: Any, unwrap: str) -> str:
    """Name of the layout to paint on: the one the object renders with, if it is usable and `unwrap` does not
    ask for a new one; else one of ours, which is made by `new_layout` if it is not there."""
    mesh = thing.data
    if unwrap == "own":
        own = next((layer for layer in mesh.uv_layers if layer.active_render), mesh.uv_layers.active)
        if own is not None and usable(mesh, own.name):
            return own.name
    return LAYER


def made(thing: Any, layer: str) -> bool:
    """Whether the layout is there already."""
    mesh = thing.data
    return layer in mesh.uv_layers and (layer != LAYER or usable(mesh, layer))


def usable(mesh: Any, layer: str) -> bool:
    """Within 0 … 1, with area, and not a heap."""
    uvs = corners(mesh, layer)
    if uvs.size == 0 or not np.isfinite(uvs).all():
        return False
    if uvs.min() < -BEYOND or uvs.max() > 1.0 + BEYOND:
        return False
    share, area = covered(uvs, _fans(mesh))
    return area > 1e-6 and share > 0.0 and area < share / (1.0 - MOST_OVERLAP) + 0.05


def corners(mesh: Any, layer: str) -> np.ndarray:
    """(loops, 2) float32."""
    data = mesh.uv_layers[layer].data
    uvs = np.empty(2 * len(data), np.float32)
    data.foreach_get("uv", uvs)
    return uvs.reshape(-1, 2)


def covered(uvs: np.ndarray, triangles: np.ndarray) -> tuple[float, float]:
    """The share of the unit square that triangles (T, 3) of corners cover, roughly; and their area's sum."""
    corner = uvs[triangles].astype(np.float64)
    sides = corner[:, 1:] - corner[:, :1]
    area = 0.5 * np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    return float(filled(corner, area).mean()), float(area.sum())


def filled(corner: np.ndarray, area: np.ndarray) -> np.ndarray:
    """(GRID, GRID) bool: squares in which triangles (T, 3, 2) have some of evenly strewn points."""
    grid = np.zeros((GRID, GRID), bool)
    count = np.ceil(np.sqrt(area) * GRID * 3).astype(int).clip(1, 3 * GRID)
    for fineness in 2 ** np.arange(0, 11):  # triangles of a like size at once
        mine = corner[(count > fineness // 2) & (count <= fineness)]
        if not len(mine):
            continue
        steps = (np.arange(fineness) + 1 / 3) / fineness
        a, b = (one.ravel() for one in np.meshgrid(steps, steps, indexing="ij"))
        inside = a + b < 1.0
        weights = np.stack([1.0 - a - b, a, b])[:, inside]
        for start in range(0, len(mine), max(1, (1 << 20) // weights.shape[1])):
            some = mine[start : start + max(1, (1 << 20) // weights.shape[1])]
            points = np.einsum("tcd,cp->tpd", some, weights).reshape(-1, 2)
            at = (points * GRID).astype(int).clip(0, GRID - 1)
            grid[at[:, 1], at[:, 0]] = True
    return grid


def new_layout(thing: Any, layer: str = LAYER) -> None:
    """Makes it, or makes it anew. Raises `Trouble` where that cannot be."""
    mesh = thing.data
    if mesh.is_editmode:
        raise Trouble(IN_EDIT_MODE.format(name=thing.name))
    uvs = _unwrapped(thing)
    active, rendered = mesh.uv_layers.active_index, [one.active_render for one in mesh.uv_layers]
    target = mesh.uv_layers.get(layer) or mesh.uv_layers.new(name=layer, do_init=False)
    if target is None:
        raise Trouble(f"“{thing.name}” has eight UV layouts, and there is no room for another. Remove one.")
    mesh.uv_layers[target.name].data.foreach_set("uv", uvs.ravel())
    if rendered:
        mesh.uv_layers.active_index = active
        for one, was in zip(mesh.uv_layers, rendered, strict=False):
            if was:
                one.active_render = True
    mesh.update()


def _fans(mesh: Any) -> np.ndarray:
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
        with bpy.context.temp_override(**around):
            bpy.ops.object.mode_set(mode="EDIT")
            try:
                with bpy.context.temp_override(edit_object=twin, **around):
                    _project()
            finally:
                bpy.ops.object.mode_set(mode="OBJECT")
        uvs = corners(copy, LAYER)
    except RuntimeError:
        raise Trouble(BEYOND_US.format(name=thing.name)) from None
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.objects.remove(twin)
        bpy.data.meshes.remove(copy)
    if not np.isfinite(uvs).all() or np.ptp(uvs, axis=0).min(initial=1.0) <= 0.0:
        raise Trouble(BEYOND_US.format(name=thing.name))
    return uvs.clip(0.0, 1.0)


def _project() -> None:
    bpy.ops.mesh.reveal(select=True)
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(
        angle_limit=ANGLE, island_margin=MARGIN, area_weight=0.0, correct_aspect=False, scale_to_bounds=False
    )
