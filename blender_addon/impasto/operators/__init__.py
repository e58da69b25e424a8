"""What the panels' buttons do; also for keys, menus and scripts: `bpy.ops.impasto.…`."""

from . import jobs, takes, texture

__all__ = ["CLASSES"]

CLASSES = (*jobs.CLASSES, *takes.CLASSES, *texture.CLASSES)
