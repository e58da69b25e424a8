"""`impasto replay`: the recipe in a PNG, painted again."""

from __future__ import annotations

import argparse
from pathlib import Path

from impasto_client.session import Session
from impasto_protocol.errors import BadImage, NoSuchInput
from impasto_protocol.messages import CanvasRef, InputRef, Recipe

from impasto_server.cli import images, metadata, painting, servers
from impasto_server.cli.images import Picture


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.png", help="a picture that Impasto wrote")
    parser.add_argument("--image", type=Path, help="the picture it was painted over, if the server forgot it")
    parser.add_argument("--mask", type=Path, help="its mask, if the server forgot it")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")


def run(options: argparse.Namespace) -> int:
    recipe = metadata.read_recipe(options.file)
    painting.targets(options.out, 1)
    request = recipe.request
    with servers.connect() as session:
        picture = _input(session, request.image, options.image, "image")
        mask = _input(session, request.mask, options.mask, "mask")
        image_ref = painting.send(session, picture) if picture else None
        mask_ref = painting.send(session, mask) if mask else None
        layers = painting.paint(session, painting.with_inputs(request, image_ref, mask_ref))
        ((path, info),) = painting.write_all(session, layers, options.out, picture)
    print(f"{path}  {_verdict(recipe, info.recipe)}")
    return 0


def _input(
    session: Session, ref: CanvasRef | InputRef | None, path: Path | None, name: str
) -> Picture | None:
    """The pixels the recipe names: from the file given, else from the server's journal. Raises
    `NoSuchInput`."""
    if not isinstance(ref, InputRef):
        return None
    if path is None:
        try:
            return painting.fetch(session, ref)
        except NoSuchInput as error:
            raise NoSuchInput(
                f"The server no longer keeps the {name} this was painted with. Give the file: --{name} FILE"
            ) from error
    found = images.load_mask(path, ref.width, ref.height) if name == "mask" else images.load_picture(path)
    if (found.digest, found.width, found.height, found.format) != (
        ref.digest,
        ref.width,
        ref.height,
        ref.format,
    ):
        raise BadImage(f"{path} is not the {name} this was painted with: its pixels differ.")
    return found


def _verdict(was: Recipe, now: Recipe) -> str:
    """What the artist may expect of the pixels."""
    if was == now:
        return "same recipe, same machine: the same bytes"
    if was.model_digest != now.model_digest:
        return "the model's files have changed since: the picture may differ"
    changed = sorted(
        name
        for name in was.software.keys() | now.software.keys()
        if was.software.get(name) != now.software.get(name)
    )
    return f"painted with another {', '.join(changed) or 'sampler'}: the picture may differ in single pixels"
