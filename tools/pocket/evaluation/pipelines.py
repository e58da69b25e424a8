"""Pocket through the stock diffusers pipelines: one loaded model, and a method for each way to paint with it.

Pictures and hints are sRGB uint8, (H, W, 3) and (H, W). Everything is reproducible from its seed.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SEED = 2026
BATCH = 10


@dataclass(frozen=True)
class Files:
    """Where the parts of a Pocket lie."""

    weights: Path
    controls: Path
    """Holds `scribble/` and `depth/`, ControlNetModel folders."""
    lora: Path | None = None
    icons: Path | None = None
    """What `icons.fetch` left."""

    def digest(self, *parts: str) -> str:
        """Twelve hex digits over the files of the named parts (`base`, `scribble`, `depth`, `lora`, `icons`);
        empty when one of them is not there.
        """
        known = {"base": self.weights, "lora": self.lora, "icons": self.icons}
        sums = hashlib.sha256()
        for part in parts:
            place = known.get(part, self.controls / part)
            if place is None or not place.exists():
                return ""
            for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
                if file.suffix in (".safetensors", ".json", ".npz") and file.name != "pocket.json":
                    sums.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
        return sums.hexdigest()[:12]


class Painter:
    """The loaded model. Every part is loaded when it is first used."""

    def __init__(self, files: Files, guidance: float | None = None) -> None:
        self.files = files
        card = json.loads((files.weights / "pocket.json").read_text())
        self.guidance = float(guidance or card.get("guidance_scale", 3.0))
        self.size_px = int(card.get("native_px", 256))

    @cached_property
    def base(self) -> Any:
        """A StableDiffusionPipeline in float32."""
        from diffusers import StableDiffusionPipeline

        pipeline = StableDiffusionPipeline.from_pretrained(self.files.weights, local_files_only=True)
        return _quiet(pipeline.to("cpu"))

    @cached_property
    def _image_to_image(self) -> Any:
        from diffusers import StableDiffusionImg2ImgPipeline

        return _quiet(StableDiffusionImg2ImgPipeline(**self.base.components, requires_safety_checker=False))

    @cached_property
    def _inpaint(self) -> Any:
        from diffusers import StableDiffusionInpaintPipeline

        return _quiet(StableDiffusionInpaintPipeline(**self.base.components, requires_safety_checker=False))

    @cached_property
    def _controls(self) -> dict[str, Any]:
        return {}

    def _control(self, kinds: tuple[str, ...]) -> Any:
        """A StableDiffusionControlNetPipeline with the nets of these kinds."""
        import torch
        from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

        for kind in kinds:
            if kind not in self._controls:
                folder = self.files.controls / kind
                net = ControlNetModel.from_pretrained(folder, local_files_only=True)
                self._controls[kind] = net.to(torch.float32).eval()
        nets = [self._controls[kind] for kind in kinds]
        return _quiet(
            StableDiffusionControlNetPipeline(
                **self.base.components,
                controlnet=nets if len(nets) > 1 else nets[0],
                requires_safety_checker=False,
            )
        )

    def text(self, prompts: Sequence[str], steps: int = 20, seed: int = SEED) -> list[np.ndarray]:
        """A picture for each prompt."""
        pictures: list[np.ndarray] = []
        for start in range(0, len(prompts), BATCH):
            part = list(prompts[start : start + BATCH])
            output = self.base(
                part,
                num_inference_steps=steps,
                guidance_scale=self.guidance,
                generator=[_generator(seed + start + i) for i in range(len(part))],
                output_type="np",
                **self._size,
            )
            pictures += list((output.images * 255).round().astype(np.uint8))
        return pictures

    def image_to_image(
        self, prompt: str, image: np.ndarray, strength: float, steps: int = 20, seed: int = SEED
    ) -> np.ndarray:
        """The image, painted over."""
        return self._one(
            self._image_to_image,
            prompt,
            seed,
            image=Image.fromarray(image),
            strength=strength,
            num_inference_steps=steps,
        )

    def inpaint(
        self, prompt: str, image: np.ndarray, mask: np.ndarray, steps: int = 20, seed: int = SEED
    ) -> np.ndarray:
        """What the pipeline paints where the mask (bool) is set and, roughly, the image elsewhere."""
        return self._one(
            self._inpaint,
            prompt,
            seed,
            image=Image.fromarray(image),
            mask_image=Image.fromarray((mask * 255).astype(np.uint8)),
            strength=1.0,
            num_inference_steps=steps,
            **self._size,
        )

    def controlled(
        self, prompt: str, hints: dict[str, np.ndarray], scale: float, steps: int = 20, seed: int = SEED
    ) -> np.ndarray:
        """A picture under one or several control images (kind → (H, W) uint8), each at the same strength."""
        images = [Image.fromarray(hint).convert("RGB") for hint in hints.values()]
        several = len(images) > 1
        return self._one(
            self._control(tuple(hints)),
            prompt,
            seed,
            image=images if several else images[0],
            controlnet_conditioning_scale=[scale] * len(images) if several else scale,
            num_inference_steps=steps,
            **self._size,
        )

    @property
    def _size(self) -> dict[str, int]:
        return {"width": self.size_px, "height": self.size_px}

    def _one(self, pipeline: Any, prompt: str, seed: int, **more: Any) -> np.ndarray:
        image = pipeline(
            prompt, guidance_scale=self.guidance, generator=_generator(seed), output_type="np", **more
        ).images[0]
        return np.asarray((image * 255).round().astype(np.uint8))


def _generator(seed: int) -> Any:
    import torch

    return torch.Generator().manual_seed(seed)


def _quiet(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def quiet_libraries() -> None:
    """The libraries' notices about optional packages say nothing about the figures."""
    import diffusers
    import transformers

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning)
