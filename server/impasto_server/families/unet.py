"""What the families with a UNet and CLIP text encoders have in common: samplers, pipelines, ControlNets."""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from impasto_server.families.interface import Components, Config, FamilyMismatch, Hint

__all__ = [
    "SCHEDULERS",
    "UNetFamily",
    "conditioning",
    "native_px",
    "pipeline",
    "read_scheduler",
    "same_structure",
]

# Samplers whose latents after step i stand exactly at the noise level of step i + 1, which the soft mask
# needs. PNDM repeats a step and lags behind in img2img; UniPC's corrector computes the latents anew from the
# step before and so forgets the mask; second-order ones stop between levels. Those models get DPM++ 2M on the
# same schedule.
_STEERABLE = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "LCMScheduler",
)
SCHEDULERS = (
    *_STEERABLE,
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
"""What a model may name as its scheduler."""


def native_px(denoiser: Config, vae: Config, latent_factor: int) -> int:
    """The side of the square a model was trained at. Raises `FamilyMismatch` for variants that these families
    cannot run.
    """
    channels = denoiser.get("in_channels", 4)
    if channels != 4:
        raise FamilyMismatch(
            f"This model takes {channels} channels where plain Stable Diffusion takes 4: it is made for "
            "inpainting or editing only, which is not supported yet. Use the model it was made from."
        )
    blocks = vae.get("block_out_channels")
    factor = 2 ** (len(blocks) - 1) if isinstance(blocks, list) else latent_factor
    if factor != latent_factor:
        raise FamilyMismatch(
            f"This model's autoencoder shrinks pictures {factor}-fold, not {latent_factor}-fold."
        )
    sample_size = denoiser.get("sample_size")
    side = sample_size[0] if isinstance(sample_size, list) and sample_size else sample_size
    if not isinstance(side, int) or side <= 0:
        raise FamilyMismatch("This model's UNet does not say which picture size it was trained at.")
    return side * factor


def same_structure(usual: Mapping[str, object], denoiser: Config, net: Config) -> bool:
    """Whether a ControlNet may be a copy of the UNet's encoder: both have the same of what `usual` lists, its
    values being what a silent config means."""
    same = all(denoiser.get(key, value) == net.get(key, value) for key, value in usual.items())
    return same and net.get("conditioning_channels", 3) == 3


def conditioning(denoiser: Any, embedded: Mapping[str, Any], guidance: float) -> dict[str, Any]:
    """See `Family.conditioning`; of the embeddings only those of the words."""
    import torch
    from diffusers import StableDiffusionPipeline

    positive, width = embedded["prompt_embeds"], denoiser.config.time_cond_proj_dim
    if width is not None:  # a distilled model that is told the guidance
        scale = torch.tensor([guidance - 1.0])
        told = StableDiffusionPipeline.get_guidance_scale_embedding(None, scale, embedding_dim=width)
        return {"encoder_hidden_states": positive, "timestep_cond": told.to(positive)}
    if guidance <= 1.0:
        return {"encoder_hidden_states": positive}
    return {"encoder_hidden_states": torch.cat([embedded["negative_prompt_embeds"], positive])}


class UNetFamily(ABC):
    """A declaration's common part: see `interface.Family`.

    pipelines: how the names of diffusers' pipelines begin. structure: what a ControlNet shares with the UNet,
    see `same_structure`. bytes_per_px: of `working_bytes`.
    """

    capabilities = ("text", "image", "mask", "control", "lora", "upscale", "live", "texture")
    grid = 8
    latent_factor = 8
    denoiser = "unet"
    pipelines: str
    structure: Mapping[str, object]
    bytes_per_px: int

    def control_fits(self, denoiser: Config, net: Config) -> bool:
        return same_structure(self.structure, denoiser, net)

    def working_bytes(self, width: int, height: int) -> int:
        return width * height * self.bytes_per_px

    def load_control(self, folder: Path, dtype: Any, variant: str | None) -> Any:
        from diffusers import ControlNetModel

        return ControlNetModel.from_pretrained(
            folder, dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
        ).eval()

    def load_lora(self, components: Components, tensors: Mapping[str, Any], adapter: str) -> None:
        reader = self.reader(components)
        reader.unet = components.modules["unet"]
        reader.load_lora_weights(dict(tensors), adapter_name=adapter)

    def scheduler(self, components: Components) -> Any:
        return copy.deepcopy(components.scheduler)

    def text_pipeline(self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()) -> Any:
        return self.sampler("", components, scheduler, hints)

    def image_pipeline(self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()) -> Any:
        return self.sampler("Img2Img", components, scheduler, hints)

    def control_arguments(self, hints: Sequence[Hint], over_picture: bool) -> dict[str, Any]:
        return {
            "control_image" if over_picture else "image": [hint.image for hint in hints],
            "controlnet_conditioning_scale": [hint.strength for hint in hints],
            "control_guidance_start": [hint.start for hint in hints],
            "control_guidance_end": [hint.end for hint in hints],
        }

    def sampler(self, task: str, components: Components, scheduler: Any, hints: Sequence[Hint]) -> Any:
        """A pipeline for embedded prompts and latents, with no text encoder in it: its device is the
        denoiser's even while others rest elsewhere.
        """
        name = f"{self.pipelines}{'ControlNet' if hints else ''}{task}Pipeline"
        return pipeline(components, name, scheduler, hints, **self.parts(components, reads=False))

    def reader(self, components: Components) -> Any:
        """A pipeline that reads prompts and does nothing else."""
        return pipeline(components, f"{self.pipelines}Pipeline", **self.parts(components, reads=True))

    @abstractmethod
    def parts(self, components: Components, *, reads: bool) -> dict[str, Any]:
        """All that the pipelines' constructors ask for besides the scheduler: what reads prompts, or what
        samples; None for the rest.
        """


def pipeline(
    components: Components,
    name: str,
    scheduler: Any = None,
    hints: Sequence[Hint] = (),
    **parts: Any,
) -> Any:
    """diffusers' pipeline of that name around shared `parts`, by its class: `from_pipe` would cast them in
    place.

    The constructor inspects what it is given for a third of a millisecond, so each pass gets a copy of one
    that stands ready.
    """
    import diffusers

    key = " ".join([name, *(part for part, value in parts.items() if value is not None)])
    ready = components.pipelines.get(key)
    if ready is None:
        more = {"controlnet": None} if hints else {}
        kind = _told_its_device(getattr(diffusers, name))
        ready = components.pipelines[key] = kind(scheduler=None, **parts, **more)
        ready.set_progress_bar_config(disable=True)
    made = copy.copy(ready)
    made.scheduler = scheduler
    if hints:
        made.controlnet = _only_at_work()([hint.net for hint in hints])
    return made


@cache
def _only_at_work() -> Any:
    """diffusers' model of several ControlNets, but those that are outside their start and end are not
    computed, where its own multiplies what they give by 0.
    """
    from diffusers import MultiControlNetModel

    def forward(
        several: Any, sample: Any, timestep: Any, encoder_hidden_states: Any, **named: Any
    ) -> tuple[Any, Any]:
        scales, images = named.pop("conditioning_scale"), named.pop("controlnet_cond")
        at_work = [number for number, scale in enumerate(scales) if scale != 0.0]
        if not at_work:
            return None, None
        inputs = {
            "controlnet_cond": [images[number] for number in at_work],
            "conditioning_scale": [scales[number] for number in at_work],
        }
        nets = MultiControlNetModel([several.nets[number] for number in at_work])
        down, middle = nets(sample, timestep, encoder_hidden_states, **inputs, **named)
        return down, middle

    return type("MultiControlNetModel", (MultiControlNetModel,), {"forward": forward})


def _told_its_device(kind: Any) -> Any:
    """A pipeline class that computes where its weights lie. diffusers' own property asks every module of the
    model for offloading hooks, which we have none of, at each call: 1.5 ms.
    """

    def device(pipeline: Any) -> Any:
        return next((pipeline.unet or pipeline.text_encoder).parameters()).device

    return type(kind.__name__, (kind,), {"_execution_device": property(device)})


def read_scheduler(folder: Path) -> Any:
    """The model's scheduler, or DPM++ 2M on the same noise schedule where it is not steerable; with the two
    values that old configs have wrong for Stable Diffusion and that every pipeline would put right with a
    warning.
    """
    import diffusers

    name = json.loads((folder / "model_index.json").read_bytes())["scheduler"][1]
    given = getattr(diffusers, name).from_pretrained(folder / "scheduler", local_files_only=True)
    # "_" marks diffusers' own notes; the last two are choices of a solver, and mean nothing to another.
    foreign = () if name in _STEERABLE else ("algorithm_type", "solver_type")
    config = {key: value for key, value in given.config.items() if key[0] != "_" and key not in foreign}
    config.update({k: v for k, v in {"clip_sample": False, "steps_offset": 1}.items() if k in config})
    kind = type(given) if name in _STEERABLE else diffusers.DPMSolverMultistepScheduler
    return kind.from_config(config)
