"""The Render panel's host: what it sees, captures, inserts and follows."""

import tempfile
from pathlib import Path
from typing import Any

import bpy
import capture_maps
import numpy
import scene_hash
from under_test import addon, vendor

__all__ = [
    "background",
    "bad_days",
    "captured",
    "drawn",
    "follows",
    "frames",
    "given_up",
    "inserted",
    "part_inserted",
    "plays_recordings",
    "settings_are_kept",
]


def _host(**options: Any) -> Any:
    loop = addon("host.loop").Loop()
    path = Path(tempfile.mkdtemp()) / "settings.json"
    host = addon("host.render_host").RenderHost(loop, addon("host.base").Settings(path))
    host.options = addon("host.options").RenderOptions(**options)
    return host


def run(host: Any, method: str, *given: Any) -> Any:
    """What `done` gets, or the sentence of `failed` in a list."""
    results: list[Any] = []
    getattr(host, method)(*given, lambda *found: results.append(found), lambda text: results.append([text]))
    for _ in range(2000):
        if results:
            break
        host.loop.pump()
    (result,) = results
    return result if isinstance(result, list) else result[0] if result else None


def captured(gpu: bool = False) -> dict[str, Any]:
    """Everything at once, of the camera, with a region; the scene stays as it was."""
    capture_maps.furnish()
    if gpu:
        start_gpu()
    host = _host(region=True, longest_px=256)
    scene = host.scene()
    before = scene_hash.scene_state()
    hosts = vendor("impasto_studio.host")
    layers = tuple(entry.layer for entry in scene.layers)
    found = run(host, "capture", hosts.Capture(scene.document, scene.box, True, True, (*layers, "")))
    changed = scene_hash.differences(before, scene_hash.scene_state())
    mask = numpy.frombuffer(found.mask.pixels, numpy.uint8).reshape(scene.height, scene.width)
    rows, columns = numpy.nonzero(mask)
    image = numpy.frombuffer(found.image.pixels, numpy.uint8).reshape(-1, 4)
    depth = numpy.frombuffer(found.controls[0].pixels, numpy.float32)
    box = scene.selection
    return {
        "size": [scene.width, scene.height],
        "formats": [picture.format.value for picture in (found.image, found.mask, *found.controls)],
        "sizes": len({(picture.width, picture.height) for picture in (found.image, *found.controls)}),
        "own picture": found.controls[-1] == found.image,
        "changed": changed,
        "colours": len(numpy.unique(image, axis=0)),
        "nearest": float(depth[numpy.isfinite(depth)].min()),
        "box holds the mask": bool(
            box.x <= columns.min()
            and columns.max() < box.right
            and box.y <= rows.min()
            and rows.max() < box.bottom
        ),
        "document": scene.document,
        "same document": host.scene().document == scene.document and len(scene.document) == 32,
    }


def start_gpu() -> None:
    """In the background, Blender has a GPU context after its first draw."""
    scene = bpy.data.scenes.new("gpu")
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = 8
    camera = bpy.data.objects.new("gpu", bpy.data.cameras.new("gpu"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.render.render(scene=scene.name)
    bpy.data.scenes.remove(scene)
    bpy.data.objects.remove(camera)


def _picture(width: int, height: int, format: str = "rgb8", value: int = 100) -> Any:
    rasters = vendor("impasto_protocol.rasters")
    made = rasters.PixelFormat(format)
    size = rasters.raster_size(width, height, made)
    return vendor("impasto_studio.host").Picture(width, height, made, bytes([value]) * size)


def inserted() -> dict[str, Any]:
    """A take becomes an image that is in the saved file, and one Ctrl+Z takes it back."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    bpy.ops.ed.undo_push(message="before")
    host = _host(longest_px=256)
    scene = host.scene()
    before = scene_hash.scene_state()
    new = vendor("impasto_studio.host").NewLayer(
        scene.document, "a red house", 0, 0, _picture(scene.width, scene.height)
    )
    name = run(host, "insert", new)
    image = bpy.data.images[name]
    pixels = numpy.zeros(4 * image.size[0] * image.size[1], numpy.float32)
    image.pixels.foreach_get(pixels)
    found = {
        "name": name,
        "value": float(pixels[0] * 255),
        "packed": image.packed_file is not None,
        "size": list(image.size) == [scene.width, scene.height],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "saved.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
        with bpy.data.libraries.load(path) as (there, _):
            found["saved"] = name in there.images
    bpy.ops.ed.undo()
    after = scene_hash.scene_state()
    found["after undo"] = [
        one
        for one in scene_hash.differences(before, after)
        if not one.startswith(("window_managers", "screens"))
    ]
    bpy.ops.ed.redo()
    found["after redo"] = name in bpy.data.images
    return found


def part_inserted() -> dict[str, Any]:
    """A repainted part comes onto the picture it was painted on; what it does not cover keeps its bytes."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host(longest_px=256)
    scene = host.scene()
    hosts, rasters = vendor("impasto_studio.host"), vendor("impasto_protocol.rasters")
    seen = run(host, "capture", hosts.Capture(scene.document, scene.box)).image
    part = hosts.Picture(16, 8, rasters.PixelFormat.RGBA8, bytes([200, 0, 0, 255]) * 128)
    name = run(host, "insert", hosts.NewLayer(scene.document, "part", 30, 20, part))
    image = bpy.data.images[name]
    pixels = numpy.zeros(4 * scene.width * scene.height, numpy.float32)
    image.pixels.foreach_get(pixels)
    after = numpy.rint(pixels.reshape(scene.height, scene.width, 4)[::-1] * 255).astype(numpy.uint8)
    before = numpy.frombuffer(seen.pixels, numpy.uint8).reshape(after.shape)
    differs = (after != before).any(axis=2)
    rows, columns = numpy.nonzero(differs)
    return {
        "box": [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1],
        "red": after[24, 35].tolist(),
    }


def background() -> dict[str, Any]:
    """The picture behind a camera: the second one takes the first one's place, the artist's own stays."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    camera = bpy.context.scene.camera.data
    own = camera.background_images.new()
    own.image = bpy.data.images.new("own", 8, 8)
    host = _host(longest_px=256, insert="background")
    scene = host.scene()
    for name in ("first", "second"):
        new = vendor("impasto_studio.host").NewLayer(
            scene.document, name, 0, 0, _picture(scene.width, scene.height)
        )
        run(host, "insert", new)
    return {
        "images": [one.image.name for one in camera.background_images],
        "shown": camera.show_background_images,
    }


def follows() -> dict[str, Any]:
    """Live: one picture at the start, none while nothing changes, one after each change of view or scene."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host(longest_px=128)
    scene = host.scene()
    hosts = vendor("impasto_studio.host")
    seen: list[Any] = []
    watch = hosts.Watch(scene.document, scene.box, scene.width, scene.height, False, ("depth",))
    before = scene_hash.scene_state()
    host.watch(watch, seen.append)
    counts = []

    def turns(changed: Any = None) -> None:
        if changed is not None:
            changed()
            bpy.context.view_layer.update()
        end = 40
        for _ in range(end):
            host.loop.pump()
            _pass(0.02)
        counts.append(len(seen))

    def move() -> None:
        bpy.data.objects["Cube"].location.x = 0.5

    def deform() -> None:
        bpy.data.meshes["Cube"].vertices[0].co.z = 2.0
        bpy.data.meshes["Cube"].update()

    def turn() -> None:
        bpy.context.scene.camera.data.lens = 40.0

    turns()
    changed = scene_hash.differences(before, scene_hash.scene_state())
    turns()
    for change in (move, deform, turn):
        turns(change)
    same_colour = seen[-1].controls[0] == seen[-2].controls[0]
    host.watch(None, seen.append)
    handlers = len(bpy.app.handlers.depsgraph_update_post)
    turns(move)
    return {"counts": counts, "changed": changed, "handlers": handlers, "same": same_colour}


def _pass(seconds: float) -> None:
    import time

    time.sleep(seconds)


def bad_days() -> dict[str, Any]:
    """One sentence each."""
    hosts = vendor("impasto_studio.host")
    found: dict[str, Any] = {}

    def capture(host: Any, **wanted: Any) -> Any:
        scene = host.scene()
        result = run(host, "capture", hosts.Capture(scene.document, scene.box, **wanted))
        return result[0] if isinstance(result, list) else result

    bpy.ops.wm.read_factory_settings(use_empty=False)
    bpy.ops.object.select_all(action="DESELECT")
    found["nothing selected"] = capture(_host(region=True, longest_px=64), mask=True)
    found["nothing rendered"] = capture(_host(picture="render", longest_px=64))
    host = _host(longest_px=64)
    document = host.scene().document
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    empty = capture(_host(longest_px=64), controls=("depth",))
    found["empty"] = bool(numpy.isinf(numpy.frombuffer(empty.controls[0].pixels, numpy.float32)).all())
    bpy.context.scene.camera.data.type = "PANO"
    found["panorama"] = capture(_host(longest_px=64))
    bpy.data.objects.remove(bpy.context.scene.camera)
    found["no camera"] = capture(_host(longest_px=64))
    found["but a size"] = [host.scene().width, host.scene().height]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    result = run(host, "capture", hosts.Capture(document, host.scene().box))
    found["another file"] = result[0] if isinstance(result, list) else "captured"
    found["another id"] = host.scene().document != document
    return found


def plays_recordings() -> dict[str, Any]:
    """Recorded frames become an image sequence beside the file."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host()
    hosts, png = vendor("impasto_studio.host"), vendor("impasto_studio.png")
    with tempfile.TemporaryDirectory() as folder:
        bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "file.blend"))
        frames = []
        for number in range(3):
            path = Path(folder) / f"frame {number}.png"
            path.write_bytes(png.png(_picture(8, 8, value=50 * number)))
            frames.append(path)
        run(host, "animate", hosts.Animation("a ride", 8, 8, frames, 12))
        (image,) = [one for one in bpy.data.images if one.source == "SEQUENCE"]
        there = Path(bpy.path.abspath(image.filepath))
        return {"name": image.name, "frames": sorted(one.name for one in there.parent.iterdir())}


def settings_are_kept() -> dict[str, Any]:
    """Texts in a file, and bytes in the .blend, also after an undo and in a saved file."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    bpy.ops.ed.undo_push(message="before")
    host = _host()
    document = host.scene().document
    host.save_setting("key", "text ✓")
    again = addon("host.render_host").RenderHost(host.loop, addon("host.base").Settings(host._settings._path))
    host.remember(document, "recipe", b"\0\1\xff")
    bpy.data.objects["Cube"].location.x = 1.0
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    found = {
        "setting": again.load_setting("key"),
        "nothing": again.load_setting("other"),
        "after undo": list(host.recall(document, "recipe")),
        "document": host.scene().document == document,
        "another document": list(host.recall("0" * 32, "recipe")),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "file.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.read_factory_settings(use_empty=False)
        found["new file"] = list(host.recall(host.scene().document, "recipe"))
        bpy.ops.wm.open_mainfile(filepath=path)
        found["opened again"] = list(host.recall(document, "recipe"))
    return found


def drawn() -> dict[str, Any] | None:
    """With a GPU: what is drawn lies where the rays say, nothing stays switched off, and a render is read as
    it is displayed. None: there is no GPU here."""
    capture_maps.furnish()
    start_gpu()
    gpu = __import__("gpu")
    try:
        gpu.types.GPUOffScreen(8, 8).free()
    except (SystemError, RuntimeError):
        return None
    host = _host(longest_px=256)
    scene = host.scene()
    before = scene_hash.scene_state()
    hosts = vendor("impasto_studio.host")
    found = run(host, "capture", hosts.Capture(scene.document, scene.box, True, False, ("depth",)))
    changed = scene_hash.differences(before, scene_hash.scene_state())
    shape = scene.height, scene.width
    image = numpy.frombuffer(found.image.pixels, numpy.uint8).reshape(*shape, 4)[..., :3].astype(int)
    depth = numpy.frombuffer(found.controls[0].pixels, numpy.float32).reshape(shape)
    near = numpy.isfinite(depth)
    sky = numpy.median(image[~near], axis=0)
    coloured = numpy.abs(image - sky).max(axis=2) > 24
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = 256, 144
    render.film_transparent = True
    host.options = addon("host.options").RenderOptions(picture="render", longest_px=256)
    bpy.ops.render.render()
    before = scene_hash.scene_state()
    ours = run(host, "capture", hosts.Capture(scene.document, scene.box))
    after = scene_hash.scene_state()
    return {
        "changed": changed,
        "agree": float((coloured == near).mean()),
        "render changed": [
            one
            for one in scene_hash.differences(before, after)
            # Blender fills these in by itself as soon as a format is chosen or a result is looked at.
            if "linear_colorspace_settings" not in one and "Render Result/has_data" not in one
        ],
        "render": ours[0] if isinstance(ours, list) else _as_saved(ours.image),
    }


def _as_saved(ours: Any) -> int:
    """How far the alpha of a picture is, at most, from that of the file in which Blender saves its render."""
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode = "PNG", "RGBA"
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/render.png"
        bpy.data.images["Render Result"].save_render(path, scene=bpy.context.scene)
        saved = bpy.data.images.load(path)
        pixels = numpy.empty(4 * saved.size[0] * saved.size[1], numpy.float32)
        saved.pixels.foreach_get(pixels)
        shape = saved.size[1], saved.size[0], 4
        bpy.data.images.remove(saved)
    theirs = numpy.rint(pixels.reshape(shape)[::-1, :, 3] * 255.0).astype(int)
    mine = numpy.frombuffer(ours.pixels, numpy.uint8).reshape(shape)[..., 3].astype(int)
    return int(numpy.abs(mine - theirs).max())


def frames() -> dict[str, Any]:
    """A batch's captures: each of its own frame, and the timeline is where it was, also after a failure."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    cube, scene = bpy.data.objects["Cube"], bpy.context.scene
    cube.keyframe_insert("location", frame=1)
    cube.location.x = 4.0
    cube.keyframe_insert("location", frame=40)
    scene.frame_set(7)
    host = _host(longest_px=64)
    hosts = vendor("impasto_studio.host")
    wanted = hosts.Capture(host.scene().document, host.scene().box, False, False, ("depth",))
    before = scene_hash.scene_state()
    found = [run(host, "capture_frame", frame, wanted).controls[0].pixels for frame in (1, 20, 40, 20)]
    changed = scene_hash.differences(before, scene_hash.scene_state())
    with tempfile.TemporaryDirectory() as folder:
        try:
            host.frames_folder("ride", "abc")
        except addon("host.loop").Trouble as trouble:
            unsaved = str(trouble)
        bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "file.blend"))
        kept = host.frames_folder("a ride/2", "abc")
        beside = str(kept.relative_to(folder))
    scene.camera = None
    failed = run(host, "capture_frame", 30, wanted)
    return {
        "different": len(set(found)),
        "again": found[1] == found[3],
        "changed": changed,
        "unsaved": unsaved,
        "folder": beside,
        "failed": failed[0],
        "frame": scene.frame_current,
    }


def given_up() -> dict[str, Any]:
    """Captures that are stopped in the middle leave nothing behind, wherever that is."""
    capture_maps.furnish()
    scene = bpy.context.scene
    scene.frame_set(5)
    host = _host(region=True, longest_px=128)
    hosts = vendor("impasto_studio.host")
    wanted = hosts.Capture(host.scene().document, host.scene().box, True, True, ("depth", "edges"))
    before = scene_hash.scene_state()
    told: list[Any] = []
    changed: list[str] = []
    moved = 0
    for turns in range(1, 12):
        host.capture(wanted, told.append, told.append)
        host.capture_frame(9, wanted, told.append, told.append)
        for _ in range(turns):
            host.loop.pump(0.0001)
        moved += scene.frame_current == 9
        host.loop.stop()
        changed += scene_hash.differences(before, scene_hash.scene_state())
    return {"changed": changed, "moved": moved, "told": len(told), "frame": scene.frame_current}
