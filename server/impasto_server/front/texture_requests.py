"""What a client may ask for in a texture job: the checks that need neither engine nor geometry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from impasto_protocol.errors import BadImage, EmptyPrompt
from impasto_protocol.geometry import ROW_BYTES
from impasto_protocol.messages import (
    TEXTURE_MAPS,
    TEXTURE_ORDERS,
    Camera,
    GenerateRequest,
    Limits,
    TextureRequest,
    TextureView,
)
from impasto_protocol.rasters import PixelFormat

from impasto_server.front.demands import (
    LONGEST_PROMPT,
    SMALLEST_PX,
    Picture,
    check_picture,
    check_size,
    demand,
)

__all__ = ["check_texture", "check_texture_inputs"]

MOST_TEXELS_PX = 8192  # of a texture's side
MOST_TEXELS = 8192**2  # of all textures: a table of them takes some 60 bytes each
MOST_VIEW_PX = 4096  # of a view's side
MOST_VIEWED = 1 << 27  # pixels of all views: 8 of 4096², 32 of 2048²
MOST_DEPTH = 2.0
LONGEST_NAME = 200
# How far from rigid a matrix in single precision may be.
_RIGID = 1e-3
# Below this share of the product of its rows' lengths, a projection's determinant is rounding.
_FLAT = 1e-9

_LAID_ON = (PixelFormat.RGB8, PixelFormat.RGBA8)


def check_texture(request: GenerateRequest, texture: TextureRequest, limits: Limits) -> None:
    """The words and numbers. Raises `BadValue` or `EmptyPrompt`."""
    demand(request.takes == 1, "Textures are painted one at a time: ask for one take.")
    demand(texture.geometry is not None, "Textures need the objects' geometry. Send it too.")
    demand(
        1 <= len(texture.targets) <= limits.textures,
        f"A job may paint from 1 to {limits.textures} textures, not {len(texture.targets)}.",
    )
    for target in texture.targets:
        demand(1 <= len(target.name) <= LONGEST_NAME, "A texture needs a name.")
        for side in (target.width, target.height):
            demand(
                SMALLEST_PX <= side <= MOST_TEXELS_PX,
                f"The sides of “{target.name}” must be from {SMALLEST_PX} to {MOST_TEXELS_PX} texels, "
                f"not {side}.",
            )
    demand(
        sum(target.width * target.height for target in texture.targets) <= MOST_TEXELS,
        f"All textures of a job may have {MOST_TEXELS >> 20} million texels together. "
        "Make them smaller, or paint fewer objects at once.",
    )
    demand(texture.order in TEXTURE_ORDERS, f"The order must be one of: {', '.join(TEXTURE_ORDERS)}.")
    demand(
        texture.inspect in ("", *TEXTURE_MAPS),
        f"There is no such map. Use one of: {', '.join(TEXTURE_MAPS)}.",
    )
    demand(
        0.0 <= texture.depth <= MOST_DEPTH,
        f"The strength of depth must be from 0 to {MOST_DEPTH:.0f}, not {texture.depth}.",
    )
    _check_views(texture, limits)
    if request.needs_model and not request.prompt.strip():
        own = [view.prompt.strip() for view in texture.views if view.image is None]
        if not own or not all(own):
            raise EmptyPrompt("The prompt is empty. Write what the objects should look like.")


def _check_views(texture: TextureRequest, limits: Limits) -> None:
    demand(
        len(texture.views) <= limits.views,
        f"A job may have {limits.views} views at most, not {len(texture.views)}.",
    )
    demand(
        bool(texture.views) or 1 <= texture.around <= limits.views,
        f"From 1 to {limits.views} views can be placed around objects, not {texture.around}.",
    )
    demand(
        texture.view_px == 0 or SMALLEST_PX <= texture.view_px <= MOST_VIEW_PX,
        f"Views must be from {SMALLEST_PX} to {MOST_VIEW_PX} pixels wide, not {texture.view_px}.",
    )
    for number, view in enumerate(texture.views, 1):
        demand(len(view.prompt) <= LONGEST_PROMPT, f"The prompt is longer than {LONGEST_PROMPT} characters.")
        _check_camera(number, view.camera)
    pixels = sum(view.camera.width * view.camera.height for view in texture.views)
    demand(
        (pixels or texture.around * texture.view_px**2) <= MOST_VIEWED,
        f"All views of a job may have {MOST_VIEWED >> 20} million pixels together. "
        "Make them smaller, or use fewer.",
    )


def _check_camera(number: int, camera: Camera) -> None:
    for side in (camera.width, camera.height):
        demand(
            SMALLEST_PX <= side <= MOST_VIEW_PX,
            f"The sides of view {number} must be from {SMALLEST_PX} to {MOST_VIEW_PX} pixels, not {side}.",
        )
    for matrix in (camera.world_to_camera, camera.projection):
        demand(
            len(matrix) == 16 and all(math.isfinite(one) for one in matrix),
            f"The camera of view {number} is no camera: its matrices need 16 numbers each.",
        )
    demand(
        _is_rigid(camera.world_to_camera),
        f"The camera of view {number} is scaled or mirrored. Give it a scale of 1.",
    )
    demand(
        _is_projection(camera.projection),
        f"The camera of view {number} sees nothing: its projection cannot be inverted. Look at its lens and "
        "clipping.",
    )


def _is_rigid(matrix: Sequence[float]) -> bool:
    """Rows of a rotation and any translation."""
    rows = [matrix[start : start + 3] for start in (0, 4, 8)]
    products = [sum(a * b for a, b in zip(one, other, strict=True)) for one in rows for other in rows]
    near = all(abs(found - wanted) <= _RIGID for found, wanted in zip(products, _UNIT, strict=True))
    last = all(abs(a - b) <= _RIGID for a, b in zip(matrix[12:], (0.0, 0.0, 0.0, 1.0), strict=True))
    return near and last and _determinant(rows) > 0.0


_UNIT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def _is_projection(matrix: Sequence[float]) -> bool:
    """Perspective or orthographic, with any shift, and invertible."""
    rows = [matrix[start : start + 4] for start in (0, 4, 8, 12)]
    perspective = rows[3][3] == 0.0 and rows[3][2] < 0.0
    orthographic = rows[3][3] > 0.0 and rows[3][2] == 0.0
    lengths = math.prod(math.hypot(*row) for row in rows)
    return (
        (perspective or orthographic)
        and rows[3][0] == rows[3][1] == 0.0
        and math.isfinite(lengths)
        and abs(_determinant(rows)) > _FLAT * lengths
    )


def _determinant(rows: Sequence[Sequence[float]]) -> float:
    """By its first row."""
    if len(rows) == 1:
        return rows[0][0]
    minors = ([[*row[:column], *row[column + 1 :]] for row in rows[1:]] for column in range(len(rows)))
    return sum(
        (-1.0) ** column * rows[0][column] * _determinant(minor) for column, minor in enumerate(minors)
    )


def check_texture_inputs(texture: TextureRequest, pictures: Mapping[str, Picture], limits: Limits) -> None:
    """The pictures by role, as handed in or as kept. Raises `BadImage`, `SizeMismatch`."""
    geometry = pictures["geometry"]
    check_picture("geometry", geometry, (PixelFormat.GRAY8,), limits)
    if geometry.width != ROW_BYTES:
        raise BadImage(
            f"The geometry is {geometry.width} bytes wide; it must be {ROW_BYTES}. Update the plugin."
        )
    for number, target in enumerate(texture.targets, 1):
        base = pictures.get(f"base {number}")
        if base is not None:
            name = f"texture “{target.name}”"
            check_picture(name, base, (PixelFormat.RGBA8,), limits)
            check_size(name, base, target.width, target.height, "one that is asked for")
    for number, view in enumerate(texture.views, 1):
        _check_view(number, view, pictures, limits)


def _check_view(number: int, view: TextureView, pictures: Mapping[str, Picture], limits: Limits) -> None:
    size = view.camera.width, view.camera.height
    image, mask = pictures.get(f"view {number}"), pictures.get(f"view mask {number}")
    if image is not None:
        check_picture(f"picture of view {number}", image, _LAID_ON, limits)
        check_size(f"picture of view {number}", image, *size, "camera's")
    if mask is not None:
        check_picture(f"mask of view {number}", mask, (PixelFormat.GRAY8,), limits)
        check_size(f"mask of view {number}", mask, *size, "camera's")
