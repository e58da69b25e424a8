"""What a view looks like: drawn as the artist's 3D view draws it, or, without a GPU, shaded by ourselves."""

import gpu
import numpy
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture
from mathutils import Matrix

from ..arrays import srgb
from ..cameras import View
from .rays import Buffers, Eye

__all__ = ["drawn", "shaded"]

AMBIENT = 0.25  # of the light in our own shading; the rest comes from behind the artist's right shoulder
LIGHT = numpy.array([0.35, 0.45, 0.82])
BACKGROUND = 0.05  # linear, about that of Blender's own theme


def drawn(view: View, eye: Eye) -> Picture | None:
    """RGBA8, sRGB, with the 3D view's own shading, without its grid, outlines and gizmos. None: no GPU here.

    The switch for these is set back before Blender draws anything itself.
    """
    try:
        screen = gpu.types.GPUOffScreen(eye.width, eye.height)
    except (SystemError, RuntimeError):  # in the background, or no memory
        return None
    overlay = view.space.overlay
    shown = overlay.show_overlays
    try:
        if shown:
            overlay.show_overlays = False
        screen.draw_view3d(
            view.window.scene,
            view.window.view_layer,
            view.space,
            view.region,
            Matrix(eye.view.tolist()),
            Matrix(eye.projection.tolist()),
            do_color_management=True,
        )
        with screen.bind():
            frame = gpu.state.active_framebuffer_get()
            buffer = frame.read_color(0, 0, eye.width, eye.height, 4, 0, "UBYTE")
    finally:
        if shown:
            overlay.show_overlays = True
        screen.free()
    buffer.dimensions = 4 * eye.width * eye.height
    pixels = numpy.array(buffer, dtype=numpy.uint8).reshape(eye.height, eye.width, 4)[::-1].copy()
    pixels[..., 3] = 255
    return Picture(eye.width, eye.height, PixelFormat.RGBA8, pixels.tobytes())


def shaded(buffers: Buffers, eye: Eye) -> Picture:
    """RGBA8, sRGB: materials in their viewport colours under one light, much as the solid view has them."""
    colours = numpy.zeros((*buffers.depth.shape, 3))
    colours[:] = BACKGROUND
    normals = buffers.normal @ eye.view[:3, :3].T
    light = AMBIENT + (1 - AMBIENT) * numpy.clip(normals @ (LIGHT / numpy.linalg.norm(LIGHT)), 0.0, 1.0)
    palette = _palette(buffers)
    seen = buffers.objects > 0
    colours[seen] = palette[buffers.objects[seen], buffers.materials[seen]] * light[seen, None]
    pixels = numpy.full((*buffers.depth.shape, 4), 255, numpy.uint8)
    pixels[..., :3] = numpy.clip(srgb(colours) * 255 + 0.5, 0, 255).astype(numpy.uint8)
    return Picture(eye.width, eye.height, PixelFormat.RGBA8, pixels.tobytes())


def _palette(buffers: Buffers) -> numpy.ndarray:
    """Linear colours (objects + 1, materials + 1, 3)."""
    numbers = {name: number for number, name in enumerate(buffers.material_names, 1)}
    palette = numpy.full((int(buffers.objects.max()) + 1, len(numbers) + 1, 3), 0.8)
    for placed in buffers.owners:
        for name, colour in zip(placed.materials, placed.colours, strict=True):
            if name in numbers and placed.number < len(palette):
                palette[placed.number, numbers[name]] = colour
    return palette
