"""Frames become an image sequence beside the file, and a movie clip's worth of an image."""

import shutil
import time
from pathlib import Path
from typing import Any

import bpy
from impasto_studio.host import Animation

from .images import show_image, undo_step
from .loop import Sliced, Trouble

__all__ = ["folder_beside", "image_of", "sequence"]

UNREADABLE = "The recorded frames cannot be read. Record once more."
FULL = "The frames could not be kept in “{folder}”. Make room there, or save the file elsewhere."


def folder_beside(name: str) -> Path:
    """A new folder for frames: beside the file, or where Blender keeps what is temporary."""
    base = Path(bpy.data.filepath).parent if bpy.data.filepath else Path(bpy.app.tempdir)
    stem = (
        "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in name).strip() or "live"
    )
    return base / "impasto" / f"{stem[:40]} {time.strftime('%Y-%m-%d %H.%M.%S')}"


def sequence(animation: Animation) -> Sliced:
    """Copies the frames, and makes one image of them that plays with the timeline."""
    folder = folder_beside(animation.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(animation.frames, 1):
            shutil.copyfile(frame, folder / f"{number:04d}.png")
            yield
    except OSError:
        raise Trouble(FULL.format(folder=folder)) from None
    first = folder / "0001.png"
    if not first.exists():
        raise Trouble(UNREADABLE)
    image = image_of(first, animation.name)
    undo_step(f"Impasto: {animation.name}")
    if show_image(image):
        _play(image, len(animation.frames))


def image_of(first: Path, name: str) -> Any:
    image = bpy.data.images.load(str(first))
    image.name, image.source = f"Impasto {name}".strip(), "SEQUENCE"
    return image


def _play(image: Any, frames: int) -> None:
    """Editors that show it play it: how long it is, each of them knows for itself."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.spaces.active.image == image:
                user = area.spaces.active.image_user
                user.frame_duration, user.frame_start, user.use_auto_refresh = frames, 1, True
