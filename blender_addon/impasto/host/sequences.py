"""Frames become an image sequence beside the file, and a movie clip's worth of an image."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
from impasto_studio.host import Animation
from impasto_studio.texts import tr

from .images import show_image, undo_step
from .loop import Sliced, Trouble

__all__ = ["folder_beside", "play_frames", "sequence"]


def folder_beside(name: str, key: str = "") -> Path:
    """A folder for frames, a new one without a key: beside the file, or where Blender keeps what is
    temporary."""
    base = Path(bpy.data.filepath).parent if bpy.data.filepath else Path(bpy.app.tempdir)
    stem = (
        "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in name).strip() or "live"
    )
    return base / "impasto" / f"{stem[:40]} {key or time.strftime('%Y-%m-%d %H.%M.%S')}"


def sequence(animation: Animation) -> Sliced:
    """Copies the frames, and makes one image of them that plays with the timeline."""
    folder = folder_beside(animation.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(animation.frames, 1):
            shutil.copyfile(frame, folder / f"{number:04d}.png")
            yield
    except OSError:
        raise Trouble(
            tr(
                "The frames could not be kept in “{folder}”. Make room there, or save the file elsewhere.",
                folder=folder,
            )
        ) from None
    first = folder / "0001.png"
    if not first.exists():
        raise Trouble(tr("The recorded frames cannot be read. Record once more."))
    play_frames(
        [folder / f"{number:04d}.png" for number in range(1, len(animation.frames) + 1)], animation.name
    )


def play_frames(frames: Sequence[Path], name: str) -> None:
    """Makes one image of numbered files, which plays with the timeline; as one undo step."""
    image = bpy.data.images.load(str(frames[0]), check_existing=True)
    image.name, image.source = f"Impasto {name}".strip(), "SEQUENCE"
    image.use_fake_user = True
    undo_step(f"Impasto: {name}")
    if show_image(image):
        _play(image, int(frames[0].stem), len(frames))


def _play(image: Any, first: int, count: int) -> None:
    """Editors that show it play it: how long it is, each of them knows for itself."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.spaces.active.image == image:
                user = area.spaces.active.image_user
                user.frame_duration, user.frame_start, user.use_auto_refresh = count, first, True
                user.frame_offset = first - 1
