"""Textures onto objects, as one step back: all of it, or nothing."""

from collections.abc import Callable, Mapping
from typing import Any

import bpy
from impasto_studio.host import Picture
from impasto_studio.texts import tr
from impasto_studio.texture.host import NewTextures, Textured

from . import materials, textures
from .images import undo_step
from .loop import Trouble

__all__ = ["put"]


def put(new: NewTextures, files: list[bytes], things: Mapping[str, Any]) -> None:
    """`files`: PNG, one of each target; `things`: objects by id, those that are there. Raises `Trouble`, and
    then nothing has changed."""
    made: list[Any] = []  # images and materials
    back: list[Callable[[], None]] = []
    try:
        worn: list[tuple[Any, Any]] = []
        for target, picture, file in zip(new.targets, new.pictures, files, strict=True):
            worn += _materials(new, target, picture, file, things, made)
        if not worn:
            raise Trouble(
                tr(
                    "The objects have no UV layout “{layer}” any more. Texture them anew.",
                    layer=new.targets[0].layer if new.targets else "",
                )
            )
        for thing, material in worn:
            back.append(materials.wardrobe(thing))
            materials.wear(thing, material)
    except BaseException:
        for put_back in reversed(back):
            put_back()
        for one in reversed(made):
            (bpy.data.materials if isinstance(one, bpy.types.Material) else bpy.data.images).remove(one)
        raise
    undo_step(tr("Texture {title}", title=new.title)[:60])


def _materials(
    new: NewTextures,
    target: Textured,
    picture: Picture,
    file: bytes,
    things: Mapping[str, Any],
    made: list[Any],
) -> list[tuple[Any, Any]]:
    """(object, its new material): one for each that they wear now. What is made is added to `made`."""
    wearers = [things[one] for one in target.objects if one in things]
    wearers = [thing for thing in wearers if target.layer in thing.data.uv_layers]
    if not wearers:
        return []
    name = f"{target.name} {new.title}"[:50].strip()
    image = textures.image_of(name, (target.width, target.height), file, alpha=True)
    image[textures.JOB] = new.job
    made.append(image)
    colour = textures.mean_colour(picture)
    by_before: dict[str, Any] = {}
    found = []
    for thing in wearers:
        before = materials.worn(thing)
        key = before.name_full if before is not None else ""
        if key not in by_before:
            by_before[key] = materials.made(name, image, target.layer, new.job, before)
            by_before[key].diffuse_color = colour
            made.append(by_before[key])
        found.append((thing, by_before[key]))
    return found
