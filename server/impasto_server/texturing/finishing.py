"""From paint on texels to finished textures: holes filled, and what nothing has changed kept as it was."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.coat import FILLED
from impasto_server.texturing.fill import fill_holes
from impasto_server.texturing.texels import TexelTable

__all__ = ["NOBODY", "filled", "texture_of"]

FloatArray = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

NOBODY = 0.5  # grey of a texture of which nothing is known
_TRACE = 0.02  # share of new colours in a filling below which the old one stays
_PADDED = 2  # texels around a chart that are its own even where a base is painted beside it


def filled(
    table: TexelTable,
    colours: FloatArray,
    known: Mask,
    painted: Mask,
    base: Bytes | None,
    asked: Mask | None,
    check: Callable[[], None],
) -> FloatArray:
    """(N, 3) colours with those not `known` filled in from the surface around them. Holes that the `base` has
    filled already stay as they are where none of their surroundings is `painted` by a view. `asked`, `check`:
    see `fill_holes`.
    """
    if not known.any():
        had = np.zeros(len(table), bool) if base is None else base[table.rows, table.columns, 3] > 0
        return np.where(had[:, None], colours, np.float32(NOBODY))
    values = colours if base is None else np.concatenate([colours, painted[:, None].astype(np.float32)], 1)
    found = fill_holes(table.positions, table.normals, values, known, asked=asked, check=check)
    if base is None:
        return found
    share = np.where(found[:, 3:] < _TRACE, np.float32(0.0), found[:, 3:])
    had = base[table.rows, table.columns, 3] == FILLED
    return np.where((had & ~known)[:, None], colours + (found[:, :3] - colours) * share, found[:, :3])


def texture_of(
    table: TexelTable, colours: FloatArray, alpha: Bytes, painted: Mask, base: Bytes | None
) -> Bytes:
    """(height, width, 4) uint8 of texels' colours (N, 3) and alpha (N,). Beside the layout: the nearest
    texel's colour with alpha 0. What a `base` has there may be another object's, so it stays, but for a
    narrow rim around texels that views have `painted`.
    """
    values = np.empty((len(table), 4), np.uint8)
    values[:, :3] = np.rint(np.clip(colours, 0.0, 1.0) * 255.0)
    values[:, 3] = 0
    texture = table.as_texture(values)
    texture[table.rows, table.columns, 3] = alpha
    if base is not None:
        covered = table.covered
        size = 2 * _PADDED + 1
        rim = cv2.dilate(covered.astype(np.uint8), np.ones((size, size), np.uint8)) != 0
        changed = table.as_texture(painted) & (rim | (base[:, :, 3] == 0))
        stays = ~covered & ~changed
        texture[stays] = base[stays]
        texture[~covered, 3] = base[~covered, 3]
    return texture
