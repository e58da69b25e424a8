"""Scenes for texturing, and a `TextureHost` of our own that is turned by hand, with a watch on each turn."""

import tempfile
import time
from pathlib import Path

import bpy
from under_test import addon, vendor

SLOW_S = 60.0


class Bench:
    """A host; `turns` has how long each turn of its loop took, in seconds."""

    def __init__(self):
        loop, base = addon("host.loop"), addon("host.base")
        settings = base.Settings(Path(tempfile.mkdtemp()) / "settings.json")
        self.loop = loop.Loop()
        self.host = addon("host.texture_host").TextureHost(self.loop, settings)
        self.turns = []

    def until(self, condition):
        end = time.monotonic() + SLOW_S
        while not condition():
            begun = time.perf_counter()
            self.loop.pump()
            self.turns.append(time.perf_counter() - begun)
            time.sleep(0.0005)
            assert time.monotonic() < end, "it does not come to that"

    def called(self, do, *arguments):
        """What `done` got; raises AssertionError with the sentence when it failed."""
        done, failed = [], []
        do(*arguments, lambda *value: done.append(value), failed.append)
        self.until(lambda: done or failed)
        assert not failed, failed[0]
        return done[0][0] if done[0] else None

    def failing(self, do, *arguments):
        """The sentence."""
        done, failed = [], []
        do(*arguments, lambda *value: done.append(value), failed.append)
        self.until(lambda: done or failed)
        assert not done, "it has not failed"
        return failed[0]

    def wanted(self, things=None, **fields):
        contract = vendor("impasto_studio.texture.host")
        scene = self.host.texture_scene()
        if things is None:
            ids = tuple(one.object for one in scene.objects)
        else:
            ids = tuple(addon("host.identities").id_of(one) for one in things)
        return contract.Gather(scene.document, ids, **fields)

    def gather(self, things=None, **fields):
        return self.called(self.host.gather, self.wanted(things, **fields))

    def put(self, gathered, job="a" * 32, title="red brick", shade=200):
        return self.called(self.host.put, new_textures(self, gathered, job, title, shade))


def new_textures(bench, gathered, job="a" * 32, title="red brick", shade=200):
    contract, host = vendor("impasto_studio.texture.host"), vendor("impasto_studio.host")
    rgba = vendor("impasto_protocol.rasters").PixelFormat.RGBA8
    pictures = []
    for number, target in enumerate(gathered.targets):
        texel = bytes([shade, number, 3, 255]) * (target.width * target.height - 1) + bytes([9, 8, 7, 1])
        pictures.append(host.Picture(target.width, target.height, rgba, texel))
    document = bench.host.texture_scene().document
    return contract.NewTextures(document, title, job, gathered.targets, tuple(pictures))


def fresh():
    """A new file, without an object; one undo step to come back to."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.engine = "CYCLES"
    return Bench()


def started():
    """What an undo comes back to."""
    bpy.ops.ed.undo_push(message="the scene is made")


def select(*things):
    bpy.context.view_layer.update()
    for one in bpy.context.view_layer.objects:
        one.select_set(one in things)
    bpy.context.view_layer.objects.active = things[0] if things else None


def suzanne(**fields):
    bpy.ops.mesh.primitive_monkey_add(**fields)
    return bpy.context.object


def cube(**fields):
    bpy.ops.mesh.primitive_cube_add(**fields)
    return bpy.context.object


def bare(name="Bare"):
    """A mesh without a UV layout."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(
        [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1)], [], [(0, 1, 2, 3), (0, 1, 4), (1, 2, 4)]
    )
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(thing)
    select(thing)
    return thing


def wavy(side=224):
    """About 100,000 triangles."""
    import numpy as np

    bpy.ops.mesh.primitive_grid_add(x_subdivisions=side, y_subdivisions=side)
    thing = bpy.context.object
    where = np.empty(3 * len(thing.data.vertices), np.float32)
    thing.data.vertices.foreach_get("co", where)
    where[2::3] = 0.3 * np.sin(5 * where[0::3]) * np.cos(4 * where[1::3])
    thing.data.vertices.foreach_set("co", where)
    thing.data.update()
    return thing


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
