"""Styles for the LoRA: what a picture looks like when drawn so, and a measure of how much it does."""

from __future__ import annotations

import numpy as np


def pencil(picture: np.ndarray) -> np.ndarray:
    """The picture as a pencil drawing on paper: soft dark outlines, gray where it is dark, no colour.

    (size, size, 3) sRGB uint8 → the same. No hatching: the autoencoder does not keep it.
    """
    from scipy import ndimage

    size = len(picture)
    smooth = ndimage.gaussian_filter(picture.astype(np.float32), (size / 200, size / 200, 0)) / 255
    dark = 1 - smooth @ np.array([0.299, 0.587, 0.114], np.float32)
    slope = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1)).max(axis=2)
    lines = ndimage.gaussian_filter(np.clip(slope * 1.2, 0, 1), size / 300)
    tone = 0.97 - 0.4 * dark - 0.6 * lines
    paper = np.array([1.0, 0.985, 0.95], np.float32) * np.clip(tone, 0.12, 1)[:, :, None]
    return np.asarray(np.clip(paper * 255, 0, 255), np.uint8)


def style_measure(picture: np.ndarray) -> float:
    """How colourless a picture is: 1 − mean chroma / 100 in CIE Lab. A pencil drawing has 0.95 and more,
    Pocket's coloured shapes about 0.4. (H, W, 3) sRGB uint8.
    """
    from .judge import lab

    return 1 - float(np.hypot(*np.moveaxis(lab(picture)[..., 1:], -1, 0)).mean()) / 100


STYLES = {"pencil": pencil}
"""Name → how a picture is turned into the style. A mix of the same name says what is drawn in it."""
