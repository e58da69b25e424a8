"""`python -m impasto_server.bench.live.stock FOLDER SIDE STEPS STRENGTH`: diffusers' own first picture.

Prints two numbers: the seconds `from_pretrained` and the first call took together, and those of the import
before them.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from PIL import Image

from impasto_server.bench.live.artist import PROMPT
from impasto_server.bench.picture import painting


def main(folder: str, side: int, steps: int, strength: float) -> None:
    picture = Image.fromarray(np.ascontiguousarray(painting(side)[:, :, :3]))
    begin = time.perf_counter()
    import diffusers
    import torch
    import transformers  # noqa: F401  what from_pretrained imports first of all

    imported = time.perf_counter()
    pipeline = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(
        folder, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline(
        PROMPT,
        image=picture,
        strength=strength,
        num_inference_steps=steps,
        generator=torch.Generator("cpu").manual_seed(0),
    )
    print(time.perf_counter() - imported, imported - begin, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
