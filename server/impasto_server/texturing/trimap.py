"""Which pixels of a view are to be painted anew, refined or kept, given what other views have painted."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["GENERATE", "KEEP", "REFINE", "freedom", "trimap"]

KEEP, REFINE, GENERATE = 0, 1, 2
_BETTER = 0.2  # how much nearer to head-on a view has to see a texel than any before, to refine it
_DILATED = 64  # shares of the picture's side by which what is generated reaches into what is kept

Bytes = npt.NDArray[np.uint8]


def trimap(
    surface: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    cosine: npt.NDArray[np.float32],
    before: npt.NDArray[np.float32],
) -> Bytes:
    """(H, W) of KEEP, REFINE and GENERATE. surface: where textures are seen; known: where they are painted;
    cosine, before: of this view and of the best one that painted what is seen. Beside the surface there is
    nothing to keep: GENERATE.
    """
    made = np.where(surface & known & (cosine > before + _BETTER), REFINE, KEEP).astype(np.uint8)
    seen = (~surface | known).astype(np.uint8)
    if not seen.all():
        away = cv2.distanceTransform(seen, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        made[away <= band_px(surface.shape)] = GENERATE
    made[~surface] = GENERATE
    return made


def band_px(shape: tuple[int, ...]) -> int:
    """By how many pixels `GENERATE` is dilated."""
    return max(1, round(min(shape[:2]) / _DILATED))


def freedom(made: Bytes, surface: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """(H, W) 0..1: how much of the new picture goes over what is painted already: nothing where it is kept,
    more and more of it away from there.
    """
    kept = (made == KEEP) & surface
    if not kept.any():
        return np.ones(made.shape, np.float32)
    # Less one, so that it is nothing also between a pixel that is kept and any of its eight neighbours.
    away = cv2.distanceTransform((~kept).astype(np.uint8), cv2.DIST_C, 3) - np.float32(1.0)
    return np.asarray(np.clip(away / band_px(made.shape), 0.0, 1.0), np.float32)
