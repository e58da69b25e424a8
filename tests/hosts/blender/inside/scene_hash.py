"""Everything an artist could notice in an open file, as one dictionary and its hash.

All data-blocks with all properties that Blender's RNA tells of, whatever the version: settings of scenes,
view layers, cameras, compositors, modes, selections, frames, screens and views, pixels and meshes; and how
many there are. Left out is only what changes by looking, and Impasto's own group of custom properties, in
which it keeps the file's id.
"""

import hashlib
from typing import Any

import bpy
import numpy

__all__ = ["differences", "scene_hash", "scene_state"]

OURS = "impasto"  # group of custom properties
DEEPEST = 9
CRASHING = ("uv_sculpt",)  # to be read, in one of Blender's versions
EDITORS = ("VIEW_3D", "IMAGE_EDITOR")  # whose settings are looked at; of others, that they are there
# Made when looked at, counted by Blender itself, or a way back to the owner.
_UNSTABLE = (
    "bl_rna rna_type original is_evaluated is_runtime_data session_uid is_updated is_updated_data "
    "users use_extra_user preview library_weak_reference id_data pixels tag is_dirty_view "
    "bindcode depsgraph keyconfigs operators reports error_threshold windows_evaluated "
    "bound_box dimensions users_collection users_scene children_recursive all_objects "
    "ray_visibility_runtime is_interface_locked is_mode_valid statistics asset_data "
    "runtime execution_time show_updates uv_layer_clone uv_layer_clone_index uv_layer_stencil "
    "uv_layer_stencil_index corner_normals vertex_normals polygon_normals loop_triangles "
    "loop_triangle_polygons total_vert_sel total_edge_sel total_face_sel is_icon_visible is_inactive "
    "is_unavailable enabled particle_edit"
)
UNSTABLE = frozenset(_UNSTABLE.split())
# As arrays, which are thousands of times faster than one by one.
ARRAYS = {
    "MeshVertex": (("co", 3), ("select", 1), ("hide", 1)),
    "MeshEdge": (("vertices", 2), ("select", 1)),
    "MeshPolygon": (("loop_start", 1), ("loop_total", 1), ("material_index", 1), ("select", 1)),
    "MeshLoop": (("vertex_index", 1),),
    "MeshUVLoop": (("uv", 2),),
    "MeshLoopTriangle": (),
    "Float2AttributeValue": (("vector", 2),),
    "FloatVectorAttributeValue": (("vector", 3),),
    "FloatAttributeValue": (("value", 1),),
    "FloatColorAttributeValue": (("color", 4),),
    "ByteColorAttributeValue": (("color", 4),),
    "BoolAttributeValue": (("value", 1),),
    "IntAttributeValue": (("value", 1),),
    "ByteIntAttributeValue": (("value", 1),),
    "Short2AttributeValue": (("value", 2),),
    "Int2AttributeValue": (("value", 2),),
    "QuaternionAttributeValue": (("value", 4),),
}


def scene_hash() -> str:
    """SHA-256 of `scene_state`."""
    text = "\n".join(f"{key}={value}" for key, value in sorted(scene_state().items()))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is not as it was: for the test's message."""
    return [
        f"{key}: {before.get(key, 'nothing')} → {after.get(key, 'nothing')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def scene_state() -> dict[str, str]:
    """Each property by its path. Evaluates nothing and loads no picture."""
    state = State()
    for collection in bpy.data.bl_rna.properties:
        if collection.type != "COLLECTION":
            continue
        blocks = getattr(bpy.data, collection.identifier)
        state[f"{collection.identifier}/count"] = str(len(blocks))
        if collection.identifier == "screens":
            blocks = {window.screen for window in bpy.context.window_manager.windows}
        for block in blocks:
            path = f"{collection.identifier}/{block.name_full}"
            _struct(state, path, block, 0)
            _custom(state, path, block)
            if collection.identifier == "images":
                state[f"{path}/pixels"] = _pixels(block)
    _context(state)
    return state


class State(dict[str, str]):
    """Properties by path; each structure is gone into once, however many ways lead to it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, str]] = set()

    def first_time(self, struct: Any) -> bool:
        key = struct.as_pointer(), struct.bl_rna.identifier
        new = key not in self.seen
        self.seen.add(key)
        return new


def _context(state: State) -> None:
    context = bpy.context
    state["context/mode"] = context.mode
    state["context/scene"] = context.scene.name
    state["context/view_layer"] = context.view_layer.name
    active = context.view_layer.objects.active
    state["context/active"] = active.name_full if active is not None else ""
    selected = sorted(obj.name_full for obj in context.view_layer.objects if obj.select_get())
    hidden = sorted(obj.name_full for obj in context.view_layer.objects if obj.hide_get())
    state["context/selected"], state["context/hidden"] = " ".join(selected), " ".join(hidden)
    handlers = bpy.app.handlers
    state["context/file"] = bpy.data.filepath
    for name in ("render_pre", "render_post", "render_init", "frame_change_pre", "frame_change_post"):
        state[f"context/{name}"] = str(len(getattr(handlers, name)))


def _struct(state: State, path: str, struct: Any, depth: int) -> None:
    if not state.first_time(struct):
        state[path] = f"the {struct.bl_rna.identifier} {getattr(struct, 'name', '')}"
        return
    for prop in struct.bl_rna.properties:
        name = prop.identifier
        if name in UNSTABLE or name in CRASHING or name.startswith("impasto"):
            continue
        kind = struct.bl_rna.identifier
        if kind == "Image" and name in ("size", "channels", "depth", "resolution"):
            continue  # reading them loads the file
        try:
            value = getattr(struct, name)
        except (AttributeError, RuntimeError, ValueError, UnicodeDecodeError):
            continue
        where = f"{path}/{name}"
        if prop.type == "POINTER":
            _pointer(state, where, value, depth)
        elif prop.type == "COLLECTION":
            _collection(state, where, value, depth)
        elif prop.type == "ENUM" and isinstance(value, set):
            state[where] = " ".join(sorted(value))
        elif prop.type in ("FLOAT", "INT", "BOOLEAN") and getattr(prop, "is_array", False):
            state[where] = _numbers(value)
        else:
            state[where] = repr(value)


def _pointer(state: State, where: str, value: Any, depth: int) -> None:
    if value is None:
        state[where] = "nothing"
    elif isinstance(value, bpy.types.ID) and not _embedded(value):
        state[where] = value.name_full
    elif depth < DEEPEST:
        _struct(state, where, value, depth + 1)


def _embedded(block: Any) -> bool:
    """A node tree or a collection that is part of another data-block, and in no list of its own."""
    return bool(getattr(block, "is_embedded_data", False))


def _collection(state: State, where: str, items: Any, depth: int) -> None:
    count = len(items)
    state[f"{where}/count"] = str(count)
    if not count or depth >= DEEPEST:
        return
    first = next(iter(items))
    kind = first.bl_rna.identifier if first is not None else ""
    if kind in ARRAYS:
        state[where] = _arrays(items, count, ARRAYS[kind])
    elif isinstance(first, bpy.types.ID):
        state[where] = " ".join(item.name_full if item is not None else "-" for item in items)
    elif where.endswith("/spaces"):  # those that are not shown hold values that no property tells
        if items.active.type in EDITORS:
            _struct(state, f"{where}/active", items.active, depth + 1)
    elif hasattr(first, "bl_rna"):
        for number, item in enumerate(items):
            _struct(state, f"{where}/{number}", item, depth + 1)


def _arrays(items: Any, count: int, fields: tuple[tuple[str, int], ...]) -> str:
    digest = hashlib.sha256()
    for field, width in fields:
        values = numpy.zeros(count * width, numpy.float32)
        items.foreach_get(field, values)
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def _numbers(value: Any) -> str:
    flat = []
    for number in value:
        flat += list(number) if hasattr(number, "__len__") else [number]
    return " ".join(f"{number:.9g}" for number in flat)


def _pixels(image: Any) -> str:
    """Only of what is in memory anyway."""
    if not image.has_data or image.type in ("RENDER_RESULT", "COMPOSITING"):
        return "none"
    values = numpy.zeros(len(image.pixels), numpy.float32)
    image.pixels.foreach_get(values)
    size = "×".join(str(side) for side in image.size)
    return f"{size} {hashlib.sha256(values.tobytes()).hexdigest()[:16]}"


def _custom(state: State, path: str, block: Any) -> None:
    for key in block.keys():  # noqa: SIM118
        if not key.startswith(OURS):
            value = block[key]
            state[f"{path}[{key}]"] = repr(value.to_dict() if hasattr(value, "to_dict") else value)
