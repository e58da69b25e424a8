"""Models in memory: loading, where their parts rest, and how they are set up for the job at work."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from threading import Thread
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from impasto_protocol.errors import BadModel

from impasto_server.engine import preview
from impasto_server.engine.adapters import (
    CONTROLNET,
    Adaptation,
    LoadedAdapters,
    LoadedLora,
    LoadedNet,
    load_net,
)
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.memory import Tier, attempt, is_out_of_memory
from impasto_server.engine.preview import LatentPreview
from impasto_server.families import Components, Reading
from impasto_server.models.folder import ModelFolder, PartFolder
from impasto_server.models.lora_file import LoraFile

T = TypeVar("T")

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


@cache
def imports() -> Thread:
    """Imports what the first load needs, 1.5 of its 2 seconds, while nobody waits for it yet. Started by the
    first call; whoever is about to load joins it, since two threads that import in circles can deadlock."""
    thread = Thread(target=_import, name="imports", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    with suppress(ImportError):  # what is missing is missed again by the load, which says so
        import peft.tuners.lora  # noqa: F401
        from diffusers import (  # noqa: F401  imported when they are asked for
            AutoencoderKL,
            AutoencoderTiny,
            DPMSolverMultistepScheduler,
            StableDiffusionImg2ImgPipeline,
            StableDiffusionPipeline,
            UNet2DConditionModel,
        )
        from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401


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
    _embedded: OrderedDict[tuple[str, Hashable], dict[str, Any]] = field(default_factory=OrderedDict)

    def get(
        self, prompt: str, rest: Hashable, read: Callable[[Reading | None], dict[str, Any]]
    ) -> dict[str, Any]:
        """Keyword arguments of the pipelines' call; `read` makes them the first time, and is handed what was
        read with the same `rest`, if anything was."""
        key = (prompt, rest)
        if key not in self._embedded:
            same = (Reading(one, found) for (one, other), found in self._embedded.items() if other == rest)
            self._embedded[key] = read(next(same, None))
            if len(self._embedded) > self.most:
                self._embedded.popitem(last=False)
        self._embedded.move_to_end(key)
        return self._embedded[key]


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
    adapters: LoadedAdapters = field(default_factory=LoadedAdapters)
    _tier: Tier = Tier.FULL
    _processors: WeakKeyDictionary[Any, Mapping[str, Any]] = field(default_factory=WeakKeyDictionary)

    @property
    def modules(self) -> Mapping[str, Any]:
        return self.components.modules

    @property
    def denoiser(self) -> Any:
        return self.modules[self.source.family.denoiser]

    @property
    def weight_values(self) -> int:
        """Numbers in all that is loaded, adapters included."""
        return self.source.weight_values + self.adapters.weight_values

    def set_up(self, tier: Tier, module: str, adaptation: Adaptation) -> None:
        """Makes the shared parts as a job on this rung needs them before `module` computes. Cheap when they
        are.
        """
        if tier != self._tier:
            self._tile(tier >= Tier.TILED)
            self._tier = tier
        self._slice((self.denoiser, *adaptation.modules), tier >= Tier.SLICED)
        self.adapters.wear(self.modules, adaptation.loras)
        at_work = self._at_work(module, adaptation)
        if self.offloads or adaptation.offloads or tier >= Tier.OFFLOADED:
            for part in self._all():
                if part not in at_work:
                    move(part, "cpu")
        for part in at_work:
            move(part, self.device)

    def embedded(
        self, tier: Tier, prompt: str, negative: str, guidance: float, adaptation: Adaptation
    ) -> dict[str, Any]:
        """The prompts as keyword arguments of the pipelines' call; new ones pass the text encoder."""

        def read(before: Reading | None) -> dict[str, Any]:
            self.set_up(tier, "text_encoder", adaptation)
            family = self.source.family
            with torch.no_grad():
                return family.embed(self.components, prompt, negative, guidance, self.device, before)

        # All that the embeddings depend on: the rungs of the ladder leave the text encoder as it is.
        rest = (negative, guidance > 1.0, adaptation.reading)
        return self.prompts.get(prompt, rest, read)

    def _at_work(self, module: str, adaptation: Adaptation) -> tuple[Any, ...]:
        """Denoiser and ControlNets take turns at each step: they are on the device together."""
        if module in (CONTROLNET, self.source.family.denoiser):
            return (self.denoiser, *adaptation.modules)
        return (self.modules[module],)

    def _all(self) -> tuple[Any, ...]:
        return (*self.modules.values(), *(net.module for net in self.adapters.nets.values()))

    def rest(self) -> None:
        """Off the device: another model needs the room. `set_up` brings the parts back."""
        for part in self._all():
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

    def _slice(self, parts: tuple[Any, ...], sliced: bool) -> None:
        for part in parts:
            if sliced and part not in self._processors:
                self._processors[part] = dict(part.attn_processors)
                part.set_attention_slice("max")
            elif not sliced and part in self._processors:
                part.set_attn_processor(dict(self._processors.pop(part)))


def move(module: torch.nn.Module, device: str) -> None:
    """Moves a module's weights; nothing is copied when they are there already. Never changes a dtype."""
    here, there = next(module.parameters()).device, torch.device(device)
    if (here.type, here.index or 0) != (there.type, there.index or 0):
        module.to(there)


def load(source: ModelFolder, digest: str, device: str, stack: JobStack) -> LoadedModel:
    """Reads a checked folder. Raises `BadModel` when its weights do not fit its configs, `OutOfMemory`."""

    def read() -> Components:
        return source.family.load(source.folder, working_dtype(device), source.variant)

    components = reading(read, f"the model “{source.info.title}”")
    # Before the hooks are there: while a job waits for this one, they would speak to that job's gate.
    latent_preview = _preview(components, source)
    for name, module in components.modules.items():
        if name == "vae":
            stack.watch(module.encoder, name)
            stack.watch(module.decoder, name)
        else:
            stack.watch(module, name)
    model = LoadedModel(source, digest, components, device, latent_preview, not fits(source, device))
    if not model.offloads:
        model.offloads = not _all_on(model)
    return model


def load_control(source: ModelFolder, part: PartFolder, device: str, stack: JobStack) -> LoadedNet:
    """Reads a checked ControlNet for a model. Raises as `load` does."""

    def read() -> LoadedNet:
        return load_net(source.family, part, working_dtype(device))

    net = reading(read, f"the ControlNet “{part.folder.name}”")
    stack.watch(net.module, CONTROLNET)
    return net


def load_lora(model: LoadedModel, file: LoraFile, lora: LoadedLora) -> LoadedLora:
    """Puts a checked LoRA into a model, where it waits to be worn. Raises as `load` does."""

    def read() -> LoadedLora:
        model.adapters.add_lora(model.source.family, model.components, file, lora)
        return lora

    return reading(read, f"the LoRA “{file.name}”")


def reading(read: Callable[[], T], what: str) -> T:
    """`read()`, with its failures as sentences: `BadModel`, `OutOfMemory`. `what` begins with an article."""
    imports().join()
    try:
        return attempt(read, lambda: None, what)
    except (ImportError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        # diffusers has no error class of its own: these are what its loaders raise for files that do not fit.
        raise BadModel(
            f"{what[0].upper()}{what[1:]} cannot be loaded: its files do not fit together. "
            "Download it again, or use another."
        ) from error


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


def fits(source: ModelFolder, device: str, more_values: int = 0) -> bool:
    """Whether weights (with `more_values` of adapters) and one native picture fit the device together, by the
    device's size: free memory changes, and with it the plan would."""
    if not device.startswith("cuda"):
        return True
    native = source.info.native_px
    needed = (source.weight_values + more_values) * 2 + source.family.working_bytes(native, native)
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
