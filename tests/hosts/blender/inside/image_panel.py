"""The Image Editor panel's host: images read and painted into without a loss, masks, tiles, undo."""

import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy
import scene_hash
from render_panel import run
from under_test import addon, vendor

__all__ = [
    "bad_days",
    "follows",
    "inserts_into",
    "masks",
    "new_images",
    "reads_exactly",
    "seamless",
    "undo_and_redo",
]

SIZE = 48, 32


def _host(**options: Any) -> Any:
    loop = addon("host.loop").Loop()
    path = Path(tempfile.mkdtemp()) / "settings.json"
    host = addon("host.image_host").ImageHost(loop, addon("host.base").Settings(path))
    host.options = addon("host.options").ImageOptions(**options)
    return host


def _editor() -> Any:
    areas = bpy.context.window_manager.windows[0].screen.areas
    found = [area for area in areas if area.type == "IMAGE_EDITOR"]
    if not found:
        found = [max(areas, key=lambda area: area.width * area.height)]
        found[0].type = "IMAGE_EDITOR"
    return found[0].spaces.active


def _noise(channels: int = 4) -> Any:
    return numpy.random.default_rng(3).integers(0, 256, (SIZE[1], SIZE[0], channels), numpy.uint8)


def _image(name: str = "wood", *, is_float: bool = False, values: Any = None) -> Any:
    """Opened in the Image Editor."""
    image = bpy.data.images.new(name, *SIZE, alpha=True, float_buffer=is_float)
    values = _noise() if values is None else values
    floats = values.astype(numpy.float32) / 255 * (3.0 if is_float else 1.0)
    if is_float:
        floats[..., 3] = 1.0
    image.pixels.foreach_set(numpy.ascontiguousarray(floats[::-1]).reshape(-1))
    image.update()
    _editor().image = image
    return image


def _floats(image: Any) -> Any:
    values = numpy.empty(len(image.pixels), numpy.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], -1)[::-1]


def _capture(host: Any, **wanted: Any) -> Any:
    scene = host.scene()
    hosts = vendor("impasto_studio.host")
    return run(host, "capture", hosts.Capture(scene.document, scene.box, **wanted))


def _take(width: int, height: int, x: int, y: int, document: str, **more: Any) -> Any:
    """A red take that covers a box wholly in its middle and half at its left column."""
    hosts, rasters = vendor("impasto_studio.host"), vendor("impasto_protocol.rasters")
    pixels = numpy.zeros((height, width, 4), numpy.uint8)
    pixels[:] = (200, 10, 30, 255)
    pixels[:, 0, 3] = 128
    pixels[0, :, 3] = 0
    picture = hosts.Picture(width, height, rasters.PixelFormat.RGBA8, pixels.tobytes())
    return hosts.NewLayer(document, "red", x, y, picture, **more)


def reads_exactly() -> dict[str, Any]:
    """Bytes as they are; float images as 16 bits of sRGB; data without a colour space; a saved file."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host()
    image = _image()
    before = scene_hash.scene_state()
    picture = _capture(host).image
    found = {
        "bytes": picture.pixels == _noise().tobytes(),
        "changed": scene_hash.differences(before, scene_hash.scene_state()),
        "name": host.name.split()[0],
        "id stays": host.scene().document == host.scene().document,
    }
    with tempfile.TemporaryDirectory() as folder:
        image.filepath_raw, image.file_format = str(Path(folder) / "wood.png"), "PNG"
        image.save()
        loaded = bpy.data.images.load(image.filepath_raw, check_existing=False)
        _editor().image = loaded
        found["file"] = _capture(host).image.pixels == _noise().tobytes()
        loaded.colorspace_settings.name = "Non-Color"
        found["data"] = _capture(host).image.pixels == _noise().tobytes()
    deep = _image("deep", is_float=True)
    picture = _capture(host).image
    values = numpy.frombuffer(picture.pixels, numpy.uint16).reshape(SIZE[1], SIZE[0], 4)[..., :3] / 65535
    truth = numpy.clip(_floats(deep)[..., :3].astype(numpy.float64), 0, 1)
    truth = numpy.where(truth <= 0.0031308, truth * 12.92, 1.055 * truth ** (1 / 2.4) - 0.055)
    found["float"] = float(numpy.abs(values - truth).max()) < 1 / 65535
    found["format"] = picture.format.value
    return found


def inserts_into() -> dict[str, Any]:
    """Only what is new changes; all else keeps its bytes, or its floats."""
    found: dict[str, Any] = {}
    for kind in ("bytes", "float"):
        bpy.ops.wm.read_factory_settings(use_empty=False)
        host = _host()
        image = _image(is_float=kind == "float")
        before = _floats(image).copy()
        name = run(host, "insert", _take(10, 8, 20, 12, host.scene().document))
        after = _floats(image)
        rows, columns = numpy.nonzero((after != before).any(axis=2))
        found[kind] = {
            "same image": name == image.name,
            "box": [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1],
            "inside": numpy.rint(after[15, 25] * 255).astype(int).tolist(),
            "float": image.is_float,
            "images": len(bpy.data.images),
        }
        host.close()
    return found


def undo_and_redo() -> dict[str, Any]:
    """Two takes, two steps back, two forward: each shows what was there then, with or without packing."""
    found = {}
    for packed in (False, True):
        bpy.ops.wm.read_factory_settings(use_empty=False)
        host = _host()
        image = _image()
        if packed:
            image.pack()
        document = host.scene().document
        bpy.ops.ed.undo_push(message="before")
        states = [_floats(image).copy()]
        for place in ((4, 4), (8, 6)):
            run(host, "insert", _take(10, 8, *place, document))
            states.append(_floats(bpy.data.images["wood"]).copy())
        seen = []
        for step in ("undo", "undo", "redo", "redo", "undo"):
            getattr(bpy.ops.ed, step)()
            now = _floats(bpy.data.images["wood"])
            seen.append([number for number, state in enumerate(states) if (state == now).all()])
        run(host, "insert", _take(3, 3, 30, 20, document))
        bpy.ops.ed.undo()
        seen.append([bool((_floats(bpy.data.images["wood"]) == states[1]).all())])
        found["packed" if packed else "generated"] = seen
        host.close()
    found["handlers"] = len(bpy.app.handlers.undo_post) + len(bpy.app.handlers.redo_post)
    return found


def masks() -> dict[str, Any]:
    """What is painted on the mask is selected: tight, also when the artist brings a mask of her own."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host()
    image = _image()
    found: dict[str, Any] = {"none": host.scene().selection is None}
    host.make_mask()
    mask = _editor().image
    found["shown"] = mask.name
    found["still the same document"] = host.scene().document == _id(host, image)
    found["nothing painted"] = host.scene().selection is None
    _paint(host, mask)
    found["painted"] = list(host.scene().selection)
    pixels = numpy.frombuffer(_capture(host, mask=True).mask.pixels, numpy.uint8).reshape(SIZE[1], SIZE[0])
    found["mask"] = [int(pixels.sum()) // 255, int(pixels[10, 12])]
    run(host, "insert", _take(10, 8, 20, 12, host.scene().document))
    host.masks._seen.clear()
    found["after it"] = host.scene().selection is None
    bpy.data.images.remove(mask)
    host.close()
    own = bpy.data.images.new("wood mask", *SIZE)
    values = numpy.zeros((SIZE[1], SIZE[0], 4), numpy.float32)
    values[..., 3] = 1.0
    values[5:9, 6:20, :3] = 0.5
    own.pixels.foreach_set(values[::-1].reshape(-1))
    host.masks._seen.clear()
    found["own"] = list(host.scene().selection)
    host.options = addon("host.options").ImageOptions(selection="box", box=(40, 20, 100, 5))
    found["box"] = list(host.scene().selection)
    return found


def _id(host: Any, image: Any) -> str:
    _editor().image = image
    return host.scene().document


def _paint(host: Any, mask: Any) -> None:
    values = _floats(mask).copy()
    values[8:14, 10:15, :3] = 1.0 - values[8:14, 10:15, :3].round()
    mask.pixels.foreach_set(numpy.ascontiguousarray(values[::-1]).reshape(-1))
    host.masks._seen.clear()


def seamless() -> dict[str, Any]:
    """A picture that goes on across the document's edge makes a tile without a seam."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host(seamless=True)
    image = _image()
    scene = host.scene()
    hosts, rasters = vendor("impasto_studio.host"), vendor("impasto_protocol.rasters")
    seen = numpy.frombuffer(_capture(host).image.pixels, numpy.uint8).reshape(scene.height, scene.width, 4)
    wrapped = bool((seen[: SIZE[1], SIZE[0] :] == seen[: SIZE[1], : scene.width - SIZE[0]]).all())
    # The same picture comes back: nothing may change.
    before = _floats(image).copy()
    same = hosts.Picture(scene.width, scene.height, rasters.PixelFormat.RGBA8, seen.tobytes())
    run(host, "insert", hosts.NewLayer(scene.document, "same", 0, 0, same))
    unchanged = bool((_floats(image) == before).all())
    ramp = numpy.zeros((scene.height, scene.width, 3), numpy.uint8)
    ramp[:] = (numpy.arange(scene.width) * 3).astype(numpy.uint8)[None, :, None]
    ramp[..., 1] = (numpy.arange(scene.height) * 4).astype(numpy.uint8)[:, None]
    new = hosts.Picture(scene.width, scene.height, rasters.PixelFormat.RGB8, ramp.tobytes())
    run(host, "insert", hosts.NewLayer(scene.document, "ramp", 0, 0, new))
    after = numpy.rint(_floats(image) * 255).astype(int)
    host.close()
    twice = numpy.concatenate([after, after], axis=1)
    steps = numpy.abs(numpy.diff(twice[..., 0], axis=1))
    down = numpy.abs(numpy.diff(numpy.concatenate([after, after])[..., 1], axis=0))
    return {
        "canvas": [scene.width, scene.height],
        "wrapped": wrapped,
        "unchanged": unchanged,
        "step at the seam": int(steps[:, SIZE[0] - 1].max()),
        "step below": int(down[SIZE[1] - 1].max()),
    }


def new_images() -> dict[str, Any]:
    """What is larger, a control map, and a result beside the image are images of their own."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    hosts, rasters, geometry = (
        vendor("impasto_studio.host"),
        vendor("impasto_protocol.rasters"),
        vendor("impasto_studio.geometry"),
    )
    host = _host()
    image = _image()
    before = _floats(image).copy()
    document = host.scene().document
    wide, high = 2 * SIZE[0], 2 * SIZE[1]
    large = hosts.Picture(wide, high, rasters.PixelFormat.RGB8, bytes(3 * wide * high))
    new = hosts.NewLayer(document, "wood", 0, 0, large, resize=geometry.Box(0, 0, wide, high), scale=True)
    upscaled = run(host, "insert", new)
    _editor().image = image
    map_ = hosts.Picture(*SIZE, rasters.PixelFormat.GRAY8, bytes([7]) * SIZE[0] * SIZE[1])
    drawn = run(host, "insert", hosts.NewLayer(document, "Edges", 0, 0, map_))
    followed = _capture(host, controls=(drawn,)).controls[0]
    host.options = addon("host.options").ImageOptions(result="new")
    beside = run(host, "insert", _take(10, 8, 20, 12, document))
    return {
        "upscaled": [upscaled, *bpy.data.images[upscaled].size],
        "map": [drawn, followed.pixels[0], followed.format.value],
        "beside": [beside, numpy.rint(_floats(bpy.data.images[beside])[15, 25] * 255).astype(int).tolist()],
        "untouched": bool((_floats(image) == before).all()),
    }


def bad_days() -> dict[str, Any]:
    """One sentence each."""
    found: dict[str, Any] = {}
    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host()
    found["no editor"] = host.scene() is None
    _editor()
    found["no image"] = host.scene() is None

    def sentence(image: Any) -> str:
        _editor().image = image
        result = _capture(host)
        return str(result[0]) if isinstance(result, list) else "captured"

    found["render"] = sentence(_result())
    missing = bpy.data.images.new("missing", 8, 8)
    missing.source, missing.filepath = "FILE", "/nowhere/missing.png"
    found["missing"] = sentence(missing)
    tiled = bpy.data.images.new("tiled", 8, 8, tiled=True)
    found["tiled"] = sentence(tiled)
    clip = bpy.data.images.new("clip", 8, 8)
    clip.source = "SEQUENCE"
    found["sequence"] = sentence(clip)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "library.blend")
        bpy.data.libraries.write(path, {_image("linked")})
        with bpy.data.libraries.load(path, link=True) as (_, here):
            here.images = ["linked"]
        found["linked"] = sentence(here.images[0])
        found["linked id"] = len(host.scene().document)
    image = _image("plain")
    document = host.scene().document
    result = _capture(host, mask=True)
    found["no mask"] = result[0]
    bpy.data.images.remove(image)
    result = run(host, "insert", _take(4, 4, 0, 0, document))
    found["gone"] = result[0] if isinstance(result, list) else "inserted"
    return found


def _result() -> Any:
    return bpy.data.images.get("Render Result") or bpy.data.images.new("Render Result", 8, 8)


def follows() -> dict[str, Any]:
    """Painting is noticed; nothing is seen while nobody paints."""
    import time

    bpy.ops.wm.read_factory_settings(use_empty=False)
    host = _host()
    image = _image()
    scene = host.scene()
    hosts = vendor("impasto_studio.host")
    seen: list[Any] = []
    host.watch(hosts.Watch(scene.document, scene.box, 24, 16), seen.append)
    counts = []
    for painted in (False, False, True):
        if painted:
            _paint(host, image)
        for _ in range(30):
            host.loop.pump()
            time.sleep(0.02)
        counts.append(len(seen))
    host.watch(None, seen.append)
    return {"counts": counts, "size": [seen[0].image.width, seen[0].image.height]}
