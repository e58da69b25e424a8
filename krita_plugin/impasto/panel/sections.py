"""A heading that folds what is under it."""

from ..qt import QtCore, QtGui, QtWidgets, Signal
from . import icons
from .look import em, quiet, repaint_on
from .parts import ElidedLabel, column, row

__all__ = ["Section"]


class _Heading(QtWidgets.QToolButton):
    """The whole line is the button: arrow and title."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setText(title)
        self.setAutoRaise(True)
        self.setCheckable(True)
        self.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.toggled.connect(lambda _on: self._draw())
        self._draw()

    def _draw(self) -> None:
        side = max(10, em(self, 0.8))
        self.setIconSize(QtCore.QSize(side, side))
        self.setIcon(icons.icon("open" if self.isChecked() else "closed", self.palette()))

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Arrow and text only: no frame, so that it reads as a heading."""
        painter = QtGui.QPainter(self)
        side = self.iconSize().width()
        rtl = self.layoutDirection() == QtCore.Qt.LayoutDirection.RightToLeft
        box = self.rect()
        top = (box.height() - side) // 2
        left = box.width() - side - 1 if rtl else 1
        if rtl and not self.isChecked():
            painter.save()
            painter.translate(left + side, 0)
            painter.scale(-1, 1)
            self.icon().paint(painter, 0, top, side, side)
            painter.restore()
        else:
            self.icon().paint(painter, left, top, side, side)
        bright = self.underMouse() or self.hasFocus() or self.isChecked()
        palette = self.palette()
        plain = palette.color(QtGui.QPalette.ColorRole.WindowText)
        painter.setPen(plain if bright else quiet(palette))
        gap = side + em(self, 0.3)
        area = box.adjusted(0, 0, -gap, 0) if rtl else box.adjusted(gap, 0, 0, 0)
        align = QtCore.Qt.AlignmentFlag
        side_flag = align.AlignRight if rtl else align.AlignLeft
        option = QtGui.QTextOption(side_flag | align.AlignVCenter | align.AlignAbsolute)
        painter.drawText(QtCore.QRectF(area), self.text(), option)
        if self.hasFocus():
            focus = QtWidgets.QStyleOptionFocusRect()
            focus.initFrom(self)
            self.style().drawPrimitive(
                QtWidgets.QStyle.PrimitiveElement.PE_FrameFocusRect, focus, painter, self
            )

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self._draw()


class Section(QtWidgets.QWidget):
    """Title line with a summary at its end, and content that folds away."""

    unfolded = Signal(bool)

    def __init__(self, name: str, title: str, content: QtWidgets.QWidget, *tools: QtWidgets.QWidget) -> None:
        super().__init__()
        self.name = name
        self.content = content
        self.heading = _Heading(title)
        self.heading.toggled.connect(self._toggled)
        self._summary = ElidedLabel()
        self._tools = tools
        self.setLayout(column(row(self.heading, self._summary, *tools), content, gap=2))
        self.layout().itemAt(0).layout().setStretch(1, 1)
        self._toggled(False)

    def is_open(self) -> bool:
        return self.heading.isChecked()

    def set_open(self, on: bool) -> None:
        self.heading.setChecked(on)

    def say(self, summary: str) -> None:
        """What is inside, in a few words, while it is folded."""
        self._summary.setText(summary)

    def _toggled(self, on: bool) -> None:
        self.content.setVisible(on)
        self.unfolded.emit(on)
