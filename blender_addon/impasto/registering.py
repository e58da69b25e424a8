"""What Blender is told of, and what it forgets again: classes, properties, handlers, texts."""

import bpy
from bpy.app.handlers import persistent

from . import engine, operators, panel, plugin
from .language import register as register_language
from .language import unregister as unregister_language
from .operators.jobs import IMPASTO_OT_watch
from .panel import pictures, properties
from .panel.showing import hide, show
from .preferences import ImpastoPreferences

__all__ = ["register", "unregister"]

CLASSES = (ImpastoPreferences, *properties.CLASSES, *operators.CLASSES, *panel.CLASSES, *engine.CLASSES)


def register() -> None:
    register_language()
    for one in CLASSES:
        bpy.utils.register_class(one)
    properties.register()
    engine.register()
    plugin.listen(show)
    bpy.app.handlers.load_post.append(_opened)


def unregister() -> None:
    if _opened in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_opened)
    plugin.end()
    plugin.deafen()
    hide()
    pictures.clear()
    engine.unregister()
    properties.unregister()
    for one in reversed(CLASSES):
        bpy.utils.unregister_class(one)
    unregister_language()


@persistent
def _opened(*_: object) -> None:
    """Another file is open. What waited for Esc is gone with the old one's windows."""
    IMPASTO_OT_watch.running = False
    it = plugin.impasto()
    if it is not None:
        it.poll_soon()  # when the other handlers have heard of it too
