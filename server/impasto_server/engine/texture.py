"""Texture jobs: pictures of objects from several views, painted or given, laid onto their surfaces.

What is geometry and colour lies in `texturing`, what is a model's in `texture_views.py`. Here: which view is
painted how, and what is handed out when.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from impasto_protocol.errors import OutOfMemory, SizeMismatch
from impasto_protocol.messages import Control, GenerateRequest, Recipe, TextureRequest, TextureView

from impasto_server import __version__
from impasto_server.compositing.raster import FloatArray, quantise
from impasto_server.engine.interface import Input, Layer, StepGate
from impasto_server.engine.layers import named_layer, recipe_of
from impasto_server.engine.memory import Tier
from impasto_server.engine.painting import Painting
from impasto_server.engine.resolving import check_numbers
from impasto_server.engine.texture_scene import placed, scene_of, view_of
from impasto_server.engine.texture_together import Ensemble
from impasto_server.engine.texture_views import GROUND, ViewPainter
from impasto_server.models.control_kinds import DEPTH
from impasto_server.models.folder import ModelFolder
from impasto_server.texturing.atelier import Atelier

__all__ = ["TextureJob", "controlled"]

# Side of views that nobody has given and no model paints: for maps of what they would see.
_LOOKED_PX = 512
_SEEDS = 2**32  # see `resolving`


@dataclass(eq=False)
class TextureJob:
    """One job. request: with every choice made once the job is built."""

    request: GenerateRequest
    pictures: Mapping[str, Input]
    gate: StepGate
    source: ModelFolder | None  # None: nothing is to be painted

    def __post_init__(self) -> None:
        """Raises `BadValue`, `SizeMismatch`, and `Cancelled` out of the gate."""
        check_numbers(self.request)
        self.gate.check()
        self.gate.report("compositing")
        targets, others = scene_of(self._asked, self.pictures)
        self.gate.check()
        self._atelier = Atelier(targets, others, check=self.gate.check)
        self.request = self._resolved()
        for number, view in enumerate(self._asked.views):
            self._check_view(number, view)
            self._atelier.add_view(view_of(view.camera))

    # ── without a model ──────────────────────────────────────────────────────────────────────────────────

    def laid_on(self) -> Iterator[Layer]:
        """Of a request that needs no model: maps, or textures from pictures that are all there."""
        software = {"impasto": __version__, "numpy": np.__version__, "opencv": str(cv2.__version__)}
        recipe = Recipe(self.request, "", "", software)
        if self._asked.inspect:
            self.gate.check()
            maps = self._atelier.inspect(self._asked.inspect)
            for target, pixels in zip(self._asked.targets, maps, strict=True):
                yield named_layer(target.name, recipe, pixels)
            return
        self._give_all()
        for number in range(len(self._asked.views)):
            yield self._view_layer(number, self._given(number), recipe)
        yield from self._textures(recipe)

    # ── with one ─────────────────────────────────────────────────────────────────────────────────────────

    def painted(self, painting: Painting) -> Iterator[Layer]:
        """Each view as soon as it is painted, then the textures."""
        request, texture = self.request, self._asked
        painter = ViewPainter(painting, self._atelier, request.seed, request.strength, texture.depth)
        self._give_all()
        if texture.order == "together":
            try:
                yield from self._together(painter)
                return
            except OutOfMemory:
                painting.gate.report("saving memory")
            painting.tier = Tier.FULL
            self.request = replace(request, texture=replace(texture, order="in turn"))
        yield from self._in_turn(painter)

    def _in_turn(self, painter: ViewPainter) -> Iterator[Layer]:
        painting = painter.painting
        each = {number: painter.planned(self._size(number)) for number in self._unpainted}
        painting.steps_done, painting.steps_planned = 0, sum(each.values())
        for number in range(len(self._asked.views)):
            if number in each:
                done = painting.steps_done
                mask = self._mask(number)
                picture, is_painted = painter.in_turn(number, self._prompt(number), mask)
                painting.steps_done = done + each[number]
                self._report(painting)
                if is_painted:
                    self._atelier.give(number, picture, mask, keep=True)
                painting.gate.check()
            else:
                picture = self._given(number)
            yield self._view_layer(number, picture, recipe_of(painting, self.request))
        yield from self._finished(painting)

    def _together(self, painter: ViewPainter) -> Iterator[Layer]:
        """Nothing is handed out before what may need too much memory is over."""
        painting, numbers = painter.painting, self._unpainted
        prompts = [self._prompt(number) for number in numbers]
        bases = any(role.startswith("base ") for role in self.pictures)
        detailed = [painter.planned(self._size(number)) - painting.steps for number in numbers]
        run = painting.plan(self.request.strength if bases else 1.0).run
        painting.steps_planned = len(numbers) * run + sum(detailed)
        ensemble = Ensemble(painter)
        first = ensemble.paint(numbers, prompts, bases)
        self._report(painting)
        for number, picture in zip(numbers, first, strict=True):
            self._atelier.give(number, picture)
            painting.gate.check()
        for number, prompt, picture, steps in zip(numbers, prompts, first, detailed, strict=True):
            done = painting.steps_done
            finer = ensemble.detailed(number, prompt) if steps else None
            painting.steps_done = done + steps
            if finer is not None:
                self._atelier.give(number, finer)
            made = picture if finer is None else finer
            yield self._view_layer(number, made, recipe_of(painting, self.request))
        yield from self._finished(painting)

    def _finished(self, painting: Painting) -> Iterator[Layer]:
        self._report(painting)
        yield from self._textures(recipe_of(painting, self.request))

    def _report(self, painting: Painting) -> None:
        painting.gate.report("compositing", painting.steps_done, painting.steps_planned)

    # ── both ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _asked(self) -> TextureRequest:
        assert self.request.texture is not None
        return self.request.texture

    @cached_property
    def _unpainted(self) -> list[int]:
        return [
            number for number in range(len(self._asked.views)) if f"view {number + 1}" not in self.pictures
        ]

    def _resolved(self) -> GenerateRequest:
        """With every choice made, and nothing that does not count."""
        request, texture, source = self.request, self._asked, self.source
        side = texture.view_px or (source.info.native_px if source else _LOOKED_PX)
        views = texture.views or placed(self._atelier.points, texture.around, side)
        order = texture.order
        # Given pictures, masks, and what stays as it is: for views that are looked at one by one.
        if request.strength == 0.0 or any(role.startswith("view ") for role in self.pictures):
            order = "in turn"
        texture = replace(texture, views=views, view_px=side, around=len(views), order=order)
        made = GenerateRequest("", model="", seed=0, texture=texture)
        if source is not None:
            seed = secrets.randbelow(_SEEDS) if request.seed < 0 else request.seed
            info = source.info
            made = GenerateRequest(
                request.prompt,
                request.negative,
                info.model,
                steps=request.steps or info.default_steps,
                guidance=info.default_guidance if request.guidance < 0 else request.guidance,
                seed=seed,
                strength=request.strength,
                loras=request.loras,
                texture=texture,
            )
        return made.with_pictures({role: given.ref for role, given in self.pictures.items()})

    def _check_view(self, number: int, view: TextureView) -> None:
        for role in (f"view {number + 1}", f"view mask {number + 1}"):
            given = self.pictures.get(role)
            size = view.camera.width, view.camera.height
            if given is not None and (given.ref.width, given.ref.height) != size:
                raise SizeMismatch(
                    f"A picture of view {number + 1} is {given.ref.width}×{given.ref.height} pixels and its "
                    f"camera {size[0]}×{size[1]}. Make them the same size."
                )

    def _size(self, number: int) -> tuple[int, int]:
        camera = self._asked.views[number].camera
        return camera.width, camera.height

    def _prompt(self, number: int) -> str:
        return ", ".join(
            filter(None, [self.request.prompt.strip(), self._asked.views[number].prompt.strip()])
        )

    def _give_all(self) -> None:
        """Lays on what has its picture, as it is."""
        for number in range(len(self._asked.views)):
            if number not in self._unpainted:
                self.gate.check()
                self._atelier.give(number, self._given(number), self._mask(number), fixed=True)

    def _given(self, number: int) -> FloatArray:
        """(H, W, 3) 0..1 of a view that has its picture."""
        pixels = self.pictures[f"view {number + 1}"].pixels
        return np.ascontiguousarray(pixels[:, :, :3], np.float32) / np.float32(255.0)

    def _mask(self, number: int) -> FloatArray | None:
        """(H, W) 0..1, where a view may change textures: its mask, and where its picture is opaque."""
        mask, image = (self.pictures.get(f"{role} {number + 1}") for role in ("view mask", "view"))
        parts = [] if mask is None else [mask.pixels]
        if image is not None and image.pixels.shape[2] == 4:
            parts.append(image.pixels[:, :, 3])
        if not parts:
            return None
        shares = [np.asarray(part, np.float32) / np.float32(255.0) for part in parts]
        return np.asarray(np.prod(shares, axis=0), np.float32)

    def _view_layer(self, number: int, picture: FloatArray, recipe: Recipe) -> Layer:
        opaque = picture
        image = self.pictures.get(f"view {number + 1}")
        if image is not None and image.pixels.shape[2] == 4:
            alpha = np.asarray(image.pixels[:, :, 3:], np.float32) / np.float32(255.0)
            opaque = alpha * picture + (np.float32(1.0) - alpha) * np.float32(GROUND)
        return named_layer(f"view {number + 1}", recipe, quantise(opaque, np.uint8))

    def _textures(self, recipe: Recipe) -> Iterator[Layer]:
        self.gate.check()
        for target, made in zip(self._asked.targets, self._atelier.finish(), strict=True):
            yield named_layer(target.name, recipe, made.texture, metrics={"covered": made.covered})


def controlled(request: GenerateRequest, kinds: Sequence[str]) -> GenerateRequest:
    """What tells the shelf which ControlNets a texture job uses, of those there are for its model."""
    texture = request.texture
    if texture is None or texture.depth == 0.0 or DEPTH not in kinds:
        return replace(request, controls=())
    return replace(request, controls=(Control(DEPTH, strength=texture.depth),))
