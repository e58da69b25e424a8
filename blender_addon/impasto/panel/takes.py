"""Finished pictures: the one being looked at, the others to choose from, and the history."""

from typing import Any

from impasto_studio.texts import tr
from impasto_studio.view import TakeView, View

from .parts import button
from .pictures import icon_of

__all__ = ["history", "takes"]

LARGE, SMALL = 8.0, 3.6  # heights of thumbnails, in that of a button
IN_A_ROW = 3
MOST = 24  # of the history, shown at once


def takes(layout: Any, side: str, view: View) -> None:
    """Compares and applies. The take that is looked at lies over the editor, if that is possible."""
    shown = view.takes[view.shown] if 0 <= view.shown < len(view.takes) else None
    expected = max(view.expected, len(view.takes))
    if shown is not None and (expected == 1 or not view.on_canvas):
        _thumbnail(layout, shown, LARGE, "large")
    if expected > 1:
        grid = layout.grid_flow(
            row_major=True, columns=min(IN_A_ROW, expected), even_columns=True, align=True
        )
        for number in range(expected):
            cell = grid.column(align=True)
            take = view.takes[number] if number < len(view.takes) else None
            cell.enabled = take is not None
            _thumbnail(cell, take, SMALL, "small")
            called = cell.operator(
                "impasto.show_take",
                text=str(number + 1),
                depress=take is not None and take is shown,
                translate=False,
            )
            if take is not None:
                called.side, called.job, called.index = side, take.job, take.index
    row = layout.row(align=True)
    row.enabled = shown is not None
    button(
        row, "impasto.apply_take", tr("Apply Again") if view.applied else tr("Apply"), "CHECKMARK", side=side
    )
    button(row, "impasto.put_takes_away", tr("Done") if view.applied else tr("Put Away"), side=side)
    if shown is not None:
        again = row.operator("impasto.reuse_take", text="", icon="LOOP_BACK")
        again.side, again.job, again.index = side, shown.job, shown.index


def history(layout: Any, side: str, view: View) -> None:
    """The newest takes of this file."""
    grid = layout.grid_flow(row_major=True, columns=0, even_columns=True, even_rows=True, align=True)
    for take in view.history[:MOST]:
        cell = grid.column(align=True)
        _thumbnail(cell, take, SMALL, "small")
        called = cell.operator("impasto.show_take", text=take.prompt[:18] or str(take.seed), translate=False)
        called.side, called.job, called.index = side, take.job, take.index


def _thumbnail(layout: Any, take: TakeView | None, scale: float, place: str) -> None:
    if take is None or take.thumbnail is None:
        row = layout.row()
        row.scale_y = scale
        row.label(text="", icon="SORTTIME")
    else:
        icon = icon_of(f"{place} {take.job} {take.index}", take.thumbnail)
        layout.template_icon(icon_value=icon, scale=scale)
