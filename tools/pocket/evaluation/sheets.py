"""Contact sheets: pictures in a grid with their captions, for looking at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CELL_PX, GAP_PX, LINE_PX = 128, 4, 13


def sheet(pictures: Sequence[np.ndarray], captions: Sequence[str] = (), columns: int = 8) -> Image.Image:
    """Pictures (H, W, 3) uint8 in a grid of 128 px cells, with two lines of caption where there are
    captions.
    """
    text_px = 2 * LINE_PX + 2 if captions else 0
    rows = -(-len(pictures) // columns)
    step_x, step_y = CELL_PX + GAP_PX, CELL_PX + GAP_PX + text_px
    page = Image.new("RGB", (columns * step_x - GAP_PX, rows * step_y - GAP_PX), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(10)
    for index, picture in enumerate(pictures):
        left, top = index % columns * step_x, index // columns * step_y
        small = Image.fromarray(picture).resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
        page.paste(small, (left, top))
        if captions:
            lines = _lines(captions[index], pen, font)
            pen.multiline_text((left + 1, top + CELL_PX), lines, "black", font, spacing=1)
    return page


def _lines(caption: str, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The caption broken into at most two lines of a cell's width."""
    lines = [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font) > CELL_PX - 2 and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines[:2])
