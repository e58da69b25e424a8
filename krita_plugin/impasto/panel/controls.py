"""Layers the picture follows: one row per control image."""

from dataclasses import replace
from typing import Dict, List

from impasto_studio.intent import ControlRow, Intent
from impasto_studio.texts import tr
from impasto_studio.view import View

from ..qt import QtWidgets, Signal
from .keys import guard
from .look import em
from .parts import Chooser, IconButton, Words, column, row, show_value

__all__ = ["Controls", "kind_title"]


def kind_title(kind: str) -> str:
    titles: Dict[str, str] = {
        "scribble": tr("Scribble"),
        "edges": tr("Edges"),
        "lineart": tr("Line art"),
        "softedge": tr("Soft edges"),
        "mlsd": tr("Straight lines"),
        "depth": tr("Depth"),
        "normal": tr("Normals"),
        "pose": tr("Pose"),
        "tile": tr("Detail"),
        "segmentation": tr("Regions"),
    }
    return titles.get(kind) or kind.replace("-", " ").capitalize()


def _percent(name: str, prefix: str, highest: int) -> QtWidgets.QSpinBox:
    spin = QtWidgets.QSpinBox()
    spin.setRange(0, highest)
    spin.setSingleStep(5)
    spin.setPrefix(prefix + " ")
    spin.setSuffix(" %")
    spin.setAccessibleName(name)
    spin.setToolTip(name)
    spin.setMinimumWidth(em(spin, 3))
    spin.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
    return spin


class ControlLine(QtWidgets.QWidget):
    """Kind and layer; strength; and, behind the dots, for which part of the steps."""

    edited = Signal(object)  # ControlRow
    removed = Signal()
    wanted = Signal()  # the map is to be made from the canvas

    def __init__(self) -> None:
        super().__init__()
        self._row = ControlRow("")
        self._kind = Chooser(tr("Kind of control"))
        self._layer = Chooser(tr("Layer to follow"))
        self._strength = _percent(tr("How strictly the picture follows"), tr("Strength"), 200)
        self._start = _percent(tr("From this share of the steps"), tr("From"), 100)
        self._end = _percent(tr("Up to this share of the steps"), tr("to"), 100)
        guard(self._kind, self._layer, self._strength, self._start, self._end)
        self._make = IconButton("from-canvas", tr("Make this map from the canvas"), self.wanted.emit)
        self._more = IconButton("more", tr("For which part of the steps"))
        self._more.setCheckable(True)
        remove = IconButton("remove", tr("Remove this control layer"), self.removed.emit)
        self._range = QtWidgets.QWidget()
        self._range.setLayout(row(self._start, self._end))
        self._more.toggled.connect(self._range.setVisible)
        self._kind.chosen.connect(lambda kind: self._tell(kind=kind))
        self._layer.chosen.connect(lambda layer: self._tell(layer=layer))
        self._strength.valueChanged.connect(lambda value: self._tell(strength=value / 100))
        self._start.valueChanged.connect(lambda value: self._tell(start=min(value / 100, self._row.end)))
        self._end.valueChanged.connect(lambda value: self._tell(end=max(value / 100, self._row.start)))
        first = row(self._kind, self._layer, remove, gap=4)
        first.setStretch(0, 2)
        first.setStretch(1, 3)
        second = row(self._strength, self._make, self._more, gap=2)
        second.setStretch(0, 1)
        self.setLayout(column(first, second, self._range, gap=2))
        self._range.hide()

    def _tell(self, **fields) -> None:
        self._row = replace(self._row, **fields)
        self.edited.emit(self._row)

    def show_row(self, control: ControlRow, view: View) -> None:
        self._row = control
        kinds = view.model.controls if view.model else ()
        self._kind.offer(tuple((kind, kind_title(kind)) for kind in kinds), control.kind)
        layers = ((entry.layer, entry.name) for entry in view.layers)
        known = {entry.layer for entry in view.layers}
        gone = () if not control.layer or control.layer in known else ((control.layer, tr("Deleted layer")),)
        self._layer.offer((("", tr("What you see")), *layers, *gone), control.layer)
        show_value(self._strength, round(control.strength * 100))
        show_value(self._start, round(control.start * 100))
        show_value(self._end, round(control.end * 100))
        if (control.start, control.end) != (0.0, 1.0):
            self._more.setChecked(True)
        self._make.setVisible(control.kind in view.map_kinds)
        self._make.setEnabled(view.document)


class Controls(QtWidgets.QWidget):
    edited = Signal(object)  # tuple of ControlRow
    added = Signal()
    wanted = Signal(int)  # row whose map is to be made from the canvas

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple = ()
        self._kinds: tuple = ()
        self._lines: List[ControlLine] = []
        self.add_button = IconButton("add", tr("Add a control layer"), self.add_one)
        self._empty = Words()
        self._list = column(gap=6)
        self.setLayout(column(self._list, self._empty))

    def add_one(self) -> None:
        used = {control.kind for control in self._rows}
        kind = next((kind for kind in self._kinds if kind not in used), self._kinds[0] if self._kinds else "")
        if kind:
            self.edited.emit((*self._rows, ControlRow(kind)))
            self.added.emit()

    def _line(self, index: int) -> ControlLine:
        line = ControlLine()
        line.edited.connect(lambda control: self._change(index, (control,)))
        line.removed.connect(lambda: self._change(index, ()))
        line.wanted.connect(lambda: self.wanted.emit(index))
        return line

    def _change(self, index: int, instead: tuple) -> None:
        self.edited.emit((*self._rows[:index], *instead, *self._rows[index + 1 :]))

    def show_view(self, view: View, intent: Intent) -> None:
        self._rows = intent.controls
        self._kinds = view.model.controls if view.model else ()
        self.add_button.setEnabled(bool(self._kinds))
        while len(self._lines) < len(self._rows):
            self._lines.append(self._line(len(self._lines)))
            self._list.addWidget(self._lines[-1])
        for index, line in enumerate(self._lines):
            line.setVisible(index < len(self._rows))
            if index < len(self._rows):
                line.show_row(self._rows[index], view)
        if self._rows:
            self._empty.say("")
        elif view.model and not self._kinds:
            self._empty.say(tr("This model has no control layers."))
        else:
            self._empty.say(tr("A layer with a scribble, edges or depth that the picture should follow."))

    @staticmethod
    def summary(intent: Intent) -> str:
        return " · ".join(kind_title(control.kind) for control in intent.controls)
