"""Surfaces as the viewport shows them: evaluated, in world space, as parts of a packed geometry.

Everything goes through `foreach_get` into numpy. Nothing of Blender's is held from one turn to the next: what
the artist does in between may free it.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from impasto_protocol.geometry import Part
from impasto_studio.texts import tr

from .loop import SLICE_S, Trouble

__all__ = ["Wanted", "no_surface", "parts_of"]

WITH_SURFACE = ("MESH", "CURVE", "SURFACE", "FONT", "META")
SEEN_THROUGH = ("WIRE", "BOUNDS")  # cutters and helpers, displayed so
MOST_OTHERS = 4_000_000  # triangles: of a forest, what comes later does not stand in the way

Sliced = Generator[None, None, Any]


@dataclass(frozen=True)
class Wanted:
    """An object to be painted."""

    name: str  # `name_full`
    texture: int
    layer: str  # UV layout


@dataclass(frozen=True)
class _Seen:
    """One appearance of an object in the scene."""

    name: str  # `name_full` of the original object
    matrix: np.ndarray  # (4, 4) float64, to world space
    texture: int  # -1: it only stands in the way
    layer: str = ""


@dataclass(frozen=True)
class _Surface:
    """An evaluated mesh in its own space."""

    positions: np.ndarray  # (V, 3) float32
    triangles: np.ndarray  # (T, 3) int32
    uvs: np.ndarray | None  # (T, 3, 2) float32
    normals: np.ndarray | None  # (T, 3, 3) float32; None: flat


def no_surface(thing: Any) -> str:
    """What stands against painting it as far as can be seen at a glance: the sentence, or nothing."""
    if thing.type != "MESH":
        return tr("It is no mesh. Convert it to one (Object ▸ Convert), then try again.")
    if thing.library is not None:
        return tr("It is linked from another file. Make it local (Object ▸ Relations), then try again.")
    if thing.data.library is not None:
        return tr("Its mesh is linked from another file. Make it local (Object ▸ Relations), then try again.")
    if not thing.data.polygons and not thing.modifiers and not thing.data.is_editmode:
        return tr("It has no faces.")
    return ""


def parts_of(wanted: list[Wanted], others: bool) -> Sliced:
    """Returns the parts: those to be painted first, in the order of their textures; with `others` all else
    that can be seen. Raises `Trouble` for what cannot be painted."""
    seen, generated = yield from _appearances(wanted, others)
    parts: list[tuple[int, Part]] = []
    room = MOST_OTHERS
    for key, group in _by_mesh(seen).items():
        surface = yield from _read(key[0], key[1])
        if surface is None and key[1]:
            raise Trouble(tr("“{name}” has no faces. Give it some, or deselect it.", name=key[0]))
        for one in group if surface is not None else ():
            if one.texture < 0:
                room -= len(surface.triangles)
            if one.texture < 0 and room < 0:
                break
            parts.append((one.texture, _part(surface, one)))
            yield
    parts += generated
    painted = {texture for texture, _ in parts}
    for one in wanted:
        if one.texture not in painted:
            raise Trouble(tr("“{name}” is hidden. Show it, then try again.", name=one.name))
    return [part for _, part in sorted(parts, key=lambda item: item[0] if item[0] >= 0 else 1 << 30)]


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────


def _appearances(wanted: list[Wanted], others: bool) -> Sliced:
    """(appearances of objects, parts of meshes that belong to no object of the file: geometry nodes' own)."""
    by_name = {one.name: one for one in wanted}
    seen: list[_Seen] = []
    generated: list[tuple[int, Part]] = []
    done = 0
    while True:
        graph = bpy.context.evaluated_depsgraph_get()
        until_s = time.perf_counter() + SLICE_S
        for number, instance in enumerate(graph.object_instances):
            if number < done:
                continue
            if time.perf_counter() > until_s:
                break  # the graph may be another one at the next turn
            done = number + 1
            thing = instance.object
            original = thing.original
            own = by_name.get(original.name_full)
            if thing.type != "MESH" or not instance.show_self:
                continue  # what curves, texts and metaballs are made into comes as a mesh of its own
            if own is None and not (others and _stands_in_the_way(original)):
                continue
            matrix = np.array(instance.matrix_world, np.float64)
            if instance.is_instance and instance.parent is not None and instance.parent.original == original:
                # Strewn about by its own nodes: the materials are those of the mesh, not of the object.
                part = _generated(thing, matrix) if others else None
                if part is not None:
                    generated.append((-1, part))
                continue
            texture, layer = (own.texture, own.layer) if own is not None else (-1, "")
            seen.append(_Seen(original.name_full, matrix, texture, layer))
        else:
            return seen, generated
        yield


def _stands_in_the_way(original: Any) -> bool:
    return not original.hide_render and original.display_type not in SEEN_THROUGH


def _generated(thing: Any, matrix: np.ndarray) -> Part | None:
    """A mesh that exists in this instance only."""
    if not thing.data.polygons:
        return None
    name = thing.original.name
    found = {what: what(thing.data, "", name) for what in (_positions, _corners, _normals, _uvs)}
    surface = _joined(name, found)
    return _part(surface, _Seen(name, matrix, -1)) if surface is not None else None


def _by_mesh(seen: list[_Seen]) -> dict[tuple[str, str], list[_Seen]]:
    """Each object is read once; itself comes before its instances, as Blender has it."""
    groups: dict[tuple[str, str], list[_Seen]] = {}
    for one in seen:
        groups.setdefault((one.name, one.layer), []).append(one)
    return groups


# ── one object ───────────────────────────────────────────────────────────────────────────────────────────


def _read(name: str, layer: str) -> Sliced:
    """The object's surface; None without faces. One array at each turn, each from the scene as it is then."""
    found = {}
    for what in (_positions, _corners, _normals, _uvs):
        with _evaluated(name) as mesh:
            if mesh is None:
                return None
            found[what] = what(mesh, layer, name)
        yield
    return _joined(name, found)


def _joined(name: str, found: dict[Callable[..., Any], Any]) -> _Surface | None:
    positions, (triangles, loops), normals, uvs = (
        found[what] for what in (_positions, _corners, _normals, _uvs)
    )
    corners = int(loops.max(initial=-1)) + 1
    fits = int(triangles.max(initial=-1)) < len(positions)
    fits = fits and all(one is None or corners <= len(one) for one in (normals, uvs))
    if not fits:
        raise _changed(name)
    if not len(triangles):
        return None
    return _Surface(
        positions,
        triangles,
        uvs[loops] if uvs is not None else None,
        normals[loops] if normals is not None else None,
    )


@contextmanager
def _evaluated(name: str) -> Iterator[Any]:
    """The evaluated mesh of an object; None where there is no surface."""
    original = bpy.data.objects.get(name)
    if original is None or original.name_full != name:  # a linked one may be named alike
        original = next((one for one in bpy.data.objects if one.name_full == name), None)
    if original is None:
        raise _changed(name)
    editing = original.mode == "EDIT"
    if editing:
        original.update_from_editmode()
    thing = original.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = thing.to_mesh() if editing else thing.data
    try:
        if not mesh.polygons:
            yield None
        else:
            yield mesh
    finally:
        if editing:
            thing.to_mesh_clear()


def _positions(mesh: Any, layer: str, name: str) -> np.ndarray:
    found = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", found)
    if not np.isfinite(found).all():
        raise Trouble(
            tr("“{name}” has vertices at no place. Remove them (Mesh ▸ Clean Up), then try again.", name=name)
        )
    return found.reshape(-1, 3)


def _corners(mesh: Any, layer: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Triangles as vertices and as loops: (T, 3) int32 each."""
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    vertices, loops = np.empty(3 * count, np.int32), np.empty(3 * count, np.int32)
    mesh.loop_triangles.foreach_get("vertices", vertices)
    mesh.loop_triangles.foreach_get("loops", loops)
    return vertices.reshape(-1, 3), loops.reshape(-1, 3)


def _normals(mesh: Any, layer: str, name: str) -> np.ndarray | None:
    """(L, 3) float32; None where every face is flat."""
    if not layer or getattr(mesh, "normals_domain", "CORNER") == "FACE":
        return None
    found = np.empty(3 * len(mesh.loops), np.float32)
    if hasattr(mesh, "corner_normals"):
        mesh.corner_normals.foreach_get("vector", found)
    else:  # before Blender 4.1
        mesh.calc_normals_split()
        mesh.loops.foreach_get("normal", found)
    return found.reshape(-1, 3)


def _uvs(mesh: Any, layer: str, name: str) -> np.ndarray | None:
    """(L, 2) float32."""
    if not layer:
        return None
    if layer not in mesh.uv_layers:
        raise Trouble(
            tr(
                "The modifiers of “{name}” make a surface without the UV layout “{layer}”. "
                "Apply them, then try again.",
                name=name,
                layer=layer,
            )
        )
    found = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers[layer].data.foreach_get("uv", found)
    return found.reshape(-1, 2)


# ── into world space ─────────────────────────────────────────────────────────────────────────────────────


def _part(surface: _Surface, one: _Seen) -> Part:
    """A mirrored object is turned inside out by its matrix: its triangles go round the other way then."""
    linear = one.matrix[:3, :3]
    positions = (surface.positions @ linear.T + one.matrix[:3, 3]).astype("<f4")
    determinant = np.linalg.det(linear)
    mirrored = determinant < 0.0
    order = [0, 2, 1] if mirrored else [0, 1, 2]
    normals = None
    if surface.normals is not None and determinant != 0.0:
        turned = surface.normals @ np.linalg.inv(linear)  # the inverse transposed, on rows
        length = np.linalg.norm(turned, axis=2, keepdims=True)
        normals = _bytes((turned / np.maximum(length, 1e-20))[:, order].astype("<f4"))
    uvs = b""
    if one.texture >= 0:
        assert surface.uvs is not None
        uvs = _bytes(surface.uvs[:, order].astype("<f4"))
    triangles = _bytes(surface.triangles[:, order].astype("<i4"))
    return Part(one.texture, _bytes(positions), triangles, uvs, normals)


def _bytes(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _changed(name: str) -> Trouble:
    return Trouble(tr("“{name}” has changed while it was read. Try again.", name=name))
