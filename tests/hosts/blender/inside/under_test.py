"""The installed add-on, as functions in here reach it."""

import importlib

import bpy

PACKAGE = "bl_ext.user_default.impasto" if bpy.app.version >= (4, 2, 0) else "impasto"


def addon(name):
    """A module of the add-on: "host.cameras"."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def vendor(name):
    """A module of what it carries: "impasto_studio.host"."""
    return importlib.import_module(f"{PACKAGE}.vendor.{name}")


def plugin():
    """The running Impasto, begun now if nobody has."""
    return addon("plugin").begin()
