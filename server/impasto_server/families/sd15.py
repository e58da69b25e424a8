"""Stable Diffusion 1.x and 2.x, everything of that architecture, and Pocket: one UNet, one CLIP text
encoder.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto_server.families.interface import Components, Config, Defaults, FamilyMismatch, Hint

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

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
# What a ControlNet shares with the UNet it was copied from; what both have where their configs are silent.
_STRUCTURE: Mapping[str, object] = {
    "addition_embed_type": None,
    "block_out_channels": [320, 640, 1280, 1280],
    "class_embed_type": None,
    "cross_attention_dim": 1280,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "in_channels": 4,
    "layers_per_block": 2,
    "num_class_embeds": None,
}
# An estimate: the autoencoder's decoder is the widest place, 128 channels at full size in 16 bits, of which a
# residual block holds about six copies at once.
_BYTES_PER_PX = 128 * 2 * 6


class SD15:
    """The family's declaration."""

    name = "sd15"
    capabilities = ("text", "image", "mask", "control", "lora", "upscale")
    grid = 8
    latent_factor = 8
    denoiser = "unet"
    lora_prefixes: Mapping[str, tuple[str, ...]] = {
        "unet": ("unet.", "lora_unet_"),
        "text_encoder": ("text_encoder.", "lora_te_"),
    }
    component_classes: Mapping[str, tuple[str, ...]] = {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
        "scheduler": (
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
        ),
    }

    def recognises(self, index: Config) -> bool:
        return index.get("_class_name") in ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")

    def defaults(self, denoiser: Config, vae: Config) -> Defaults:
        channels = denoiser.get("in_channels", 4)
        if channels != 4:
            raise FamilyMismatch(
                f"This model takes {channels} channels where plain Stable Diffusion takes 4: it is made for "
                "inpainting or editing only, which is not supported yet. Use the model it was made from."
            )
        blocks = vae.get("block_out_channels")
        factor = 2 ** (len(blocks) - 1) if isinstance(blocks, list) else self.latent_factor
        if factor != self.latent_factor:
            raise FamilyMismatch(f"This model's autoencoder shrinks pictures {factor}-fold, not 8-fold.")
        sample_size = denoiser.get("sample_size")
        side = sample_size[0] if isinstance(sample_size, list) and sample_size else sample_size
        if not isinstance(side, int) or side <= 0:
            raise FamilyMismatch("This model's UNet does not say which picture size it was trained at.")
        # 7.5 is what the authors of Stable Diffusion chose; 20 steps of DPM++ 2M converge (Lu et al. 2022).
        return Defaults(native_px=side * factor, steps=20, guidance=7.5)

    def control_fits(self, denoiser: Config, net: Config) -> bool:
        same = all(denoiser.get(key, usual) == net.get(key, usual) for key, usual in _STRUCTURE.items())
        return same and net.get("conditioning_channels", 3) == 3

    def working_bytes(self, width: int, height: int) -> int:
        return width * height * _BYTES_PER_PX

    def load(self, folder: Path, dtype: Any, variant: str | None) -> Components:
        from diffusers import StableDiffusionPipeline

        pipeline = StableDiffusionPipeline.from_pretrained(
            folder,
            dtype=dtype,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            safety_checker=None,
            feature_extractor=None,
            image_encoder=None,
            requires_safety_checker=False,
            scheduler=_read_scheduler(folder),
        )
        modules = {name: getattr(pipeline, name).eval() for name in ("unet", "vae", "text_encoder")}
        if modules["vae"].config.force_upcast:  # its activations leave the range of float16
            modules["vae"].float()
        return Components(modules, {"tokenizer": pipeline.tokenizer}, pipeline.scheduler)

    def load_control(self, folder: Path, dtype: Any, variant: str | None) -> Any:
        from diffusers import ControlNetModel

        return ControlNetModel.from_pretrained(
            folder, dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
        ).eval()

    def load_lora(self, components: Components, tensors: Mapping[str, Any], adapter: str) -> None:
        pipeline = self._build("StableDiffusionPipeline", components, text=True)
        pipeline.unet = components.modules["unet"]
        pipeline.load_lora_weights(dict(tensors), adapter_name=adapter)

    def scheduler(self, components: Components) -> Any:
        return copy.deepcopy(components.scheduler)

    def embed(
        self, components: Components, prompt: str, negative: str, guidance: float, device: str
    ) -> dict[str, Any]:
        from impasto_server.prompting import clip

        pipeline = self._build("StableDiffusionPipeline", components, text=True)
        if clip.is_plain(pipeline.tokenizer, prompt, negative):
            positive, opposite = pipeline.encode_prompt(
                prompt, device, 1, guidance > 1.0, negative_prompt=negative
            )
        else:
            positive, opposite = clip.embed(
                pipeline.tokenizer, pipeline.text_encoder, (prompt, negative), device
            )
        return {"prompt_embeds": positive, "negative_prompt_embeds": opposite}

    def text_pipeline(
        self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()
    ) -> StableDiffusionPipeline:
        if not hints:
            return self._build("StableDiffusionPipeline", components, scheduler)
        return self._guided("StableDiffusionControlNetPipeline", components, scheduler, hints)

    def image_pipeline(
        self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()
    ) -> StableDiffusionPipeline:
        if not hints:
            return self._build("StableDiffusionImg2ImgPipeline", components, scheduler)
        return self._guided("StableDiffusionControlNetImg2ImgPipeline", components, scheduler, hints)

    def control_arguments(self, hints: Sequence[Hint], over_picture: bool) -> dict[str, Any]:
        return {
            "control_image" if over_picture else "image": [hint.image for hint in hints],
            "controlnet_conditioning_scale": [hint.strength for hint in hints],
            "control_guidance_start": [hint.start for hint in hints],
            "control_guidance_end": [hint.end for hint in hints],
        }

    def _guided(self, name: str, components: Components, scheduler: Any, hints: Sequence[Hint]) -> Any:
        pipeline = self._build(name, components, scheduler)
        pipeline.controlnet = _only_at_work()([hint.net for hint in hints])
        return pipeline

    def _build(self, name: str, components: Components, scheduler: Any = None, text: bool = False) -> Any:
        """A pipeline around the shared modules, by its class: `from_pipe` would cast them in place.

        It gets only what it runs. Prompts arrive embedded and pictures as latents, so a sampling pipeline has
        neither text encoder nor autoencoder, and its device is the denoiser's even while those rest
        elsewhere. The constructor inspects what it is given for a third of a millisecond, so each pass gets
        a copy of one that stands ready.
        """
        import diffusers

        key = f"{name} {text}"
        ready = components.pipelines.get(key)
        if ready is None:
            more = {"controlnet": None} if "ControlNet" in name else {}
            ready = components.pipelines[key] = _told_its_device(getattr(diffusers, name))(
                vae=None,
                text_encoder=components.modules["text_encoder"] if text else None,
                tokenizer=components.other["tokenizer"] if text else None,
                unet=None if text else components.modules["unet"],
                scheduler=None,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
                **more,
            )
            ready.set_progress_bar_config(disable=True)
        pipeline = copy.copy(ready)
        pipeline.scheduler = scheduler
        return pipeline


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


def _read_scheduler(folder: Path) -> Any:
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


FAMILY = SD15()
