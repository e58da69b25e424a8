"""F12 with our engine, and what came of it."""

import os
from pathlib import Path

import bpy
import numpy
from scene_hash import differences, scene_state
from under_test import PACKAGE, addon, plugin

_painted = []


def listen():
    """What is handed to Blender is kept: (H, W, C) uint8, the top row first."""
    easel = plugin().still._easel
    if "composed" in vars(easel):
        return
    composed = easel.composed

    def listening(*given):
        picture = composed(*given)
        pixels = numpy.frombuffer(picture.pixels, numpy.uint8)
        _painted.append(pixels.reshape(picture.height, picture.width, -1))
        return picture

    easel.composed = listening


def prepare(folder, size=(128, 72), transform="Standard"):
    """An artist's settings, PNG among them."""
    scene = bpy.context.scene
    scene.render.engine = "IMPASTO"
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = transform
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode = "PNG", "RGB"
    scene.render.filepath = str(Path(folder) / "f12-")
    plugin().poll()


def render(animation=False):
    """Presses F12, or Ctrl+F12. The sentence, the size of each file, how far it is from what was painted
    (0 … 1), and what else is no longer as it was."""
    listen()
    _painted.clear()
    scene = bpy.context.scene
    before = scene_state()
    sentence = ""
    try:
        bpy.ops.render.render(animation=animation, write_still=not animation)
    except RuntimeError as error:
        sentence = str(error)
    # a render makes the image that shows it
    changed = [line for line in differences(before, scene_state()) if not line.startswith("images/")]
    base = Path(scene.render.filepath)
    written = sorted(base.parent.glob(f"{base.name}*.png"))
    pixels = [_read(path) for path in written]
    box = _border(scene.render) if scene.render.use_border else None
    off = [
        float(numpy.abs(seen - _part(painted, box)).max()) if seen.shape == _part(painted, box).shape else 1.0
        for seen, painted in zip(pixels, _painted, strict=False)
    ]
    for path in written:
        path.unlink()
    return {
        "sentence": sentence,
        "sizes": [[one.shape[1], one.shape[0]] for one in pixels],
        "spread": [float(one.std()) for one in pixels],
        "painted": len(_painted),
        "off": off,
        "changed": changed,
    }


def _border(render):
    width, height = render.resolution_x, render.resolution_y
    left, right = int(render.border_min_x * width), int(render.border_max_x * width)
    bottom, top = int(render.border_min_y * height), int(render.border_max_y * height)
    return left, right, height - top, height - bottom


def _part(painted, box):
    colours = painted[..., :3].astype(numpy.float32) / 255
    if box is None:
        return colours
    left, right, top, bottom = box
    return colours[top:bottom, left:right]


def _read(path):
    """(H, W, 3) float32, 0 … 1, as the file has them."""
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        values = numpy.empty(width * height * image.channels, numpy.float32)
        image.pixels.foreach_get(values)
        return values.reshape(height, width, -1)[::-1, :, :3]
    finally:
        bpy.data.images.remove(image)


def render_while(pid, signal):
    """F12 during which a process ends: as soon as it paints."""
    still = plugin().still
    progress = type(still._frames).progress

    class Watching(type(still._frames)):
        told = False

        @property
        def progress(self):
            found = progress.fget(self)
            if found is not None and found.steps and not self.told:
                self.told = True
                os.killpg(pid, signal)
            return found

    still._frames.__class__ = Watching
    return render()


def panels():
    """Of Blender's own: how many show themselves with our engine, and whether those of materials do."""
    marked = [
        panel.__name__
        for panel in bpy.types.Panel.__subclasses__()
        if "IMPASTO" in getattr(panel, "COMPAT_ENGINES", ())
    ]
    return {"count": len(marked), "materials": "EEVEE_MATERIAL_PT_surface" in marked}


def left_over():
    """What is there of the engine while the add-on is off; twice."""
    found = []
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=PACKAGE)
        found.append({**panels(), "engine": addon("engine").ImpastoRenderEngine.is_registered})
        bpy.ops.preferences.addon_enable(module=PACKAGE)
    return found


def rendering():
    """Whether F12 is on its way, in a Blender with windows."""
    return bpy.app.is_job_running("RENDER")


def heard():
    """How many pictures have been handed over since `listen`."""
    return len(_painted)
