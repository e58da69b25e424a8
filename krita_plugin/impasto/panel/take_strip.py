"""Thumbnails side by side, one of them outlined: keyboard, pointer and paint."""

from typing import List, Optional, Tuple

from impasto_studio.texts import tr
from impasto_studio.view import TakeView

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .look import accent, blend, em
from .pictures import PixmapShelf

__all__ = ["TakeStrip", "paint_take"]

Key = QtCore.Qt.Key
Role = QtGui.QPalette.ColorRole
GAP_PX = 4
OUTLINE_PX = 2
INSET_PX = OUTLINE_PX + 1  # of a picture in its place


def paint_take(
    painter: QtGui.QPainter,
    box: QtCore.QRect,
    take: Optional[TakeView],
    shelf: PixmapShelf,
    palette: QtGui.QPalette,
    ratio: float,
) -> QtCore.QRect:
    """The thumbnail in the middle of `box`, or a quiet place for it; returns where it is."""
    if take is None or take.thumbnail is None:
        painter.fillRect(box, blend(palette.color(Role.Window), palette.color(Role.WindowText), 0.08))
        return box
    pixmap = shelf.get(take.thumbnail, box.size(), ratio)
    size = QtCore.QSize(round(pixmap.width() / ratio), round(pixmap.height() / ratio))
    where = QtCore.QRect(QtCore.QPoint(0, 0), size)
    where.moveCenter(box.center())
    painter.drawPixmap(where.topLeft(), pixmap)
    return where


class TakeStrip(QtWidgets.QWidget):
    """As large as the width allows, in as many rows as it takes. Left and Right compare, Enter applies."""

    chosen = Signal(int)
    stepped = Signal(int)
    hovered = Signal(int)  # -1: the pointer has left
    applied = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._takes: Tuple[TakeView, ...] = ()
        self._shown = -1
        self._expected = 0
        self._aspect = 1.0
        self._over = -1
        self._shelf = PixmapShelf(32)
        self.setMouseTracking(True)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        policy = QtWidgets.QSizePolicy(
            QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Preferred
        )
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_takes(self, takes: Tuple[TakeView, ...], shown: int, expected: int) -> None:
        """`expected`: how many there will be. Those to come have their places, and nothing moves later."""
        if takes is self._takes and (shown, expected) == (self._shown, self._expected):
            return
        aspect = _aspect(takes)
        resized = (aspect, expected) != (self._aspect, self._expected)
        self._takes, self._shown, self._expected, self._aspect = takes, shown, expected, aspect
        if self._over >= len(takes):
            self._over = -1
        self.setAccessibleName(tr("Take {n} of {count}", n=shown + 1, count=expected))
        if resized:
            self.updateGeometry()
        self.update()

    def _grid(self, width: int) -> Tuple[int, int, int]:
        """Columns, and width and height of one place."""
        count = max(1, self._expected)
        smallest = em(self, 4)
        columns = max(1, min(count, (width + GAP_PX) // (smallest + GAP_PX)))
        if columns < count:  # fill the rows evenly: 5 takes as 3 and 2, not 4 and 1
            rows = -(-count // columns)
            columns = -(-count // rows)
        side = (width - (columns - 1) * GAP_PX) // columns
        highest = em(self, 16 if count == 1 else 11)
        return (
            columns,
            side,
            max(em(self, 2), min(round((side - 2 * INSET_PX) * self._aspect) + 2 * INSET_PX, highest)),
        )

    def _places(self) -> List[QtCore.QRect]:
        columns, width, height = self._grid(self.width())
        rtl = self.layoutDirection() == QtCore.Qt.LayoutDirection.RightToLeft
        places = []
        for index in range(self._expected):
            row, column = divmod(index, columns)
            left = column * (width + GAP_PX)
            if rtl:
                left = self.width() - left - width
            places.append(QtCore.QRect(left, row * (height + GAP_PX), width, height))
        return places

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        columns, _, height = self._grid(width)
        rows = -(-self._expected // columns)
        return max(0, rows * (height + GAP_PX) - GAP_PX)

    def sizeHint(self) -> QtCore.QSize:
        width = em(self, 14)
        return QtCore.QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 4), em(self, 2))

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        palette, ratio = self.palette(), self.devicePixelRatioF()
        for index, place in enumerate(self._places()):
            inside = place.adjusted(INSET_PX, INSET_PX, -INSET_PX, -INSET_PX)
            take = self._takes[index] if index < len(self._takes) else None
            where = paint_take(painter, inside, take, self._shelf, palette, ratio)
            if index == self._shown or index == self._over:
                self._outline(painter, where, strong=index == self._shown)

    def _outline(self, painter: QtGui.QPainter, where: QtCore.QRect, strong: bool) -> None:
        palette = self.palette()
        share = 0.55 if strong else 0.0
        colour = blend(accent(palette), palette.color(Role.WindowText), share)
        pen = QtGui.QPen(colour, OUTLINE_PX if strong else 1)
        pen.setJoinStyle(QtCore.Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
        painter.drawRect(QtCore.QRectF(where).adjusted(-1.5, -1.5, 1.5, 1.5))
        if strong and self.hasFocus():
            painter.setPen(QtGui.QPen(palette.color(Role.WindowText), 1, QtCore.Qt.PenStyle.DotLine))
            painter.drawRect(QtCore.QRectF(where).adjusted(1.5, 1.5, -2.5, -2.5))

    def _at(self, point: QtCore.QPoint) -> int:
        places = self._places()[: len(self._takes)]
        return next((index for index, place in enumerate(places) if place.contains(point)), -1)

    def event(self, event: QtCore.QEvent) -> bool:
        kind = event.type()
        if (
            kind == QtCore.QEvent.Type.ShortcutOverride
            and event.key() in _KEYS
            and not event.modifiers() & _MORE
        ):
            event.accept()
            return True
        if kind == QtCore.QEvent.Type.ToolTip:
            index = self._at(event.pos())
            self.setToolTip("" if index < 0 else self._tip(index))
        return super().event(event)

    def _tip(self, index: int) -> str:
        seed = tr("Seed {seed}", seed=self._takes[index].seed)
        return f"{tr('Take {n} of {count}', n=index + 1, count=self._expected)} · {seed}"

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        rtl = self.layoutDirection() == QtCore.Qt.LayoutDirection.RightToLeft
        forwards = Key.Key_Left if rtl else Key.Key_Right
        if event.modifiers() & _MORE:
            super().keyPressEvent(event)
        elif event.key() in (Key.Key_Left, Key.Key_Right):
            self.stepped.emit(1 if event.key() == forwards else -1)
        elif event.key() in (Key.Key_Return, Key.Key_Enter):
            self.applied.emit()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        index = self._at(event.pos())
        if index >= 0 and event.button() == QtCore.Qt.MouseButton.LeftButton:
            self.chosen.emit(index)

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        if self._at(event.pos()) >= 0 and event.button() == QtCore.Qt.MouseButton.LeftButton:
            self.applied.emit()

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        self._hover(self._at(event.pos()))

    def leaveEvent(self, event: QtCore.QEvent) -> None:
        self._hover(-1)

    def hideEvent(self, event: QtGui.QHideEvent) -> None:
        self._hover(-1)

    def _hover(self, index: int) -> None:
        if index != self._over:
            self._over = index
            self.hovered.emit(index)
            self.update()

    def focusInEvent(self, event: QtGui.QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QtGui.QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()


_KEYS = frozenset((Key.Key_Left, Key.Key_Right, Key.Key_Return, Key.Key_Enter))
_MORE = (
    QtCore.Qt.KeyboardModifier.ShiftModifier
    | QtCore.Qt.KeyboardModifier.ControlModifier
    | QtCore.Qt.KeyboardModifier.AltModifier
)


def _aspect(takes: Tuple[TakeView, ...]) -> float:
    """Height by width, of the tallest."""
    return max((take.box.height / max(1, take.box.width) for take in takes), default=1.0)
