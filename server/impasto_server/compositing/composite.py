"""The last step: generated colour into the document, and nothing else into it.

The layer is the result and `alpha_over` is how any host shows it; `composite` is the same sum done here.
Where the layer's alpha is 0 the document's bits are copied, never computed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, quantise, white

# Rows mixed together: the float temporaries of a strip stay small beside the document.
_BAND_ROWS = 128


def as_layer(colour: FloatArray, alpha: FloatArray, dtype: npt.DTypeLike, channels: int = 3) -> Raster:
    """RGBA layer (h, w, 4) of a document ``dtype`` with straight alpha; all zero where alpha rounds to 0.

    colour: (h, w, 3), clipped to 0..1. alpha: (h, w) 0..1. For gray documents (``channels`` 1) the three
    colour channels are their mean, so that the layer is neutral.
    """
    clipped = np.clip(colour, 0.0, 1.0)
    if channels == 1:
        clipped = np.broadcast_to(clipped.mean(axis=2, keepdims=True), clipped.shape)
    layer = np.empty((*alpha.shape, 4), dtype=dtype)
    layer[:, :, :3] = quantise(clipped, dtype)
    layer[:, :, 3] = quantise(alpha, dtype)
    layer[layer[:, :, 3] == 0] = 0
    return layer


def alpha_over(document: Raster, layer: Raster) -> Raster:
    """``layer`` (h, w, 4) over ``document`` (h, w[, c]) of the same dtype; a new array.

    Straight-alpha "over" (Porter and Duff 1984). Gray takes the layer's first channel. The document's own
    alpha channel is kept where the layer is transparent and can only rise elsewhere.
    """
    result = document.copy()
    target = as_hwc(result)
    for start in range(0, target.shape[0], _BAND_ROWS):
        rows = slice(start, start + _BAND_ROWS)
        _mix_band(target[rows], layer[rows])
    return result


def _mix_band(target: Raster, layer: Raster) -> None:
    """Mix ``layer`` (h, w, 4) into ``target`` (h, w, c) in place, touching only pixels with alpha."""
    where = layer[:, :, 3] > 0
    if not where.any():
        return
    peak = np.float32(white(target.dtype))
    below = target[where].astype(np.float32) / peak
    above = layer[where].astype(np.float32) / peak
    alpha = above[:, 3:]
    colours = min(target.shape[2], 3)
    if target.shape[2] == 4:
        kept = below[:, 3:] * (1.0 - alpha)
        union = alpha + kept
        mixed = (above[:, :3] * alpha + below[:, :3] * kept) / union
        target[where] = quantise(np.concatenate([mixed, union], axis=1), target.dtype)
    else:
        mixed = below + alpha * (above[:, :colours] - below)
        target[where] = quantise(mixed, target.dtype)


def composite(document: Raster, layer: Raster, x: int, y: int) -> Raster:
    """The whole document with ``layer`` placed at canvas pixel (x, y): a copy, equal outside bit for bit."""
    result = document.copy()
    part = (slice(y, y + layer.shape[0]), slice(x, x + layer.shape[1]))
    result[part] = alpha_over(document[part], layer)
    return result
