"""How well a result fits, in numbers that come back with the layer.

Never judge by an edge metric alone: a wide feather flatters it while it changes pixels outside the selection.
An untouched picture scores a seam of about 0.07 and a gradient ratio of about 0.95.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.compositing.masks import BoolArray
from impasto_server.compositing.raster import FloatArray, Raster, to_float

ARCS = 32
BAND_PX = 6.0
# An arc needs this many pixels on both sides to have a mean worth comparing.
_LEAST_PIXELS = 12
# The edge itself, and the strips beside it that it is compared with.
_EDGE_PX = 1.5
_BESIDE_PX = (4.0, 8.0)
# A quarter of an 8-bit step per pixel on both sides of the ratio: flat pictures have ratio 1, not 0 / 0.
_LEAST_GRADIENT = 0.25 / 255.0
# sRGB → XYZ (D65), IEC 61966-2-1; white point of CIE D65, 2°.
_TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


@dataclass(frozen=True)
class InpaintMetrics:
    """Numbers about one composed result.

    seam_delta_e:              95th percentile over 32 arcs of the ΔE00 step across the mask's border.
    surroundings_delta_e:      the same across a line 6 px further out: what the picture does there by itself.
    boundary_gradient_ratio:   gradient on the border over the gradient just beside it; 1 is seamless.
    grain_ratio:               noise inside over noise outside; 1.0 where neither side has any.
    colour_shift:              mean absolute correction by the membrane under the mask, 0..1.
    pixels_changed_outside:    pixels with alpha where the artist's mask is 0; counted, always 0.
    shadow_crossing:           share of the border's surroundings where the model painted across it.
    shadow_crosses_border:     whether a larger mask would serve better.
    changed:                   False where the result equals the picture and the layer is empty.
    """

    seam_delta_e: float = 0.0
    surroundings_delta_e: float = 0.0
    boundary_gradient_ratio: float = 1.0
    grain_ratio: float = 1.0
    colour_shift: float = 0.0
    pixels_changed_outside: int = 0
    shadow_crossing: float = 0.0
    shadow_crosses_border: bool = False
    changed: bool = True

    def as_dict(self) -> dict[str, float | int | bool]:
        return asdict(self)


def srgb_to_lab(rgb: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """CIE L*a*b* (D65, 2°) of sRGB-encoded colours (..., 3) in 0..1."""
    encoded = np.clip(rgb.astype(np.float64), 0.0, 1.0)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    cut = (6.0 / 29.0) ** 3
    f = np.where(ratio > cut, np.cbrt(ratio), ratio / (3.0 * (6.0 / 29.0) ** 2) + 4.0 / 29.0)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def delta_e_2000(
    first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """CIEDE2000 between L*a*b* colours (..., 3), k_L = k_C = k_H = 1.

    Equations (2)–(22) of Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005).
    """
    l1, a1, b1 = np.moveaxis(first.astype(np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(second.astype(np.float64), -1, 0)
    chroma_mean7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2.0) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(chroma_mean7 / (chroma_mean7 + 25.0**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1 = np.degrees(np.arctan2(b1, a1 * stretch)) % 360.0
    h2 = np.degrees(np.arctan2(b2, a2 * stretch)) % 360.0
    grey = c1 * c2 == 0.0
    turn = (h2 - h1 + 180.0) % 360.0 - 180.0
    # A half turn is +180 in the paper when h2 − h1 = 180, and the remainder above says −180.
    turn = np.where(grey, 0.0, np.where((turn == -180.0) & (h2 > h1), 180.0, turn))
    d_hue = 2.0 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2.0)
    hue = _mean_hue(h1, h2, grey)
    lightness, chroma = (l1 + l2) / 2.0, (c1 + c2) / 2.0
    t = (
        1.0
        - 0.17 * np.cos(np.radians(hue - 30.0))
        + 0.24 * np.cos(np.radians(2.0 * hue))
        + 0.32 * np.cos(np.radians(3.0 * hue + 6.0))
        - 0.20 * np.cos(np.radians(4.0 * hue - 63.0))
    )
    s_l = 1.0 + 0.015 * (lightness - 50.0) ** 2 / np.sqrt(20.0 + (lightness - 50.0) ** 2)
    s_c, s_h = 1.0 + 0.045 * chroma, 1.0 + 0.015 * chroma * t
    rotation = 2.0 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    rotation = -rotation * np.sin(np.radians(60.0 * np.exp(-(((hue - 275.0) / 25.0) ** 2))))
    in_l, in_c, in_h = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    # Rounding can take a sum of squares with a cross term below zero by 1e-16.
    result: npt.NDArray[np.float64] = np.sqrt(
        np.maximum(in_l**2 + in_c**2 + in_h**2 + rotation * in_c * in_h, 0.0)
    )
    return result


def _mean_hue(
    h1: npt.NDArray[np.float64], h2: npt.NDArray[np.float64], grey: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Equation (14): the mean of two hues the short way round; their sum where one colour is grey."""
    total = h1 + h2
    apart = np.abs(h1 - h2) > 180.0
    mean = np.where(apart, np.where(total < 360.0, (total + 360.0) / 2.0, (total - 360.0) / 2.0), total / 2.0)
    return np.where(grey, total, mean)


def signed_distance(mask: BoolArray) -> FloatArray:
    """(h, w) float32 pixels to the mask's border, negative inside; the border lies between pixels."""
    flags = np.ascontiguousarray(mask).view(np.uint8)
    half = np.float32(0.5)
    # Without a border on one side every distance there is "far"; OpenCV would return its own idea of
    # infinity.
    far = np.full(mask.shape, 1e6, dtype=np.float32)
    outside = cv2.distanceTransform(1 - flags, cv2.DIST_L2, cv2.DIST_MASK_5) if flags.any() else far
    inside = cv2.distanceTransform(flags, cv2.DIST_L2, cv2.DIST_MASK_5) if not flags.all() else far
    return np.where(flags, half - inside, outside - half)


def seam_steps(image: Raster, signed: FloatArray, truth: Raster | None = None) -> npt.NDArray[np.float64]:
    """ΔE00 of the step across the mask's border, one per arc; at most `ARCS` values, empty without a border.

    image: (h, w, 3) of any document dtype. signed: its `signed_distance`; subtract n to look at the line n px
    further out. Arcs are sectors around the mask's centre; each compares the mean colour of the 6 px outside
    with the 6 px inside. With ``truth`` (like ``image``) the step of that picture is the expected one.
    """
    rows, columns = np.nonzero(np.abs(signed) <= BAND_PX)
    if rows.size == 0:
        return np.zeros(0)
    inside = signed[rows, columns] <= 0.0
    spans = [np.flatnonzero((signed <= 0.0).any(axis=axis)) for axis in (1, 0)]
    middle = [float(span.mean()) if span.size else 0.0 for span in spans]
    angle = np.arctan2(rows - middle[0], columns - middle[1])
    arc = np.minimum(((angle + np.pi) / (2.0 * np.pi) * ARCS).astype(np.int64), ARCS - 1)
    means, counts = _arc_means(srgb_to_lab(to_float(image[rows, columns])), arc, inside)
    usable = (counts >= _LEAST_PIXELS).all(axis=1)
    expected = means[:, 0]
    if truth is not None:
        true_means, _ = _arc_means(srgb_to_lab(to_float(truth[rows, columns])), arc, inside)
        expected = means[:, 0] + true_means[:, 1] - true_means[:, 0]
    return delta_e_2000(expected[usable], means[usable, 1])


def _arc_means(
    lab: npt.NDArray[np.float64], arc: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(ARCS, 2, 3) mean colours and (ARCS, 2) pixel counts, outside first."""
    key = arc * 2 + inside
    counts = np.bincount(key, minlength=ARCS * 2)
    sums = np.stack([np.bincount(key, weights=lab[:, c], minlength=ARCS * 2) for c in range(3)], axis=1)
    means = sums / np.maximum(counts, 1)[:, None]
    return means.reshape(ARCS, 2, 3), counts.reshape(ARCS, 2)


def percentile_95(values: npt.NDArray[np.floating]) -> float:
    return float(np.percentile(values, 95)) if values.size else 0.0


def gradient(image: Raster) -> FloatArray:
    """Sobel gradient magnitude of luma (white at 1) per pixel, (h, w) float32, of (h, w, 3)."""
    luma = to_float(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY))
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.125, borderType=cv2.BORDER_REPLICATE)
    down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.125, borderType=cv2.BORDER_REPLICATE)
    magnitude: FloatArray = cv2.magnitude(across, down)
    return magnitude


def boundary_gradient_ratio(image: Raster, signed: FloatArray, truth: Raster | None = None) -> float:
    """Mean gradient on the mask's edge over that of ``truth`` there, or of the picture 4–8 px beside it.

    1.0 without an edge, and near it where neither side has any gradient.
    """
    distance = np.abs(signed)
    edge = distance <= _EDGE_PX
    if not edge.any():
        return 1.0
    strength = gradient(image)
    on_edge = float(strength[edge].mean())
    if truth is not None:
        reference = float(gradient(truth)[edge].mean())
    else:
        beside = (distance >= _BESIDE_PX[0]) & (distance <= _BESIDE_PX[1])
        reference = float(strength[beside].mean()) if beside.any() else on_edge
    return (on_edge + _LEAST_GRADIENT) / (reference + _LEAST_GRADIENT)
