"""Views brought together in texture space: each one's picture, or latents, laid on the surface, blended there
and looked up again (SyncMVD, Liu et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.blend import blend, sample, weights_of
from impasto_server.texturing.sight import Sight
from impasto_server.texturing.surface import Reader

__all__ = ["Agreement"]

FloatArray = npt.NDArray[np.float32]


class Agreement:
    """Views whose pixels show the same surface. What does not change from step to step is found once."""

    def __init__(self, sights: Sequence[Sight], readers: Sequence[Reader], best: FloatArray) -> None:
        """`best`: (N,), see `blend.footprints`."""
        self._sights, self._readers = sights, readers
        self._weights = [weights_of(sight, best, 0.0) for sight in sights]
        self._count = len(best)

    def of(self, colours: Sequence[FloatArray], sharpness: float) -> list[FloatArray]:
        """views × (H, W, C) as they came, with what shows the surface replaced by what all say of it."""
        weights = [
            weight * sight.cosine ** np.float32(sharpness)
            for weight, sight in zip(self._weights, self._sights, strict=True)
        ]
        given = [
            sample(colour, sight, cv2.INTER_LINEAR)
            for colour, sight in zip(colours, self._sights, strict=True)
        ]
        mixed, total = blend(self._sights, given, weights, self._count)
        known = (total > 0).astype(np.float32)
        mixed *= known[:, None]
        made = []
        for colour, reader in zip(colours, self._readers, strict=True):
            found = colour.astype(np.float32).reshape(-1, colour.shape[2]).copy()
            share = reader.read(known)
            whole = share > 0.5
            found[reader.pixels[whole]] = reader.read(mixed)[whole] / share[whole, None]
            made.append(found.reshape(colour.shape))
        return made
