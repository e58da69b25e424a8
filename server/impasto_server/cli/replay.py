"""`impasto replay`: the recipe in a PNG, painted again."""

from __future__ import annotations

import argparse
from pathlib import Path

from impasto_client.session import Session
from impasto_protocol.errors import BadImage, NoSuchInput
from impasto_protocol.messages import InputRef, Recipe

from impasto_server.cli import images, metadata, painting, servers
from impasto_server.cli.images import Picture


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.png", help="a picture that Impasto wrote")
    parser.add_argument("--image", type=Path, help="the picture it was painted over, if the server forgot it")
    parser.add_argument("--mask", type=Path, help="its mask, if the server forgot it")
    parser.add_argument(
        "--control",
        type=Path,
        action="append",
        default=[],
        help="its control images in their order, if the server forgot them",
    )
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")


def run(options: argparse.Namespace) -> int:
    recipe = metadata.read_recipe(options.file)
    painting.targets(options.out, 1)
    files = {"image": options.image, "mask": options.mask}
    files.update((f"control {number}", path) for number, path in enumerate(options.control, 1))
    with servers.connect() as session:
        pictures = {
            role: _input(session, ref, files.get(role), role)
            for role, ref in recipe.request.pictures.items()
            if isinstance(ref, InputRef)
        }
        refs = {role: painting.send(session, picture) for role, picture in pictures.items()}
        layers = painting.paint(session, recipe.request.with_pictures(refs))
        ((path, info),) = painting.write_all(session, layers, options.out, pictures.get("image"))
    print(f"{path}  {_verdict(recipe, info.recipe)}")
    return 0


def _input(session: Session, ref: InputRef, path: Path | None, role: str) -> Picture:
    """The pixels the recipe names: from the file given, else from the server's journal. Raises
    `NoSuchInput`."""
    if path is None:
        try:
            return painting.fetch(session, ref)
        except NoSuchInput as error:
            raise NoSuchInput(
                f"The server no longer keeps the {role} this was painted with. "
                f"Give the file: --{role.split()[0]} FILE"
            ) from error
    found = images.load_mask(path, ref.width, ref.height) if role == "mask" else images.load_picture(path)
    if (found.digest, found.width, found.height, found.format) != (
        ref.digest,
        ref.width,
        ref.height,
        ref.format,
    ):
        raise BadImage(f"{path} is not the {role} this was painted with: its pixels differ.")
    return found


def _verdict(was: Recipe, now: Recipe) -> str:
    """What the artist may expect of the pixels."""
    if was == now:
        return "same recipe, same machine: the same bytes"
    if was.model_digest != now.model_digest:
        return "the model's files have changed since: the picture may differ"
    adapters = sorted(
        role
        for role in was.adapters.keys() | now.adapters.keys()
        if was.adapters.get(role) != now.adapters.get(role)
    )
    if adapters:
        return f"the files of {', '.join(adapters)} have changed since: the picture may differ"
    changed = sorted(
        name
        for name in was.software.keys() | now.software.keys()
        if was.software.get(name) != now.software.get(name)
    )
    return f"painted with another {', '.join(changed) or 'sampler'}: the picture may differ in single pixels"
