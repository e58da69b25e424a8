"""Finished pictures: the one being looked at, the others to choose from, and the history."""

from typing import Any

from impasto_studio.texts import tr
from impasto_studio.view import TakeView, View

from .parts import button, height_of
from .pictures import icon_of

__all__ = ["history", "takes"]

LARGE, SMALL = 9.0, 3.6  # heights of thumbnails, in that of a button
MOST = 24  # of the history, shown at once


def takes(layout: Any, side: str, view: View) -> None:
    """Compares and applies."""
    shown = view.takes[view.shown] if 0 <= view.shown < len(view.takes) else None
    if shown is not None:
        _thumbnail(layout, shown, LARGE, "large")
    if max(view.expected, len(view.takes)) > 1:
        row = layout.row(align=True)
        _step(row, side, -1)
        for take in view.takes:
            called = row.operator(
                "impasto.show_take", text=str(take.index + 1), depress=take is shown, translate=False
            )
            called.side, called.job, called.index = side, take.job, take.index
        for number in range(len(view.takes), view.expected):
            waiting = row.row(align=True)
            waiting.enabled = False
            waiting.operator("impasto.show_take", text=str(number + 1), translate=False)
        _step(row, side, 1)
    row = layout.row(align=True)
    row.enabled = shown is not None
    button(
        row, "impasto.apply_take", tr("Apply Again") if view.applied else tr("Apply"), "CHECKMARK", side=side
    )
    button(row, "impasto.put_takes_away", tr("Done") if view.applied else tr("Put Away"), side=side)


def history(layout: Any, side: str, view: View) -> None:
    """The newest takes of this file."""
    grid = layout.grid_flow(row_major=True, columns=0, even_columns=True, even_rows=True, align=True)
    for take in view.history[:MOST]:
        cell = grid.column(align=True)
        _thumbnail(cell, take, SMALL, "small")
        called = cell.operator("impasto.show_take", text=take.prompt[:18] or str(take.seed), translate=False)
        called.side, called.job, called.index = side, take.job, take.index


def _thumbnail(layout: Any, take: TakeView, scale: float, place: str) -> None:
    if take.thumbnail is None:
        row = layout.row()
        row.scale_y = scale
        row.label(text="", icon="SORTTIME")
    else:
        icon = icon_of(f"{place} {take.job} {take.index}", take.thumbnail)
        layout.template_icon(icon_value=icon, scale=height_of(take.thumbnail, scale))


def _step(row: Any, side: str, by: int) -> None:
    called = row.operator("impasto.step_take", text="", icon="TRIA_RIGHT" if by > 0 else "TRIA_LEFT")
    called.side, called.by = side, by
