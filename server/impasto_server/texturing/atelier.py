"""One texture job: cameras are placed, pictures come in view by view, textures go out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impasto_server.texturing.agree import Agreement
from impasto_server.texturing.blend import footprints
from impasto_server.texturing.coat import FILLED, PAINTED, Coat, Given, painted_over
from impasto_server.texturing.depth import depth_map, range_of
from impasto_server.texturing.finishing import filled, texture_of
from impasto_server.texturing.maps import coverage_map, views_map
from impasto_server.texturing.mesh import Mesh, Points
from impasto_server.texturing.sight import (
    Buffers,
    Sight,
    box_of,
    depth_buffer,
    facing,
    look,
    render_buffers,
    silhouette_distance,
)
from impasto_server.texturing.surface import Surface
from impasto_server.texturing.trimap import freedom, trimap
from impasto_server.texturing.view import View

__all__ = ["AGREE_SIDE", "Atelier", "Finished", "Target"]

FloatArray = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_WHOLE = 0.99  # share of the texels in a pixel that have to be painted for it to show nothing else
AGREE_SIDE = 512  # texels of the textures in which views are brought together


@dataclass(frozen=True, eq=False)
class Target:
    """A texture that is to be painted, and all surfaces that show it: earlier ones have the texel where they
    overlap. width, height: texels. base: (height, width, 4) uint8 sRGB, alpha 0 where nothing is painted yet.
    """

    mesh: Mesh
    width: int
    height: int
    base: Bytes | None = None


@dataclass(frozen=True, eq=False)
class Finished:
    """texture: (height, width, 4) uint8 sRGB; alpha 255 painted, 1 filled from its surroundings, 0 beside the
    layout. covered: share of its texels on the surface that views have painted.
    """

    texture: Bytes
    covered: float


class Atelier:
    """The state of one texture job. Pictures are float32, sRGB 0..1. Views are numbered as they are added.

    A view's picture is blended with those of all others that were given with `keep` False. One given with
    `keep` True goes over what there is, where its trimap lets it.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        others: Sequence[Mesh] = (),
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`others` stand in the way, and are not painted. check: called every 50 ms or so of all that is done
        here; it may raise.
        """
        meshes = [target.mesh.sound for target in targets]
        sizes = [(target.width, target.height) for target in targets]
        self._surface = Surface.of(meshes, sizes, [mesh.sound for mesh in others], check)
        self._bases = [target.base for target in targets]
        self._views: list[View] = []
        self._buffers: dict[int, Buffers] = {}
        self._depths: dict[int, tuple[FloatArray, FloatArray]] = {}
        self._sights: dict[int, Sight] = {}
        self._agreement: tuple[object, Agreement] | None = None
        self._small: Surface | None = None
        self._coat = Coat.of(self._surface, self._bases)
        self._batch: dict[int, Given] = {}
        self._now: Coat | None = None

    @property
    def points(self) -> Points:
        """(V, 3) of all targets' vertices."""
        return np.concatenate([mesh.positions for mesh in self._surface.scene.meshes[: len(self._bases)]])

    def add_view(self, view: View) -> int:
        """Its number."""
        self._views.append(view)
        return len(self._views) - 1

    def depth(self, number: int) -> FloatArray:
        """(H, W) 0..1 for a depth ControlNet: of the targets alone, 0 elsewhere; one range for all views from
        one distance.
        """
        view = self._views[number]
        return depth_map(
            self._geometry(number).depth, self.silhouette(number), view, range_of(view, self.points)
        )

    def silhouette(self, number: int) -> Mask:
        """(H, W) where targets are seen."""
        triangles = self._geometry(number).triangles
        return (triangles >= 0) & (triangles < self._surface.painted_triangles)

    def places(self, number: int, width: int, height: int) -> FloatArray:
        """(height, width, 3) of the targets' surface at the pixels of a copy of the view of that size; NaN
        where none is seen.
        """
        view = self._views[number].resized(width, height)
        buffers = render_buffers(self._surface.rays, view, box_of(view, self.points))
        seen = (buffers.triangles >= 0) & (buffers.triangles < self._surface.painted_triangles)
        scene = self._surface.scene
        corners = scene.positions[scene.triangles[buffers.triangles[seen]]]
        found = np.full((height, width, 3), np.nan, np.float32)
        found[seen] = np.einsum("nc,ncd->nd", buffers.weights[seen], corners)
        return found

    def shown(self, number: int) -> tuple[FloatArray, Mask]:
        """(H, W, 3) the textures as far as they are painted, and filled from there, seen from the view, 0
        beside them; and (H, W) where it shows colours that were painted.
        """
        coat = self._current()
        reader = self._surface.reader(self._geometry(number))
        asked = np.zeros(len(self._surface), bool)
        asked[reader.texels] = True
        colours = np.concatenate(self._filled(coat, asked))
        known = reader.picture(coat.known.astype(np.float32)) > _WHOLE
        return reader.picture(colours), known

    def trimap(self, number: int) -> Bytes:
        """(H, W) of KEEP, REFINE and GENERATE, against what views have painted; a base is there to be painted
        over. Beside the targets: GENERATE.
        """
        coat = self._current()
        buffers = self._geometry(number)
        reader = self._surface.reader(buffers)
        painted = reader.picture(coat.painted.astype(np.float32)) > 0.5
        return trimap(self.silhouette(number), painted, self._cosines(number), reader.picture(coat.cosine))

    def give(
        self,
        number: int,
        picture: FloatArray,
        mask: FloatArray | None = None,
        *,
        keep: bool = False,
        fixed: bool = False,
    ) -> None:
        """The view's picture (H, W, 3), which takes the place of one given before. mask: (H, W) 0..1, where
        it may change the textures. keep: texels that views have painted stay bit-identical where the trimap
        says KEEP. fixed: others come to its colours; those that are fixed only come to each other's.
        """
        given = Given(np.ascontiguousarray(picture, np.float32), self._sight(number), mask, fixed)
        if keep:
            free = freedom(self.trimap(number), self.silhouette(number))
            self._coat = painted_over(self._current(), [given], self._surface, free)
            self._batch = {}
        else:
            self._batch[number] = given
        self._now = None

    def agree(
        self, colours: Sequence[FloatArray], sharpness: float, numbers: Sequence[int] | None = None
    ) -> list[FloatArray]:
        """Pictures or latents (h, w, C) of the views `numbers` (None: all there are), brought together on the
        surface. Their size may be any share of the views'. What does not show a target stays as it is.
        `sharpness`: exponent of the cosine.
        """
        numbers = range(len(self._views)) if numbers is None else numbers
        asked = tuple((number, *colour.shape[:2]) for number, colour in zip(numbers, colours, strict=True))
        if self._agreement is None or self._agreement[0] != asked:
            self._agreement = (asked, self._agreed(asked))
        return self._agreement[1].of(colours, sharpness)

    def finish(self) -> list[Finished]:
        """The textures, in the targets' order."""
        coat = self._current()
        made = []
        for number, colours in enumerate(self._filled(coat)):
            table, part = self._surface.tables[number], self._surface.of_table(number)
            alpha = np.where(coat.known[part], PAINTED, FILLED).astype(np.uint8)
            painted = coat.painted[part]
            self._surface.rays.check()
            texture = texture_of(table, colours, alpha, painted, self._bases[number])
            made.append(Finished(texture, float(painted.mean()) if len(table) else 0.0))
        return made

    def inspect(self, what: str) -> list[Bytes]:
        """Maps (height, width, 4) uint8 of the targets. `what`: "coverage" or "views"."""
        sights = [self._sight(number) for number in range(len(self._views))]
        colours = {"coverage": coverage_map, "views": views_map}[what](sights, len(self._surface))
        seen = np.full(len(self._surface), FILLED, np.uint8)
        for sight in sights:
            seen[sight.texels] = PAINTED
        made = []
        for number, table in enumerate(self._surface.tables):
            part = self._surface.of_table(number)
            made.append(texture_of(table, colours[part], seen[part], seen[part] > FILLED, None))
        return made

    def _current(self) -> Coat:
        if self._now is None:
            self._now = self._coat
            if self._batch:
                self._now = painted_over(self._coat, list(self._batch.values()), self._surface)
        return self._now

    def _filled(self, coat: Coat, asked: Mask | None = None) -> list[FloatArray]:
        """(N, 3) of each target, holes filled; of all targets' texels only where they are `asked` for."""
        made, check = [], self._surface.rays.check
        for number, (table, base) in enumerate(zip(self._surface.tables, self._bases, strict=True)):
            part = self._surface.of_table(number)
            where = None if asked is None else asked[part]
            check()
            colours, known, painted = coat.colours[part], coat.known[part], coat.painted[part]
            made.append(filled(table, colours, known, painted, base, where, check))
        return made

    def _geometry(self, number: int) -> Buffers:
        if number not in self._buffers:
            view = self._views[number]
            self._buffers[number] = render_buffers(self._surface.rays, view, box_of(view, self.points))
        return self._buffers[number]

    def _sight(self, number: int) -> Sight:
        if number not in self._sights:
            self._sights[number] = self._seen(self._surface, number)
        return self._sights[number]

    def _seen(self, surface: Surface, number: int) -> Sight:
        view = self._views[number]
        front = facing(view, surface.scene, surface.triangle_normals)
        (among,) = np.nonzero(front[surface.triangles])
        return look(
            surface.rays, view, *self._depth(number), surface.positions, surface.faces, among.astype(np.int32)
        )

    def _depth(self, number: int) -> tuple[FloatArray, FloatArray]:
        """(H, W) twice: the view's depth, and how far its silhouettes are."""
        if number not in self._depths:
            view = self._views[number]
            if number in self._buffers:
                depth = self._buffers[number].depth
            else:
                depth = depth_buffer(self._surface.rays, view, box_of(view, self.points))
            self._depths[number] = depth, silhouette_distance(depth)
        return self._depths[number]

    def _cosines(self, number: int) -> FloatArray:
        """(H, W) of the view's rays and the faces they meet."""
        triangles = self._geometry(number).triangles
        view = self._views[number]
        (at,) = np.nonzero(triangles.ravel() >= 0)
        _, ways = view.rays()
        ways = ways[at]
        normals = self._surface.triangle_normals[triangles.ravel()[at]]
        found = np.zeros(triangles.size, np.float32)
        found[at] = -np.einsum("nd,nd->n", ways, normals) / np.linalg.norm(ways, axis=1)
        return found.reshape(triangles.shape)

    def _agreed(self, asked: Sequence[tuple[int, int, int]]) -> Agreement:
        """For views with these numbers, heights and widths."""
        if self._small is None:
            self._small = self._surface.resized(AGREE_SIDE)
        sights, readers = [], []
        for number, height, width in asked:
            whole = self._views[number]
            view = whole.resized(width, height)
            # Seen at full size, since margins count in its pixels; only places are those of the small one.
            sight = self._seen(self._small, number)
            scale = np.array([width / whole.width, height / whole.height], np.float32)
            sights.append(
                Sight(sight.texels, sight.pixels * scale, sight.cosine, sight.footprint, sight.margin)
            )
            readers.append(
                self._small.reader(render_buffers(self._small.rays, view, box_of(view, self.points)))
            )
        return Agreement(sights, readers, footprints(sights, len(self._small)))
