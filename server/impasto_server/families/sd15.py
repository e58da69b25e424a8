"""Stable Diffusion 1.x and 2.x, everything of that architecture, and Pocket: one UNet, one CLIP text
encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto_server.families import unet
from impasto_server.families.interface import Components, Config, Defaults, Reading

if TYPE_CHECKING:
    pass

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


class SD15(unet.UNetFamily):
    """The family's declaration."""

    name = "sd15"
    pipelines = "StableDiffusion"
    structure = _STRUCTURE
    bytes_per_px = _BYTES_PER_PX
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

        pipeline = self.reader(components)
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

    def parts(self, components: Components, *, reads: bool) -> dict[str, Any]:
        """Neither of the two gets the autoencoder: pictures come and go as latents."""
        modules = components.modules
        return {
            "unet": None if reads else modules["unet"],
            "text_encoder": modules["text_encoder"] if reads else None,
            "tokenizer": components.other["tokenizer"] if reads else None,
            "vae": None,
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        }


FAMILY = SD15()
