"""How the views of a texture job are painted all at once, agreeing on what is where (SyncMVD, Liu 2023).

For the first part of the steps, each step's clean estimate of every view is laid onto the surface, blended
there, and read back into all of them; the last steps, which draw detail, are each view's own.

The pipeline is called once with all views as its batch, but its modules compute them one by one
(`piecewise.py`). So the activations, which is what a batch of pictures needs memory for, are those of a
single picture. What is held for all B views is their latents, a few hundred KiB, and, for the length of a
step, what the ControlNet adds to the UNet's layers: about 16 MiB a view and guidance branch at 512 px in
half precision (SD1.5), 64 MiB at 1024 px (SDXL): 1 GiB for eight views of it. Where that is too much, the
views are painted in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from impasto_protocol.errors import OutOfMemory

from impasto_server.compositing.context import CropPlan, crop, paste
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray
from impasto_server.engine.generate import HIRES_STRENGTH
from impasto_server.engine.painting import Together
from impasto_server.engine.surface_noise import surface_noise
from impasto_server.engine.texture_views import GROUND, ViewPainter
from impasto_server.families import Hint

__all__ = ["Ensemble"]

# Share of the steps in which views are told of each other, and the exponent that the cosine then reaches from
# 0: at first all views that see a point have a say, at last the one that sees it best. ControlNet strengths
# over the steps likewise.
_AGREEING = 0.7
_SHARPEST = 6.0
_DEPTH_RAMP = (0.7, 0.8, 0.9)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The painted views of one job."""

    painter: ViewPainter

    def paint(self, numbers: Sequence[int], prompts: Sequence[str], bases: bool) -> list[FloatArray]:
        """The pictures (H, W, 3) 0..1 of these views. `bases`: they start from textures that are there.
        Raises `OutOfMemory`.
        """
        painter, painting = self.painter, self.painter.painting
        plans = []
        for number in numbers:
            painting.gate.check()
            surface = self.painter.atelier.silhouette(number)
            plans.append(self._whole((surface.shape[1], surface.shape[0])))
        working = max(plan.working[0] for plan in plans), max(plan.working[1] for plan in plans)
        plans = [replace(plan, working=working) for plan in plans]
        strength = self.painter.strength if bases else 1.0
        steps = painting.plan(strength).run
        hints = self._ramped(self._batched(numbers, plans), steps)
        agreed = Together(prompts, self._agreement(numbers, plans, steps))
        noise = self._noise(numbers, plans)
        if not bases or strength == 1.0:
            latents = painting.from_noise_together(working, painter.seed, noise, agreed, hints)
        else:
            starts = [self._start(number, plan) for number, plan in zip(numbers, plans, strict=True)]
            latents = painting.from_pictures_together(
                torch.cat(starts), strength, painter.seed, noise, agreed, hints
            )
        made = []
        for row, plan in enumerate(plans):
            picture = painting.decode(latents[row : row + 1])
            made.append(np.clip(paste(picture, plan.context, plan.content, plan.context), 0.0, 1.0))
        return made

    def detailed(self, number: int, prompt: str) -> FloatArray | None:
        """A view that was painted together with the others, once more at a larger size, from what all of them
        have put on the surface. None where that would add nothing, or there is too little memory.
        """
        painting = self.painter.painting
        painting.gate.check()
        surface = self.painter.atelier.silhouette(number)
        size = surface.shape[1], surface.shape[0]
        plan = self.painter.plan(Box(0, 0, *size), size)
        if plan.hires_content is None or plan.hires_working is None:
            return None
        shown, _ = self.painter.atelier.shown(number)
        painting.gate.check()
        shown = np.where(surface[:, :, None], shown, np.float32(GROUND))
        painting.prompt, painting.guides = prompt, self.painter.guides(number)
        try:
            start = painting.encode(crop(shown, plan.context, plan.hires_content, plan.hires_working, GROUND))
            hints = painting.guides.second(plan)
            picture = painting.decode(
                painting.from_picture(start, HIRES_STRENGTH, self.painter.seed_of(number), hints=hints)
            )
        except OutOfMemory:
            painting.gate.report("saving memory", painting.steps_done, painting.steps_planned)
            return None
        return np.clip(paste(picture, plan.context, plan.hires_content, plan.context), 0.0, 1.0)

    def _noise(self, numbers: Sequence[int], plans: Sequence[CropPlan]) -> torch.Tensor:
        model = self.painter.painting.model
        factor, channels = model.source.family.latent_factor, int(model.denoiser.config.in_channels)
        contents = [(plan.content[0] // factor, plan.content[1] // factor) for plan in plans]
        working = plans[0].working[0] // factor, plans[0].working[1] // factor
        return surface_noise(self.painter.atelier, numbers, contents, working, channels, self.painter.seed)

    def _start(self, number: int, plan: CropPlan) -> torch.Tensor:
        surface = self.painter.atelier.silhouette(number)
        shown, _ = self.painter.atelier.shown(number)
        shown = np.where(surface[:, :, None], shown, np.float32(GROUND))
        return self.painter.painting.encode(crop(shown, plan.context, plan.content, plan.working, GROUND))

    def _agreement(
        self, numbers: Sequence[int], plans: Sequence[CropPlan], steps: int
    ) -> Callable[[int, torch.Tensor], torch.Tensor | None]:
        factor = self.painter.painting.model.source.family.latent_factor
        sizes = [(plan.content[1] // factor, plan.content[0] // factor) for plan in plans]
        agreeing = round(_AGREEING * steps)

        def agree(step: int, expected: torch.Tensor) -> torch.Tensor | None:
            if step >= agreeing:
                return None
            self.painter.painting.gate.check()
            cells = expected.detach().to("cpu", torch.float32).permute(0, 2, 3, 1).numpy()
            views = [np.ascontiguousarray(one[:h, :w]) for one, (h, w) in zip(cells, sizes, strict=True)]
            sharpness = _SHARPEST * step / max(agreeing - 1, 1)
            made = expected.clone()
            for row, one in enumerate(self.painter.atelier.agree(views, sharpness, numbers)):
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
            self.painter.painting.gate.check()
            each.append(self.painter.guides(number).first(plan))
        return [
            replace(hints[0], image=torch.cat([hint.image for hint in hints]))
            for hints in zip(*each, strict=True)
        ]

    def _whole(self, size: tuple[int, int]) -> CropPlan:
        """As `ViewPainter.plan`, of the whole view, its content a whole number of latent cells."""
        plan = self.painter.plan(Box(0, 0, *size), size)
        grid = self.painter.painting.model.source.family.grid
        wide, high = (max(round(side / grid), 1) * grid for side in plan.content)
        content, working = (wide, high), (max(wide, plan.working[0]), max(high, plan.working[1]))
        return replace(plan, context=Box(0, 0, *size), content=content, working=working)
