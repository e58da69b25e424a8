"""What the engine asks of a model family. Importing this, or a family, imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
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


class Family(Protocol):
    """Declares what a family can do and builds stock diffusers pipelines for it. One object per family, no
    state.
    """

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Of: text, image, mask."""
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
    def component_classes(self) -> Mapping[str, tuple[str, ...]]:
        """The classes `model_index.json` may name for each component that is loaded. Others are refused
        unread.
        """
        ...

    def recognises(self, index: Config) -> bool:
        """Whether a folder with this `model_index.json` is of this family."""
        ...

    def defaults(self, denoiser: Config, vae: Config) -> Defaults:
        """From the components' config.json. Raises `FamilyMismatch` for a variant that is not supported."""
        ...

    def working_bytes(self, width: int, height: int) -> int:
        """Memory beyond the weights that a picture of this size needs at 16 bits a value."""
        ...

    def load(self, folder: Path, dtype: Any, variant: str | None) -> Components:
        """Reads the weights (safetensors only, offline, no code from the folder) to the CPU."""
        ...

    def scheduler(self, components: Components) -> Any:
        """A scheduler object of its own for one sampling pass."""
        ...

    def embed(
        self, components: Components, prompt: str, negative: str, guidance: float, device: str
    ) -> dict[str, Any]:
        """The prompts as keyword arguments of the pipelines' call."""
        ...

    def text_pipeline(self, components: Components, scheduler: Any) -> Any:
        """The stock pipeline that samples from noise, with the shared denoiser; called for latents only."""
        ...

    def image_pipeline(self, components: Components, scheduler: Any) -> Any:
        """The stock pipeline that samples from a noised picture; called with latents, for latents."""
        ...
