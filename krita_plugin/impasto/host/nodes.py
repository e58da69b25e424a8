"""The tree of layers: finding, listing, and where a new one goes."""

from typing import Any, Iterator, NamedTuple, Optional, Tuple

from impasto_studio.host import LayerEntry

__all__ = ["Place", "entries", "find", "id_of", "is_srgb8", "place", "walk"]

SRGB = "sRGB-elle-V2-srgbtrc.icc"  # Krita's own sRGB, since version 3
LAYERS = {
    "paintlayer",
    "grouplayer",
    "vectorlayer",
    "filelayer",
    "clonelayer",
    "filllayer",
}  # with pixels to show
MASKS = {"transparencymask", "filtermask", "transformmask", "selectionmask", "colorizemask"}


class Place(NamedTuple):
    """`parent.addChildNode(new, above)`; None puts it at the bottom of an empty parent."""

    parent: Any
    above: Optional[Any]


def id_of(node: Any) -> str:
    """Its id, which a saved document keeps."""
    return str(node.uniqueId().toString()[1:-1])


def walk(parent: Any) -> Iterator[Any]:
    """All nodes under one, top first, each group before its children."""
    for node in reversed(parent.childNodes()):
        yield node
        yield from walk(node)


def find(document: Any, layer: str) -> Optional[Any]:
    """The node of this id; None: it is gone."""
    if not layer:
        return None
    return next((node for node in walk(document.rootNode()) if id_of(node) == layer), None)


def entries(document: Any) -> Tuple[LayerEntry, ...]:
    """The layers an artist may choose from. While something is selected Krita lists a mask of the whole
    document among them, which is none."""
    return tuple(
        LayerEntry(id_of(node), node.name()) for node in walk(document.rootNode()) if node.type() in LAYERS
    )


def place(document: Any, above: str) -> Place:
    """Where a new layer goes: above this one, or above the active one if this one is gone."""
    root = document.rootNode()
    node = find(document, above) or document.activeNode()
    while node is not None and node.type() in MASKS:
        node = node.parentNode()
    parent = node.parentNode() if node is not None else None
    if parent is not None:
        return Place(parent, node)
    layers = [child for child in root.childNodes() if child.type() not in MASKS]
    return Place(root, layers[-1] if layers else None)


def is_srgb8(node: Any) -> bool:
    """Whether its pixels are 8-bit sRGB as they are."""
    return (node.colorModel(), node.colorDepth(), node.colorProfile()) == ("RGBA", "U8", SRGB)
