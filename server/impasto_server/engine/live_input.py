"""What the artist's canvases become before a live frame sees them: small, opaque, and looked at only once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from impasto_protocol.errors import BadImage, SizeMismatch

from impasto_server.compositing.geometry import mask_bounds, round_up
from impasto_server.compositing.masks import (
    composite_alpha,
    denoise_mask,
    ramp_px,
    release_mask,
    working_masks,
)
from impasto_server.compositing.raster import FloatArray, Raster

T = TypeVar("T")
Size = tuple[int, int]  # (width, height)


def working_size(picture: Size, longest_px: int, native_px: int, grid: int) -> Size:
    """The size at which a picture is painted live: its longer side `longest_px`, or its own up to the native
    one; both sides multiples of `grid`, for which it is stretched by a little, and at least a quarter of the
    native one, below which UNets have nothing left to halve.
    """
    longest = longest_px or min(max(picture), native_px)
    least = round_up(native_px // 4, grid)
    width, height = (max(round(side * longest / max(picture) / grid) * grid, least) for side in picture)
    return width, height


def show(image: Raster, out: npt.NDArray[np.uint8]) -> None:
    """A picture (H, W, 3 or 4) uint8, straight alpha shown over white, averaged down (or interpolated up)
    into `out` (h, w, 3). Raises `BadImage`."""
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8 or 0 in image.shape:
        raise BadImage("Live previews are painted over pictures of 8 bits a channel, RGB or RGBA.")
    height, width = out.shape[:2]
    fits = image.shape[:2] == (height, width)
    opaque = image
    if image.shape[2] == 4:
        opaque = _over_white(image, out if fits else None)
    if fits:
        if opaque is image:
            np.copyto(out, image)
        return
    shrinks = opaque.shape[0] >= height and opaque.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    cv2.resize(opaque, (width, height), dst=out, interpolation=how)


def _over_white(image: Raster, out: Raster | None) -> Raster:
    """(H, W, 3), into `out` where that is given."""
    alpha = cv2.extractChannel(image, 3)  # copying it is faster than looking at every fourth byte
    if alpha.min() == 255:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB, dst=out))
    missing = cv2.multiply(cv2.bitwise_not(image[:, :, :3]), cv2.merge([alpha] * 3), scale=1.0 / 255.0)
    return np.asarray(cv2.bitwise_not(missing, dst=out))


@dataclass(eq=False)
class Followed(Generic[T]):
    """Something that is made of a canvas, again only when the canvas has changed: comparing takes a
    hundredth of a millisecond."""

    make: Callable[[Raster, Size], T]
    _seen: tuple[Raster, Size] | None = None
    _made: T = field(init=False)

    def at(self, pixels: Raster, size: Size) -> T:
        """Made for a working size; the same object as long as nothing has changed."""
        seen = self._seen
        if seen is None or seen[1] != size or not np.array_equal(seen[0], pixels):
            self._made = self.make(pixels, size)
            self._seen = (pixels.copy(), size)
        return self._made


@dataclass(frozen=True, eq=False)
class LiveMask:
    """The artist's mask at working size.

    release: (h/f, w/f) float32 0..1, see `masks.release_mask`. box: index of what may change; alpha: how much
    of it, (h', w', 1) uint16 0..256.
    """

    release: FloatArray
    box: tuple[slice, slice]
    alpha: npt.NDArray[np.uint16]

    def keep(self, picture: Raster, painted: Raster) -> None:
        """Puts the picture back into `painted`, both (h, w, 3) uint8, where it is not selected: the same
        bytes."""
        kept = picture.copy()
        below, above = (pixels[self.box].astype(np.uint16) for pixels in (picture, painted))
        kept[self.box] = (
            below * (np.uint16(256) - self.alpha) + above * self.alpha + np.uint16(128)
        ) >> np.uint16(8)
        np.copyto(painted, kept)


def live_mask(pixels: Raster, size: Size, latent_factor: int) -> LiveMask | None:
    """Of a mask (H, W) uint8, 0 keep … 255 repaint; None where nothing is selected."""
    if not pixels.any():
        return None
    soft, touched = working_masks(pixels, size)
    denoise = denoise_mask(soft, touched)
    bounds = mask_bounds(touched)
    alpha = composite_alpha(np.where(touched, np.maximum(soft, 1.0 / 255.0), 0.0), ramp_px(bounds))
    scaled = np.rint(alpha[bounds.slices] * np.float32(256.0)).astype(np.uint16)[:, :, None]
    return LiveMask(release_mask(denoise, latent_factor), bounds.slices, scaled)


def check_size(name: str, pixels: Raster, picture: Raster) -> None:
    """Raises `SizeMismatch`."""
    if pixels.shape[:2] != picture.shape[:2]:
        raise SizeMismatch(
            f"The {name} is {pixels.shape[1]}×{pixels.shape[0]} px and the picture "
            f"{picture.shape[1]}×{picture.shape[0]}. Make them the same size."
        )
