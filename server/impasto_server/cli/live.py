"""`impasto live`: a picture that another program paints in a file, and a preview of it in another file."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from impasto_client.canvas import Canvas
from impasto_client.live import Preview
from impasto_client.session import Session
from impasto_protocol.errors import BadValue, DiskFull, ImpastoError, RequestError
from impasto_protocol.messages import Control, LiveControl, LiveRequest, Lora, ModelInfo
from impasto_protocol.rasters import PixelFormat

from impasto_server.cli import images, png, servers
from impasto_server.cli.generate import control_of, lora_of
from impasto_server.cli.images import Picture
from impasto_server.cli.watching import LOOK_S, Watched
from impasto_server.front.demands import SMALLEST_PX

BROKEN_AFTER_S = 1.0  # a file that cannot be read for so long is not just being written
_LONGEST_PX = 512  # of the previews, for a model the server has not named

Pixels = npt.NDArray[np.uint8]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--image", type=Path, required=True, help="the picture to watch: save it to repaint")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write, anew for each preview")
    parser.add_argument("--prompt", default="", help="what the picture shows")
    parser.add_argument("--model", default="pocket", help="a name from `impasto models`")
    parser.add_argument("--strength", type=float, default=0.6, help="0 … 1: how much of it is repainted")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another preview")
    parser.add_argument("--steps", type=int, default=0, help="default: as few as the model bears")
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="KIND=FILE[:STRENGTH[:START-END]]",
        help="a picture to follow, watched as well; may be repeated",
    )
    parser.add_argument(
        "--lora", action="append", default=[], metavar="NAME[:STRENGTH]", help="may be repeated"
    )
    parser.add_argument("--mask", type=Path, help="watched as well: white is repainted, black kept")
    parser.add_argument("--longest", type=int, default=0, metavar="PX", help="the preview's longer side")
    parser.add_argument("--once", action="store_true", help="one preview, then end")


def run(options: argparse.Namespace) -> int:
    png.check_target(options.out)
    controls = [control_of(text) for text in options.control]
    files = [options.image, *([options.mask] if options.mask else []), *(file for _, file in controls)]
    if options.out.resolve() in [file.resolve() for file in files]:
        raise BadValue(f"{options.out} is watched already. Choose another name for the previews.")
    loras = [lora_of(text) for text in options.lora]
    watched = Watched(files)
    scene: Scene | None = load_scene(options, [file for _, file in controls])
    with servers.connect() as session:
        easel = Easel(session, options, [control for control, _ in controls], loras)
        broken: tuple[float, RequestError] | None = None
        newest = 0
        while True:
            if watched.changed():
                try:
                    scene, broken = load_scene(options, [file for _, file in controls]), None
                except RequestError as error:
                    broken = time.monotonic(), error
            if broken is not None and time.monotonic() - broken[0] > BROKEN_AFTER_S:
                print(f"impasto: {broken[1].sentence}", file=sys.stderr)
                broken = None
            if scene is not None:
                newest, scene = easel.show(scene), None
            painted = easel.painted(LOOK_S)
            if painted is not None:
                preview, took_ms = painted
                _write(preview, options.out)
                print(_line(preview, took_ms), flush=True)
                if options.once and preview.input >= newest:
                    return 0


@dataclass(frozen=True, eq=False)
class Scene:
    """What the files hold: picture and controls as (H, W, 3 or 4), mask as (H, W), all of one size."""

    image: Pixels
    mask: Pixels | None
    controls: tuple[Pixels, ...]

    def rasters(self, longest_px: int) -> list[Picture]:
        """Image, mask if there is one, controls; made smaller where the longer side is over `longest_px`, a
        strip no thinner than the server takes it.
        """
        height, width = self.image.shape[:2]
        factor = min(1.0, longest_px / max(width, height))
        size = _shortened(width, factor), _shortened(height, factor)
        masks = [] if self.mask is None else [self.mask]
        return [images.from_array(_reduced(one, size)) for one in (self.image, *masks, *self.controls)]


def load_scene(options: argparse.Namespace, controls: list[Path]) -> Scene:
    """Raises `BadImage`, `ImageTooLarge`, `SizeMismatch`."""
    picture = images.load_picture(options.image)
    mask = images.load_mask(options.mask, picture.width, picture.height) if options.mask else None
    return Scene(
        _over_white(_eight_bits(picture)),
        None if mask is None else _eight_bits(mask),
        tuple(_eight_bits(images.load_picture(file)) for file in controls),
    )


class Easel:
    """The live session, on canvases of the scene's size."""

    def __init__(
        self, session: Session, options: argparse.Namespace, controls: list[Control], loras: list[Lora]
    ) -> None:
        self._session = session
        self._options = options
        self._controls = controls
        self._loras = tuple(loras)
        self._longest_px = options.longest or _native_px(session.models(), options.model)
        self._canvases: list[Canvas] = []
        self._shown_s: dict[int, float] = {}  # input → when it was sent
        self._changed = threading.Condition()  # guards what follows
        self._newest: tuple[Preview, float] | None = None
        self._problem: ImpastoError | None = None
        self._live = session.live(self._painted, self._status, self._failed)

    def show(self, scene: Scene) -> int:
        """Returns the number of the input."""
        rasters = scene.rasters(self._longest_px)
        shapes = [(one.width, one.height, one.format) for one in rasters]
        begin = time.monotonic()
        old = self._canvases
        fits = [(canvas.width, canvas.height, canvas.format) for canvas in old] == shapes
        if not fits:
            self._canvases = [self._session.canvas(*shape) for shape in shapes]
        number = self._live.show(dict(zip(self._canvases, [one.pixels for one in rasters], strict=True)))
        if not fits:
            number = self._live.change(self._request([canvas.name for canvas in self._canvases]))
            for canvas in old:
                canvas.close()
        self._shown_s[number] = begin
        return number

    def painted(self, timeout_s: float) -> tuple[Preview, float] | None:
        """The newest preview that has not been returned yet, and the milliseconds it took; waits for one.
        Raises what ended the session."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._problem is not None, timeout_s)
            if self._problem is not None:
                raise self._problem
            newest, self._newest = self._newest, None
        if newest is None:
            return None
        preview, came_s = newest
        took_ms = 1000.0 * (came_s - self._shown_s.get(preview.input, came_s))
        self._shown_s = {number: at for number, at in self._shown_s.items() if number >= preview.input}
        return preview, took_ms

    def _request(self, names: list[str]) -> LiveRequest:
        options, rest = self._options, names[1:]
        mask = rest.pop(0) if options.mask else ""
        controls = tuple(
            LiveControl(one.kind, name, one.strength, one.start, one.end)
            for one, name in zip(self._controls, rest, strict=True)
        )
        return LiveRequest(
            names[0],
            options.prompt,
            mask=mask,
            controls=controls,
            loras=self._loras,
            model=options.model,
            longest_px=options.longest,
            steps=options.steps,
            seed=options.seed,
            strength=options.strength,
        )

    # ── on the connection's thread ───────────────────────────────────────────────────────────────────────

    def _painted(self, preview: Preview) -> None:
        with self._changed:
            self._newest = preview, time.monotonic()
            self._changed.notify_all()

    def _status(self, stage: str) -> None:
        if stage == "loading":
            print("Loading …", file=sys.stderr, flush=True)

    def _failed(self, problem: ImpastoError) -> None:
        with self._changed:
            self._problem = problem
            self._changed.notify_all()


def _line(preview: Preview, took_ms: float) -> str:
    return f"input {preview.input}  {took_ms:.0f} ms{'  refined' if preview.refined else ''}"


def _write(preview: Preview, out: Path) -> None:
    picture = Picture(preview.width, preview.height, PixelFormat.RGB8, preview.pixels)
    try:
        png.write(out, png.encode(picture.array(), {}))
    except DiskFull as error:
        raise DiskFull(
            f"The disk is full: {out} was not written. Free some space and start again."
        ) from error


def _native_px(models: list[ModelInfo], name: str) -> int:
    return next((model.native_px for model in models if model.model == name), _LONGEST_PX)


def _eight_bits(picture: Picture) -> Pixels:
    pixels = picture.array()
    if pixels.dtype == np.uint16:
        return np.asarray((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.asarray(pixels, np.uint8)


def _over_white(pixels: Pixels) -> Pixels:
    """(H, W, 3 or 4) → (H, W, 3)."""
    if pixels.shape[2] == 3:
        return pixels
    colour, alpha = pixels[:, :, :3].astype(np.uint32), pixels[:, :, 3:].astype(np.uint32)
    return np.asarray((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _shortened(side: int, factor: float) -> int:
    return max(round(side * factor), min(side, SMALLEST_PX))


def _reduced(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """At `size` (width, height), each pixel the mean of those it covers; colours weighted by their alpha."""
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    weight = pixels[:, :, 3:].astype(np.float32)
    sums = cv2.resize(pixels[:, :, :3] * weight, size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[:, :, None]
    return np.dstack([sums / np.maximum(alpha, 1e-3), alpha]).round().astype(np.uint8)
