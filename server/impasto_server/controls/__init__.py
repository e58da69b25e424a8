"""Control maps made from pictures: what a ControlNet of some kind is to hold a new picture to.

One module per kind, imported when it is first asked for, with one function `draw`. A kind that needs a model
is not here: what a map of it shows would be a guess.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from impasto_protocol.errors import BadValue

if TYPE_CHECKING:  # the front asks for the names alone, and starts without OpenCV
    from impasto_server.compositing.raster import Raster

__all__ = ["KINDS", "Drawing", "check_kind", "control_map"]

# Kind → module here. The names are those of `impasto_server.models.control_kinds`.
KINDS: Mapping[str, str] = {"edges": "edges", "scribble": "scribble"}

_LONGEST_QUOTE = 60


class Drawing(Protocol):
    """What a module of a kind offers."""

    def draw(self, pixels: Raster) -> Raster:
        """The map (H, W) uint8, lines white on black, of a picture (H, W), (H, W, 1), (H, W, 3) or (H, W, 4),
        uint8 or uint16, straight alpha, shown over white."""
        ...


def check_kind(kind: str) -> None:
    """Raises `BadValue` for a kind that is not here."""
    if kind not in KINDS:
        raise BadValue(
            f"A control map of the kind “{kind[:_LONGEST_QUOTE]}” cannot be made here. "
            f"There are: {', '.join(KINDS)}."
        )


def control_map(kind: str, pixels: Raster) -> Raster:
    """See `Drawing.draw`. Same pixels, same bytes. Raises `BadValue`."""
    check_kind(kind)
    module = cast(Drawing, importlib.import_module(f"impasto_server.controls.{KINDS[kind]}"))
    return module.draw(pixels)
