"""Images of Blender: new ones that are saved with the file, and where they are shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture
from impasto_studio.pictures import to_show
from impasto_studio.png import png

__all__ = ["at_window", "new_image", "put_pixels", "set_background", "show_image", "undo_step", "window_of"]

OURS = "impasto"  # custom property: this image was painted here


def new_image(name: str, picture: Picture) -> Any:
    """An image of a picture, packed into the file, so that saving and undo keep it."""
    alpha = picture.format in (PixelFormat.RGBA8, PixelFormat.RGBA16)
    image = bpy.data.images.new(name, picture.width, picture.height, alpha=alpha)
    put_pixels(image, picture)
    image[OURS] = True
    image.use_fake_user = True  # else the file is saved without it
    return image


def put_pixels(image: Any, picture: Picture) -> None:
    """Gives an image of ours other pixels. As a file that is packed as it comes: Blender's own packing of a
    1024² picture takes 0.1 s on the main thread."""
    data = png(to_show(picture) if picture.format is not PixelFormat.GRAY8 else picture)
    image.source = "GENERATED"  # there and back: then Blender reads it anew
    image.filepath_raw = f"//{image.name}.png"  # there is no such file; unpacking would write it
    image.pack(data=data, data_len=len(data))
    image.source = "FILE"


def window_of(context: Any) -> Any:
    """The window in front. In a timer's turn Blender names none."""
    if context.window is not None:
        return context.window
    return next(iter(context.window_manager.windows), None)


@contextmanager
def at_window() -> Iterator[Any]:
    """Operators that need a window get one."""
    context = bpy.context
    window = window_of(context)
    if context.window is not None or window is None:
        yield context
    else:
        with context.temp_override(window=window):
            yield bpy.context


def undo_step(message: str) -> None:
    """What was done since the last one becomes a step that Ctrl+Z takes back."""
    with at_window():
        bpy.ops.ed.undo_push(message=message)


def show_image(image: Any) -> bool:
    """In the Image Editor that is open, the largest; False: there is none."""
    editors = [
        area
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        if area.type == "IMAGE_EDITOR" and area.ui_type == "IMAGE_EDITOR"
    ]
    if not editors:
        return False
    area = max(editors, key=lambda area: area.width * area.height)
    area.spaces.active.image = image
    area.tag_redraw()
    return True


def set_background(camera: Any, image: Any) -> None:
    """The picture fills the camera's frame, over the objects. Ours from before makes room for it."""
    ours = [one for one in camera.background_images if one.image is not None and one.image.get(OURS)]
    background = ours[0] if ours else camera.background_images.new()
    background.image = image
    background.display_depth, background.frame_method, background.alpha = "FRONT", "STRETCH", 1.0
    camera.show_background_images = True
