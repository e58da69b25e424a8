"""Who is measured by `bench.py`, on which models. Each contender is a function from picture to picture."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "server"), str(ROOT / "protocol")]
if importlib.util.find_spec("cv2") is None:
    # The loop needs no OpenCV, only what is imported with it does; and a rented machine may have none.
    sys.modules["cv2"] = ModuleType("cv2")

from impasto_server.engine.frame_loop import FrameLoop, FrameShape, Parts  # noqa: E402  after the path
from impasto_server.engine.graphs import Graphs  # noqa: E402
from impasto_server.engine.linear_sampler import LinearSampler  # noqa: E402
from impasto_server.engine.live_schedule import build, live_sampler, timesteps  # noqa: E402
from impasto_server.engine.packed import PackedCopy, can_pack, native_dtype  # noqa: E402
from impasto_server.families.few_steps import FewSteps  # noqa: E402

STRENGTH = 0.6
LCM = FewSteps("LCMScheduler", 4, 1.0)

SD15: Mapping[str, Any] = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
SDXL: Mapping[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SMALL: Mapping[str, Any] = {
    "layers_per_block": 1,
    "block_out_channels": (16, 32),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
TINY_SD15 = {**SD15, **SMALL, "sample_size": 8, "cross_attention_dim": 32}
TINY_SDXL = {
    **SDXL,
    **SMALL,
    "sample_size": 16,
    "cross_attention_dim": 64,
    "transformer_layers_per_block": (1, 2),
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 32,
}
KL = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


@dataclass(frozen=True)
class Case:
    """share: of the time that all have together."""

    model: str
    side_px: int
    steps: int
    share: float

    @property
    def name(self) -> str:
        return f"{self.model}-{self.side_px}-{self.steps}"


CASES = (
    Case("sd15", 512, 1, 3.0),
    Case("sd15", 512, 4, 2.0),
    Case("sdxl", 1024, 1, 2.0),
    Case("sdxl", 1024, 4, 2.0),
    Case("sd15", 1024, 1, 1.0),
    Case("sd15", 1024, 4, 1.0),
)
TINY_CASES = tuple(replace(case, side_px=case.side_px // 8, share=1.0) for case in CASES[:4])


@dataclass(eq=False)
class Bench:
    """One model on one device, and what is asked of it."""

    case: Case
    device: torch.device
    dtype: torch.dtype
    unet: Any
    vae: Any
    kl: Any
    scheduler: Any
    sampler: LinearSampler
    conditioning: dict[str, Any]

    @property
    def xl(self) -> bool:
        return self.case.model == "sdxl"

    def parts(self, unet: Any = None, vae: Any = None) -> Parts:
        return Parts(unet or self.unet, vae or self.vae, (), self.device)


def prepare(case: Case, device: torch.device, tiny: bool) -> Bench:
    import diffusers

    torch.manual_seed(0)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    xl = case.model == "sdxl"
    config = {(False, False): SD15, (True, False): SDXL, (False, True): TINY_SD15, (True, True): TINY_SDXL}
    small = (
        {"block_out_channels": (8, 8, 16, 16), "norm_num_groups": 4, "layers_per_block": 1} if tiny else {}
    )
    with torch.device(device):
        unet = diffusers.UNet2DConditionModel(**config[xl, tiny])
        vae = diffusers.AutoencoderTiny()
        kl = diffusers.AutoencoderKL(**{**KL, **small})
    unet, vae, kl = (one.eval().requires_grad_(False).to(dtype) for one in (unet, vae, kl))
    given = diffusers.LCMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    words = torch.randn(1, 77, unet.config.cross_attention_dim, device=device, dtype=dtype)
    conditioning: dict[str, Any] = {"encoder_hidden_states": words}
    if xl:
        pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
        side = case.side_px
        conditioning["added_cond_kwargs"] = {
            "text_embeds": torch.randn(1, pooled, device=device, dtype=dtype),
            "time_ids": torch.tensor([[side, side, 0, 0, side, side]], device=device, dtype=dtype),
        }
    sampler = live_sampler(LCM, given, case.steps, STRENGTH)
    return Bench(case, device, dtype, unet, vae, kl, build(LCM, given), sampler, conditioning)


# ── the contenders: each is a function from a picture to a picture ───────────────────────────────────────

Frame = Callable[[np.ndarray], np.ndarray]


def loop_of(bench: Bench, parts: Parts, graphed: bool) -> Frame:
    side = bench.case.side_px
    with torch.inference_mode():
        loop = FrameLoop(parts, FrameShape(side, side, bench.case.steps, bench.sampler.noises))
    with loop.at_work():
        loop.use_sampler(bench.sampler, 1.0)
        loop.use_seed(0)
        loop.use_conditioning(bench.conditioning)
    graphs = Graphs(loop) if graphed else None

    def frame(picture: np.ndarray) -> np.ndarray:
        with loop.at_work():
            if graphs is not None:
                graphs.check(())
            np.copyto(loop.picture, picture)
            loop.run(_always, _nothing)
            if graphs is not None:
                graphs.capture_next()
        return loop.painted

    return frame


def _always(done: int, steps: int) -> bool:
    return True


def _nothing(stage: str) -> None:
    pass


def eager(bench: Bench) -> Frame:
    return loop_of(bench, bench.parts(), graphed=False)


def graphed(bench: Bench) -> Frame:
    return loop_of(bench, bench.parts(), graphed=True)


def graphed_kl(bench: Bench) -> Frame:
    return loop_of(bench, bench.parts(vae=bench.kl), graphed=True)


def compiled(bench: Bench) -> Frame:
    unet = torch.compile(bench.unet, mode="max-autotune-no-cudagraphs", dynamic=False)
    return loop_of(bench, bench.parts(unet), graphed=True)


def packed(bench: Bench) -> Frame:
    unet, vae = (PackedCopy(one, native_dtype()).module for one in (bench.unet, bench.vae))
    return loop_of(bench, bench.parts(unet, vae), graphed=False)


def stream_batch(bench: Bench) -> Frame:
    """Row i of the batch is a frame that has i steps behind it."""
    steps, unet, vae, device, dtype = bench.case.steps, bench.unet, bench.vae, bench.device, bench.dtype
    side = bench.case.side_px // 8

    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, device=device, dtype=dtype).view(-1, 1, 1, 1)

    start = bench.sampler.start
    table = bench.sampler.steps
    visited = torch.tensor([step.timestep for step in table], device=device)
    of_latents = column([step.latents[-1] for step in table])
    of_output = column([step.outputs[-1] for step in table])
    of_noise = column([step.noise for step in table])
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(steps + 1, 4, side, side, generator=generator).to(device, dtype)
    batch = torch.zeros(steps, 4, side, side, device=device, dtype=dtype)

    def repeated(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: repeated(one) for name, one in value.items()}
        return value.repeat(steps, *[1] * (value.ndim - 1))

    conditioning = repeated(bench.conditioning)

    @torch.inference_mode()
    def frame(picture: np.ndarray) -> np.ndarray:
        nonlocal batch
        pixels = torch.from_numpy(picture).to(device).permute(2, 0, 1)[None].to(dtype) / 127.5 - 1.0
        clean = vae.encode(pixels).latents * vae.config.scaling_factor
        batch = torch.cat([start[0] * clean + start[1] * noise[:1], batch[1:]])
        output = unet(batch, visited, **conditioning, return_dict=False)[0]
        after = of_latents * batch + of_output * output + of_noise * noise[1:]
        batch = torch.cat([batch[:1], after[:-1]])
        painted = vae.decode(after[-1:] / vae.config.scaling_factor, return_dict=False)[0][0]
        result = ((painted.float() * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8)
        return result.permute(1, 2, 0).cpu().numpy()

    return frame


def stock(bench: Bench) -> Frame:
    import diffusers

    shared = {"unet": bench.unet, "vae": bench.vae, "scheduler": bench.scheduler}
    if bench.xl:
        nothing = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
        kind = diffusers.StableDiffusionXLImg2ImgPipeline
        pipeline = kind(**shared, **nothing, add_watermarker=False)
        embedded = {"pooled_prompt_embeds": bench.conditioning["added_cond_kwargs"]["text_embeds"]}
    else:
        nothing = dict.fromkeys(("text_encoder", "tokenizer", "safety_checker", "feature_extractor"))
        kind = diffusers.StableDiffusionImg2ImgPipeline
        pipeline = kind(**shared, **nothing, requires_safety_checker=False)
        embedded = {}
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator(bench.device)
    visited = timesteps(bench.scheduler.config, bench.case.steps, STRENGTH)

    def frame(picture: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(picture).permute(2, 0, 1)[None] / np.float32(255.0)
        painted = pipeline(
            prompt_embeds=bench.conditioning["encoder_hidden_states"],
            image=image,
            timesteps=visited,
            strength=1.0,
            guidance_scale=1.0,
            generator=generator.manual_seed(0),
            output_type="np",
            **embedded,
        ).images[0]
        return (painted * 255.0 + 0.5).astype(np.uint8)

    return frame


ON_CUDA: Mapping[str, Callable[[Bench], Frame]] = {
    "graphed": graphed,
    "eager": eager,
    "stream batch": stream_batch,
    "stock": stock,
    "graphed, KL autoencoder": graphed_kl,
    "compiled": compiled,
}
ON_CPU: Mapping[str, Callable[[Bench], Frame]] = {
    **({"packed": packed} if can_pack() else {}),
    "eager": eager,
    "stream batch": stream_batch,
    "stock": stock,
}
OPTIONAL = ("graphed, KL autoencoder", "compiled")
"""Left out where time is short; the others make the ratios."""
# Compiling takes minutes: only where it says most.
COMPILED = ("sd15-512-1", "sdxl-1024-1")
