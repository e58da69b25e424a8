"""Stable Diffusion XL and what was made from it (Turbo, Lightning, Pony, Illustrious …): one UNet, two CLIP
text encoders, of which the second also gives the prompt's summary.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto_server.families import unet
from impasto_server.families.interface import Components, Config, Defaults, FamilyMismatch, Hint, Reading

if TYPE_CHECKING:
    from diffusers import StableDiffusionXLPipeline

# What a ControlNet shares with the UNet it was copied from; what both have where their configs are silent.
_STRUCTURE: Mapping[str, object] = {
    "addition_embed_type": "text_time",
    "block_out_channels": [320, 640, 1280],
    "class_embed_type": None,
    "cross_attention_dim": 2048,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "in_channels": 4,
    "layers_per_block": 2,
    "num_class_embeds": None,
    "projection_class_embeddings_input_dim": 2816,
    "transformer_layers_per_block": [1, 2, 10],
}
# What the pipelines' constructors ask for besides. `add_watermark` would import whatever package of that name
# is installed.
_NOTHING: Mapping[str, Any] = {
    "text_encoder": None,
    "text_encoder_2": None,
    "tokenizer": None,
    "tokenizer_2": None,
    "feature_extractor": None,
    "add_watermarker": False,
}
_EMBEDDINGS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)
_ENCODERS = (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2"))
# An estimate: the autoencoder's decoder is the widest place, 128 channels at full size, of which a residual
# block holds about six copies at once; in 32 bits, since SDXL's leaves the range of float16.
_BYTES_PER_PX = 128 * 4 * 6


class SDXL:
    """The family's declaration."""

    name = "sdxl"
    capabilities = ("text", "image", "mask", "control", "lora", "upscale", "live")
    grid = 8
    latent_factor = 8
    denoiser = "unet"
    tiny_autoencoder = "taesdxl"
    lora_prefixes: Mapping[str, tuple[str, ...]] = {
        "unet": ("unet.", "lora_unet_"),
        "text_encoder": ("text_encoder.", "lora_te1_"),
        "text_encoder_2": ("text_encoder_2.", "lora_te2_"),
    }
    component_classes: Mapping[str, tuple[str, ...]] = {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
        "tokenizer_2": ("CLIPTokenizer", "CLIPTokenizerFast"),
        "scheduler": unet.SCHEDULERS,
    }

    def recognises(self, index: Config) -> bool:
        return index.get("_class_name") in ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline")

    def defaults(self, denoiser: Config, vae: Config) -> Defaults:
        native_px = unet.native_px(denoiser, vae, self.latent_factor)
        if denoiser.get("addition_embed_type") != "text_time":
            raise FamilyMismatch(
                "This model's UNet does not take the sizes that Stable Diffusion XL is told."
            )
        if vae.get("latents_mean") is not None:
            raise FamilyMismatch(
                "This model scales its latents as Playground does, which is not supported yet."
            )
        # 5 is what the authors of SDXL chose (Podell et al. 2023); 25 steps converge.
        return Defaults(native_px=native_px, steps=25, guidance=5.0)

    def control_fits(self, denoiser: Config, net: Config) -> bool:
        return unet.same_structure(_STRUCTURE, denoiser, net)

    def working_bytes(self, width: int, height: int) -> int:
        return width * height * _BYTES_PER_PX

    def load(self, folder: Path, dtype: Any, variant: str | None) -> Components:
        from diffusers import StableDiffusionXLPipeline

        pipeline = StableDiffusionXLPipeline.from_pretrained(
            folder,
            dtype=dtype,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            feature_extractor=None,
            image_encoder=None,
            add_watermarker=False,
            scheduler=unet.read_scheduler(folder),
        )
        names = ("unet", "vae", "text_encoder", "text_encoder_2")
        modules = {name: getattr(pipeline, name).eval() for name in names}
        if modules["vae"].config.force_upcast:  # its activations leave the range of float16
            modules["vae"].float()
        other = {"tokenizer": pipeline.tokenizer, "tokenizer_2": pipeline.tokenizer_2}
        other["zeros_for_no_negative"] = pipeline.config.force_zeros_for_empty_prompt
        return Components(modules, other, pipeline.scheduler)

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
        # No negative prompt is not the same as an empty one: most models want zeros then.
        opposite = None if components.other["zeros_for_no_negative"] and not negative.strip() else negative
        plain = clip.is_plain(pipeline.tokenizer, prompt, opposite or "")
        known = {}
        if plain and before is not None and clip.is_plain(pipeline.tokenizer, before.prompt):
            known = {name: before.embedded[name] for name in _EMBEDDINGS if name.startswith("negative")}
        embedded = pipeline.encode_prompt(
            clip.without_marks(prompt),
            device=device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=guidance > 1.0,
            negative_prompt=None if opposite is None or known else clip.without_marks(opposite),
            **known,
        )
        named = dict(zip(_EMBEDDINGS, embedded, strict=True))
        if not plain:
            positive, negative_embeds = _long(components, prompt, opposite, device)
            named["prompt_embeds"] = positive
            named["negative_prompt_embeds"] = negative_embeds if guidance > 1.0 else None
        return named

    def conditioning(
        self, components: Components, embedded: Mapping[str, Any], guidance: float, size: tuple[int, int]
    ) -> dict[str, Any]:
        import torch

        words = unet.conditioning(components.modules["unet"], embedded, guidance)
        pooled = embedded["pooled_prompt_embeds"]
        if len(words["encoder_hidden_states"]) == 2:
            pooled = torch.cat([embedded["negative_pooled_prompt_embeds"], pooled])
        # Original size, the crop's corner, target size: the picture is nothing but itself.
        width, height = size
        sizes = torch.tensor([[height, width, 0, 0, height, width]]).repeat(len(pooled), 1)
        return {**words, "added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes.to(pooled)}}

    def text_pipeline(
        self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()
    ) -> StableDiffusionXLPipeline:
        name = "StableDiffusionXLControlNetPipeline" if hints else "StableDiffusionXLPipeline"
        return _sampler(name, components, scheduler, hints)

    def image_pipeline(
        self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()
    ) -> StableDiffusionXLPipeline:
        name = "StableDiffusionXLControlNetImg2ImgPipeline" if hints else "StableDiffusionXLImg2ImgPipeline"
        return _sampler(name, components, scheduler, hints)

    def control_arguments(self, hints: Sequence[Hint], over_picture: bool) -> dict[str, Any]:
        return unet.control_arguments(hints, over_picture)


def _sampler(name: str, components: Components, scheduler: Any, hints: Sequence[Hint]) -> Any:
    """A pipeline for embedded prompts and latents. Of the autoencoder it looks at the configuration only; its
    device is the denoiser's even while that rests elsewhere.
    """
    parts = {"unet": components.modules["unet"], "vae": components.modules["vae"]}
    return unet.pipeline(components, name, scheduler, hints, **parts, **_NOTHING)


def _reader(components: Components) -> Any:
    """A pipeline that reads prompts."""
    reading = {encoder: components.modules[encoder] for encoder, _ in _ENCODERS}
    reading.update({tokenizer: components.other[tokenizer] for _, tokenizer in _ENCODERS})
    parts = {**_NOTHING, **reading}
    return unet.pipeline(components, "StableDiffusionXLPipeline", unet=None, vae=None, **parts)


def _long(components: Components, prompt: str, negative: str | None, device: str) -> tuple[Any, Any]:
    """Weighted and long prompts for both encoders, side by side: (1, L, 2048) each, of the same length."""
    import torch

    from impasto_server.prompting import clip

    halves = []
    for encoder, tokenizer in _ENCODERS:
        module = components.modules[encoder]

        def read(ids: Any, module: Any = module) -> tuple[Any]:
            return (module(ids, output_hidden_states=True).hidden_states[-2],)  # as SDXL was trained

        halves.append(clip.embed(components.other[tokenizer], read, (prompt, negative or ""), device))
    positive, opposite = (torch.cat(pair, dim=-1) for pair in zip(*halves, strict=True))
    return positive, torch.zeros_like(positive) if negative is None else opposite


FAMILY = SDXL()
