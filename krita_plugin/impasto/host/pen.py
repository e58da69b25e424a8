"""What the pen does on the canvas in front. Krita tells plugins nothing of it; the canvas widget's own events
do."""

from typing import Any, Optional, Tuple

from ..qt import QT_MAJOR, QtCore, Signal
from .canvas import Canvas

__all__ = ["Pen"]

Type = QtCore.QEvent.Type
DOWN = frozenset((Type.TabletPress, Type.MouseButtonPress, Type.MouseButtonDblClick))
UP = frozenset((Type.TabletRelease, Type.MouseButtonRelease))
MOVES = frozenset((Type.TabletMove, Type.MouseMove))
OF_THE_PEN = DOWN | UP | MOVES


class Pen(QtCore.QObject):
    """Looks on, and lets everything through. A mouse is a pen too."""

    went_down = Signal()
    went_up = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self._widget: Optional[Any] = None
        self._to_document: Any = None  # QTransform
        self._touched: Optional[Tuple[float, float]] = None

    def follow(self, canvas: Optional[Canvas]) -> None:
        """From now on this canvas; None: none is in front. Cheap when it is the same."""
        widget = canvas.widget if canvas is not None else None
        if canvas is not None:
            self._to_document = canvas.transform.inverted()[0]
        if widget is not self._widget:
            if self._widget is not None:
                self._widget.destroyed.disconnect(self._gone)
                self._widget.removeEventFilter(self)
            self._gone()
            self._widget = widget
            if widget is not None:
                widget.destroyed.connect(self._gone)
        if widget is not None:
            # Each time: Krita puts its own filter, which swallows what it uses, before those that are there.
            widget.installEventFilter(self)

    def touched(self) -> Optional[Tuple[float, float]]:
        """First and last row of the document that a pressed pen has been at since this was asked last."""
        touched, self._touched = self._touched, None
        return touched

    def eventFilter(self, widget: Any, event: Any) -> bool:
        kind = event.type()
        if kind in OF_THE_PEN:
            if kind in DOWN:
                self._set_down(True)
            if self.down:
                at = event.position() if QT_MAJOR >= 6 else QtCore.QPointF(event.pos())
                row = self._to_document.map(at).y()
                low, high = self._touched or (row, row)
                self._touched = min(low, row), max(high, row)
            if kind in UP:
                self._set_down(False)
        return False

    def _set_down(self, down: bool) -> None:
        if down != self.down:
            self.down = down
            (self.went_down if down else self.went_up).emit()

    def _gone(self) -> None:
        self._widget = None
        self._set_down(False)
