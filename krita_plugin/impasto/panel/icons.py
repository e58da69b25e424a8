"""Our icons: SVG in one colour, drawn in the palette's text colour at every size Qt may ask for."""

from functools import lru_cache
from pathlib import Path

from ..qt import QtCore, QtGui

__all__ = ["FOLDER", "icon", "picture"]

FOLDER = Path(__file__).parents[1] / "icons"
SIZES_PX = (12, 14, 16, 18, 20, 22, 24, 28, 32, 36, 40, 48, 64)  # physical


@lru_cache(maxsize=None)
def _source(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text("utf-8")


@lru_cache(maxsize=512)
def picture(name: str, colour: str, side_px: int) -> QtGui.QPixmap:
    """`side_px` physical pixels square; `colour` as "#rrggbb"."""
    buffer = QtCore.QBuffer()
    buffer.setData(_source(name).replace("#000", colour).encode("utf-8"))
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    reader = QtGui.QImageReader(buffer, b"svg")
    reader.setScaledSize(QtCore.QSize(side_px, side_px))
    return QtGui.QPixmap.fromImage(reader.read())


@lru_cache(maxsize=256)
def _icon(name: str, normal: str, disabled: str, checked: str) -> QtGui.QIcon:
    made = QtGui.QIcon()
    mode, state = QtGui.QIcon.Mode, QtGui.QIcon.State
    for side_px in SIZES_PX:
        made.addPixmap(picture(name, normal, side_px), mode.Normal, state.Off)
        made.addPixmap(picture(name, disabled, side_px), mode.Disabled, state.Off)
        made.addPixmap(picture(name, checked, side_px), mode.Normal, state.On)
    return made


def icon(name: str, palette: QtGui.QPalette, colour: str = "") -> QtGui.QIcon:
    """`colour`: another one than the button text's."""
    groups, role = QtGui.QPalette.ColorGroup, QtGui.QPalette.ColorRole.ButtonText
    normal = colour or palette.color(groups.Active, role).name()
    return _icon(name, normal, palette.color(groups.Disabled, role).name(), normal)
