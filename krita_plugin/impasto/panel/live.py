"""Previews that follow the drawing: the picture, how it stands with it, and what to do with it."""

from typing import Optional, Tuple

from impasto_studio.host import Picture
from impasto_studio.intent import LIVE, Intent
from impasto_studio.texts import tr
from impasto_studio.view import LiveView, View

from ..qt import Qt, QtCore, QtGui, QtWidgets, Signal
from .look import blend, em, good, quiet, repaint_on, trouble
from .parts import ElidedLabel, IconButton, column, row
from .pictures import PixmapShelf

__all__ = ["LiveCard"]

Role = QtGui.QPalette.ColorRole
HIGHEST_EM = 30
ABSENT_SHAPE = (4, 3)  # while no document says otherwise
FADED = 0.45  # opacity of a picture that follows nothing at the moment


class _Stage(QtWidgets.QWidget):
    """The picture, as wide as the panel. Its place has the shape of what is to come, so that nothing moves
    when a picture arrives."""

    def __init__(self) -> None:
        super().__init__()
        self._picture: Optional[Picture] = None
        self._shape = ABSENT_SHAPE
        self._words = ""
        self._faded = False
        self._shelf = PixmapShelf(2)
        policy = QtWidgets.QSizePolicy(
            QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Preferred
        )
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(tr("Live preview"))

    def show_picture(
        self, picture: Optional[Picture], shape: Tuple[int, int], words: str, faded: bool
    ) -> None:
        """`words`: in place of the picture, or over one that is `faded`. A `shape` of zeros leaves the place
        as it is."""
        if 0 not in shape and shape != self._shape:
            self._shape = shape
            self.updateGeometry()
        if picture is not self._picture or words != self._words or faded != self._faded:
            self._picture, self._words, self._faded = picture, words, faded
            self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        across, down = self._shape
        return min(round(width * down / across), em(self, HIGHEST_EM))

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 14), self.heightForWidth(em(self, 14)))

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        palette = self.palette()
        place = self._place()
        if self._picture is None:
            painter.fillRect(place, blend(palette.color(Role.Window), palette.color(Role.Base), 0.7))
        else:
            painter.setOpacity(FADED if self._faded else 1.0)
            pixmap = self._shelf.get(self._picture, place.size(), self.devicePixelRatioF())
            painter.drawPixmap(place, pixmap)
            painter.setOpacity(1.0)
        self._say(painter, place)
        painter.setPen(QtGui.QPen(blend(palette.color(Role.Window), palette.color(Role.WindowText), 0.25), 1))
        painter.drawRect(QtCore.QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5))

    def _say(self, painter: QtGui.QPainter, place: QtCore.QRect) -> None:
        if not self._words:
            return
        palette, margin = self.palette(), em(self, 1)
        flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
        room = place.adjusted(margin, margin, -margin, -margin)
        if self._picture is not None:
            pad = em(self, 0.5)
            ground = painter.boundingRect(room, flags, self._words).adjusted(-pad, -pad, pad, pad)
            painter.fillRect(ground, palette.color(Role.Window))
        painter.setPen(palette.color(Role.WindowText) if self._faded else quiet(palette))
        painter.drawText(room, flags, self._words)

    def _place(self) -> QtCore.QRect:
        """The largest rectangle of the shape, in the middle."""
        across, down = self._shape
        size = QtCore.QSize(across, down).scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        return QtCore.QRect(
            (self.width() - size.width()) // 2,
            (self.height() - size.height()) // 2,
            size.width(),
            size.height(),
        )

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self.update()


class _Light(QtWidgets.QWidget):
    """Green: the preview shows the drawing as it is. A ring: it is on its way. Red: nothing comes."""

    def __init__(self) -> None:
        super().__init__()
        self._view = LiveView()
        side = em(self, 0.75)
        self.setFixedSize(side, side)

    def show_view(self, live: LiveView) -> None:
        if (live.state, live.current) != (self._view.state, self._view.current):
            self._view = live
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        inset = self.width() * 0.16
        box = QtCore.QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        if self._view.state == "stopped":
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(trouble(palette))
        elif self._view.state == "following":
            painter.setPen(QtGui.QPen(good(palette), 1.3))
            painter.setBrush(good(palette) if self._view.current else QtCore.Qt.BrushStyle.NoBrush)
        else:
            painter.setPen(QtGui.QPen(quiet(palette), 1.3))
        painter.drawEllipse(box)


class LiveCard(QtWidgets.QWidget):
    """Shown in the mode "live"."""

    edited = Signal(dict)  # fields of the intent
    record = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._stage = _Stage()
        self._light = _Light()
        self._words = ElidedLabel()
        self._canvas = IconButton("on-canvas", tr("Show the preview over the canvas too"))
        self._canvas.setCheckable(True)
        self._canvas.clicked.connect(lambda on: self.edited.emit({"live_on_canvas": on}))
        self._record = IconButton("record", tr("Record the previews as an animation"))
        self._record.setCheckable(True)
        self._record.clicked.connect(self.record.emit)
        line = row(self._light, self._words, self._canvas, self._record, gap=2)
        line.insertSpacing(1, 3)
        line.setStretch(2, 1)
        self.setLayout(column(self._stage, line, gap=3))

    def show_view(self, view: View, intent: Intent) -> None:
        self.setVisible(intent.mode == LIVE)
        if intent.mode != LIVE:
            return
        live, recording = view.live, view.live.frames >= 0
        stopped = live.state == "stopped"
        words = live.sentence if live.on else tr("Previews follow your drawing here.")
        self._stage.show_picture(live.picture, live.size, words, stopped)
        self._light.show_view(live)
        said = _state(live)
        if said != self._words.text():
            self._words.setText(said)
        self._canvas.setChecked(intent.live_on_canvas)
        self._record.setChecked(recording)
        self._record.setEnabled(live.on or recording)
        tip = tr("Stop recording; what there is becomes an animation") if recording else ""
        self._record.set_tip(tip or tr("Record the previews as an animation"))


def _state(live: LiveView) -> str:
    """In few words that do not flicker while she draws."""
    if live.frames >= 0:
        return tr("Recording, {n} frames", n=live.frames)
    if not live.on:
        return tr("Off")
    if live.state == "stopped":
        return tr("Paused")
    if live.state == "following":
        return tr("Refined") if live.refined and live.current else tr("Live")
    return live.sentence
