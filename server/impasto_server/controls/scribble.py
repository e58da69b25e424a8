"""Scribble: thick, unbroken lines as a hand draws them, along the outlines that matter.

The edges of a picture that has been blurred until texture is gone; short ones are left out. The two sides of
a pen stroke are closed into one line. All lengths are for a picture whose longer side is 512 px, where
ControlNets for scribbles were shown lines of a few pixels (Zhang, Rao and Agrawala, 2023, drew them from
soft edges in much this way).
"""

from __future__ import annotations

import cv2
import numpy as np

from impasto_server.compositing.raster import Raster
from impasto_server.controls.edges import canny
from impasto_server.controls.reduced import at_size, reduced

_LONGEST_PX = 512
_SMOOTHING_PX = 2.0
_SHARE = 0.015  # of the picture, that lines may begin on
_SHORTEST_PX = 24
_STROKE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))  # widest gap that is the inside of a stroke
_PEN = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))


def draw(pixels: Raster) -> Raster:
    """See `controls.Drawing`."""
    lines = _long_ones(canny(reduced(pixels, _LONGEST_PX), _SMOOTHING_PX, _SHARE))
    # Beyond the border nothing is white: closing would else reach for it.
    margin = len(_STROKE)
    framed = np.pad(lines, margin)
    thick = cv2.dilate(cv2.morphologyEx(framed, cv2.MORPH_CLOSE, _STROKE), _PEN)
    return at_size(thick[margin:-margin, margin:-margin], (pixels.shape[1], pixels.shape[0]))


def _long_ones(lines: Raster) -> Raster:
    """The lines, one pixel wide, that are so many pixels long: (h, w) uint8."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    long = boxes[:, cv2.CC_STAT_AREA] >= _SHORTEST_PX
    long[0] = False  # the ground
    return np.where(long[labels], np.uint8(255), np.uint8(0))
