"""Stable Diffusion XL and what was made from it (Turbo, Lightning, Pony, Illustrious …): one UNet, two CLIP
text encoders, of which the second also gives the prompt's summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto_server.families import unet
from impasto_server.families.interface import Components, Config, Defaults, FamilyMismatch, Reading

if TYPE_CHECKING:
    pass

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


class SDXL(unet.UNetFamily):
    """The family's declaration."""

    name = "sdxl"
    pipelines = "StableDiffusionXL"
    structure = _STRUCTURE
    bytes_per_px = _BYTES_PER_PX
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

    def parts(self, components: Components, *, reads: bool) -> dict[str, Any]:
        """Of the autoencoder, sampling looks at the configuration only."""
        modules, other = components.modules, components.other
        found: dict[str, Any] = {name: modules[name] if reads else None for name, _ in _ENCODERS}
        found.update({name: other[name] if reads else None for _, name in _ENCODERS})
        found.update({name: None if reads else modules[name] for name in ("unet", "vae")})
        # A watermark would import whatever package of that name is installed.
        return {**found, "feature_extractor": None, "add_watermarker": False}


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
