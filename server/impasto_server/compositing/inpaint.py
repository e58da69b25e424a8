"""Inpainting without the model: everything before the first latent and after the last one.

The engine's whole use of this package::

    plan = plan_inpaint(image, mask, native=512, strength=0.9, grid=8, fill="border")
    work = plan.base
    # encode work.filled (→ z₀), sample with work.release(steps), decode → generated, float32 (h, w, 3)
    if plan.hires_size:
        work = hires_pass(plan, generated)      # sample again at plan.hires_strength, decode → generated
    result = finish_inpaint(plan, generated, seed=seed)
    # result.box, result.layer (RGBA), result.metrics

Sizes in three spaces, always named: *canvas* pixels (the document), the *context* box cut from it, and the
*working* size the model sees. Colour inside the maths is sRGB (encoded, not linear), float32, HWC, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from impasto_server.compositing import masks
from impasto_server.compositing.colour import membrane
from impasto_server.compositing.context import CropPlan, crop, pad_to, plan_crop
from impasto_server.compositing.errors import BadGeneration
from impasto_server.compositing.fill import prefill
from impasto_server.compositing.finish import InpaintResult, Target, compose, empty_result
from impasto_server.compositing.geometry import mask_bounds
from impasto_server.compositing.masks import BoolArray
from impasto_server.compositing.metrics import InpaintMetrics
from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, check_mask
from impasto_server.compositing.resample import resize

# Half a step of an 8-bit picture, and float's rounding: what a model that returns its input may lose on the
# way.
_IDENTITY = 0.501 / 255.0
# Denoising strength of the second pass: enough to add detail and too little to redraw.
_HIRES_STRENGTH = 0.4


@dataclass(frozen=True, eq=False)
class WorkPass:
    """What the model is given for one sampling pass; all arrays are of the pass' working size (h, w).

    image:        (h, w, 3) float32 0..1, the picture as it is (known pixels are the truth of this pass).
    filled:       (h, w, 3) float32 0..1, the picture with the masked part pre-filled: **encode this** as z₀.
                  Equals ``image`` bit for bit outside the artist's mask.
    denoise_mask: (h, w) float32 0..1, 1 = repaint: the artist's mask with a hardened core. For models that
                  take a mask (9-channel UNets, ControlNet inpaint, Fill); threshold at 0.5 for a hard one.
    soft_release: (h / latent_factor, w / latent_factor) float32 0..1, the same at latent resolution.
    """

    image: FloatArray
    filled: FloatArray
    denoise_mask: FloatArray
    soft_release: FloatArray

    @property
    def size(self) -> tuple[int, int]:
        """Working (width, height) in pixels; multiples of the plan's grid."""
        return self.image.shape[1], self.image.shape[0]

    def release(self, steps: int) -> FloatArray:
        """The release mask for differential diffusion over ``steps`` denoising steps that will really run.

        (h / latent_factor, w / latent_factor) float32; 1 = free from the first step, 0 = held to the end.
        Soft for many steps, two levels for 5–8, hard for ≤ 4. Compare it with
        ``masks.release_thresholds(steps)``: after step i (latents then stand at the timestep of step i + 1,
        or clean after the last) ``z = where(release >= thresholds[i], z, add_noise(z0, eps, t[i + 1]))``,
        with plain ``z0`` after the last.
        """
        return masks.levelled(self.soft_release, steps)


@dataclass(frozen=True, eq=False)
class InpaintPlan:
    """The decisions and inputs of one inpaint job. Holds views of the caller's arrays: do not write to them.

    crop:           context box in canvas pixels, working sizes (see `context.CropPlan`).
    base:           inputs of the first pass, at ``crop.working``.
    hires_size:     (width, height) of the second pass, or None where the first already has the detail.
    hires_strength: denoising strength of the second pass (0.4: adds detail, does not redraw).
    strength:       the job's strength 0..1; at 0 `finish_inpaint` changes nothing.
    """

    crop: CropPlan
    base: WorkPass
    hires_size: tuple[int, int] | None
    hires_strength: float
    strength: float
    fill: str
    latent_factor: int
    document: Raster
    mask: Raster
    background: float

    def content_of(self, generated: FloatArray) -> tuple[int, int]:
        """(width, height) of the part of a generated picture that shows the context; the rest is padding.

        Raises `BadGeneration` unless it is (h, w, 3) of the first or second pass' size and finite.
        """
        if generated.ndim != 3 or generated.shape[2] != 3:
            raise BadGeneration(f"The model returned a picture of shape {generated.shape}; it must be RGB.")
        size = (generated.shape[1], generated.shape[0])
        if not np.isfinite(generated).all():
            raise BadGeneration(
                "The model returned a broken picture (not a number). "
                "Use its full-precision autoencoder, or 32-bit precision."
            )
        if size == self.crop.working:
            return self.crop.content
        if self.crop.hires_content is not None and size == self.crop.hires_working:
            return self.crop.hires_content
        width, height = self.crop.working
        raise BadGeneration(f"The model returned {size[0]}×{size[1]} px where {width}×{height} were asked.")


def plan_inpaint(
    image: Raster,
    mask: Raster,
    *,
    native: int = 512,
    strength: float = 1.0,
    grid: int = 8,
    latent_factor: int = 8,
    fill: str = "border",
    max_hires: float = 2.0,
    background: float = 1.0,
) -> InpaintPlan:
    """Cut the context out of the document and prepare the model's inputs.

    image:         (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); uint8, uint16 or float32; sRGB, straight alpha.
                   Transparent pixels are shown to the model over ``background`` (1 = white).
    mask:          (H, W) uint8 or bool (0 keep, 255/True repaint) or float 0..1; soft selections are welcome.
    native:        side in pixels of the square the model was trained on (512 for SD1.5, 1024 for SDXL).
    strength:      0..1, the denoising strength of the job.
    grid:          working sizes are multiples of this (8 for UNets, 16 for FLUX.2).
    latent_factor: pixels per latent cell (8).
    fill:          "border" (Navier–Stokes), "blur", "neutral" (mid grey), "none" (keep the picture under the
                   mask). `fill.default_fill(strength)` is the usual choice.
    max_hires:     bound of the second pass, as a multiple of ``native`` on the mean side; 1 switches it off.

    Raises `EmptyMask`, `MaskSizeMismatch`, `UnsupportedRaster`, `UnknownFill` (all `CompositingError`, with
    ``code``).
    """
    pixels = as_hwc(image)
    check_mask(mask, pixels)
    height, width = mask.shape
    geometry = plan_crop(
        mask_bounds(mask), (width, height), native=native, strength=strength, grid=grid, max_hires=max_hires
    )
    picture = crop(pixels, geometry.context, geometry.content, geometry.working, background)
    soft, touched = _working_masks(mask, geometry, geometry.content, geometry.working)
    filled = prefill(picture, soft, touched, fill)
    return InpaintPlan(
        crop=geometry,
        base=_pass(picture, filled, soft, touched, latent_factor),
        hires_size=geometry.hires_working,
        hires_strength=_HIRES_STRENGTH,
        strength=strength,
        fill=fill,
        latent_factor=latent_factor,
        document=image,
        mask=mask,
        background=background,
    )


def hires_pass(plan: InpaintPlan, generated: FloatArray) -> WorkPass:
    """Inputs of the second pass: the first pass' result, colour-matched, enlarged, on the sharper original.

    generated: (h, w, 3) float32 0..1 of ``plan.base.size``. Encode the returned ``filled`` and sample at
    ``plan.hires_strength``. Raises `BadGeneration`; ValueError where ``plan.hires_size`` is None.
    """
    geometry = plan.crop
    if geometry.hires_content is None or geometry.hires_working is None:
        raise ValueError("this plan has no second pass")
    corrected, _ = _colour_matched(plan, generated, plan.base.image)
    content, working = geometry.hires_content, geometry.hires_working
    picture = crop(as_hwc(plan.document), geometry.context, content, working, plan.background)
    soft, touched = _working_masks(plan.mask, geometry, content, working)
    second = _pass(picture, picture, soft, touched, plan.latent_factor)
    base_content = np.ascontiguousarray(corrected[: geometry.content[1], : geometry.content[0]])
    enlarged = pad_to(np.clip(resize(base_content, content), 0.0, 1.0), working)
    weight = np.where(touched, np.maximum(soft, 0.5), 0.0).astype(np.float32)[:, :, None]
    return replace(second, filled=picture + weight * (enlarged - picture))


def finish_inpaint(
    plan: InpaintPlan,
    generated: FloatArray,
    *,
    seed: int,
    match_colour: bool = True,
    match_grain: bool = True,
) -> InpaintResult:
    """Colour-match, re-grain and compose a generated picture into a layer.

    generated: (h, w, 3) float32 0..1 (values outside are clipped), of ``plan.base.size`` or
    ``plan.hires_size``.
    seed:      of the job; the same plan, picture and seed give the same bytes.
    match_colour, match_grain: off for data (normal, height, id maps).

    A picture equal to the pass' ``image`` (within half an 8-bit step), or a plan of strength 0, changes
    nothing. Raises `BadGeneration` for a wrong size or for values that are not finite.
    """
    target = Target(plan.document, plan.mask, plan.crop, plan.background)
    content = plan.content_of(generated)
    if plan.strength <= 0.0:
        return empty_result(target)
    original = plan.base.image
    if generated.shape != original.shape:
        working = (generated.shape[1], generated.shape[0])
        original = crop(as_hwc(plan.document), plan.crop.context, content, working, plan.background)
    shown = (slice(0, content[1]), slice(0, content[0]))
    if float(np.max(np.abs(generated[shown] - original[shown]))) <= _IDENTITY:
        return empty_result(target)
    found = InpaintMetrics()
    corrected = np.clip(generated, 0.0, 1.0)
    if match_colour:
        corrected, found = _colour_matched(plan, generated, original)
    return compose(target, corrected, content, seed=seed, match_grain=match_grain, known_metrics=found)


def _working_masks(
    mask: Raster, geometry: CropPlan, content: tuple[int, int], working: tuple[int, int]
) -> tuple[FloatArray, BoolArray]:
    """`masks.working_masks` of the context, continued into the edge padding."""
    soft, touched = masks.working_masks(mask[geometry.context.slices], content)
    return pad_to(soft, working), pad_to(touched.view(np.uint8), working).astype(bool)


def _pass(
    picture: FloatArray, filled: FloatArray, soft: FloatArray, touched: BoolArray, latent_factor: int
) -> WorkPass:
    denoise = masks.denoise_mask(soft, touched)
    return WorkPass(picture, filled, denoise, masks.release_mask(denoise, latent_factor))


def _colour_matched(
    plan: InpaintPlan, generated: FloatArray, original: FloatArray
) -> tuple[FloatArray, InpaintMetrics]:
    """``generated`` without its cast, clipped to 0..1, and what the membrane found; whole working size."""
    content = plan.content_of(generated)
    working = (generated.shape[1], generated.shape[0])
    soft, touched = _working_masks(plan.mask, plan.crop, content, working)
    release = masks.release_mask(masks.denoise_mask(soft, touched), plan.latent_factor)
    free = masks.reach_mask(release, touched, plan.latent_factor)
    clipped = np.clip(generated, 0.0, 1.0)
    found = membrane(clipped, original, touched, free=free)
    metrics = InpaintMetrics(
        colour_shift=float(np.abs(found.shift[touched]).mean()),
        shadow_crossing=found.crossing,
        shadow_crosses_border=found.shadow_crosses,
    )
    return np.clip(clipped - found.shift, 0.0, 1.0), metrics
