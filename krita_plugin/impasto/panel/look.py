"""Sizes in font units and colours mixed from Krita's palette: the only place where looks are decided."""

from typing import Tuple

from ..qt import QtCore, QtGui, QtWidgets

__all__ = [
    "READABLE",
    "accent",
    "blend",
    "contrast",
    "em",
    "good",
    "quiet",
    "repaint_on",
    "tint",
    "trouble",
    "warm",
]

READABLE = 4.5  # contrast of small text, WCAG 2.1 level AA
QUIETEST = 0.35
Palette = QtGui.QPalette
Role = QtGui.QPalette.ColorRole


def em(widget: QtWidgets.QWidget, times: float = 1.0) -> int:
    """Logical pixels: the height of the widget's font, `times` over."""
    return max(1, round(widget.fontMetrics().height() * times))


def blend(one: QtGui.QColor, other: QtGui.QColor, share: float) -> QtGui.QColor:
    """`share` 0: `one`; 1: `other`. In sRGB, as palettes are made."""
    parts: Tuple[float, ...] = tuple(
        a + (b - a) * share for a, b in zip(one.getRgbF()[:3], other.getRgbF()[:3])
    )
    return QtGui.QColor.fromRgbF(*parts)


def _luminance(colour: QtGui.QColor) -> float:
    """Relative luminance, WCAG 2.1."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.getRgbF()[:3]
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: QtGui.QColor, other: QtGui.QColor) -> float:
    """1 … 21, WCAG 2.1."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def quiet(palette: Palette) -> QtGui.QColor:
    """Text that only informs: as far towards the ground as it stays readable."""
    text, ground = palette.color(Role.WindowText), palette.color(Role.Window)
    shares = (QUIETEST * step / 8 for step in range(8, 0, -1))
    mixed = (blend(text, ground, share) for share in shares)
    return next((colour for colour in mixed if contrast(colour, ground) >= READABLE), text)


def accent(palette: Palette) -> QtGui.QColor:
    return palette.color(Role.Highlight)


def tint(palette: Palette, share: float = 0.18) -> QtGui.QColor:
    """The window's colour with some of the accent in it: grounds of what wants a decision."""
    return blend(palette.color(Role.Window), accent(palette), share)


def _signal(hue: str, ground: QtGui.QColor) -> QtGui.QColor:
    """The hue, lighter or darker until it can be read on the ground, or nearly so: some hue must stay."""
    away = max((QtGui.QColor("white"), QtGui.QColor("black")), key=lambda end: contrast(end, ground))
    mixed = [blend(QtGui.QColor(hue), away, step / 16) for step in range(13)]
    return next((colour for colour in mixed if contrast(colour, ground) >= READABLE), mixed[-1])


def good(palette: Palette) -> QtGui.QColor:
    return _signal("#5fae45", palette.color(Role.Window))


def warm(palette: Palette) -> QtGui.QColor:
    """Not finished, not applied: look here."""
    return _signal("#d8952a", tint(palette))


def trouble(palette: Palette) -> QtGui.QColor:
    return _signal("#e0463a", palette.color(Role.Window))


def repaint_on(event: QtCore.QEvent) -> bool:
    """Whether a change event means that colours or sizes are others now."""
    kinds = QtCore.QEvent.Type
    return event.type() in (kinds.PaletteChange, kinds.StyleChange, kinds.FontChange)
