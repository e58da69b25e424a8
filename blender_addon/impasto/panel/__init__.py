"""What is seen: the sidebar tabs *Impasto* of the 3D View and of the Image Editor."""

from . import image, live, render, texture

__all__ = ["CLASSES"]

CLASSES = (*render.CLASSES, *texture.CLASSES, *live.CLASSES, *image.CLASSES)
