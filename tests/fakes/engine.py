"""An engine that paints noise: deterministic, without torch, as slow as IMPASTO_FAKE_STEP_S says.

A live frame is as deterministic: `live_pixels` says what it shows.

What it does besides painting is asked for in the prompt, so that tests can steer a real worker process:
`die`: the process kills itself at the first step · `die once`: only if it has not done so in this home yet ·
`break`: raises an error nobody foresaw · `exhaust`: MemoryError · `chatter`: prints to stdout at every step.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from impasto_protocol.messages import GenerateRequest, LayerInfo, LiveRequest, ModelInfo, Pixels, Recipe
from impasto_protocol.rasters import PixelFormat
from impasto_server.engine.interface import Input, Layer, LiveFrame, Raster, StepGate

STEPS = 4
LIVE_STEPS, REFINE_STEPS = 4, 8
SIDE_PX = 64
MODEL = ModelInfo(
    model="pocket",
    title="Fake",
    family="fake",
    native_px=SIDE_PX,
    default_steps=STEPS,
    default_guidance=5.0,
    capabilities=("text", "image", "mask", "control", "lora", "upscale", "live", "texture"),
    controls=("scribble", "depth"),
    loras=("ink",),
)


class FakeEngine:
    def __init__(self, device: str = "cpu", home: Path | None = None) -> None:
        self._home = home
        self._step_s = float(os.environ.get("IMPASTO_FAKE_STEP_S", "0.005"))
        self._sat = False
        self.device = f"{device} fake"

    def models(self) -> list[ModelInfo]:
        return [MODEL]

    def generate(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        if request.make_map:
            made = _fake_map(request, pictures["image"])
            gate.deliver(made)
            return [made]
        frame = pictures.get("image") or pictures.get("control 1")
        width = request.width or (frame.ref.width if frame else SIDE_PX)
        height = request.height or (frame.ref.height if frame else SIDE_PX)
        digests = "/".join(hashlib.sha256(one.pixels.tobytes()).hexdigest() for one in pictures.values())
        layers = []
        gate.report("loading")
        for take in range(request.layers):  # of a texture job: its views and textures
            recipe = dataclasses.replace(request, seed=request.seed + take, takes=1)
            key = f"{recipe.seed}/{recipe.prompt}/{digests}"
            pixels = self._sample(key, width, height, request, gate)
            info = LayerInfo(
                request.prompt, 0, 0, width, height, PixelFormat.RGBA8, Recipe(recipe, "Fake", "0" * 64)
            )
            gate.report("compositing")
            layers.append(Layer(info, pixels))
            gate.deliver(layers[-1])
        return layers

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> FakeSitting:
        if not self._sat:  # the model, which stays loaded
            loading()
            self._sat = True
        return FakeSitting(request, self._step_s, self._misbehave)

    def _sample(
        self, key: str, width: int, height: int, request: GenerateRequest, gate: StepGate
    ) -> np.ndarray:
        """A state that each step carries on, as latents do: a step left out or done twice would show."""
        steps = request.steps or STEPS
        state = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little"))
        estimate = np.zeros((height, width, 4), np.uint8)
        for step in range(steps):
            gate.check()
            self._misbehave(request.prompt)
            time.sleep(self._step_s)
            estimate = estimate * 3 + state.integers(0, 256, estimate.shape, np.uint8)
            preview = None
            if gate.wants_preview():
                small = np.ascontiguousarray(estimate[::8, ::8, :3])
                preview = Pixels(small.shape[1], small.shape[0], PixelFormat.RGB8, small.tobytes())
            gate.report("sampling", step + 1, steps, preview)
        return estimate

    def _misbehave(self, prompt: str) -> None:
        if prompt == "die" or (prompt == "die once" and self._first_time()):
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "break":
            raise KeyError("a secret that must not leave this process")
        if prompt == "exhaust":
            raise MemoryError
        if prompt == "chatter":
            print("libraries print what they like")
            os.write(1, b"and so does C code\n")
            sys.stdout.flush()

    def _first_time(self) -> bool:
        assert self._home is not None
        mark = self._home / "died-once"
        if mark.exists():
            return False
        mark.touch()
        return True


@dataclass(frozen=True)
class FakeSitting:
    """Implements `LiveSitting`."""

    request: LiveRequest
    step_s: float
    misbehave: Callable[[str], None]

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: Callable[[int, int], bool],
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        begun_s = time.perf_counter()
        steps = (self.request.refine_steps or REFINE_STEPS) if refined else (self.request.steps or LIVE_STEPS)
        for step in range(steps):
            if not keep_on(step, steps):
                return None
            self.misbehave(self.request.prompt)
            time.sleep(self.step_s)
        if not keep_on(steps, steps):
            return None
        pixels = live_pixels(self.request, image, mask, controls, refined=refined)
        return LiveFrame(pixels, {"sampling": 1000 * (time.perf_counter() - begun_s)})


def live_pixels(
    request: LiveRequest,
    image: Raster,
    mask: Raster | None = None,
    controls: Sequence[Raster] = (),
    *,
    refined: bool = False,
) -> Raster:
    """What a live frame shows: noise of the picture's size that nothing else makes. The first pixel is the
    picture's own, so that a test sees which one it was."""
    key = hashlib.sha256(f"{request.prompt}/{request.seed}/{request.strength}/{refined}".encode())
    for picture in (image, mask, *controls):
        if picture is not None:
            key.update(picture.tobytes())
    noise = np.random.default_rng(int.from_bytes(key.digest()[:8], "little"))
    pixels = noise.integers(0, 256, (*image.shape[:2], 3), np.uint8)
    pixels[0, 0] = image[0, 0, :3]
    return pixels


def _fake_map(request: GenerateRequest, image: Input) -> Layer:
    """The picture's first channel, as if that were a map."""
    first = image.pixels if image.pixels.ndim == 2 else image.pixels[:, :, 0]
    shape = (image.ref.width, image.ref.height)
    made = GenerateRequest("", "", "", *shape, image=image.ref, make_map=request.make_map)
    info = LayerInfo(request.make_map, 0, 0, *shape, PixelFormat.GRAY8, Recipe(made, "", ""))
    return Layer(info, np.ascontiguousarray(first, np.uint8)[:, :, None])


def painted(request: GenerateRequest, pictures: Mapping[str, Input] | None = None) -> bytes:
    """The bytes an undisturbed run paints for a request: one layer, no takes."""
    engine = FakeEngine()
    engine._step_s = 0.0
    return engine.generate(request, pictures or {}, _OpenGate())[0].pixels.tobytes()


class _OpenGate:
    """Never closes, tells nobody."""

    def check(self) -> None: ...

    def report(self, stage: str, step: int = 0, steps: int = 0, preview: Pixels | None = None) -> None: ...

    def wants_preview(self) -> bool:
        return False

    def deliver(self, layer: Layer) -> None: ...
