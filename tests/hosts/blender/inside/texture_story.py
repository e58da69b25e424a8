"""What is told of textures in a story beside `artist`: texels, and the turns of the main thread."""

import time

import bpy
import numpy
from artist import pixels_of
from under_test import plugin

_kept = {}
_turns = []


def shown(name):
    """(H, W, 4) float32 of what an object wears."""
    material = bpy.data.objects[name].material_slots[0].material
    return pixels_of(material.node_tree.nodes.active.image)


def keep(name):
    _kept[name] = shown(name).copy()


def changed(name):
    """Shares of the texels since `keep`: of other colour or alpha; and how many are painted."""
    now, then = shown(name), _kept[name]
    differs = (now != then).any(axis=2)
    return {"changed": float(differs.mean()), "painted": float((now[..., 3] == 1.0).mean())}


def draw_on(image, colour):
    """The artist's brush, over all of it."""
    pixels = pixels_of(bpy.data.images[image])
    pixels[..., :3] = colour
    bpy.data.images[image].pixels.foreach_set(pixels.ravel())


def mean(name):
    """Mean colour of painted texels."""
    pixels = shown(name)
    return pixels[pixels[..., 3] == 1.0][:, :3].mean(axis=0).tolist()


def mask(name, side, left):
    """An image that is white in its left part."""
    image = bpy.data.images.new(name, side, side)
    pixels = numpy.zeros((side, side, 4), numpy.float32)
    pixels[..., 3] = 1.0
    pixels[:, : int(left * side), :3] = 1.0
    image.pixels.foreach_set(pixels.ravel())
    plugin().poll()


def watch():
    """From now on each turn of the plugin is timed."""
    it = plugin()
    pump, _turns[:] = type(it).pump, []

    def timed():
        begun = time.perf_counter()
        pump(it)
        _turns.append(time.perf_counter() - begun)

    it.pump = timed


def turns():
    """Milliseconds."""
    del plugin().pump
    ordered = sorted(_turns)
    return {
        "count": len(ordered),
        "p99": 1e3 * ordered[int(0.99 * (len(ordered) - 1))],
        "max": 1e3 * ordered[-1],
    }
