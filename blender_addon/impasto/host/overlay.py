"""A picture over a 3D view or an Image Editor that the file knows nothing of."""

from collections.abc import Callable
from typing import Any

import bpy
import gpu
import numpy
from gpu_extras.batch import batch_for_shader
from impasto_studio.host import Picture, Shown

from .arrays import linear, rgba_of

__all__ = ["Overlay", "Place"]

MARGIN_PX = 8
TEXT_PX = 12

# Where a picture lies in a region: x, y of its lower left corner, width, height, px; None: not in this one.
Place = Callable[[Any, Shown], tuple[float, float, float, float] | None]


class Overlay:
    """At most one picture, in all editors of one kind. `place` says where in each."""

    def __init__(self, space: Any, area: str, place: Place) -> None:
        """`space`: the type whose `draw_handler_add` is meant; `area`: the areas that are drawn anew."""
        self._space = space
        self._area = area
        self._place = place
        self._handle: Any = None
        self._shown: Shown | None = None
        self._texture: Any = None  # made when it is first drawn: there is a GPU then

    def show(self, shown: Shown | None) -> bool:
        """Whether it can be seen; taking away always works."""
        if bpy.app.background:
            return shown is None
        if shown is None or self._shown is None or shown.picture is not self._shown.picture:
            self._texture = None
        self._shown = shown
        if shown is None:
            self.close()
        elif self._handle is None:
            self._handle = self._space.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        self._redraw()
        return True

    def close(self) -> None:
        self._shown = self._texture = None
        if self._handle is not None:
            self._space.draw_handler_remove(self._handle, "WINDOW")
            self._handle = None

    def _redraw(self) -> None:
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if area.type == self._area:
                    area.tag_redraw()

    def _draw(self) -> None:
        """Called by Blender. What is raised here is printed at every redraw, so nothing may be."""
        shown = self._shown
        place = self._place(bpy.context, shown) if shown is not None else None
        if shown is None or place is None:
            return
        if self._texture is None:
            self._texture = _texture(shown.picture)
        _draw_picture(self._texture, *place)
        if shown.label:
            _draw_label(shown.label, place[0] + MARGIN_PX, place[1] + MARGIN_PX)


# Blender's regions take linear values here, and encode them for the screen.
_LINEAR = linear(numpy.arange(256) / 255.0).astype(numpy.float32)


def _texture(picture: Picture) -> Any:
    pixels = rgba_of(picture)[::-1]
    values = numpy.empty(pixels.shape, numpy.float32)
    values[..., :3] = _LINEAR[pixels[..., :3]]
    values[..., 3] = pixels[..., 3] / numpy.float32(255)
    buffer = gpu.types.Buffer("FLOAT", values.size, values.reshape(-1))
    return gpu.types.GPUTexture((picture.width, picture.height), format="RGBA16F", data=buffer)


def _draw_picture(texture: Any, x: float, y: float, width: float, height: float) -> None:
    shader = gpu.shader.from_builtin("IMAGE" if bpy.app.version >= (4, 0, 0) else "2D_IMAGE")
    batch = batch_for_shader(
        shader,
        "TRI_FAN",
        {
            "pos": ((x, y), (x + width, y), (x + width, y + height), (x, y + height)),
            "texCoord": ((0, 0), (1, 0), (1, 1), (0, 1)),
        },
    )
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_sampler("image", texture)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def _draw_label(text: str, x: float, y: float) -> None:
    import blf  # not there in the background

    font = 0
    size = TEXT_PX * bpy.context.preferences.system.ui_scale
    if bpy.app.version >= (4, 0, 0):
        blf.size(font, size)
    else:
        blf.size(font, int(size), 72)
    blf.enable(font, blf.SHADOW)
    blf.shadow(font, 3, 0.0, 0.0, 0.0, 1.0)
    blf.color(font, 1.0, 1.0, 1.0, 1.0)
    blf.position(font, x, y, 0)
    blf.draw(font, text)
    blf.disable(font, blf.SHADOW)
