"""The objects and cameras of a texture job, from what the client has sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from impasto_protocol.errors import BadValue, SizeMismatch
from impasto_protocol.geometry import Part, unpack
from impasto_protocol.messages import Camera, TextureRequest, TextureTarget, TextureView

from impasto_server.engine.interface import Input
from impasto_server.texturing.atelier import Target
from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.rig import interleaved
from impasto_server.texturing.view import View

__all__ = ["camera_of", "placed", "scene_of", "view_of"]

FloatArray = npt.NDArray[np.float32]

_FARTHEST = 1e9  # of a coordinate: beyond it, squares of distances leave float32
_BROKEN = "The geometry of an object is damaged: {}. Export it again, or apply its modifiers."


def scene_of(texture: TextureRequest, pictures: Mapping[str, Input]) -> tuple[list[Target], list[Mesh]]:
    """The targets, in their order, and what else stands in the way. Raises `BadValue`, `SizeMismatch`."""
    given = pictures.get("geometry")
    if given is None:
        raise BadValue("Textures need the objects' geometry. Send it too.")
    parts = unpack(np.ascontiguousarray(given.pixels).data.cast("B"))
    meshes = [_mesh(part, len(texture.targets)) for part in parts]
    targets = []
    for number, target in enumerate(texture.targets):
        own = [mesh for mesh, part in zip(meshes, parts, strict=True) if part.texture == number]
        if not any(len(mesh.triangles) for mesh in own):
            raise BadValue(
                f"“{target.name}” has no faces, so there is nothing to paint. Choose another object."
            )
        base = pictures.get(f"base {number + 1}")
        targets.append(Target(_merged(own), target.width, target.height, _base(target, base)))
    others = [mesh for mesh, part in zip(meshes, parts, strict=True) if part.texture < 0]
    return targets, [mesh for mesh in others if len(mesh.triangles)]


def _mesh(part: Part, targets: int) -> Mesh:
    if part.texture >= targets:
        raise BadValue(_BROKEN.format("it names a texture that the request does not have"))
    positions = np.frombuffer(part.positions, "<f4").reshape(-1, 3)
    triangles = np.frombuffer(part.triangles, "<i4").reshape(-1, 3)
    uvs = np.frombuffer(part.uvs, "<f4").reshape(-1, 3, 2)
    normals = None if part.normals is None else np.frombuffer(part.normals, "<f4").reshape(-1, 3, 3)
    if len(triangles) and not (triangles.min() >= 0 and triangles.max() < len(positions)):
        raise BadValue(_BROKEN.format("a face has a corner that does not exist"))
    if not all(_is_sound(values) for values in (positions, uvs, normals)):
        raise BadValue(_BROKEN.format("some of its numbers are not finite, or far too large"))
    if part.texture < 0:
        uvs = np.zeros((len(triangles), 3, 2), np.float32)
    return Mesh(
        np.asarray(positions, np.float32),
        np.asarray(triangles, np.int32),
        np.asarray(uvs, np.float32),
        None if normals is None else np.asarray(normals, np.float32),
    )


def _is_sound(values: npt.NDArray[np.float32] | None) -> bool:
    # A comparison with NaN is false.
    return values is None or not values.size or bool(np.abs(values).max() < _FARTHEST)


def _merged(meshes: Sequence[Mesh]) -> Mesh:
    """All parts of one texture as one mesh, in order."""
    if len(meshes) == 1:
        return meshes[0]
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes[:-1])])
    triangles = [mesh.triangles + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]
    shaded = any(mesh.normals is not None for mesh in meshes)
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate([_shading(mesh) for mesh in meshes]) if shaded else None,
    )


def _shading(mesh: Mesh) -> FloatArray:
    """(T, 3, 3) normals of the corners, of flat meshes too."""
    if mesh.normals is not None:
        return mesh.normals
    return np.repeat(mesh.face_normals[:, None, :], 3, axis=1)


def _base(target: TextureTarget, given: Input | None) -> npt.NDArray[np.uint8] | None:
    if given is None:
        return None
    if (given.ref.width, given.ref.height) != (target.width, target.height):
        raise SizeMismatch(
            f"The texture “{target.name}” is {given.ref.width}×{given.ref.height} texels and the one that is "
            f"asked for {target.width}×{target.height}. Make them the same size."
        )
    return np.asarray(given.pixels, np.uint8)


def view_of(camera: Camera) -> View:
    world, projection = (
        np.array(matrix, np.float64).reshape(4, 4) for matrix in (camera.world_to_camera, camera.projection)
    )
    return View(world, projection, camera.width, camera.height)


def camera_of(view: View) -> Camera:
    """Exactly: a replay sees the same pixels."""
    world, projection = (
        tuple(float(number) for number in matrix.ravel())
        for matrix in (view.world_to_camera, view.projection)
    )
    return Camera(world, projection, view.width, view.height)


def placed(points: FloatArray, count: int, side_px: int) -> tuple[TextureView, ...]:
    """Views around vertices (V, 3), for a request that has none."""
    return tuple(TextureView(camera_of(view)) for view in interleaved(points, count, (side_px, side_px)))
