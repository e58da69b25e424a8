"""A texture seen from a view."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.sight import Buffers

__all__ = ["read_back"]


def read_back(
    texture: npt.NDArray[np.float32], mesh: Mesh, buffers: Buffers, triangles: slice
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The picture (H, W, C) float32 that a view has of a square texture (S, S, C), unlit and with linear
    filtering, and where (H, W) it shows the mesh. `triangles`: the mesh's among the scene's.
    """
    own = buffers.triangles - triangles.start
    shown = (buffers.triangles >= triangles.start) & (buffers.triangles < triangles.stop)
    uvs = np.zeros((*shown.shape, 2), np.float32)
    uvs[shown] = mesh.uvs_at(own[shown], buffers.weights[shown])
    side = texture.shape[0]
    x = uvs[:, :, 0] * side - np.float32(0.5)
    y = (1.0 - uvs[:, :, 1]) * side - np.float32(0.5)
    picture = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    picture = picture.reshape(*shown.shape, -1)
    return np.where(shown[:, :, None], picture, np.float32(0.0)), shown
