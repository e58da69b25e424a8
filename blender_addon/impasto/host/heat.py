"""Maps laid over objects in the 3D views: drawn with each redraw, so that nothing in the file changes."""

from collections.abc import Generator
from typing import Any

import bpy
import numpy as np
from impasto_protocol.geometry import Part
from impasto_studio.host import Picture

__all__ = ["Overlay"]

LIFT = 0.002  # of the objects' size: how far the map floats above the surface
LARGEST_PX = 1024
PAD_PX = 3
OPAQUE = 1 << 24  # texels of any alpha are at least that

Sliced = Generator[None, None, Any]


class Overlay:
    """What is shown now. `show` raises SystemError where there is no GPU."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn: list[tuple[Any, Any]] = []  # (batch, texture)
        self._shader: Any = None

    @property
    def shown(self) -> bool:
        return self._handle is not None

    def show(self, parts: list[Part], pictures: tuple[Picture, ...]) -> Sliced:
        """Parts with textures that are numbered as the pictures, RGBA8."""
        import gpu

        shader = gpu.shader.from_builtin("IMAGE" if bpy.app.version >= (4, 0, 0) else "3D_IMAGE")
        textures = []
        for picture in pictures:
            pixels = _small(picture)
            for _ in range(PAD_PX):
                yield
                _pad(pixels)
            textures.append(_texture(gpu, pixels))
            yield
        drawn = []
        for part in parts:
            drawn.append((_batch(shader, part), textures[part.texture]))
            yield
        self.clear()
        self._shader, self._drawn = shader, drawn
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")
        _redraw()

    def clear(self) -> None:
        if self._handle is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
            self._handle, self._drawn = None, []
            _redraw()

    def _draw(self) -> None:
        import gpu

        gpu.state.depth_test_set("LESS_EQUAL")
        gpu.state.depth_mask_set(False)
        gpu.state.face_culling_set("BACK")
        try:
            for batch, texture in self._drawn:
                self._shader.bind()
                self._shader.uniform_sampler("image", texture)
                batch.draw(self._shader)
        finally:
            gpu.state.face_culling_set("NONE")
            gpu.state.depth_test_set("NONE")


def _small(picture: Picture) -> np.ndarray:
    """(h, w, 4) uint8, at most `LARGEST_PX` a side, rows from the bottom."""
    step = max(1, -(-max(picture.width, picture.height) // LARGEST_PX))
    pixels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width, 4)
    return np.ascontiguousarray(pixels[::-1][::step, ::step])


def _pad(pixels: np.ndarray) -> None:
    """The layout's islands grow by a texel: what lies beside them would shine through at their borders."""
    texels = pixels.view("<u4")[..., 0]  # alpha in the highest byte
    before = texels.copy()
    for rows, columns in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = np.roll(before, (rows, columns), (0, 1))
        np.copyto(texels, beside, where=(texels < OPAQUE) & (beside >= OPAQUE))


def _texture(gpu: Any, pixels: np.ndarray) -> Any:
    """Opaque."""
    height, width = pixels.shape[:2]
    values = pixels.astype(np.float32) / np.float32(255.0)
    values[..., 3] = 1.0
    buffer = gpu.types.Buffer("FLOAT", values.size, values.ravel())
    return gpu.types.GPUTexture((width, height), format="RGBA8", data=buffer)


def _batch(shader: Any, part: Part) -> Any:
    from gpu_extras.batch import batch_for_shader

    positions = np.frombuffer(part.positions, "<f4").reshape(-1, 3)
    triangles = np.frombuffer(part.triangles, "<i4").reshape(-1, 3)
    lifted = (positions + _lift(positions, triangles))[triangles]
    uvs = np.frombuffer(part.uvs, "<f4").reshape(-1, 2)
    content = {"pos": np.ascontiguousarray(lifted.reshape(-1, 3), np.float32), "texCoord": uvs}
    return batch_for_shader(shader, "TRIS", content)


def _lift(positions: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) away from the surface, by the mean of the triangles around: along their own normals they would
    part at the edges."""
    corners = positions[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    at, weights = triangles.ravel(), np.repeat(facing, 3, axis=0)
    normals = np.stack([np.bincount(at, weights[:, axis], len(positions)) for axis in range(3)], axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    return (normals * (LIFT * float(np.ptp(positions, axis=0).max(initial=0.0)))).astype(np.float32)


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
