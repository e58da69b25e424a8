"""The add-on's life: registered, switched off and on."""

import threading
import time

import bpy
from under_test import PACKAGE, addon, plugin


def facts():
    """What Blender knows of the add-on."""
    return {
        "version": list(bpy.app.version),
        "panels": sorted(name for name in dir(bpy.types) if name.startswith("IMPASTO_PT_")),
        "operators": sorted(dir(bpy.ops.impasto)),
        "fields": hasattr(bpy.types.WindowManager, "impasto"),
        "running": addon("plugin").impasto() is not None,
    }


def toggle_twice():
    """Off and on and off and on, with Impasto running in between. What is left over while it is off."""
    left = []
    for _ in range(2):
        plugin()
        yield
        bpy.ops.preferences.addon_disable(module=PACKAGE)
        left += [name for name in dir(bpy.types) if name.startswith("IMPASTO_")]
        left += ["fields"] if hasattr(bpy.types.WindowManager, "impasto") else []
        for handlers in (getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)):
            if isinstance(handlers, list):
                left += [one.__name__ for one in handlers if "impasto" in (one.__module__ or "")]
        bpy.ops.preferences.addon_enable(module=PACKAGE)
    return left


def begin():
    plugin()


def threads():
    """Names of ours that still run after a moment."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        running = [one.name for one in threading.enumerate() if one.name.startswith("impasto")]
        if not running:
            return []
        yield
        time.sleep(0.01)
    return running


def speak(language):
    """Some texts, with Blender in that language: of ours, and of those that Blender looks up."""
    view = bpy.context.preferences.view
    before = view.language
    view.language = language
    view.use_translate_interface = True
    plugin().poll()
    ours = addon("panel.choices").view_sources()[0][1]
    blenders = bpy.app.translations.pgettext_iface("Prompt per Object")
    view.language = before
    plugin().poll()
    return [ours, blenders]


def switch_on():
    """As the tick in the preferences does."""
    bpy.ops.preferences.addon_enable(module=PACKAGE)
    return PACKAGE in bpy.context.preferences.addons
