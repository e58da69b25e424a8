"""What is to be done, in plain words: the mode, and what only one mode asks for."""

from typing import Dict

from impasto_studio.intent import ACTIONS, MODES, Intent, Margins
from impasto_studio.texts import tr

from ..qt import QtCore, QtGui, QtWidgets, Signal
from . import icons
from .keys import guard
from .look import em, repaint_on
from .parts import Chooser, Words, column, row, show_value

__all__ = ["ModeOptions", "ModeRow", "action_titles"]

Role = QtGui.QPalette.ColorRole
WORDS_EM = 0.8  # room beside a segment's words
ICON_EM = 1.5  # and what its icon needs


def mode_titles() -> Dict[str, str]:
    return {
        "generate": tr("Generate"),
        "fill": tr("Fill"),
        "refine": tr("Refine"),
        "upscale": tr("Upscale"),
        "live": tr("Live"),
    }


def mode_tips() -> Dict[str, str]:
    return {
        "generate": tr("Paints a new picture from the prompt, over the canvas or the selection"),
        "fill": tr("Paints inside the selection so that it fits what is around it"),
        "refine": tr("Paints over what is there and keeps as much of it as you say"),
        "upscale": tr("Makes the picture larger and paints its fine detail"),
        "live": tr("Follows your drawing with previews while you paint"),
    }


def action_titles() -> Dict[str, str]:
    return {
        "fill": tr("Fill the selection"),
        "expand": tr("Expand the canvas"),
        "add": tr("Add something"),
        "remove": tr("Remove something"),
        "replace background": tr("Replace the background"),
    }


class _Segment(QtWidgets.QPushButton):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode
        self.title = mode_titles()[mode]
        self.setAccessibleName(self.title)
        self.setToolTip(f"<b>{self.title}</b><br>{mode_tips()[mode]}")
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setAutoDefault(False)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._icon = False
        self.toggled.connect(lambda _on: self._draw())

    def show_words(self, words: bool, icon: bool) -> None:
        self.setText(self.title if words else "")
        self._icon = icon
        self._draw()

    def words_width(self) -> int:
        return self.fontMetrics().horizontalAdvance(self.title)

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 1.6), em(self, 1.7))

    def sizeHint(self) -> QtCore.QSize:
        return self.minimumSizeHint()

    def _draw(self) -> None:
        """The chosen one in the palette's accent."""
        parent = self.parentWidget()
        around = parent.palette() if parent is not None else QtWidgets.QApplication.palette()
        mine = QtGui.QPalette(around)
        if self.isChecked():
            mine.setColor(Role.Button, around.color(Role.Highlight))
            mine.setColor(Role.ButtonText, around.color(Role.HighlightedText))
        if mine != self.palette():
            self.setPalette(mine)
        side = max(12, em(self, 0.95))
        self.setIconSize(QtCore.QSize(side, side))
        self.setIcon(icons.icon(self._mode, mine) if self._icon else QtGui.QIcon())

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self._draw()


class ModeRow(QtWidgets.QWidget):
    """Generate, Fill, Refine, Upscale, Live. All words where they fit; else the chosen one's, and icons."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("What to do"))
        self._segments = {mode: _Segment(mode) for mode in MODES}
        for mode, segment in self._segments.items():
            segment.clicked.connect(lambda _checked=False, mode=mode: self._chosen(mode))
        self.setLayout(row(*self._segments.values(), gap=1))

    def show_mode(self, mode: str) -> None:
        segment = self._segments.get(mode)
        if segment is not None and not segment.isChecked():
            segment.setChecked(True)
            self._fit()

    def _chosen(self, mode: str) -> None:
        self._fit()
        self.chosen.emit(mode)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self._fit()

    def _fit(self) -> None:
        segments = list(self._segments.values())
        room = self.width() - len(segments)
        widths = [segment.words_width() + em(segment, WORDS_EM) for segment in segments]
        icon = em(self, ICON_EM)
        words = sum(widths) <= room
        both = words and sum(widths) + icon * len(segments) <= room
        layout = self.layout()
        for index, (segment, width) in enumerate(zip(segments, widths)):
            chosen = segment.isChecked()
            segment.show_words(words or chosen, icon=both or not words)
            layout.setStretch(index, width if words else (width + icon if chosen else 2 * icon))


class ModeOptions(QtWidgets.QWidget):
    """Fill: the action, and how far to expand. Upscale: the scale. Nothing for the other modes."""

    edited = Signal(dict)  # fields of the intent

    def __init__(self) -> None:
        super().__init__()
        self._action = Chooser(tr("What to do with the selection"))
        self._action.chosen.connect(lambda action: self.edited.emit({"action": action}))
        self._titles = tuple((action, action_titles()[action]) for action in ACTIONS)
        self._margins = {
            "left": self._margin(tr("Left")),
            "right": self._margin(tr("Right")),
            "top": self._margin(tr("Top")),
            "bottom": self._margin(tr("Bottom")),
        }
        self._expand = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(self._expand)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for index, spin in enumerate(self._margins.values()):
            grid.addWidget(spin, index // 2, index % 2)
        self._scale = QtWidgets.QDoubleSpinBox()
        self._scale.setAccessibleName(tr("Scale"))
        self._scale.setRange(1.0, 8.0)
        self._scale.setSingleStep(0.5)
        self._scale.setDecimals(2)
        self._scale.setSuffix(" ×")
        self._scale.valueChanged.connect(lambda scale: self.edited.emit({"scale": scale}))
        self._scale_words = Words(tr("Larger by"))
        self._scale_words.setWordWrap(False)
        guard(self._action, self._scale, *self._margins.values())
        self._upscale = QtWidgets.QWidget()
        self._upscale.setLayout(row(self._scale_words, self._scale, None, gap=6))
        self.setLayout(column(self._action, self._expand, self._upscale))

    def _margin(self, side: str) -> QtWidgets.QSpinBox:
        spin = QtWidgets.QSpinBox()
        spin.setRange(0, 8192)
        spin.setSingleStep(64)
        spin.setPrefix(side + ": ")
        spin.setSuffix(" px")
        spin.setAccessibleName(side)
        spin.setMinimumWidth(em(spin, 4))
        spin.valueChanged.connect(lambda _value: self._margins_changed())
        return spin

    def _margins_changed(self) -> None:
        values = {side: spin.value() for side, spin in self._margins.items()}
        self.edited.emit({"margins": Margins(**values)})

    def show_intent(self, intent: Intent) -> None:
        self.setVisible(intent.mode in ("fill", "upscale"))
        self._action.setVisible(intent.mode == "fill")
        self._expand.setVisible(intent.mode == "fill" and intent.action == "expand")
        self._upscale.setVisible(intent.mode == "upscale")
        self._action.offer(self._titles, intent.action)
        for side, spin in self._margins.items():
            show_value(spin, getattr(intent.margins, side))
        show_value(self._scale, intent.scale)
