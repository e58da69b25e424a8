"""Which objects are painted together: one texture for each, but for those that share one."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from impasto_studio.texts import tr

from . import materials, reading, uvs

__all__ = ["Group", "grouped"]

SHARED = 0.02  # of the smaller layout: what two objects in one atlas may have in common

Sliced = Generator[None, None, Any]


@dataclass
class Group:
    """One texture."""

    things: list[Any]  # objects
    layer: str
    image: str = ""  # name of the image it shows now, which may become its base
    based: bool = False  # whether there is such a base
    _covers: list[np.ndarray] = field(default_factory=list)

    @property
    def name(self) -> str:
        return (
            self.things[0].name
            if len(self.things) == 1
            else tr("{name} and others", name=self.things[0].name)
        )


def grouped(things: list[Any], layers: dict[str, str], keep: bool) -> Sliced:
    """Objects with one mesh share its texture, as instances do; and so do objects that show one image now, if
    their layouts lie side by side in it. `layers`: by name of the object; `keep`: of those images bases are
    made, so they are looked for on the layouts they lie on."""
    groups: list[Group] = []
    for thing in things:
        layer = layers[thing.name_full]
        image = _image(thing, layer)
        shown = image.name if image is not None else ""
        twin = next((one for one in groups if _shares_mesh(one, thing, layer, shown)), None)
        if twin is not None:
            twin.things.append(thing)
            continue
        cover = None
        if shown and not thing.data.is_editmode:
            corners, triangles = uvs.corners(thing.data, layer), uvs.fans(thing.data)
            cover, _ = yield from uvs.covered(corners, triangles)
        twin = next((one for one in groups if shown and one.image == shown and _beside(one, cover)), None)
        if twin is not None and twin.layer == layer:
            twin.things.append(thing)
            twin._covers.append(cover)
            continue
        group = Group([thing], layer, shown)
        group.based = keep and image is not None and reading.readable(image)
        if cover is not None:
            group._covers.append(cover)
        groups.append(group)
    return groups


def _image(thing: Any, layer: str) -> Any | None:
    """The image that it shows on this layout."""
    found = materials.base_of(thing)
    if found is None:
        return None
    image, on = found
    rendered = next((one.name for one in thing.data.uv_layers if one.active_render), "")
    return image if (on or rendered) == layer else None


def _shares_mesh(group: Group, thing: Any, layer: str, shown: str) -> bool:
    return group.things[0].data == thing.data and group.layer == layer and group.image == shown


def _beside(group: Group, cover: np.ndarray | None) -> bool:
    if cover is None:
        return False
    for other in group._covers:
        smaller = min(int(cover.sum()), int(other.sum()))
        if int((cover & other).sum()) > SHARED * smaller:
            return False
    return True
