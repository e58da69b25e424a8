"""What the engine asks of a model family. Importing this, or a family, imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Config = Mapping[str, object]  # a parsed config.json


class FamilyMismatch(ValueError):
    """The folder looks like this family but cannot be run by it. The text is a sentence for the artist."""


@dataclass(frozen=True)
class Defaults:
    """What a model of a family is best asked for when the artist leaves the choice open."""

    native_px: int  # side of the square it was trained at
    steps: int
    guidance: float  # classifier-free guidance scale; 1 or less runs without


@dataclass(frozen=True, eq=False)
class Components:
    """A loaded model, in parts that all jobs on it share. Schedulers and pipelines belong to one job each."""

    modules: Mapping[str, Any]  # torch modules by diffusers' names: unet, vae, text_encoder
    other: Mapping[str, Any]  # the rest: tokenizer
    scheduler: (
        Any  # never stepped: jobs get copies from `Family.scheduler`; its class is the recipe's sampler
    )
    pipelines: dict[str, Any] = field(default_factory=dict)  # the family's own: built once, copied for a pass


@dataclass(frozen=True, eq=False)
class Hint:
    """One control image at a pass' working size, and the ControlNet it is for."""

    net: Any  # torch module from `Family.load_control`
    image: Any  # tensor (1, 3, H, W) float32 0..1
    strength: float
    start: float  # share of the pass' steps after which it sets in …
    end: float  # … and lets go


@dataclass(frozen=True, eq=False)
class Reading:
    """What `Family.embed` made of a prompt."""

    prompt: str
    embedded: Mapping[str, Any]


class Family(Protocol):
    """Declares what a family can do and builds stock diffusers pipelines for it. One object per family, no
    state.
    """

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Of: text, image, mask, control, lora, upscale, live, texture."""
        ...

    @property
    def grid(self) -> int:
        """Working sizes are multiples of this many pixels."""
        ...

    @property
    def latent_factor(self) -> int:
        """Pixels per latent cell, along each side."""
        ...

    @property
    def denoiser(self) -> str:
        """Which of `Components.modules` runs at each step."""
        ...

    @property
    def tiny_autoencoder(self) -> str:
        """What folders are called that hold a small autoencoder for this family's latents; empty: there is
        none.
        """
        ...

    @property
    def component_classes(self) -> Mapping[str, tuple[str, ...]]:
        """The classes `model_index.json` may name for each component that is loaded. Others are refused
        unread.
        """
        ...

    @property
    def lora_prefixes(self) -> Mapping[str, tuple[str, ...]]:
        """How LoRA files spell the parts of `Components.modules` they change; empty where LoRAs do not
        work.
        """
        ...

    def recognises(self, index: Config) -> bool:
        """Whether a folder with this `model_index.json` is of this family."""
        ...

    def defaults(self, denoiser: Config, vae: Config) -> Defaults:
        """From the components' config.json. Raises `FamilyMismatch` for a variant that is not supported."""
        ...

    def control_fits(self, denoiser: Config, net: Config) -> bool:
        """Whether a ControlNet with this config.json was made for denoisers like this one."""
        ...

    def working_bytes(self, width: int, height: int) -> int:
        """Memory beyond the weights that a picture of this size needs at 16 bits a value."""
        ...

    def load(self, folder: Path, dtype: Any, variant: str | None) -> Components:
        """Reads the weights (safetensors only, offline, no code from the folder) to the CPU."""
        ...

    def load_control(self, folder: Path, dtype: Any, variant: str | None) -> Any:
        """Reads a ControlNet that fits, as `load` does."""
        ...

    def load_lora(self, components: Components, tensors: Mapping[str, Any], adapter: str) -> None:
        """Puts a LoRA that fits into the shared modules, as peft layers under the name `adapter`. `tensors`
        have their alphas multiplied in.
        """
        ...

    def scheduler(self, components: Components) -> Any:
        """A scheduler object of its own for one sampling pass."""
        ...

    def embed(
        self,
        components: Components,
        prompt: str,
        negative: str,
        guidance: float,
        device: str,
        before: Reading | None = None,
    ) -> dict[str, Any]:
        """The prompts as keyword arguments of the pipelines' call. `before`: what was read with the same
        negative prompt, the same adapters and guidance on: the text encoder need not read that one again.
        """
        ...

    def conditioning(
        self, components: Components, embedded: Mapping[str, Any], guidance: float, size: tuple[int, int]
    ) -> dict[str, Any]:
        """What `embed` returned for this guidance, as keyword arguments of the forward of the denoiser and of
        its ControlNets, for a picture of `size` (width, height): tensors, nested in dicts. Two of a batch
        where the guidance needs both: without the prompt, with it.
        """
        ...

    def text_pipeline(self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()) -> Any:
        """The stock pipeline that samples from noise, with the shared denoiser; called for latents only."""
        ...

    def image_pipeline(self, components: Components, scheduler: Any, hints: Sequence[Hint] = ()) -> Any:
        """The stock pipeline that samples from a noised picture; called with latents, for latents."""
        ...

    def control_arguments(self, hints: Sequence[Hint], over_picture: bool) -> dict[str, Any]:
        """The hints as keyword arguments of the text or (`over_picture`) the image pipeline's call."""
        ...
