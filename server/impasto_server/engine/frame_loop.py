"""The live loop: a picture in, a picture out, through buffers that are made once.

A frame is encode → steps → decode. Everything that is sampled stands in one matrix, the *book*, a row each:

    z₀ | noises | x_0 out_0 | x_1 out_1 | … | x_n

(two rows of `out` with guidance: without the prompt, with it). Each x is a weighted sum of the rows above it:
one product with a row of weights, which `LinearSampler` and the guidance scale give. So prompt, seed,
strength and guidance are contents of buffers; only what `FrameShape` names changes which kernels run. That
lets the segments of a frame be captured as CUDA graphs once (`graphs.py`); without them they are plain calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from impasto_server.compositing.masks import levelled, release_thresholds
from impasto_server.compositing.raster import FloatArray
from impasto_server.engine.linear_sampler import LinearSampler

Segment = Callable[[], None]


@dataclass(frozen=True)
class FrameShape:
    """All that decides which kernels a frame runs.

    width, height: px, multiples of the family's grid. noises: as `LinearSampler.noises`. nets: for each step,
    the numbers of the ControlNets that are at work.
    """

    width: int
    height: int
    steps: int
    noises: int = 1
    guided: bool = False
    masked: bool = False
    nets: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Parts:
    """The modules of a loop, on one device. The autoencoder may have a dtype of its own. threads: on the CPU;
    0: as torch is set.
    """

    denoiser: Any
    vae: Any
    nets: Sequence[Any] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    threads: int = 0

    @property
    def latent_factor(self) -> int:
        """Pixels per latent cell, along each side."""
        config = self.vae.config
        blocks = config.get("block_out_channels") or config.decoder_block_out_channels
        return int(2 ** (len(blocks) - 1))


class FrameLoop:
    """Paints frames of one shape. Not for two threads. Made in inference mode, called in `at_work`.

    picture: (height, width, 3) uint8 on the CPU, where the input of the next frame is written; pinned on
    CUDA. painted: the same for the output.
    """

    def __init__(self, parts: Parts, shape: FrameShape) -> None:
        weight, vae_weight = next(parts.denoiser.parameters()), next(parts.vae.parameters())
        device, channels = parts.device, parts.denoiser.config.in_channels
        factor, batch = parts.latent_factor, 2 if shape.guided else 1
        size = (shape.height // factor, shape.width // factor)
        self.parts, self.shape = parts, shape
        # Its kernels go first where a job's wait in the device's own queue.
        self.stream = torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None
        self._batch = batch
        self._latents = (channels, *size)  # of one picture
        self._first = 1 + shape.noises  # row of x_0
        rows = self._first + shape.steps * (1 + batch) + 1

        pixels = (shape.height, shape.width, 3)
        pinned = device.type == "cuda"
        self._picture = torch.zeros(pixels, dtype=torch.uint8, pin_memory=pinned)
        self._painted = torch.zeros(pixels, dtype=torch.uint8, pin_memory=pinned)
        self.picture, self.painted = self._picture.numpy(), self._painted.numpy()
        # On the CPU these are the same memory.
        self._given, self._made = self._picture.to(device), self._painted.to(device)
        # As float32, since bfloat16 knows fewer levels than a picture has.
        self._levels = torch.zeros(pixels, device=device)
        self._minus_one, self._half = torch.tensor(-1.0, device=device), torch.tensor(128.0, device=device)
        self._pixels = torch.zeros(1, 3, *pixels[:2], dtype=vae_weight.dtype, device=device)
        if device.type == "cpu":  # as its convolutions want it
            self._pixels = self._pixels.contiguous(memory_format=torch.channels_last)
        self._clean = torch.zeros(1, *self._latents, dtype=vae_weight.dtype, device=device)
        self._book = torch.zeros(rows, channels * size[0] * size[1], device=device)
        self._input = torch.zeros(batch, *self._latents, dtype=weight.dtype, device=device)
        self._weights = torch.zeros(shape.steps + 1, rows, device=device)
        self._scales = torch.zeros(shape.steps, device=device)
        self._timesteps = torch.zeros(shape.steps, device=device)
        self._known = torch.zeros(shape.steps, 2, device=device)
        self._held = torch.zeros_like(self._book[0]) if shape.masked else None
        self._free = torch.ones(shape.steps, 1, size[0] * size[1], dtype=torch.bool, device=device)
        self._finite = torch.ones((), dtype=torch.bool, device=device)
        self._conditioning: dict[str, Any] = {}
        self._hints: list[torch.Tensor] = [torch.empty(0)] * len(parts.nets)
        self._net_scales = torch.zeros(len(parts.nets), device=device)
        # What a graph may stand for: no arguments, no results but in the buffers.
        self.segments: list[Segment] = [
            self._encode,
            *(lambda index=index: self._step(index) for index in range(shape.steps)),
            self._decode,
        ]
        if device.type == "cuda":  # weights and buffers were written in another stream
            torch.cuda.synchronize(device)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within, everything else is called: on the threads or the stream of this loop."""
        with torch.inference_mode(), _threads(self.parts.threads), torch.cuda.stream(self.stream):
            yield

    # ── what frames have in common ───────────────────────────────────────────────────────────────────────

    def use_sampler(self, sampler: LinearSampler, guidance: float) -> None:
        """Of as many steps and noises as the shape says."""
        weights = torch.zeros(self._weights.shape)
        weights[0, :2] = torch.tensor(sampler.start)
        noise = 1
        for number, step in enumerate(sampler.steps):
            row = weights[number + 1]
            for index, (latents, output) in enumerate(zip(step.latents, step.outputs, strict=True)):
                at = self._at(index)
                row[at] = latents
                if self.shape.guided:
                    row[at + 1], row[at + 2] = (1.0 - guidance) * output, guidance * output
                else:
                    row[at + 1] = output
            if step.draws:
                noise += 1
                row[noise] = step.noise
        self._weights.copy_(weights)
        self._scales.copy_(torch.tensor([step.scale for step in sampler.steps]))
        self._timesteps.copy_(torch.tensor([step.timestep for step in sampler.steps]))
        self._known.copy_(torch.tensor([step.known for step in sampler.steps]))

    def use_seed(self, seed: int) -> None:
        """The noises that a stock pipeline draws with this seed."""
        generator = torch.Generator("cpu").manual_seed(seed)
        for row in range(1, self._first):
            drawn = torch.randn((1, *self._latents), generator=generator, dtype=self._input.dtype)
            self._book[row].copy_(drawn.reshape(-1))

    def use_conditioning(self, conditioning: Mapping[str, Any]) -> None:
        """Keyword arguments of the denoiser's forward, as `Family.conditioning` makes them."""
        if self.stream is not None:  # the text encoder worked in another one
            self.stream.wait_stream(torch.cuda.default_stream(self.parts.device))
        self._conditioning = _into(self._conditioning, conditioning, self._input)

    def use_strength(self, number: int, strength: float) -> None:
        """How strictly the frames follow ControlNet `number`."""
        self._net_scales[number] = strength

    def use_hint(self, number: int, image: FloatArray) -> None:
        """What ControlNet `number` holds the frames to: (height, width, 3) float32 0..1. It is embedded here,
        once, where the stock pipelines do so at each step."""
        net = self.parts.nets[number]
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].to(self._input)
        embedded = net.controlnet_cond_embedding(pixels)
        if self._hints[number].shape != embedded.shape:
            self._hints[number] = torch.empty_like(embedded)
        self._hints[number].copy_(embedded)

    def use_mask(self, release: FloatArray) -> None:
        """Which latents stay on the known picture, and for how long: see `gate_hooks.Held`."""
        values = levelled(release, self.shape.steps).reshape(1, -1)
        free = values[None] >= release_thresholds(self.shape.steps)[:, None, None]
        self._free.copy_(torch.from_numpy(free))

    @property
    def places(self) -> tuple[int, ...]:
        """Where everything lies that segments read and that may come to lie elsewhere."""
        parts = self.parts
        weights = [next(module.parameters()) for module in (parts.denoiser, parts.vae, *parts.nets)]
        return tuple(one.data_ptr() for one in (*weights, *self._hints, *_tensors(self._conditioning)))

    # ── one frame ────────────────────────────────────────────────────────────────────────────────────────

    def run(self, keep_on: Callable[[int, int], bool], lap: Callable[[str], None]) -> bool:
        """From `picture` to `painted`; False when `keep_on` gave it up (see `LiveSitting.paint`). `lap`
        is told each stage at its end."""
        steps = self.shape.steps
        encode, *denoise, decode = self.segments
        if self._given is not self._picture:
            self._given.copy_(self._picture, non_blocking=True)
        encode()
        lap("encoding")
        for index, step in enumerate(denoise):
            if not keep_on(index, steps):
                return False
            step()
        lap("sampling")
        if not keep_on(steps, steps):
            return False
        decode()
        if self._made is not self._painted:
            self._painted.copy_(self._made)  # waits for the device
        lap("decoding")
        return True

    @property
    def finite(self) -> bool:
        """False if the model's numbers left the range of its dtype in the last frame."""
        return bool(self._finite)

    def _at(self, step: int) -> int:
        """Row of x_step."""
        return self._first + step * (1 + self._batch)

    def _encode(self) -> None:
        self._levels.copy_(self._given)
        torch.add(self._minus_one, self._levels, alpha=1.0 / 127.5, out=self._levels)
        self._pixels[0].permute(1, 2, 0).copy_(self._levels)
        vae = self.parts.vae
        output = vae.encode(self._pixels)
        # The distribution's mode, as in `loading.encode`.
        latents = output.latent_dist.mode() if hasattr(output, "latent_dist") else output.latents
        self._book[0].copy_(latents.reshape(-1))
        self._book[0].sub_(vae.config.get("shift_factor") or 0.0).mul_(vae.config.scaling_factor)

    def _sum(self, number: int) -> torch.Tensor:
        """x_number, put into the book."""
        at = self._at(number)
        latents = self._book[at]
        torch.mv(self._book[:at].t(), self._weights[number, :at], out=latents)
        if self._held is not None and number > 0:
            torch.mv(self._book[:2].t(), self._known[number - 1], out=self._held)
            channels = (self._latents[0], -1)
            torch.where(
                self._free[number - 1],
                latents.view(channels),
                self._held.view(channels),
                out=latents.view(channels),
            )
        return latents

    def _step(self, index: int) -> None:
        latents = self._sum(index).view(1, *self._latents)
        torch.mul(latents.expand_as(self._input), self._scales[index], out=self._input)
        timestep = self._timesteps[index]
        at_work = self.shape.nets[index] if self.shape.nets else ()
        output = self.parts.denoiser(
            self._input,
            timestep,
            **self._conditioning,
            **self._controlled(at_work, timestep),
            return_dict=False,
        )[0]
        at = self._at(index) + 1
        self._book[at : at + self._batch].copy_(output.reshape(self._batch, -1))

    def _controlled(self, at_work: Sequence[int], timestep: torch.Tensor) -> dict[str, Any]:
        """What the ControlNets add to the denoiser's arguments."""
        total: tuple[list[torch.Tensor], torch.Tensor] | None = None
        for number in at_work:
            net = self.parts.nets[number]
            with _embedded_already(net):
                down, middle = net(
                    self._input,
                    timestep,
                    **self._conditioning,
                    controlnet_cond=self._hints[number],
                    conditioning_scale=self._net_scales[number],
                    return_dict=False,
                )
            if total is None:
                total = (list(down), middle)
            else:
                total = ([a + b for a, b in zip(total[0], down, strict=True)], total[1] + middle)
        if total is None:
            return {}
        return {"down_block_additional_residuals": total[0], "mid_block_additional_residual": total[1]}

    def _decode(self) -> None:
        vae = self.parts.vae
        latents = self._sum(self.shape.steps)
        self._finite.copy_(latents.sum().isfinite())
        torch.div(latents.view(self._clean.shape), vae.config.scaling_factor, out=self._clean)
        self._clean.add_(vae.config.get("shift_factor") or 0.0)
        picture = vae.decode(self._clean, return_dict=False)[0][0]
        self._levels.copy_(picture.permute(1, 2, 0))
        torch.add(self._half, self._levels, alpha=127.5, out=self._levels)  # copying cuts off what follows
        self._made.copy_(self._levels.clamp_(0.0, 255.0))


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    """Within, torch computes with that many; the results of a job that waits depend on how many it has."""
    given = torch.get_num_threads()
    if wanted in (0, given):
        yield
        return
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(given)


@contextmanager
def _embedded_already(net: Any) -> Iterator[None]:
    """Within, the ControlNet takes hints that have been through its embedding."""
    given = net.controlnet_cond_embedding
    net.controlnet_cond_embedding = _AS_IT_IS
    try:
        yield
    finally:
        net.controlnet_cond_embedding = given


_AS_IT_IS = torch.nn.Identity()


def _tensors(nested: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    for value in nested.values():
        if isinstance(value, Mapping):
            yield from _tensors(value)
        else:
            yield value


def _into(held: Mapping[str, Any], given: Mapping[str, Any], like: torch.Tensor) -> dict[str, Any]:
    """`given`'s tensors, nested in dicts, copied into `held`'s memory where it has the same shape."""
    made: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            made[name] = _into(held.get(name, {}), value, like)
            continue
        buffer = held.get(name)
        if buffer is None or buffer.shape != value.shape:
            buffer = torch.empty(value.shape, dtype=like.dtype, device=like.device)
        buffer.copy_(value)
        made[name] = buffer
    return made
