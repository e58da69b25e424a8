"""Edges: Canny's thin lines wherever colour changes abruptly.

Source: J. Canny, A computational approach to edge detection, 1986, as OpenCV has it, on the strongest of the
three channels. The threshold follows the picture: lines may begin at the strongest edges, so many that they
would cover a certain share of it. So a photograph is not buried in texture, and a drawing, which has fewer,
keeps its faint lines.
"""

from __future__ import annotations

import cv2
import numpy as np

from impasto_server.compositing.raster import FloatArray, Raster
from impasto_server.controls.reduced import at_size, reduced

# No model looks closer: twice the native size of the largest that take edge maps.
_LONGEST_PX = 2048
_SMOOTHING_PX = 1.0
_SHARE = 0.035  # of the picture, that lines may begin on
# Steps of so many of 255 an eye sees on flat ground.
_FAINTEST = 6.0
# Most of a picture is no edge, so the median is its grain's; 1 in 10,000 of that is so many times as strong.
_ABOVE_NOISE = 4.0
# So much of the share is used in any case: in a forest nothing stands out from the grain.
_LEAST = 1.0 / 8.0
_GOES_ON = 0.5  # Canny advises a ratio of two to three between the thresholds


def draw(pixels: Raster) -> Raster:
    """See `controls.Drawing`."""
    lines = canny(reduced(pixels, _LONGEST_PX), _SMOOTHING_PX, _SHARE)
    return at_size(lines, (pixels.shape[1], pixels.shape[0]))


def canny(picture: FloatArray, smoothing_px: float, share: float) -> Raster:
    """Lines (h, w) uint8, one pixel wide, of a picture (h, w, 3) 0..1. `smoothing_px`: standard deviation.
    `share`: of all pixels, that lines may begin on at most."""
    smooth = cv2.GaussianBlur((picture * 255.0 + 0.5).astype(np.uint8), (0, 0), smoothing_px)
    across = cv2.Sobel(smooth, cv2.CV_16S, 1, 0)
    down = cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    strength = np.hypot(across, down, dtype=np.float32).max(axis=2)
    # The slope of a blurred step is a Gaussian's peak; Sobel weighs it with 8.
    faintest = float(8.0 * _FAINTEST / (smoothing_px * np.sqrt(2.0 * np.pi)))
    crests = np.sort(strength[cv2.Canny(across, down, faintest, faintest, L2gradient=True) > 0])

    def beginning(most: float) -> float:
        """Above which there are so many pixels, at most."""
        return float(crests[-int(most) - 1]) if int(most) < len(crests) else faintest

    most = share * strength.size
    noise = _ABOVE_NOISE * float(np.median(strength))
    begins = min(max(noise, beginning(most)), beginning(_LEAST * most))
    lines: Raster = cv2.Canny(across, down, _GOES_ON * begins, begins, L2gradient=True)
    return lines
