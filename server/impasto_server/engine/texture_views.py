"""How the views of a texture job are painted in turn: each goes on from what those before have painted.

What they have seen badly is refined, from half of the steps on; what nobody has seen is painted from the
first step; the rest is shown to the model and kept.

Only pixels that show a target count: the ground around is neutral gray where a picture is started from, and
whatever the model paints there is thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from impasto_protocol.errors import OutOfMemory
from impasto_protocol.messages import Control

from impasto_server.compositing.context import CropPlan, crop, pad_to, paste, plan_crop
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.masks import levelled, release_mask
from impasto_server.compositing.raster import FloatArray
from impasto_server.compositing.resample import resize
from impasto_server.engine.control_images import Guides, control_image
from impasto_server.engine.generate import HIRES_STRENGTH
from impasto_server.engine.painting import Painting
from impasto_server.families import Hint
from impasto_server.models.control_kinds import DEPTH
from impasto_server.texturing.atelier import Atelier
from impasto_server.texturing.trimap import KEEP, REFINE

__all__ = ["GROUND", "ViewPainter"]

GROUND = 0.5  # gray around the objects
# A texel that a view sees much better than those before is painted again in this share of the steps.
_REFINED = 0.5

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ViewPainter:
    """The painted views of one job. depth: strength of the ControlNet; it is used if the job's adaptation has
    one. strength: of what starts from textures that are there.
    """

    painting: Painting
    atelier: Atelier
    seed: int
    strength: float
    depth: float

    # ── in turn ──────────────────────────────────────────────────────────────────────────────────────────

    def planned(self, size: tuple[int, int]) -> int:
        """Denoising steps of a view of that (width, height), at most."""
        plan = self.plan(Box(0, 0, *size), size)
        second = self.painting.plan(HIRES_STRENGTH).run if plan.hires_working else 0
        return self.painting.steps + second

    def in_turn(self, number: int, prompt: str, mask: FloatArray | None = None) -> tuple[FloatArray, bool]:
        """The picture (H, W, 3) 0..1 of a view, painted over what is there, and whether there was anything to
        paint. mask: (H, W), where it may change the textures.
        """
        check = self.painting.gate.check
        check()
        surface = self.atelier.silhouette(number)
        shown, known = self.atelier.shown(number)
        shown = np.where(surface[:, :, None], shown, np.float32(GROUND))
        check()
        release = self._release(number, surface, known, mask)
        free = surface & (release > 0.0)
        if not free.any():
            return shown, False
        self.painting.prompt = prompt
        size = surface.shape[1], surface.shape[0]
        plan = self.plan(_box_of(free), size)
        self.painting.guides = self.guides(number)
        check()
        seed = self.seed_of(number)
        picture, content = self._repainted(plan, shown, release, bool(known[surface].any()), seed)
        made = shown.copy()
        made[plan.context.slices] = np.clip(paste(picture, plan.context, content, plan.context), 0.0, 1.0)
        return np.where((release <= 0.0)[:, :, None], shown, made), True

    def _release(self, number: int, surface: Mask, known: Mask, mask: FloatArray | None) -> FloatArray:
        """(H, W): the share of the steps in which each pixel is painted."""
        kinds = self.atelier.trimap(number)
        release = np.ones(kinds.shape, np.float32)
        release[known] = self.strength  # a base that is painted over
        release[kinds == REFINE] = min(_REFINED, self.strength)
        release[kinds == KEEP] = 0.0
        release[~surface] = release[surface].max(initial=0.0)
        if mask is not None:
            release[mask <= 0.0] = 0.0
        return release

    def _repainted(
        self, plan: CropPlan, shown: FloatArray, release: FloatArray, anything: bool, seed: int
    ) -> tuple[FloatArray, tuple[int, int]]:
        """The context, painted at the plan's first or second size, and the (width, height) of it that is not
        padding. `anything`: `shown` shows something to go on from.
        """
        painting = self.painting
        hints = painting.guides.first(plan)
        if anything:
            start = crop(shown, plan.context, plan.content, plan.content, GROUND)
            share = _cut(release, plan.context, plan.content)
            latents = self._over(start, share, float(release.max()), plan.working, seed, hints)
        else:
            latents = painting.from_noise(plan.working, seed, hints)
        picture = painting.decode(latents)
        if plan.hires_content is None or plan.hires_working is None:
            return picture, plan.content
        finer = np.ascontiguousarray(picture[: plan.content[1], : plan.content[0]])
        finer = np.clip(resize(finer, plan.hires_content), 0.0, 1.0)
        there = crop(shown, plan.context, plan.hires_content, plan.hires_content, GROUND)
        share = _cut(release, plan.context, plan.hires_content)
        start = there + (share > 0.0)[:, :, None] * (finer - there)
        share = np.minimum(share, np.float32(HIRES_STRENGTH))
        try:
            hints = painting.guides.second(plan)
            latents = self._over(start, share, HIRES_STRENGTH, plan.hires_working, seed, hints)
            return painting.decode(latents), plan.hires_content
        except OutOfMemory:
            painting.gate.report("saving memory", painting.steps_done, painting.steps_planned)
            return picture, plan.content

    def _over(
        self,
        start: FloatArray,
        share: FloatArray,
        strength: float,
        working: tuple[int, int],
        seed: int,
        hints: Sequence[Hint],
    ) -> torch.Tensor:
        """Latents of `start` (h, w, 3), painted over in that `share` (h, w) of the steps (≤ `strength`)."""
        painting = self.painting
        latents = painting.encode(pad_to(start, working))
        share = pad_to(share[:, :, None], working)[:, :, 0]
        cells = release_mask(share, painting.model.source.family.latent_factor) / np.float32(strength)
        return painting.from_picture(latents, strength, seed, lambda steps: levelled(cells, steps), hints)

    def seed_of(self, number: int) -> int:
        """Of a view: with the same noise, every side of an object would become its front."""
        return (self.seed + number) % 2**63

    def guides(self, number: int) -> Guides:
        """Depth, where the job has a ControlNet for it."""
        nets = self.painting.adaptation.modules
        if not nets:
            return Guides()
        depth = np.rint(self.atelier.depth(number) * 65535.0).astype(np.uint16)
        return Guides([Control(DEPTH, strength=self.depth)], [control_image(DEPTH, depth)], nets)

    def plan(self, bounds: Box, size: tuple[int, int]) -> CropPlan:
        """Working sizes for a part of a view of that (width, height)."""
        source = self.painting.model.source
        return plan_crop(bounds, size, native=source.info.native_px, strength=1.0, grid=source.family.grid)


def _box_of(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return Box(x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)


def _cut(release: FloatArray, context: Box, content: tuple[int, int]) -> FloatArray:
    """The context's part of (H, W) at another size."""
    part = np.ascontiguousarray(release[context.slices])
    if content == (context.width, context.height):
        return part
    smaller = content[0] < context.width
    made = cv2.resize(part, content, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return np.asarray(made, np.float32)
