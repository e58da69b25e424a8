"""What an artist does and sees, for tests of whole stories."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import bpy
import numpy
from scene_hash import differences, scene_state
from under_test import plugin, vendor

_kept = {}


def _plain(value):
    """For JSON; pixels only as their size."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return len(value)
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def new_file():
    """As Blender starts: a cube, a camera, a light."""
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    plugin().poll()


def open_file(path):
    bpy.ops.wm.open_mainfile(filepath=path)
    plugin().poll()


def save_file(path):
    bpy.ops.wm.save_as_mainfile(filepath=path)


def view(side="texture"):
    return _plain(plugin().sides[side].view)


def edit(side, **changes):
    """Fields of the intent; rows of controls as lists."""
    it = plugin().sides[side]
    if "controls" in changes:
        row = vendor("impasto_studio.intent").ControlRow
        changes["controls"] = tuple(row(*one) for one in changes["controls"])
    it.edit(**{name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()})


def options(side, **changes):
    it = plugin()
    host = it.render_host if side == "render" else it.image_host
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    host.options = replace(host.options, **changes)
    it.poll()


def tell(side, command, words=()):
    getattr(plugin().sides[side].studio, command)(*words)


def press(operator, **words):
    """A button."""
    plugin()
    return sorted(getattr(bpy.ops.impasto, operator)(**words))


def select(names):
    for one in bpy.context.view_layer.objects:
        one.select_set(one.name in names)
    bpy.context.view_layer.objects.active = bpy.data.objects[names[0]] if names else None
    plugin().poll()


def add(kind, name, location=(0, 0, 0)):
    getattr(bpy.ops.mesh, f"primitive_{kind}_add")(location=location)
    bpy.context.active_object.name = name
    plugin().poll()


def remove(name):
    bpy.data.objects.remove(bpy.data.objects[name])
    plugin().poll()


def change(statement):
    """Something special, as a statement of Blender's."""
    exec(statement, {"bpy": bpy, "D": bpy.data, "C": bpy.context, "numpy": numpy})
    plugin().poll()


def images():
    return {one.name: list(one.size) for one in bpy.data.images}


def texture_of(name):
    """What an object shows: its image's name, size, and colours of texels that have any, 0 … 1."""
    found = [
        (material, node)
        for material in (slot.material for slot in bpy.data.objects[name].material_slots)
        if material is not None and material.use_nodes
        for node in material.node_tree.nodes
        if node.type == "TEX_IMAGE" and node.image is not None
    ]
    if not found:
        return None
    material, node = found[0]
    pixels = pixels_of(node.image)
    return {
        "material": material.name,
        "image": node.image.name,
        "size": list(node.image.size),
        "mean": pixels[:, :, :3].reshape(-1, 3).mean(0).tolist(),
        "spread": float(pixels[:, :, :3].std()),
        "kept": [one.name for one in bpy.data.objects[name].data.materials if one is not None],
        "worn": sorted({one.material_index for one in bpy.data.objects[name].data.polygons}),
    }


def pixels_of(image):
    """(H, W, 4) float32, the lowest row first."""
    flat = numpy.empty(image.size[0] * image.size[1] * 4, numpy.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], 4)


def picture(name):
    pixels = pixels_of(bpy.data.images[name])
    return {
        "size": list(bpy.data.images[name].size),
        "mean": pixels[:, :, :3].reshape(-1, 3).mean(0).tolist(),
        "spread": float(pixels[:, :, :3].std()),
    }


def keep_state(name):
    _kept[name] = scene_state()


def changes_since(name):
    return differences(_kept[name], scene_state())


def undo():
    """One step back."""
    return sorted(bpy.ops.ed.undo())


def slots(name):
    """Names of an object's materials."""
    return [slot.material.name if slot.material else "" for slot in bpy.data.objects[name].material_slots]


def make_image(name, width, height):
    """A gradient, in which any change can be seen."""
    image = bpy.data.images.new(name, width, height)
    pixels = numpy.ones((height, width, 4), numpy.float32)
    pixels[:, :, 0] = numpy.linspace(0.2, 0.8, width)
    pixels[:, :, 1] = numpy.linspace(0.2, 0.8, height)[:, None]
    image.pixels.foreach_set(pixels.ravel())
    image.update()


def show_image(name):
    """In an Image Editor, as an artist has it before her."""
    area = max(bpy.context.window_manager.windows[0].screen.areas, key=lambda area: area.width * area.height)
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = bpy.data.images[name]
    plugin().poll()


def corner_and_middle(name):
    """Bytes of an image of 128 × 128: beyond the middle quarter, and of it."""
    pixels = numpy.round(pixels_of(bpy.data.images[name]) * 255).astype(numpy.uint8)
    outside = pixels.copy()
    outside[32:96, 32:96] = 0
    return {"outside": outside.tobytes().hex(), "middle": pixels[32:96, 32:96].tobytes().hex()}


def film():
    """How far the animation is, and its files."""
    it = plugin()
    folder = Path(bpy.data.filepath).parent
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    return {**_plain(it.film.view), "files": files}


def frame():
    return bpy.context.scene.frame_current


def complaint(operator):
    """What a button says when it cannot."""
    try:
        getattr(bpy.ops.impasto, operator)()
    except RuntimeError as error:
        return str(error)
    return ""
