"""How the pictures of a texture job's views are painted, one after the other or all at once.

In turn: a view goes on from what those before have painted. What they have seen badly is refined, from half
of the steps on; what nobody has seen is painted from the first step; the rest is shown to the model and kept.

Together (SyncMVD, Liu et al. 2023): for the first part of the steps, each step's clean estimate of every view
is laid onto the surface, blended there, and read back into all of them, so that they agree on what is where;
the last steps, which draw detail, are each view's own. The pipeline is called once with all views as its
batch, but its modules compute them one by one (`piecewise.py`). So the activations, which is what a batch of
pictures needs memory for, are those of a single picture. What is held for all B views is their latents, a few
hundred KiB, and, for the length of a step, what the ControlNet adds to the UNet's layers: about 16 MiB a view
and guidance branch at 512 px in half precision, 64 MiB at 1024 px of SDXL: 1 GiB for eight views of it. Where
that is too much, the views are painted in turn.

Only pixels that show a target count, and only their cells are shown something known: the ground around is
neutral gray where a picture is started from, and whatever the model paints there is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
from impasto_server.engine.painting import Painting, Together
from impasto_server.families import Hint
from impasto_server.models.control_kinds import DEPTH
from impasto_server.texturing.atelier import Atelier
from impasto_server.texturing.trimap import KEEP, REFINE

__all__ = ["GROUND", "ViewPainter"]

GROUND = 0.5  # gray around the objects
# Share of the steps in which views are told of each other, and the exponent that the cosine then reaches from
# 0: at first all views that see a point have a say, at last the one that sees it best. ControlNet strengths
# over the steps likewise.
_AGREEING = 0.7
_SHARPEST = 6.0
_DEPTH_RAMP = (0.7, 0.8, 0.9)
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
        plan = self._plan(Box(0, 0, *size), size)
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
        plan = self._plan(_box_of(free), size)
        self.painting.guides = self._guides([number])
        check()
        seed = self._seed(number)
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

    # ── together ─────────────────────────────────────────────────────────────────────────────────────────

    def together(self, numbers: Sequence[int], prompts: Sequence[str], bases: bool) -> list[FloatArray]:
        """The pictures (H, W, 3) 0..1 of these views. `bases`: they start from textures that are there.
        Raises `OutOfMemory`.
        """
        painting, check = self.painting, self.painting.gate.check
        plans = []
        for number in numbers:
            check()
            surface = self.atelier.silhouette(number)
            plans.append(self._whole((surface.shape[1], surface.shape[0])))
        working = max(plan.working[0] for plan in plans), max(plan.working[1] for plan in plans)
        plans = [replace(plan, working=working) for plan in plans]
        strength = self.strength if bases else 1.0
        steps = painting.plan(strength).run
        hints = self._ramped(self._batched(numbers, plans), steps)
        agreed = Together(prompts, self._agreement(numbers, plans, steps))
        if not bases or strength == 1.0:
            latents = painting.from_noise_together(working, self.seed, agreed, hints)
        else:
            starts = [self._start(number, plan) for number, plan in zip(numbers, plans, strict=True)]
            latents = painting.from_pictures_together(torch.cat(starts), strength, self.seed, agreed, hints)
        made = []
        for row, plan in enumerate(plans):
            picture = painting.decode(latents[row : row + 1])
            made.append(np.clip(paste(picture, plan.context, plan.content, plan.context), 0.0, 1.0))
        return made

    def detailed(self, number: int, prompt: str) -> FloatArray | None:
        """A view that was painted together with the others, once more at a larger size, from what all of them
        have put on the surface. None where that would add nothing, or there is too little memory.
        """
        painting = self.painting
        painting.gate.check()
        surface = self.atelier.silhouette(number)
        size = surface.shape[1], surface.shape[0]
        plan = self._plan(Box(0, 0, *size), size)
        if plan.hires_content is None or plan.hires_working is None:
            return None
        shown, _ = self.atelier.shown(number)
        painting.gate.check()
        shown = np.where(surface[:, :, None], shown, np.float32(GROUND))
        painting.prompt, painting.guides = prompt, self._guides([number])
        try:
            start = painting.encode(crop(shown, plan.context, plan.hires_content, plan.hires_working, GROUND))
            hints = painting.guides.second(plan)
            picture = painting.decode(
                painting.from_picture(start, HIRES_STRENGTH, self._seed(number), hints=hints)
            )
        except OutOfMemory:
            painting.gate.report("saving memory", painting.steps_done, painting.steps_planned)
            return None
        return np.clip(paste(picture, plan.context, plan.hires_content, plan.context), 0.0, 1.0)

    def _start(self, number: int, plan: CropPlan) -> torch.Tensor:
        surface = self.atelier.silhouette(number)
        shown, _ = self.atelier.shown(number)
        shown = np.where(surface[:, :, None], shown, np.float32(GROUND))
        return self.painting.encode(crop(shown, plan.context, plan.content, plan.working, GROUND))

    def _agreement(
        self, numbers: Sequence[int], plans: Sequence[CropPlan], steps: int
    ) -> Callable[[int, torch.Tensor], torch.Tensor | None]:
        factor = self.painting.model.source.family.latent_factor
        sizes = [(plan.content[1] // factor, plan.content[0] // factor) for plan in plans]
        agreeing = round(_AGREEING * steps)

        def agree(step: int, expected: torch.Tensor) -> torch.Tensor | None:
            if step >= agreeing:
                return None
            self.painting.gate.check()
            cells = expected.detach().to("cpu", torch.float32).permute(0, 2, 3, 1).numpy()
            views = [np.ascontiguousarray(one[:h, :w]) for one, (h, w) in zip(cells, sizes, strict=True)]
            sharpness = _SHARPEST * step / max(agreeing - 1, 1)
            made = expected.clone()
            for row, one in enumerate(self.atelier.agree(views, sharpness, numbers)):
                h, w = sizes[row]
                made[row, :, :h, :w] = torch.from_numpy(one).permute(2, 0, 1).to(made)
            return made

        return agree

    def _ramped(self, hints: Sequence[Hint], steps: int) -> list[Hint]:
        """Each net as several at rising strengths, one after the other: a pipeline has one for all steps."""
        edges = [round(steps * third / len(_DEPTH_RAMP)) / steps for third in range(len(_DEPTH_RAMP) + 1)]
        return [
            replace(hint, strength=hint.strength * share, start=start, end=end)
            for hint in hints
            for share, start, end in zip(_DEPTH_RAMP, edges, edges[1:], strict=False)
            if start < end
        ]

    def _batched(self, numbers: Sequence[int], plans: Sequence[CropPlan]) -> list[Hint]:
        """One hint for all views, its image (B, 3, H, W)."""
        each = []
        for number, plan in zip(numbers, plans, strict=True):
            self.painting.gate.check()
            each.append(self._guides([number]).first(plan))
        return [
            replace(hints[0], image=torch.cat([hint.image for hint in hints]))
            for hints in zip(*each, strict=True)
        ]

    # ── both ─────────────────────────────────────────────────────────────────────────────────────────────

    def _seed(self, number: int) -> int:
        """Of a view: with the same noise, every side of an object would become its front."""
        return (self.seed + number) % 2**63

    def _guides(self, numbers: Sequence[int]) -> Guides:
        nets = self.painting.adaptation.modules
        if not nets:
            return Guides()
        (number,) = numbers
        depth = np.rint(self.atelier.depth(number) * 65535.0).astype(np.uint16)
        return Guides([Control(DEPTH, strength=self.depth)], [control_image(DEPTH, depth)], nets)

    def _plan(self, bounds: Box, size: tuple[int, int]) -> CropPlan:
        source = self.painting.model.source
        return plan_crop(bounds, size, native=source.info.native_px, strength=1.0, grid=source.family.grid)

    def _whole(self, size: tuple[int, int]) -> CropPlan:
        """As `_plan`, of the whole view, its content a whole number of latent cells."""
        plan = self._plan(Box(0, 0, *size), size)
        grid = self.painting.model.source.family.grid
        wide, high = (max(round(side / grid), 1) * grid for side in plan.content)
        content, working = (wide, high), (max(wide, plan.working[0]), max(high, plan.working[1]))
        return replace(plan, context=Box(0, 0, *size), content=content, working=working)


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
