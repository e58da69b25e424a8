"""Synthetic pictures, masks and faulty models for the inpaint bars; all from seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from impasto_server.compositing.raster import quantise

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


def texture(width: int, height: int, seed: int) -> FloatArray:
    """Stone-like noise over several octaves, coloured; fine detail everywhere."""
    random = np.random.default_rng(seed)
    grey = np.zeros((height, width), dtype=np.float32)
    for sigma, weight in ((1.0, 0.25), (4.0, 0.5), (16.0, 1.0)):
        octave = cv2.GaussianBlur(random.standard_normal((height, width)).astype(np.float32), (0, 0), sigma)
        grey += weight * octave / max(float(octave.std()), 1e-6)
    grey = 0.5 + 0.12 * grey
    tint = np.array([1.0, 0.86, 0.66], dtype=np.float32)
    return np.clip(grey[:, :, None] * tint + 0.05, 0.03, 0.9).astype(np.float32)


def sky(width: int, height: int, seed: int) -> FloatArray:
    """A smooth gradient with faint clouds and film grain of 2.5/255."""
    random = np.random.default_rng(seed)
    down = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    zenith, horizon = np.array([0.25, 0.45, 0.78]), np.array([0.75, 0.82, 0.88])
    clouds = cv2.GaussianBlur(random.standard_normal((height, width)).astype(np.float32), (0, 0), 24.0)
    clouds *= 0.03 / max(float(clouds.std()), 1e-6)
    grain = random.normal(0.0, 2.5 / 255.0, (height, width, 3))
    return np.clip(zenith + down * (horizon - zenith) + clouds[:, :, None] + grain, 0.02, 0.92).astype(
        np.float32
    )


def flat_art(width: int, height: int, seed: int) -> FloatArray:
    """Plain colour areas with antialiased edges and no grain."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), (230, 214, 186), dtype=np.uint8)
    for _ in range(9):
        centre = (int(random.integers(0, width)), int(random.integers(0, height)))
        colour = tuple(int(value) for value in random.integers(30, 225, 3))
        radius = int(random.integers(max(min(width, height) // 12, 4), max(min(width, height) // 4, 6)))
        cv2.circle(picture, centre, radius, colour, -1, cv2.LINE_AA)
    return picture.astype(np.float32) / 255.0


SCENES: dict[str, Callable[[int, int, int], FloatArray]] = {"texture": texture, "sky": sky, "flat": flat_art}


def uniform_cast(picture: FloatArray) -> FloatArray:
    """Gain 1.03 and offset 0.02, as a decoder shifts tone."""
    return (picture * 1.03 + 0.02).astype(np.float32)


def varying_cast(picture: FloatArray) -> FloatArray:
    """±0.025 ramps, a different direction per channel, as FLUX shifts tone across the picture."""
    height, width = picture.shape[:2]
    across = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    down = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    ramps = np.stack([across + 0 * down, 0 * across + down, -0.5 * (across + down)], axis=-1)
    return (picture + 0.025 * ramps).astype(np.float32)


CASTS: dict[str, Callable[[FloatArray], FloatArray]] = {"uniform": uniform_cast, "varying": varying_cast}


@dataclass(frozen=True)
class Selection:
    """A generated mask and its name, so that a failing example reads well."""

    kind: str
    mask: ByteArray

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"Selection({self.kind}, {width}×{height}, {int((self.mask > 0).sum())} px)"


def ellipse(width: int, height: int, random: np.random.Generator) -> ByteArray:
    mask = np.zeros((height, width), dtype=np.uint8)
    centre = (int(width * random.uniform(0.3, 0.7)), int(height * random.uniform(0.3, 0.7)))
    axes = (int(width * random.uniform(0.1, 0.25)) + 1, int(height * random.uniform(0.1, 0.25)) + 1)
    cv2.ellipse(mask, centre, axes, float(random.uniform(0, 180)), 0, 360, 255, -1)
    return mask


def stroke(width: int, height: int, random: np.random.Generator) -> ByteArray:
    mask = np.zeros((height, width), dtype=np.uint8)
    points = (random.uniform(0.15, 0.85, (5, 2)) * (width, height)).astype(np.int32)
    thickness = int(random.integers(2, max(min(width, height) // 8, 3)))
    cv2.polylines(mask, [points.reshape(-1, 1, 2)], False, 255, thickness, cv2.LINE_AA)
    return mask


def holes(width: int, height: int, random: np.random.Generator) -> ByteArray:
    mask = ellipse(width, height, random)
    ys, xs = np.nonzero(mask)
    for _ in range(3):
        at = int(random.integers(0, len(ys)))
        cv2.circle(mask, (int(xs[at]), int(ys[at])), max(min(width, height) // 20, 1), 0, -1)
    mask[ys[0], xs[0]] = 255
    return mask


def islands(width: int, height: int, random: np.random.Generator) -> ByteArray:
    mask = np.zeros((height, width), dtype=np.uint8)
    for _ in range(int(random.integers(2, 6))):
        at = (int(random.integers(0, width)), int(random.integers(0, height)))
        cv2.circle(mask, at, int(random.integers(1, max(min(width, height) // 10, 2))), 255, -1)
    return mask


def one_pixel(width: int, height: int, random: np.random.Generator) -> ByteArray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[int(random.integers(0, height)), int(random.integers(0, width))] = 255
    return mask


def at_border(width: int, height: int, random: np.random.Generator) -> ByteArray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[
        : max(int(height * random.uniform(0.1, 0.5)), 1), : max(int(width * random.uniform(0.2, 1.0)), 1)
    ] = 255
    return np.ascontiguousarray(np.rot90(mask, 2)) if random.random() < 0.5 else mask


def everything(width: int, height: int, random: np.random.Generator) -> ByteArray:
    return np.full((height, width), 255, dtype=np.uint8)


def feathered(width: int, height: int, random: np.random.Generator) -> ByteArray:
    soft = cv2.GaussianBlur(ellipse(width, height, random), (0, 0), float(random.uniform(1.0, 8.0)))
    soft[soft.shape[0] // 2, soft.shape[1] // 2] = 255
    return soft


MASKS: dict[str, Callable[[int, int, np.random.Generator], ByteArray]] = {
    "ellipse": ellipse,
    "stroke": stroke,
    "holes": holes,
    "islands": islands,
    "one pixel": one_pixel,
    "at the border": at_border,
    "everything": everything,
    "feathered": feathered,
}
# Masks with room for bands, arcs and grain on both sides of their border.
ROOMY = ("ellipse", "holes", "at the border", "feathered")


@st.composite
def selections(
    draw: st.DrawFn, *, low: int = 9, high: int = 420, kinds: tuple[str, ...] = tuple(MASKS)
) -> Selection:
    """A mask of any kind on a canvas of any size, odd ones included."""
    width, height = draw(st.integers(low, high)), draw(st.integers(low, high))
    kind = draw(st.sampled_from(kinds))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Selection(kind, MASKS[kind](width, height, random))


def as_document(picture: FloatArray, dtype: str, channels: int, seed: int = 0) -> npt.NDArray[np.generic]:
    """``picture`` (h, w, 3) as a document of 1, 3 or 4 channels; alpha has holes and soft parts."""
    if channels == 1:
        return quantise(picture.mean(axis=2), dtype)
    if channels == 3:
        return quantise(picture, dtype)
    height, width = picture.shape[:2]
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    cloud = cv2.GaussianBlur(noise, (0, 0), 6.0)
    alpha = np.clip(cloud / max(float(cloud.std()), 1e-6) + 0.5, 0.0, 1.0)
    return quantise(np.dstack([picture, alpha]), dtype)
