"""`impasto pocket card`: the embedded model's card, from the figures that were measured."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

from impasto_protocol.errors import BadValue
from PIL import Image

from impasto_server.pocket import card, curves

LARGEST_SHEET = 300_000
"""Bytes: the sheets lie in the repository, and every new one stays in its history."""
_QUALITIES = (85, 78, 70, 60, 50, 40)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("card",), help="write the model card")
    parser.add_argument("--out", type=Path, default=Path("docs/pocket.md"), help="default: %(default)s")
    parser.add_argument(
        "--figures",
        type=Path,
        help="a figures.json of `python -m tools.pocket evaluate`, with sheets/ beside it, to be taken over; "
        "default: the one beside the card",
    )


def run(options: argparse.Namespace) -> int:
    out: Path = options.out
    folder = out.with_suffix("")
    kept = folder / "figures.json"
    source: Path = options.figures or kept
    try:
        text = source.read_text("utf-8")
        figures = json.loads(text)
        if not isinstance(figures, dict) or "parts" not in figures:
            raise ValueError("no parts")
        page = card.page(card.template(), figures)
    except FileNotFoundError:
        raise BadValue(
            f"There are no figures at {source}. Measure first: python -m tools.pocket evaluate --out FOLDER, "
            "then impasto pocket card --figures FOLDER/figures.json."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadValue(
            f"{source} does not hold the figures of a Pocket ({error!r}). Measure again: "
            "python -m tools.pocket evaluate --out FOLDER."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    if source.resolve() != kept.resolve():
        kept.write_text(text, "utf-8")
        shown = [name for name in figures.get("sheets", []) if f"/{name}.jpg)" in page]
        _take_sheets(source.parent / "sheets", shown, folder)
    if figures.get("training"):
        (folder / card.CURVES).write_text(curves.drawing(figures["training"]), "utf-8")
    out.write_text(page, "utf-8")
    print(f"{out}: written from {source}.")
    return 0


def _take_sheets(source: Path, names: list[str], folder: Path) -> None:
    """Contact sheets as JPEG beside the card; those of other figures go."""
    for old in folder.glob("*.jpg"):
        old.unlink()
    for name in names:
        path = source / f"{name}.png"
        try:
            with Image.open(path) as image:
                (folder / f"{name}.jpg").write_bytes(_small_jpeg(image.convert("RGB")))
        except OSError as error:
            raise BadValue(
                f"The contact sheet {path} cannot be read. Measure again with --again to draw it anew."
            ) from error


def _small_jpeg(image: Image.Image) -> bytes:
    """JPEG of at most `LARGEST_SHEET` bytes, as good as that allows."""
    data = b""
    for quality in _QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        data = file.getvalue()
        if len(data) <= LARGEST_SHEET:
            break
    return data
