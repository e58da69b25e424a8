"""Models in memory: loading, where their parts rest, and how they are set up for the job at work."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from impasto_protocol.errors import BadModel

from impasto_server.engine import preview
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.memory import Tier, attempt, is_out_of_memory
from impasto_server.engine.preview import LatentPreview
from impasto_server.families import Components
from impasto_server.models.folder import ModelFolder

# Tiles of the autoencoder on the TILED rung: a quarter of the memory of a 512 px picture.
_TILE_PX = 256


def quiet_and_offline() -> None:
    """No request leaves this machine, and the log holds our words only. Before the first import of
    diffusers.
    """
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY"):
        os.environ[name] = "1"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def working_dtype(device: str) -> torch.dtype:
    """float32 on the CPU, whose half-precision arithmetic is slower; float16 elsewhere, whose ten-bit
    mantissa keeps Stable Diffusion's pictures closer to float32 than bfloat16's seven do."""
    return torch.float32 if device.startswith("cpu") else torch.float16


@dataclass(eq=False)
class RecentPrompts:
    """Embeddings of the prompts used last: an artist sends the same words again and again, and more so live.

    At most `most`, of a quarter of a megabyte each for Stable Diffusion.
    """

    most: int = 32
    _embedded: OrderedDict[Hashable, dict[str, Any]] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, embed: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Keyword arguments of the pipelines' call; `embed` makes them the first time."""
        found = self._embedded.get(key)
        if found is None:
            found = self._embedded[key] = embed()
            if len(self._embedded) > self.most:
                self._embedded.popitem(last=False)
        self._embedded.move_to_end(key)
        return found


@dataclass(eq=False)
class LoadedModel:
    """One model's shared parts. Configured for a job by `set_up`, again whenever the step gate hands back."""

    source: ModelFolder
    digest: str
    components: Components
    device: str
    latent_preview: LatentPreview
    offloads: bool  # the parts do not fit on the device together
    prompts: RecentPrompts = field(default_factory=RecentPrompts)
    _tier: Tier = Tier.FULL
    _processors: Mapping[str, Any] = field(default_factory=dict)

    @property
    def modules(self) -> Mapping[str, Any]:
        return self.components.modules

    @property
    def denoiser(self) -> Any:
        return self.modules[self.source.family.denoiser]

    def set_up(self, tier: Tier, module: str) -> None:
        """Makes the shared parts as a job on this rung needs them before `module` computes. Cheap when they
        are.
        """
        if tier != self._tier:
            self._tile(tier >= Tier.TILED)
            self._slice(tier >= Tier.SLICED)
            self._tier = tier
        if self.offloads or tier >= Tier.OFFLOADED:
            for name, part in self.modules.items():
                if name != module:
                    move(part, "cpu")
        move(self.modules[module], self.device)

    def rest(self) -> None:
        """Off the device: another model needs the room. `set_up` brings the parts back."""
        for part in self.modules.values():
            move(part, "cpu")

    def _tile(self, tiled: bool) -> None:
        vae = self.modules["vae"]
        if not tiled:
            vae.disable_tiling()
            vae.disable_slicing()
            return
        vae.enable_tiling()
        vae.enable_slicing()
        vae.tile_sample_min_size = _TILE_PX
        vae.tile_latent_min_size = _TILE_PX // self.source.family.latent_factor

    def _slice(self, sliced: bool) -> None:
        if sliced and not self._processors:
            self._processors = dict(self.denoiser.attn_processors)
            self.denoiser.set_attention_slice("max")
        elif not sliced and self._processors:
            self.denoiser.set_attn_processor(dict(self._processors))
            self._processors = {}


def move(module: torch.nn.Module, device: str) -> None:
    """Moves a module's weights; nothing is copied when they are there already. Never changes a dtype."""
    here, there = next(module.parameters()).device, torch.device(device)
    if (here.type, here.index or 0) != (there.type, there.index or 0):
        module.to(there)


def load(source: ModelFolder, digest: str, device: str, stack: JobStack) -> LoadedModel:
    """Reads a checked folder. Raises `BadModel` when its weights do not fit its configs, `OutOfMemory`."""

    def read() -> Components:
        return source.family.load(source.folder, working_dtype(device), source.variant)

    try:
        components = attempt(read, lambda: None, f"the model “{source.info.title}”")
    except (ImportError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        # diffusers has no error class of its own: these are what its loaders raise for files that do not fit.
        raise BadModel(
            f"“{source.info.title}” cannot be loaded: its files do not fit together. "
            "Download it again, or use another."
        ) from error
    # Before the hooks are there: while a job waits for this one, they would speak to that job's gate.
    latent_preview = _preview(components, source)
    for name, module in components.modules.items():
        if name == "vae":
            stack.watch(module.encoder, name)
            stack.watch(module.decoder, name)
        else:
            stack.watch(module, name)
    model = LoadedModel(source, digest, components, device, latent_preview, not _fits(source, device))
    if not model.offloads:
        model.offloads = not _all_on(model)
    return model


def _preview(components: Components, source: ModelFolder) -> LatentPreview:
    picture = preview.palette(source.family.latent_factor)
    vae = components.modules["vae"]
    return preview.fit(encode(vae, picture), picture)


def encode(vae: Any, picture: Any) -> torch.Tensor:
    """z₀ of a picture (h, w, 3) float32 0..1, as latents (1, C, h/f, w/f) at the scale the denoiser is
    trained on.

    The distribution's mode where there is one: a sample would only add noise to what the artist drew.
    """
    weight = next(vae.parameters())
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].to(weight.device, weight.dtype) * 2.0 - 1.0
    with torch.no_grad():
        output = vae.encode(pixels)
    latents = output.latent_dist.mode() if hasattr(output, "latent_dist") else output.latents
    shift = vae.config.get("shift_factor") or 0.0
    return (latents - shift) * vae.config.scaling_factor


def decode(vae: Any, latents: torch.Tensor) -> Any:
    """The inverse of `encode`: (h, w, 3) float32, clipped to 0..1; not finite where the model's numbers were
    not.
    """
    weight = next(vae.parameters())
    shift = vae.config.get("shift_factor") or 0.0
    with torch.no_grad():
        pixels = vae.decode(latents.to(weight.dtype) / vae.config.scaling_factor + shift, return_dict=False)[
            0
        ]
    return (pixels[0].float() * 0.5 + 0.5).clamp(0.0, 1.0).permute(1, 2, 0).contiguous().cpu().numpy()


def _fits(source: ModelFolder, device: str) -> bool:
    """Whether weights and one native picture fit the device together, by the device's size: free memory
    changes, and with it the plan would."""
    if not device.startswith("cuda"):
        return True
    native = source.info.native_px
    needed = source.weight_values * 2 + source.family.working_bytes(native, native)
    return needed < int(torch.cuda.get_device_properties(device).total_memory)


def _all_on(model: LoadedModel) -> bool:
    try:
        for part in model.modules.values():
            move(part, model.device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        model.rest()
        return False
    return True
