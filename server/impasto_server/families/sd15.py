"""Stable Diffusion 1.x and 2.x, everything of that architecture, and Pocket: one UNet, one CLIP text
encoder.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto_server.families import unet
from impasto_server.families.interface import Components, Config, Defaults, Hint, Reading

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

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
# What the pipelines' constructors ask for besides.
_NOTHING: Mapping[str, Any] = {
    "vae": None,
    "text_encoder": None,
    "tokenizer": None,
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}
# An estimate: the autoencoder's decoder is the widest place, 128 channels at full size in 16 bits, of which a
# residual block holds about six copies at once.
_BYTES_PER_PX = 128 * 2 * 6


class SD15:
    """The family's declaration."""

    name = "sd15"
    capabilities = ("text", "image", "mask", "control", "lora", "upscale", "live")
    grid = 8
    latent_factor = 8
    denoiser = "unet"
    tiny_autoencoder = "taesd"
    lora_prefixes: Mapping[str, tuple[str, ...]] = {
        "unet": ("unet.", "lora_unet_"),
        "text_encoder": ("text_encoder.", "lora_te_"),
    }
    component_classes: Mapping[str, tuple[str, ...]] = {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
        "scheduler": unet.SCHEDULERS,
    }

    def recognises(self, index: Config) -> bool:
        return index.get("_class_name") in ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")

    def defaults(self, denoiser: Config, vae: Config) -> Defaults:
        native_px = unet.native_px(denoiser, vae, self.latent_factor)
        # 7.5 is what the authors of Stable Diffusion chose; 20 steps of DPM++ 2M converge (Lu et al. 2022).
        return Defaults(native_px=native_px, steps=20, guidance=7.5)

    def control_fits(self, denoiser: Config, net: Config) -> bool:
        return unet.same_structure(_STRUCTURE, denoiser, net)

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
            scheduler=unet.read_scheduler(folder),
        )
        modules = {name: getattr(pipeline, name).eval() for name in ("unet", "vae", "text_encoder")}
        if modules["vae"].config.force_upcast:  # its activations leave the range of float16
            modules["vae"].float()
        return Components(modules, {"tokenizer": pipeline.tokenizer}, pipeline.scheduler)

    def load_control(self, folder: Path, dtype: Any, variant: str | None) -> Any:
        return unet.read_control(folder, dtype, variant)

    def load_lora(self, components: Components, tensors: Mapping[str, Any], adapter: str) -> None:
        pipeline = _reader(components)
        pipeline.unet = components.modules["unet"]
        pipeline.load_lora_weights(dict(tensors), adapter_name=adapter)

    def scheduler(self, components: Components) -> Any:
        return copy.deepcopy(components.scheduler)

    def embed(
        self,
        components: Components,
        prompt: str,
        negative: str,
        guidance: float,
        device: str,
        before: Reading | None = None,
    ) -> dict[str, Any]:
        from impasto_server.prompting import clip

        pipeline = _reader(components)
        if not clip.is_plain(pipeline.tokenizer, prompt, negative):
            positive, opposite = clip.embed(
                pipeline.tokenizer, pipeline.text_encoder, (prompt, negative), device
            )
            return {"prompt_embeds": positive, "negative_prompt_embeds": opposite}
        known = None
        if before is not None and clip.is_plain(pipeline.tokenizer, before.prompt):
            known = before.embedded["negative_prompt_embeds"]
        positive, opposite = pipeline.encode_prompt(
            prompt,
            device,
            1,
            guidance > 1.0,
            negative_prompt=None if known is not None else negative,
            negative_prompt_embeds=known,
        )
        return {"prompt_embeds": positive, "negative_prompt_embeds": opposite}

    def conditioning(
        self, components: Components, embedded: Mapping[str, Any], guidance: float, size: tuple[int, int]
    ) -> dict[str, Any]:
        return unet.conditioning(components.modules["unet"], embedded, guidance)

    def text_pipeline(
        self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()
    ) -> StableDiffusionPipeline:
        name = "StableDiffusionControlNetPipeline" if hints else "StableDiffusionPipeline"
        return _sampler(name, components, scheduler, hints)

    def image_pipeline(
        self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()
    ) -> StableDiffusionPipeline:
        name = "StableDiffusionControlNetImg2ImgPipeline" if hints else "StableDiffusionImg2ImgPipeline"
        return _sampler(name, components, scheduler, hints)

    def control_arguments(self, hints: Sequence[Hint], over_picture: bool) -> dict[str, Any]:
        return unet.control_arguments(hints, over_picture)


def _sampler(name: str, components: Components, scheduler: Any, hints: Sequence[Hint]) -> Any:
    """A pipeline that gets only what it runs. Prompts arrive embedded and pictures as latents, so it has
    neither text encoder nor autoencoder, and its device is the denoiser's even while those rest elsewhere.
    """
    denoiser = components.modules["unet"]
    return unet.pipeline(components, name, scheduler, hints, unet=denoiser, **_NOTHING)


def _reader(components: Components) -> Any:
    """A pipeline that reads prompts."""
    reading = {
        "text_encoder": components.modules["text_encoder"],
        "tokenizer": components.other["tokenizer"],
    }
    return unet.pipeline(components, "StableDiffusionPipeline", unet=None, **{**_NOTHING, **reading})


FAMILY = SD15()
