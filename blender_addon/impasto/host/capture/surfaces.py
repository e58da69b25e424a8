"""The evaluated surfaces of what can be seen: modifiers, instances, curves, text, in slices."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import bpy
import numpy
from mathutils.bvhtree import BVHTree

__all__ = ["SURFACES", "Placed", "Surface", "Surfaces", "materials_of", "triangles_of"]

SURFACES = ("MESH", "CURVE", "SURFACE", "META", "FONT")  # types of objects that have faces
UNSEEN = ("WIRE", "BOUNDS")  # display types of helpers, such as what cuts a hole
MOST_KEPT = 4_000_000  # triangles in memory between captures
PIECE = 16_384  # triangles: their tree is built in one go, in about 30 ms


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles in the object's own space: all of an object's, or a piece of a large one."""

    positions: numpy.ndarray  # (V, 3) float32
    triangles: numpy.ndarray  # (T, 3) int32
    normals: numpy.ndarray  # (T, 3, 3) float32, of each corner, as shaded
    slots: numpy.ndarray  # (T,) int32, material slots
    tree: Any  # BVHTree over the triangles


@dataclass(frozen=True, eq=False)
class Placed:
    """A surface where it stands in the scene."""

    surface: Surface
    number: int  # of the object, from 1: pieces of one have the same
    matrix: numpy.ndarray  # (4, 4) float64, to the world
    name: str  # of the object
    selected: bool
    materials: tuple[str, ...]  # names by slot
    colours: tuple[tuple[float, float, float], ...]  # linear, by slot: as the solid view shows them


@dataclass(eq=False)
class Surfaces:
    """Reads, and keeps what it has read until somebody says that it has changed."""

    _kept: dict["_Key", tuple[Surface, ...]] = field(default_factory=dict)

    def changed(self, names: set[str]) -> None:
        """Forgets the geometry of these objects, and all that geometry nodes have made."""
        for key in [key for key in self._kept if names and (key[0] in names or key[2])]:
            del self._kept[key]

    def clear(self) -> None:
        self._kept.clear()

    def placed(
        self, context: Any, *, rendered: bool = False, keep: bool = False
    ) -> Generator[None, None, list[Placed]]:
        """What the view layer shows now; `rendered`: without what is hidden in renders. `keep`: the caller
        says what changes, so what was read before may be used again."""
        if not keep:
            self.clear()
        found: list[Placed] = []
        for number, stand in enumerate(_standing(context, rendered), 1):
            if stand.key not in self._kept:
                triangles = stand.triangles or _read(*stand.key[:2])
                yield
                self._kept[stand.key] = (yield from _pieces(triangles)) if triangles else ()
            found += [
                Placed(
                    surface,
                    number,
                    stand.matrix,
                    stand.key[0],
                    stand.selected,
                    stand.materials,
                    stand.colours,
                )
                for surface in self._kept[stand.key]
            ]
        kept = sum(len(surface.triangles) for surfaces in self._kept.values() for surface in surfaces)
        if kept > MOST_KEPT:
            self.clear()
        return found


_Key = tuple[str, str, int]  # name, library; of what nodes have made also Blender's number of it, else 0


@dataclass(eq=False)
class _Stand:
    key: _Key
    matrix: numpy.ndarray
    selected: bool
    materials: tuple[str, ...]
    colours: tuple[tuple[float, float, float], ...]
    triangles: "Triangles | None"  # of an instance that is no object of its own, and had to be read at once


def _standing(context: Any, rendered: bool) -> list[_Stand]:
    """All that is shown, in one go: Blender's list of instances is good only while one walks it."""
    depsgraph = context.evaluated_depsgraph_get()
    made: dict[int, Triangles | None] = {}
    found = []
    for instance in depsgraph.object_instances:
        shown = instance.object
        if shown.type not in SURFACES or not instance.show_self:
            continue
        original = shown.original
        if shown.display_type in UNSEEN and not rendered:
            continue
        if rendered and (original.hide_render or not shown.visible_camera):
            continue
        if not instance.is_instance and not original.visible_get():
            continue
        owner = instance.parent.original if instance.is_instance and instance.parent else original
        library = original.library.filepath if original.library else ""
        key, triangles = (original.name, library, 0), None
        if instance.is_instance and _generated(shown, depsgraph):
            number = shown.data.as_pointer()
            if number not in made:
                made[number] = triangles_of(shown)
            triangles, key = made[number], (original.name, library, number)
            if triangles is None:
                continue
        names, colours = materials_of(shown)
        matrix = numpy.array(instance.matrix_world, numpy.float64)
        found.append(_Stand(key, matrix, owner.select_get(), names, colours, triangles))
    return found


def _generated(shown: Any, depsgraph: Any) -> bool:
    """Whether it is a piece of geometry nodes' making, which belongs to no object."""
    own = shown.original.evaluated_get(depsgraph).data
    return own is None or own.as_pointer() != shown.data.as_pointer()


def _read(name: str, library: str) -> "Triangles | None":
    """An object by name: it may be gone since it was listed."""
    found = bpy.data.objects.get((name, library or None))
    if found is None:
        return None
    return triangles_of(found.evaluated_get(bpy.context.evaluated_depsgraph_get()))


def triangles_of(evaluated: Any) -> "Triangles | None":
    """An evaluated object's triangles; None: it has none."""
    try:
        mesh = evaluated.to_mesh()
    except RuntimeError:  # an empty curve, say
        return None
    if mesh is None:
        return None
    try:
        return _triangles(mesh)
    finally:
        evaluated.to_mesh_clear()


def _triangles(mesh: Any) -> "Triangles | None":
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    if not count:
        return None
    positions = numpy.empty(3 * len(mesh.vertices), numpy.float32)
    mesh.vertices.foreach_get("co", positions)
    triangles, loops = numpy.empty(3 * count, numpy.int32), numpy.empty(3 * count, numpy.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    mesh.loop_triangles.foreach_get("loops", loops)
    slots = numpy.empty(count, numpy.int32)
    mesh.loop_triangles.foreach_get("material_index", slots)
    normals = numpy.empty(3 * len(mesh.loops), numpy.float32)
    if hasattr(mesh, "corner_normals"):
        mesh.corner_normals.foreach_get("vector", normals)
    else:  # before Blender 4.1
        mesh.calc_normals_split()
        mesh.loops.foreach_get("normal", normals)
    positions, triangles = positions.reshape(-1, 3), triangles.reshape(-1, 3)
    if not numpy.isfinite(positions).all():
        return None
    return Triangles(positions[triangles], normals.reshape(-1, 3)[loops].reshape(-1, 3, 3), slots)


class Triangles(NamedTuple):
    """Of a whole object, before there are trees."""

    corners: numpy.ndarray  # (T, 3, 3) float32
    normals: numpy.ndarray  # (T, 3, 3) float32
    slots: numpy.ndarray  # (T,) int32


def _pieces(whole: Triangles) -> Generator[None, None, tuple[Surface, ...]]:
    """Large objects in pieces that lie together, so that no tree takes long and few rays go to each."""
    count = len(whole.slots)
    order = _nearby(whole.corners.mean(axis=1)) if count > PIECE else numpy.arange(count)
    pieces = []
    for start in range(0, count, PIECE):
        chosen = order[start : start + PIECE]
        corners = whole.corners[chosen].reshape(-1, 3)
        triangles = numpy.arange(len(corners), dtype=numpy.int32).reshape(-1, 3)
        tree = BVHTree.FromPolygons(corners.tolist(), triangles.tolist(), all_triangles=True)
        pieces.append(Surface(corners, triangles, whole.normals[chosen], whole.slots[chosen], tree))
        yield
    return tuple(pieces)


def _nearby(points: numpy.ndarray) -> numpy.ndarray:
    """An order of points (N, 3) in which neighbours lie close together: along a Morton curve of 64³ cells."""
    low, high = points.min(axis=0), points.max(axis=0)
    cells = ((points - low) / numpy.maximum(high - low, 1e-12) * 63).astype(numpy.int64)
    code = numpy.zeros(len(points), numpy.int64)
    for bit in range(6):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return numpy.argsort(code, kind="stable")


def materials_of(shown: Any) -> tuple[tuple[str, ...], tuple[tuple[float, float, float], ...]]:
    """Names and colours of an object's materials by slot; at least one."""
    names, colours = [], []
    for slot in shown.material_slots:
        material = slot.material
        names.append(material.name if material is not None else "")
        colours.append(tuple(material.diffuse_color[:3]) if material is not None else (0.8, 0.8, 0.8))
    return tuple(names) or ("",), tuple(colours) or ((0.8, 0.8, 0.8),)
