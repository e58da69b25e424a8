"""Pictures of what rays have seen: depth, normals, edges, ids, silhouettes. Pure numpy."""

import numpy
from impasto_protocol.rasters import PixelFormat
from impasto_studio.geometry import Box
from impasto_studio.host import Picture
from impasto_studio.texts import tr

from ..arrays import part_of
from ..loop import Trouble
from .rays import Buffers, Eye

__all__ = [
    "DRAWN",
    "LAYERS",
    "control_picture",
    "depth_picture",
    "edges",
    "layer_picture",
    "names",
    "selection_mask",
]

CREASE = numpy.cos(numpy.radians(25.0))  # normals that differ by more make a line
STEP_PX = 3.0  # a surface that jumps by more than so many pixels' width makes one


def names() -> dict[str, str]:
    """What the artist calls each of `LAYERS`."""
    return {
        "depth": tr("Depth"),
        "edges": tr("Edges"),
        "normal": tr("Normals"),
        "world normal": tr("World normals"),
        "objects": tr("Objects"),
        "materials": tr("Materials"),
    }


def control_picture(
    layer: str, image: Picture | None, buffers: Buffers | None, eye: Eye, box: Box
) -> Picture:
    """A box of one of `LAYERS`, or of the image itself (empty). Raises `Trouble`."""
    if not layer:
        assert image is not None
        return part_of(image, box)
    if layer not in LAYERS or buffers is None:
        raise Trouble(tr("This map is not known here: choose another one."))
    return part_of(layer_picture(layer, buffers, eye), box)


def layer_picture(layer: str, buffers: Buffers, eye: Eye) -> Picture:
    """One of `LAYERS`."""
    return DRAWN[layer](buffers, eye)


def depth_picture(buffers: Buffers, eye: Eye) -> Picture:
    """DEPTH32F: distances along the direction of view; infinite where nothing is. Of an orthographic view
    they count from just before the nearest surface: its eye may lie anywhere, also behind."""
    depth = buffers.depth
    seen = numpy.isfinite(depth)
    if seen.any() and (eye.projection[3, 3] == 1.0 or float(depth[seen].min()) <= 0.0):
        low, high = float(depth[seen].min()), float(depth[seen].max())
        # As if seen from as far away as the scene is deep: nearness is the inverse of distance.
        depth = depth - numpy.float32(low) + numpy.float32(max(high - low, 1e-3))
    return _picture(depth.astype("<f4"), PixelFormat.DEPTH32F)


def normals(buffers: Buffers, eye: Eye) -> Picture:
    """RGB8 in the camera's space, as the ControlNets for normals learned it: red is left, green is up, blue
    is towards the eye (the protocol of ScanNet, which NormalBae follows). Nothing: as if a wall stood there.
    """
    turned = buffers.normal @ eye.view[:3, :3].T.astype(numpy.float32)
    turned[..., 0] *= -1.0
    turned[buffers.objects == 0] = (0.0, 0.0, 1.0)
    return _picture(_bytes(turned * 0.5 + 0.5), PixelFormat.RGB8)


def world_normals(buffers: Buffers, eye: Eye) -> Picture:
    """RGB8: X, Y, Z of the world in red, green, blue; nothing is black."""
    colours = buffers.normal * 0.5 + 0.5
    colours[buffers.objects == 0] = 0.0
    return _picture(_bytes(colours), PixelFormat.RGB8)


def edges(buffers: Buffers, eye: Eye) -> numpy.ndarray:
    """(H, W) bool: outlines of objects, steps within them, creases. A line lies on the nearer side."""
    lines = numpy.zeros(buffers.depth.shape, bool)
    points, size = _points(buffers, eye)
    for axis in (0, 1):
        a, b = _neighbours(axis)
        near_a = buffers.depth[a] <= buffers.depth[b]
        other = buffers.objects[a] != buffers.objects[b]
        both = (buffers.objects[a] > 0) & (buffers.objects[b] > 0)
        with numpy.errstate(invalid="ignore"):
            way = points[b] - points[a]
            off = numpy.minimum(
                numpy.abs((way * buffers.facet[a]).sum(-1)), numpy.abs((way * buffers.facet[b]).sum(-1))
            )
            step = both & (off > STEP_PX * numpy.minimum(size[a], size[b]))
        crease = both & ((buffers.normal[a] * buffers.normal[b]).sum(-1) < CREASE)
        found = other | step | crease
        lines[a] |= found & near_a
        lines[b] |= found & ~near_a
    return lines


def selection_mask(buffers: Buffers) -> Picture:
    """GRAY8: 255 where a selected object is seen."""
    return _picture(buffers.selected.astype(numpy.uint8) * 255, PixelFormat.GRAY8)


def _line_picture(buffers: Buffers, eye: Eye) -> Picture:
    return _picture(edges(buffers, eye).astype(numpy.uint8) * 255, PixelFormat.GRAY8)


def _object_colours(buffers: Buffers, eye: Eye) -> Picture:
    return _coloured(buffers.objects, max([0, *(one.number for one in buffers.owners)]))


def _material_colours(buffers: Buffers, eye: Eye) -> Picture:
    return _coloured(buffers.materials, len(buffers.material_names))


def _coloured(ids: numpy.ndarray, count: int) -> Picture:
    """RGB8: a colour of its own for each number, far from its neighbours'; 0 is black."""
    turns = numpy.arange(1, count + 1) * 0.6180339887 % 1.0  # the golden angle
    levels = numpy.array([1.0, 0.65, 0.85])[numpy.arange(count) % 3]
    phase = (turns[:, None] + numpy.array([0.0, 1 / 3, 2 / 3])) % 1.0
    wheel = numpy.clip(numpy.abs(phase * 6 - 3) - 1, 0.0, 1.0) * levels[:, None]
    palette = numpy.concatenate([numpy.zeros((1, 3)), wheel])
    return _picture(_bytes(palette)[ids], PixelFormat.RGB8)


def _points(buffers: Buffers, eye: Eye) -> tuple[numpy.ndarray, numpy.ndarray]:
    """What each pixel sees in the camera's space (H, W, 3), turned into the world, and its width there."""
    height, width = buffers.depth.shape
    x = ((numpy.arange(width) + 0.5) / width * 2 - 1)[None, :]
    y = (1 - (numpy.arange(height) + 0.5) / height * 2)[:, None]
    z = -buffers.depth.astype(numpy.float64)
    p = eye.projection
    with numpy.errstate(invalid="ignore"):
        w = p[3, 2] * z + p[3, 3]
        right = (x * w - p[0, 2] * z - p[0, 3]) / p[0, 0]
        up = (y * w - p[1, 2] * z - p[1, 3]) / p[1, 1]
        size = numpy.abs(w) * 2 / (width * abs(p[0, 0]))
        points = numpy.stack([right, up, z], axis=-1) @ eye.view[:3, :3]
    return points, size


def _neighbours(axis: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Each pixel, and the one below or right of it."""
    first, second, whole = slice(None, -1), slice(1, None), slice(None)
    return ((first, whole), (second, whole)) if axis == 0 else ((whole, first), (whole, second))


def _bytes(values: numpy.ndarray) -> numpy.ndarray:
    return numpy.clip(values * 255.0 + 0.5, 0, 255).astype(numpy.uint8)


def _picture(pixels: numpy.ndarray, format: PixelFormat) -> Picture:
    return Picture(pixels.shape[1], pixels.shape[0], format, pixels.tobytes())


# In the order in which the panel offers them.
DRAWN = {
    "depth": depth_picture,
    "edges": _line_picture,
    "normal": normals,
    "world normal": world_normals,
    "objects": _object_colours,
    "materials": _material_colours,
}
LAYERS = tuple(DRAWN)
