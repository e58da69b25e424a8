"""Grain: the picture's own noise, measured around the mask and given to what the model painted.

Decoders draw smooth pixels (grain ratio 0.12 inside against outside); a patch without grain is seen at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.compositing.masks import BoolArray
from impasto_server.compositing.raster import FloatArray

# Immerkær 1996, "Fast noise variance estimation": the difference of two Laplacians, blind to planes; for
# white noise of deviation σ its response has deviation 6 σ. The median makes it robust to edges (σ is
# 1.4826 times the median deviation).
_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
_TO_SIGMA = 1.4826 / 6.0
# One step of an 8-bit picture, and how near two responses must be to be the same number of steps.
_STEP = 1.0 / 255.0
_TIED = 1e-3 / 255.0
_LEAST_PIXELS = 32
# Weaker grain is not visible in an 8-bit document, and flat art has none.
LEAST_SIGMA = 0.5 / 255.0
# Differences below this share are scatter of the estimate, not missing grain.
_ALIKE = 0.88
# Spectrum: known patches of this side, the calmest share of them.
_PATCH = 16
_CALM_SHARE = 0.25
_LEAST_PATCHES = 4
# Detail of the calmest patches (root mean square) from which on it is texture, and from which on only that:
# of gravel and grass it is 22 to 26/255, of photographs with noise of 6/255 added up to 7/255.
_TEXTURE = (10.0 / 255.0, 16.0 / 255.0)
# Low-pass taken off a patch before its spectrum is read: slow shading is not grain.
_SHADING_SIGMA = 6.0
# Structures longer than 16 px are not drawn at all and those below 8 px in full (cycles per pixel): coarser
# ones are texture, and as noise they would show as blotches at the border.
_FADE = (1.0 / 16.0, 1.0 / 8.0)
# Grain is drawn on a periodic tile; 512 px repeat too far apart to be seen at these amplitudes.
TILE = 512


def measurable(where: BoolArray) -> bool:
    """Whether ``where`` (h, w) holds enough pixels for `noise_sigma` to mean something."""
    return int(_inner(where).sum()) >= _LEAST_PIXELS


def _inner(where: BoolArray) -> BoolArray:
    """Pixels whose eight neighbours are also in ``where``."""
    window = np.ones((3, 3), np.uint8)
    flags = np.ascontiguousarray(where).view(np.uint8)
    inner: BoolArray = cv2.erode(flags, window, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(bool)
    return inner


def noise_sigma(image: FloatArray, where: BoolArray) -> FloatArray:
    """Robust noise deviation per channel of (h, w, c) over ``where`` (h, w): (c,) float32, in units of white.

    Only pixels whose eight neighbours are also in ``where`` vote. Zeros where fewer than 32
    do; see `measurable`.
    """
    inner = _inner(where)
    if int(inner.sum()) < _LEAST_PIXELS:
        return np.zeros(image.shape[2], dtype=np.float32)
    response = cv2.filter2D(image, -1, _KERNEL, borderType=cv2.BORDER_REPLICATE).reshape(image.shape)
    strength = np.abs(response[inner])
    medians = [
        _grouped_median(np.ascontiguousarray(strength[:, channel])) for channel in range(image.shape[2])
    ]
    return np.array(medians, dtype=np.float32) * np.float32(_TO_SIGMA)


def _grouped_median(values: FloatArray) -> float:
    """Median, interpolated within its step where 8-bit rounding made many values equal.

    In an 8-bit picture the filter's response is a whole number of steps, so a plain median of weak grain
    jumps by half its size and would report grain as missing where there is none to add.
    """
    middle = float(np.median(values))
    tied = float(np.mean(np.abs(values - middle) < _TIED))
    if middle == 0.0 or tied < 0.01:
        return middle
    below = float(np.mean(values <= middle - _TIED))
    return middle + _STEP * ((0.5 - below) / tied - 0.5)


@dataclass(frozen=True, eq=False)
class Grain:
    """Measured grain.

    sigma:     (3,) robust deviation per channel, in units of white.
    amplitude: (n, n) spectrum in `numpy.fft` order, in any unit.
    mixing:    (3, 3) coupling of the channels.
    """

    sigma: FloatArray
    amplitude: FloatArray
    mixing: FloatArray


def measure_grain(image: FloatArray, known: BoolArray) -> Grain | None:
    """The grain of the ``known`` pixels of (h, w, 3); None if below half an 8-bit step or not measurable.

    Texture is not grain: a smooth object painted onto gravel must not look like leather.
    """
    if float(noise_sigma(image, known).max()) < LEAST_SIGMA:
        return None
    patches = _calm_patches(image, known)
    if patches is None:
        return None
    taper = np.hanning(_PATCH + 2)[1:-1].astype(np.float32)
    spectra = (
        np.abs(np.fft.fft2(patches.detail * (taper[:, None] * taper)[None, :, :, None], axes=(1, 2))) ** 2
    )
    power = spectra.mean(axis=(0, 3))
    power[0, 0] = 0.0
    sigma = patches.sigma() * np.float32(np.interp(patches.detail.std(), _TEXTURE, (1.0, 0.0)))
    if float(sigma.max()) < LEAST_SIGMA:
        return None
    coupled = float(patches.detail.std(axis=(0, 1, 2)).min()) > 0.0
    correlation = np.asarray(np.corrcoef(patches.detail.reshape(-1, 3).T) if coupled else np.eye(3))
    return Grain(sigma, np.sqrt(power).astype(np.float32), _square_root(correlation))


def missing_sigma(grain: Grain, inside: FloatArray) -> FloatArray:
    """(3,) deviation √(σ_o² − σ_i²) that a part with noise ``inside`` (3,) lacks; 0 where they are alike."""
    missing = np.sqrt(np.maximum(grain.sigma**2 - inside**2, 0.0))
    lacking: FloatArray = np.where(inside < _ALIKE * grain.sigma, missing, 0.0).astype(np.float32)
    return lacking


def grain_tile(grain: Grain, deviation: FloatArray, seed: int) -> FloatArray:
    """Noise of the measured spectrum: (TILE, TILE, 3) float32, periodic, the same for the same ``seed``.

    deviation: (3,) what `noise_sigma` shall measure on it.
    """
    white = np.random.default_rng(seed).standard_normal((TILE, TILE, 3), dtype=np.float32)
    down, across = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :]
    fine = np.clip((np.hypot(down, across) - _FADE[0]) / (_FADE[1] - _FADE[0]), 0.0, 1.0).astype(np.float32)
    amplitude = (_enlarged_spectrum(grain.amplitude, TILE)[:, : TILE // 2 + 1] * fine)[:, :, None]
    shaped = np.fft.irfft2(np.fft.rfft2(white, axes=(0, 1)) * amplitude, s=(TILE, TILE), axes=(0, 1))
    noise = (shaped.astype(np.float32) @ grain.mixing.T).astype(np.float32)
    measured = noise_sigma(noise, np.ones((TILE, TILE), dtype=bool))
    return (noise * (deviation / np.maximum(measured, 1e-9))).astype(np.float32)


def tiled(tile: FloatArray, rows: tuple[int, int], columns: tuple[int, int]) -> FloatArray:
    """The part [rows) × [columns) of the plane covered with the periodic ``tile``."""
    row_index = np.arange(*rows) % tile.shape[0]
    column_index = np.arange(*columns) % tile.shape[1]
    part: FloatArray = tile[row_index[:, None], column_index[None, :]]
    return part


@dataclass(frozen=True, eq=False)
class _Patches:
    """Calm patches (n, P, P, 3): as they are, and their detail alone (high-passed, of mean 0)."""

    plain: FloatArray
    detail: FloatArray

    def sigma(self) -> FloatArray:
        """(3,) `noise_sigma` over all of them."""
        count = len(self.plain)
        strip = self.plain.reshape(count * _PATCH, _PATCH, 3)
        inside = np.zeros((count, _PATCH, _PATCH), dtype=bool)
        inside[:, 1:-1, 1:-1] = True
        return noise_sigma(strip, inside.reshape(strip.shape[:2]))


def _calm_patches(image: FloatArray, known: BoolArray) -> _Patches | None:
    """The known patches with the least structure, or None if there are too few."""
    low = cv2.GaussianBlur(image, (0, 0), _SHADING_SIGMA, borderType=cv2.BORDER_REPLICATE)
    usable = _blocks(known[:, :, None]).all(axis=(1, 2, 3))
    plain, detail = _blocks(image)[usable], _blocks(image - low)[usable]
    energy = detail.var(axis=(1, 2, 3))
    lively = np.flatnonzero(energy > 0)
    if len(lively) < _LEAST_PATCHES:
        return None
    count = max(int(len(lively) * _CALM_SHARE), _LEAST_PATCHES)
    calm = lively[np.argsort(energy[lively], kind="stable")[:count]]
    return _Patches(plain[calm], detail[calm] - detail[calm].mean(axis=(1, 2), keepdims=True))


def _blocks(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(h, w, c) cut into (n, P, P, c); what does not fill a patch at the right and bottom is left out."""
    rows, columns, channels = picture.shape[0] // _PATCH, picture.shape[1] // _PATCH, picture.shape[2]
    cut = picture[: rows * _PATCH, : columns * _PATCH]
    return (
        cut.reshape(rows, _PATCH, columns, _PATCH, channels)
        .swapaxes(1, 2)
        .reshape(-1, _PATCH, _PATCH, channels)
    )


def _enlarged_spectrum(amplitude: FloatArray, side: int) -> FloatArray:
    """A patch's (n, n) amplitude spectrum interpolated to (side, side) frequencies."""
    centred = np.fft.fftshift(amplitude)
    frequencies = np.fft.fftshift(np.fft.fftfreq(side)) * amplitude.shape[0] + amplitude.shape[0] // 2
    position = frequencies.astype(np.float32)
    horizontal, vertical = np.meshgrid(position, position)
    large = cv2.remap(centred, horizontal, vertical, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.fft.ifftshift(large).astype(np.float32)


def _square_root(correlation: npt.NDArray[np.floating]) -> FloatArray:
    """Symmetric root of a correlation matrix, so that mixed unit noises correlate like it."""
    values, vectors = np.linalg.eigh(correlation)
    root: FloatArray = ((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T).astype(np.float32)
    return root
