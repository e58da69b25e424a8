"""A glimpse of unfinished latents: one matrix product instead of a decode.

Each latent cell is close to a linear function of the mean colour of the pixels it stands for. The function is
fitted when a model is loaded, on the model's own encoding of a palette picture, so it suits any autoencoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from impasto_protocol.messages import Pixels
from impasto_protocol.rasters import PixelFormat

from impasto_server.compositing.raster import FloatArray, quantise

# Longest side of a preview in pixels.
PREVIEW_PX = 128
# Latent cells per side of the palette: 256 samples for the five or so unknowns of each colour.
_PALETTE_CELLS = 16
# Keeps the fit finite for latents that do not vary; far below their usual variance of about 1.
_RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class LatentPreview:
    """rgb = weights · (latent, 1). weights: (3, C + 1) float32; colours are sRGB 0..1."""

    weights: FloatArray

    def picture(self, latents: torch.Tensor) -> Pixels:
        """The first of latents (B, C, h, w) as a small rgb8 picture, a pixel a cell, reduced to
        `PREVIEW_PX`.
        """
        cells = latents[0].detach().to("cpu", torch.float32).numpy()
        flat = cells.reshape(cells.shape[0], -1)
        colours = self.weights[:, :-1] @ flat + self.weights[:, -1:]
        image = np.nan_to_num(colours).T.reshape(cells.shape[1], cells.shape[2], 3).astype(np.float32)
        longest = max(image.shape[:2])
        if longest > PREVIEW_PX:
            size = tuple(max(side * PREVIEW_PX // longest, 1) for side in (image.shape[1], image.shape[0]))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        data = quantise(image, np.uint8)
        return Pixels(image.shape[1], image.shape[0], PixelFormat.RGB8, data.tobytes())


def palette(latent_factor: int) -> FloatArray:
    """The picture to fit on: (16·f, 16·f, 3) float32 0..1, patches of four cells in spread-out colours, with
    a soft gradient over all of them so that neighbouring cells differ."""
    cells = np.arange(_PALETTE_CELLS)
    row, column = np.meshgrid(cells, cells, indexing="ij")
    patch = (row // 2) * (_PALETTE_CELLS // 2) + column // 2
    # Multiples of the powers of 1 / 1.2207 fill the cube evenly (Roberts 2018, the R3 sequence).
    steps = np.array([0.8191725134, 0.6710436067, 0.5497004779])
    colours = (0.5 + (patch[:, :, None] + 1) * steps) % 1.0
    colours = 0.9 * colours + 0.1 * (row + column)[:, :, None] / (2 * _PALETTE_CELLS)
    return np.repeat(np.repeat(colours, latent_factor, 0), latent_factor, 1).astype(np.float32)


def fit(latents: torch.Tensor, picture: FloatArray) -> LatentPreview:
    """Least squares from latents (1, C, h, w) to the mean colours of their cells in `picture` (h·f, w·f,
    3).
    """
    cells = latents[0].detach().to("cpu", torch.float32).numpy().astype(np.float64)
    channels, height, width = cells.shape
    factor = picture.shape[0] // height
    means = picture.reshape(height, factor, width, factor, 3).mean(axis=(1, 3)).reshape(-1, 3)
    inputs = np.concatenate([cells.reshape(channels, -1).T, np.ones((height * width, 1))], axis=1)
    normal = inputs.T @ inputs + _RIDGE * np.eye(channels + 1)
    return LatentPreview(np.linalg.solve(normal, inputs.T @ means).T.astype(np.float32))
