"""A tiny Stable Diffusion 1.5 with random weights, and its stock diffusers pipeline with nothing around it.

`python -m impasto_server.bench.bare build FOLDER` writes the model. `… run FOLDER SIDE STEPS` loads it, and
for each line on stdin runs the pipeline once and prints the seconds it took. The one part of the bench that
knows torch.
"""

from __future__ import annotations

import string
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["GUIDANCE", "PROMPT"]

PROMPT = "a red house"
GUIDANCE = 7.5


def build(folder: Path) -> None:
    """A diffusers folder of a few MB, 512 px native: it paints coloured noise."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=64,  # 512 px: the engine works there in one pass, as the stock pipeline does
        layers_per_block=1,
        block_out_channels=(8, 8, 16),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    vae = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    )
    text = transformers.CLIPTextConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    letters = string.ascii_lowercase
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = transformers.CLIPTokenizer(
        vocab={name: number for number, name in enumerate(names)}, merges=[], model_max_length=16
    )
    diffusers.StableDiffusionPipeline(
        unet=unet,
        vae=vae,
        text_encoder=transformers.CLIPTextModel(text),
        tokenizer=tokenizer,
        scheduler=diffusers.DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def run(folder: Path, side: int, steps: int) -> None:
    import diffusers
    import torch

    pipeline: Any = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    if torch.cuda.is_available():
        pipeline.to("cuda")
    pipeline.set_progress_bar_config(disable=True)
    print("ready", flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        pipeline(
            PROMPT,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            width=side,
            height=side,
            generator=torch.Generator("cpu").manual_seed(int(line)),
            output_type="np",
        )
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]))
    else:
        run(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
