"""Textures onto objects: what they wear afterwards, what an undo takes back, and what stays as it was."""

import os
import tempfile
from dataclasses import replace

import bpy
import numpy as np
from scene_hash import differences, scene_state
from texture_bench import Bench, bare, cube, fresh, new_textures, select, started, suzanne
from under_test import addon, vendor

ITS_OWN = "particle_edit/object"  # what Blender's undo itself changes


def coloured(name, colour):
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*colour, 1.0)
    return material


def texels(image):
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return (values.reshape(image.size[1], image.size[0], 4)[::-1] * 255 + 0.5).astype(np.uint8)


def worn(thing):
    return [(slot.link, slot.material.name if slot.material else None) for slot in thing.material_slots]


def read():
    """Gathering, refusing and giving up leave no trace, but for ids of ours."""
    bench = fresh()
    thing, other = suzanne(), cube(location=(3, 0, 0))
    bpy.ops.object.camera_add(location=(0, -8, 0), rotation=(1.57, 0, 0))
    bpy.context.scene.camera = bpy.context.object
    image = bpy.data.images.new("painting", 32, 32)
    image.pixels.foreach_set(np.linspace(0, 1, 32 * 32 * 4, dtype=np.float32))
    image.pack()
    select(thing, other)
    contract = vendor("impasto_studio.texture.host")
    camera = bench.host.texture_scene().cameras[0].layer
    bench.gather(others=True, bases=True)
    before = scene_state()
    views = (contract.ViewWanted(camera, picture="painting", mask="painting"),)
    gathered = bench.gather(others=True, bases=True, views=views, view_px=64)
    seen = differences(before, scene_state())
    bench.failing(bench.host.gather, bench.wanted(views=(contract.ViewWanted("gone"),)))
    bench.failing(bench.host.gather, bench.wanted(views=(contract.ViewWanted(camera, picture="gone"),)))
    refused = differences(before, scene_state())
    bench.host.gather(bench.wanted(others=True), lambda _: None, lambda _: None)
    bench.loop.pump(0.0001)
    bench.loop.stop()
    cancelled = differences(before, scene_state())
    view, mask = gathered.pictures[0], gathered.masks[0]
    return {
        "seen": seen,
        "refused": refused,
        "cancelled": cancelled,
        "view": [view.width, view.height, view.format.value, len(view.pixels)],
        "mask": [mask.width, mask.height, mask.format.value, len(mask.pixels)],
        "camera": [gathered.cameras[0].width, gathered.cameras[0].height],
    }


def one_step():
    """One undo step; undone, everything is as it was; redone, it is on again."""
    bench = fresh()
    thing = suzanne()
    red = coloured("Red", (1, 0, 0))
    thing.data.materials.append(red)
    gathered = bench.gather(texture_px=64)
    started()
    before = scene_state()
    bench.put(gathered)
    put = scene_state()
    bpy.ops.ed.undo()
    undone = differences(before, scene_state())
    jobs_undone = bench.host.texture_scene().worn
    bpy.ops.ed.redo()
    redone = differences(put, scene_state())
    thing = bpy.context.object
    select(thing)
    scene = bench.host.texture_scene()
    return {
        "changed": len(differences(before, put)),
        "undone": [one for one in undone if ITS_OWN not in one],
        "redone": [one for one in redone if ITS_OWN not in one],
        "worn": list(scene.worn),
        "worn_undone": list(jobs_undone),
        "textured": scene.objects[0].textured,
        "again": bench.put(gathered, job="b" * 32) is None,
    }


def what_is_worn():
    """The picture texel by texel, sRGB, on the layout it was painted for, at the base colour; the old
    material in the mesh's slot; the active node for painting and for the solid view."""
    bench = fresh()
    thing = suzanne()
    thing.data.materials.append(coloured("Red", (1, 0, 0)))
    gathered = bench.gather(texture_px=64)
    new = new_textures(bench, gathered)
    bench.called(bench.host.put, new)
    slot = thing.material_slots[0]
    material = slot.material
    tree = material.node_tree
    node = tree.nodes.active
    image = node.image
    surface = next(one for one in tree.nodes if one.type == "BSDF_PRINCIPLED")
    wanted = np.frombuffer(new.pictures[0].pixels, np.uint8).reshape(64, 64, 4).copy()
    wanted[-1, -1, 3] = 254  # filled, but seen by all
    return {
        "same": bool((texels(image) == wanted).all()),
        "packed": image.packed_file is not None,
        "space": image.colorspace_settings.name,
        "uv": node.inputs["Vector"].links[0].from_node.uv_map,
        "colour": surface.inputs["Base Color"].links[0].from_node == node,
        "link": slot.link,
        "solid": [round(one, 2) for one in material.diffuse_color],
        "kept": [one.name for one in thing.data.materials],
        "job": material["impasto_job"] == image["impasto_job"] == "a" * 32,
    }


def taken_back():
    """Objects of several materials get every one of them back, with faces as they were."""
    bench = fresh()
    thing = cube()
    for name in ("Red", "Green", "Blue"):
        thing.data.materials.append(coloured(name, (1, 0, 0)))
    thing.data.polygons.foreach_set("material_index", [0, 1, 2, 0, 1, 2])
    own = coloured("Own", (0, 0, 1))
    thing.material_slots[2].link = "OBJECT"
    thing.material_slots[2].material = own
    thing.data.materials[2] = None
    before = worn(thing)
    bench.put(bench.gather(texture_px=64))
    dressed = worn(thing)
    kept = [one.name for one in thing.data.materials]
    addon("host.materials").undressed(thing)
    return {
        "before": before,
        "dressed": [link for link, _ in dressed],
        "ours": len({name for _, name in dressed}) == 1,
        "kept": kept,
        "back": worn(thing),
        "indices": [one.material_index for one in thing.data.polygons],
    }


def once_more():
    """Textured again: what the artist changed in our material stays, and so does the last texture, in one
    slot behind, however often."""
    bench = fresh()
    thing = suzanne()
    thing.data.materials.append(coloured("Red", (1, 0, 0)))
    bench.put(bench.gather(texture_px=64), job="a" * 32)
    surface = next(
        one for one in thing.material_slots[0].material.node_tree.nodes if one.type == "BSDF_PRINCIPLED"
    )
    surface.inputs["Roughness"].default_value = 0.125
    kept = bench.gather(bases=True)
    base = kept.targets[0].base
    for job in "bcd":
        bench.put(bench.gather(texture_px=64), job=job * 32, shade=100)
    material = thing.material_slots[0].material
    surface = next(one for one in material.node_tree.nodes if one.type == "BSDF_PRINCIPLED")
    return {
        "roughness": surface.inputs["Roughness"].default_value,
        "jobs": [one.get("impasto_job", one.name)[:3] for one in thing.data.materials],
        "worn": material["impasto_job"][:3],
        "base": [base.width, base.pixels[0], base.pixels[-1]],
    }


def shared_mesh():
    """Of two objects with one mesh only the chosen one changes."""
    bench = fresh()
    first = cube()
    second = bpy.data.objects.new("Twin", first.data)
    bpy.context.collection.objects.link(second)
    first.data.materials.append(coloured("Red", (1, 0, 0)))
    select(first)
    bench.put(bench.gather(texture_px=64))
    return {"first": worn(first)[0][0], "second": worn(second)}


def failing():
    """A file that is no picture of the size, objects that are gone, another file: a sentence, and nothing has
    changed."""
    bench = fresh()
    thing, other = suzanne(), cube(location=(3, 0, 0))
    select(thing, other)
    gathered = bench.gather(texture_px=64)
    before = scene_state()
    putting = addon("host.putting")
    new = new_textures(bench, gathered)
    wear, calls = addon("host.materials").wear, []

    def breaking(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("the disk is on fire")
        wear(*arguments)

    putting.materials.wear = breaking
    try:
        files = [vendor("impasto_studio.png").png(one) for one in new.pictures]
        ids = {addon("host.identities").id_of(one): one for one in (thing, other)}
        try:
            putting.put(new, files, ids)
            raised = False
        except RuntimeError:
            raised = True
    finally:
        putting.materials.wear = wear
    broken = differences(before, scene_state())
    bpy.ops.object.mode_set(mode="EDIT")
    editing = bench.failing(bench.host.put, new)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.data.objects.remove(other)
    some = bench.put(gathered) is None
    bpy.data.objects.remove(thing)
    gone = bench.failing(bench.host.put, new)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    elsewhere = bench.failing(bench.host.put, new)
    return {
        "raised": raised,
        "calls": len(calls),
        "broken": broken,
        "editing": editing,
        "some": some,
        "gone": gone,
        "elsewhere": elsewhere,
    }


def refused():
    """Each gets a sentence of its own."""
    bench = fresh()
    suzanne()
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    bench = fresh()
    with bpy.data.libraries.load(path, link=True) as (source, into):
        into.objects, into.meshes = list(source.objects), list(source.meshes)
    linked = bpy.data.objects[0]
    bpy.context.collection.objects.link(linked)
    own = bpy.data.objects.new("Own", linked.data)
    bpy.context.collection.objects.link(own)
    empty = bpy.data.objects.new("Empty mesh", bpy.data.meshes.new("Empty mesh"))
    bpy.context.collection.objects.link(empty)
    built = bpy.data.objects.new("Built away", bpy.data.meshes.new("Built away"))
    built.modifiers.new("Subdivision", "SUBSURF")
    bpy.context.collection.objects.link(built)
    bpy.ops.object.text_add()
    text = bpy.context.object
    bpy.ops.object.light_add()
    light = bpy.context.object
    select(linked, own, empty, built, text, light)
    listed = {one.name: one.trouble for one in bench.host.texture_scene().objects}
    sentences = {}
    for one in (linked, own, empty, built, text):
        sentences[one.name] = bench.failing(bench.host.gather, bench.wanted([one]))
    hidden = cube()
    wanted = bench.wanted([hidden])
    hidden.hide_set(True)
    sentences["hidden"] = bench.failing(bench.host.gather, wanted)
    nothing = bench.failing(bench.host.gather, bench.wanted([]))
    return {"listed": listed, "sentences": sentences, "nothing": nothing}


def ids():
    """An id outlives renaming, saving and an undo; a duplicate gets its own."""
    bench = fresh()
    thing = suzanne()
    identities = addon("host.identities")
    started()
    first = identities.keep_id(thing)
    thing.name = "Renamed"
    renamed = identities.id_of(thing)
    bpy.ops.object.duplicate()
    twin = bpy.context.object
    other = identities.id_of(twin)
    still = identities.id_of(thing)
    identities.keep_id(twin)
    found = identities.find(other) == twin and identities.find(first) == thing
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "file.blend")
    document = bench.host.texture_scene().document
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    strange = identities.find(first) is None
    bpy.ops.wm.open_mainfile(filepath=path)
    opened = identities.find(first).name
    fresh()
    thing = suzanne()
    identities.id_of(thing)
    bpy.ops.ed.undo_push(message="made")
    mine = identities.keep_id(thing)
    thing.location.x = 5
    bpy.ops.ed.undo_push(message="moved")
    bpy.ops.ed.undo()
    undone = identities.id_of(bpy.context.object)
    return {
        "renamed": renamed == first,
        "other": other != first,
        "still": still == first,
        "found": found,
        "strange": strange,
        "opened": opened,
        "document": Bench().host.texture_scene().document != document,
        "undone": undone == mine,
    }


def maps():
    """A map touches no material; without a GPU it is an image, and goes away again."""
    bench = fresh()
    suzanne()
    gathered = bench.gather(texture_px=64)
    before = scene_state()
    new = new_textures(bench, gathered, title="What the views cover")
    bench.host.show_map(new)
    bench.until(lambda: bench.host._overlay.shown or bench.host._maps)
    shown = [one for one in differences(before, scene_state()) if not one.startswith(("images", "textures"))]
    listed = bench.host.texture_scene().pictures
    overlay = bench.host._overlay.shown
    bench.host.show_map(None)
    return {
        "overlay": overlay,
        "others": shown,
        "listed": list(listed),
        "after": differences(before, scene_state()),
    }


def pictures():
    """A picture becomes an image of that name, again and again, wherever it is shown."""
    bench = fresh()
    host, rasters = vendor("impasto_studio.host"), vendor("impasto_protocol.rasters")
    for shade in (10, 20):
        bench.host.show_picture(
            "Impasto view 1", host.Picture(4, 2, rasters.PixelFormat.RGB8, bytes([shade, 0, 255]) * 8)
        )
        bench.until(
            lambda shade=shade: (
                "Impasto view 1" in bpy.data.images
                and texels(bpy.data.images["Impasto view 1"])[0, 0, 0] == shade
            )
        )
    names = [one.name for one in bpy.data.images]
    return {"names": names, "texel": texels(bpy.data.images["Impasto view 1"])[0, 0].tolist()}


def resampled():
    """Pictures are brought to the view's size without moving: a ramp stays a ramp; a linear float image is
    encoded as sRGB."""
    bench = fresh()
    thing = suzanne()
    bpy.ops.object.camera_add(location=(0, -8, 0), rotation=(1.57, 0, 0))
    select(thing)
    camera = bench.host.texture_scene().cameras[0].layer
    bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 512
    ramp = np.ones((256, 256, 4), np.float32)
    ramp[..., 0] = ((np.arange(256) + 0.5) / 256)[None, :]
    ramp[..., 1] = ((np.arange(256) + 0.5) / 256)[:, None]
    image = bpy.data.images.new("ramp", 256, 256, float_buffer=False)
    image.pixels.foreach_set(ramp.ravel())
    light = bpy.data.images.new("light", 16, 16, float_buffer=True)
    light.pixels.foreach_set(np.tile(np.float32([0.2140411, 0.0, 1.0, 1.0]), 256))
    contract = vendor("impasto_studio.texture.host")
    found = {}
    for size in (64, 128, 512):
        views = (contract.ViewWanted(camera, picture="ramp"),)
        picture = bench.gather(views=views, view_px=size).pictures[0]
        values = np.frombuffer(picture.pixels, np.uint8).reshape(size, size, 4)
        wanted = (np.arange(size) + 0.5) / size * 255
        inner = slice(size // 16, -size // 16)
        across = np.abs(values[..., 0] - wanted[None, :])[inner, inner].max()
        down = np.abs(values[::-1, :, 1] - wanted[:, None])[inner, inner].max()
        found[str(size)] = [float(across), float(down)]
    views = (contract.ViewWanted(camera, picture="light"),)
    picture = bench.gather(views=views, view_px=64).pictures[0]
    return {"ramp": found, "light": list(picture.pixels[:4])}


def unsaved():
    """A file that was never saved works as any other; saved afterwards, all is in it."""
    bench = fresh()
    thing = bare()
    started()
    bench.put(bench.gather(texture_px=64))
    path = os.path.join(tempfile.mkdtemp(), "file.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    document = bench.host.texture_scene().document
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    thing = bpy.data.objects["Bare"]
    select(thing)
    scene = bench.host.texture_scene()
    image = thing.material_slots[0].material.node_tree.nodes.active.image
    return {
        "document": scene.document == document,
        "worn": list(scene.worn),
        "textured": scene.objects[0].textured,
        "texel": texels(image)[0, 0].tolist(),
    }


def maps_on_gpu():
    """Drawn over the surface and nothing else: seen from above, a plane shows the map's colours where its
    layout has them, at any size of the picture."""
    import gpu
    from mathutils import Matrix

    bench = fresh()
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = 8
    bpy.ops.object.camera_add()
    scene.camera = bpy.context.object
    bpy.ops.render.render()  # from here on there is a GPU in the background too
    bpy.ops.mesh.primitive_plane_add(size=2)
    plane = bpy.context.object
    select(plane)
    gathered = bench.gather(texture_px=2048)
    host, rasters = vendor("impasto_studio.host"), vendor("impasto_protocol.rasters")
    pixels = np.zeros((2048, 2048, 4), np.uint8)
    pixels[:1024, :, 0] = 255  # the upper half red, the lower one green
    pixels[1024:, :, 1] = 255
    pixels[..., 3] = 255
    picture = host.Picture(2048, 2048, rasters.PixelFormat.RGBA8, pixels.tobytes())
    new = vendor("impasto_studio.texture.host").NewTextures(
        bench.host.texture_scene().document, "map", "a" * 32, gathered.targets, (picture,)
    )
    before = scene_state()
    bench.turns.clear()
    bench.host.show_map(new)
    bench.until(lambda: bench.host._overlay.shown)
    held = max(bench.turns)
    changed = differences(before, scene_state())
    offscreen = gpu.types.GPUOffScreen(16, 16)
    with offscreen.bind():
        framebuffer = gpu.state.active_framebuffer_get()
        framebuffer.clear(color=(0.0, 0.0, 1.0, 1.0), depth=1.0)
        with gpu.matrix.push_pop():
            gpu.matrix.load_matrix(Matrix.Translation((0, 0, -5)))
            gpu.matrix.load_projection_matrix(Matrix.Diagonal((0.5, 0.5, -0.1, 1.0)))
            bench.host._overlay._draw()
        seen = np.array(framebuffer.read_color(0, 0, 16, 16, 4, 0, "UBYTE").to_list(), np.uint8)
    offscreen.free()
    bench.host.show_map(None)
    return {
        "upper": seen[10, 8].tolist(),
        "lower": seen[6, 8].tolist(),
        "beside": seen[1, 1].tolist(),
        "changed": changed,
        "held_ms": 1e3 * held,
        "shown": bench.host._overlay.shown,
    }


def rendered():
    """A texel of alpha 1 of 255, as those are that were filled in, shows its whole colour: in the solid
    view's engine and in Cycles."""
    bench = fresh()
    bpy.ops.mesh.primitive_plane_add(size=4)
    plane = bpy.context.object
    gathered = bench.gather(texture_px=64)
    new = new_textures(bench, gathered)
    host, rasters = vendor("impasto_studio.host"), vendor("impasto_protocol.rasters")
    filled = host.Picture(64, 64, rasters.PixelFormat.RGBA8, bytes([200, 100, 50, 1]) * 64 * 64)
    bench.called(bench.host.put, replace(new, pictures=(filled,)))
    scene = bpy.context.scene
    bpy.ops.object.camera_add(location=(0, 0, 3))
    scene.camera = bpy.context.object
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "Standard"
    scene.display.shading.light, scene.display.shading.color_type = "FLAT", "TEXTURE"
    tree = plane.material_slots[0].material.node_tree
    glow = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(tree.nodes.active.outputs["Color"], glow.inputs["Color"])
    output = next(one for one in tree.nodes if one.type == "OUTPUT_MATERIAL")
    tree.links.new(glow.outputs["Emission"], output.inputs["Surface"])
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    found = {}
    for engine in ("BLENDER_WORKBENCH", "CYCLES"):
        scene.render.engine = engine
        scene.render.filepath = os.path.join(tempfile.mkdtemp(), "seen.png")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        found[engine] = texels(image)[4, 4, :3].tolist()
    return found


def unloaded():
    """A texture that Blender has not unpacked is read without it, byte by byte; a painted one as it is."""
    bench = fresh()
    select(suzanne())
    bench.put(bench.gather(texture_px=64))
    image = next(one for one in bpy.data.images if one.get("impasto_job"))
    was_there = image.has_data
    unread = bench.gather(bases=True).targets[0].base
    is_there = image.has_data
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    read = bench.gather(bases=True).targets[0].base
    values[:4] = 1.0
    image.pixels.foreach_set(values)
    painted = bench.gather(bases=True).targets[0].base
    lowest_left = 4 * 64 * 63
    return {
        "loaded": [was_there, is_there],
        "same": bytes(unread.pixels) == bytes(read.pixels),
        "first": list(unread.pixels[:4]),
        "last": list(unread.pixels[-4:]),
        "painted": list(painted.pixels[lowest_left : lowest_left + 4]),
    }
