"""Jobs of the command line: pictures up, a request, layers down, files out. Used by all commands that
paint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from impasto_client.session import Job, Layer, Session
from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import FINAL_STATES, CanvasRef, GenerateRequest, InputRef, LayerInfo

from impasto_server.cli import metadata, png
from impasto_server.cli.images import Array, Picture, as_array
from impasto_server.cli.show import JobLine
from impasto_server.compositing.composite import composite

__all__ = [
    "Cancelled",
    "Finished",
    "cancelled",
    "fetch",
    "finished",
    "kept",
    "paint",
    "send",
    "targets",
    "write_all",
]

_SLICE_S = 0.5
_CANCEL_S = 5.0  # for the server to say that it stopped
ID_SHOWN = 8  # hex digits of a job: enough to tell a few hundred apart


class Cancelled(ImpastoError):
    """Somebody else cancelled the job this command waited for."""

    code = "cancelled"


@dataclass(frozen=True, eq=False)
class Finished:
    """A picture ready to be written, (H, W), (H, W, 3) or (H, W, 4), and the layer it came from."""

    info: LayerInfo
    pixels: Array


def send(session: Session, picture: Picture) -> CanvasRef:
    """Uploads a picture, as a canvas of its own."""
    return session.canvas(picture.width, picture.height, picture.format).update(picture.pixels)


def paint(session: Session, request: GenerateRequest) -> list[Layer]:
    """Submits, shows progress, waits. Ctrl+C cancels the job. Raises what the job failed with, `Cancelled`;
    then stderr says how to get what it has finished."""
    job = session.submit(request)
    line = JobLine()
    try:
        layers = _wait(job, line)
        if job.state == "cancelled":
            raise Cancelled(
                "The job was cancelled by another command. Run this one again if that was a mistake."
            )
    except (KeyboardInterrupt, ImpastoError) as stopped:
        if isinstance(stopped, KeyboardInterrupt):
            cancelled(session, job)
        line.end()
        if job.layers:
            print(kept(job.id, len(job.layers)), file=sys.stderr)
        raise
    finally:
        line.end()
    return layers


def cancelled(session: Session, job: Job) -> None:
    """Cancels a job. Returns when the server has said so, or after a while; it stops in any case."""
    job.cancel()
    with suppress(TimeoutError):
        session.wait_until(lambda: job.state in FINAL_STATES, _CANCEL_S)


def kept(job: str, count: int) -> str:
    """What to do about the finished takes of a job that came to no good end."""
    takes = "1 take is finished and" if count == 1 else f"{count} takes are finished and"
    return f"{takes} kept: `impasto jobs fetch {job[:ID_SHOWN]} --out FILE.png` writes what there is."


def _wait(job: Job, line: JobLine) -> list[Layer]:
    """In slices: on Windows, Ctrl+C does not end an endless wait."""
    while True:
        with suppress(TimeoutError):
            return job.wait(_SLICE_S, line)


def finished(session: Session, layer: Layer, picture: Picture | None) -> Finished:
    """The layer placed over the picture it was painted on: bytes it does not cover are the picture's own.

    `picture` None: fetched from the server's journal by the recipe, if the recipe has one. Raises
    `NoSuchInput`.
    """
    info = layer.info
    pixels = as_array(layer.pixels, info.width, info.height, info.format)
    image = info.recipe.request.image
    if picture is None and isinstance(image, InputRef):
        picture = fetch(session, image)
    if picture is None or pixels.ndim != 3 or pixels.shape[2] != 4:
        return Finished(info, pixels)
    if info.width > picture.width or info.height > picture.height:
        return Finished(info, pixels)  # made larger: it stands for itself
    return Finished(info, composite(picture.array(), pixels, info.x, info.y))


def fetch(session: Session, ref: InputRef) -> Picture:
    """Pixels of an earlier job. Raises `NoSuchInput` when the server keeps them no more."""
    return Picture(ref.width, ref.height, ref.format, bytes(session.fetch_input(ref)))


def write(done: Finished, path: Path) -> None:
    """With its recipe and the mark of generated pictures; without, for a control map: it was not painted.
    Raises `DiskFull`, `BadValue`."""
    height, width = done.pixels.shape[:2]
    recipe = done.info.recipe
    texts = {} if recipe.request.make_map else metadata.texts(recipe, width, height)
    png.write(path, png.encode(done.pixels, texts))


def targets(out: Path, count: int) -> list[Path]:
    """OUT.png, or OUT-1.png … for several. Raises `BadValue` for what cannot be written."""
    png.check_target(out)
    if count == 1:
        return [out]
    return [out.with_stem(f"{out.stem}-{number}") for number in range(1, count + 1)]


def write_all(
    session: Session, layers: Sequence[Layer], out: Path, picture: Picture | None = None
) -> list[tuple[Path, LayerInfo]]:
    """Writes every layer. Returns where, with what each is."""
    written = []
    for path, layer in zip(targets(out, len(layers)), layers, strict=True):
        done = finished(session, layer, picture)
        write(done, path)
        written.append((path, done.info))
    return written
