"""The active document at this moment: cheap enough to be asked several times a second."""

from typing import Any, Optional

from impasto_studio.geometry import Box
from impasto_studio.host import Scene

from . import nodes

__all__ = ["box_of", "scene_of", "selected"]


def box_of(document: Any) -> Box:
    return Box(0, 0, document.width(), document.height())


def selected(document: Any) -> Optional[Box]:
    """The tight bounds of what is selected within the picture; None: nothing."""
    selection = document.selection()
    if selection is None:
        return None
    bounds = Box(selection.x(), selection.y(), selection.width(), selection.height())
    return bounds.common(box_of(document))


def scene_of(document: Any, name: str) -> Scene:
    """`name` is the document's id."""
    active = document.activeNode()
    return Scene(
        document=name,
        width=document.width(),
        height=document.height(),
        selection=selected(document),
        layer=nodes.id_of(active) if active is not None else "",
        layers=nodes.entries(document),
    )
