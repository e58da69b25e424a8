"""Model, style, strength, seed and takes: the choices in sight."""

import random
from typing import List, Optional, Tuple

from impasto_studio.intent import Intent
from impasto_studio.texts import tr
from impasto_studio.view import View

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .keys import guard
from .look import em
from .parts import Chooser, ElidedLabel, IconButton, Words, column, row, show_value

__all__ = ["Choices", "Form", "zone"]

SEEDS = 2**31  # of a seed the panel draws; typed ones may be larger
MOST_TAKES = 16
SEED_ROW_EM = 11  # seed, lock and the number of takes, without words
STRENGTH_FIELDS = {
    "fill": "fill_strength",
    "refine": "refine_strength",
    "upscale": "upscale_strength",
    "live": "live_strength",
}


def zone(strength: float) -> str:
    """What a strength does, in words."""
    if strength < 0.2:
        return tr("Touches up details")
    if strength < 0.45:
        return tr("Keeps shapes")
    if strength < 0.7:
        return tr("Keeps the composition")
    if strength < 0.95:
        return tr("Follows loosely")
    return tr("Paints afresh")


class Form(QtWidgets.QGridLayout):
    """Names in one column, fields in the other."""

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setHorizontalSpacing(8)
        self.setVerticalSpacing(4)
        self.setColumnStretch(1, 1)
        self._rows: List[Tuple[QtWidgets.QWidget, QtWidgets.QWidget, QtCore.Qt.AlignmentFlag]] = []
        self._order: Tuple[int, ...] = ()

    def add(self, name: str, field, line: Optional[QtWidgets.QWidget] = None) -> None:
        """`field`: a widget or a layout; its name goes with it when it is hidden. `line`: the part of a tall
        field that the name stands beside."""
        label = Words(name)
        label.setWordWrap(False)
        top = QtCore.Qt.AlignmentFlag.AlignTop if line is not None else QtCore.Qt.AlignmentFlag(0)
        if line is not None:
            label.setMinimumHeight(line.sizeHint().height())
        holder = field
        if isinstance(field, QtWidgets.QLayout):
            holder = QtWidgets.QWidget()
            holder.setLayout(field)
        elif isinstance(field, (QtWidgets.QComboBox, QtWidgets.QAbstractSpinBox)):
            label.setBuddy(field)
        self._rows.append((label, holder, top))
        self.arrange(tuple(range(len(self._rows))))

    def arrange(self, order: Tuple[int, ...]) -> None:
        """Rows by their number, in the order they were added, from the top."""
        if order == self._order:
            return
        self._order = order
        for label, holder, _ in self._rows:
            self.removeWidget(label)
            self.removeWidget(holder)
        for at, index in enumerate(order):
            label, holder, top = self._rows[index]
            self.addWidget(label, at, 0, top)
            self.addWidget(holder, at, 1)

    def show_row(self, index: int, on: bool) -> None:
        for widget in self._rows[index][:2]:
            widget.setVisible(on)

    def widest_name(self) -> int:
        """Logical pixels."""
        labels = [label for label, _, _ in self._rows]
        return max(label.fontMetrics().horizontalAdvance(label.text()) for label in labels)


class StrengthField(QtWidgets.QWidget):
    """A slider with its number to type, what the number means, and how many steps that is."""

    edited = Signal(float)  # 0 … 1

    def __init__(self) -> None:
        super().__init__()
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, 100)
        self._slider.setPageStep(10)
        self._slider.setAccessibleName(tr("Strength"))
        self._slider.setMinimumWidth(em(self, 2.5))
        self._spin = self.line = QtWidgets.QSpinBox()
        self._spin.setRange(0, 100)
        self._spin.setSuffix(" %")
        self._spin.setAccessibleName(tr("Strength in percent"))
        self._meaning = ElidedLabel()
        self._steps = Words()
        self._steps.setWordWrap(False)
        guard(self._slider, self._spin)
        self._slider.valueChanged.connect(self._set)
        self._spin.valueChanged.connect(self._set)
        words = row(self._meaning, self._steps, gap=6)
        words.setStretch(0, 1)
        fields = row(self._slider, self._spin, gap=6)
        fields.setStretch(0, 1)
        self.setLayout(column(fields, words, gap=1))

    def _set(self, percent: int) -> None:
        self._show(percent)
        self.edited.emit(percent / 100)

    def _show(self, percent: int) -> None:
        show_value(self._slider, percent)
        show_value(self._spin, percent)
        self._meaning.setText(zone(percent / 100))

    def show_strength(self, strength: float, steps: int) -> None:
        self._show(round(strength * 100))
        words = ""
        if steps > 0:
            words = tr("1 step") if steps == 1 else tr("{n} steps", n=steps)
        if words != self._steps.text():
            self._steps.setText(words)


class SeedField(QtWidgets.QWidget):
    """A number, or "Random". Locked: each run starts from the same noise."""

    edited = Signal(object)  # the seed; -1: another one each time

    def __init__(self) -> None:
        super().__init__()
        self._last: Optional[int] = None  # a seed the artist has seen used
        self._line = QtWidgets.QLineEdit()
        self._line.setPlaceholderText(tr("Random"))
        self._line.setAccessibleName(tr("Seed"))
        self._line.setValidator(
            QtGui.QRegularExpressionValidator(QtCore.QRegularExpression("[0-9]{0,18}"), self._line)
        )
        self._line.setMinimumWidth(em(self, 2.5))
        self._lock = IconButton("unlock", tr("Keep the seed"))
        self._lock.setCheckable(True)
        guard(self._line)
        self._line.textEdited.connect(lambda text: self._set(int(text) if text else -1))
        self._lock.clicked.connect(self._lock_clicked)
        self.setLayout(row(self._line, self._lock, gap=2))

    def _lock_clicked(self, on: bool) -> None:
        seed = self._last if self._last is not None else random.randrange(SEEDS)
        self._line.setText(str(seed) if on else "")
        self._set(seed if on else -1)

    def _set(self, seed: int) -> None:
        self._show_lock(seed)
        self.edited.emit(seed)

    def _show_lock(self, seed: int) -> None:
        locked = seed >= 0
        self._lock.setChecked(locked)
        self._lock.set_icon("lock" if locked else "unlock")
        self._lock.set_tip(tr("Use another seed each time") if locked else tr("Keep the seed"))

    def show_seed(self, seed: int, last: Optional[int]) -> None:
        """`last`: the seed of what the artist is looking at, which the lock would keep."""
        self._last = last
        text = str(seed) if seed >= 0 else ""
        if text != self._line.text():
            self._line.setText(text)
        self._show_lock(seed)


class DiceField(QtWidgets.QWidget):
    """The seed of all live previews, and a die that throws another one."""

    edited = Signal(object)  # the seed

    def __init__(self) -> None:
        super().__init__()
        self._line = QtWidgets.QLineEdit()
        self._line.setAccessibleName(tr("Seed of the previews"))
        self._line.setValidator(
            QtGui.QRegularExpressionValidator(QtCore.QRegularExpression("[0-9]{1,18}"), self._line)
        )
        self._line.setMinimumWidth(em(self, 2.5))
        guard(self._line)
        self._line.textEdited.connect(lambda text: self.edited.emit(int(text)) if text else None)
        dice = IconButton("dice", tr("Another seed"), self._throw)
        self.setLayout(row(self._line, dice, gap=2))

    def _throw(self) -> None:
        seed = random.randrange(SEEDS)
        self.show_seed(seed)
        self.edited.emit(seed)

    def show_seed(self, seed: int) -> None:
        if str(seed) != self._line.text() and not (self._line.hasFocus() and not self._line.text()):
            self._line.setText(str(seed))


class Choices(QtWidgets.QWidget):
    """The form under the prompt."""

    edited = Signal(dict)  # fields of the intent

    MODEL, STYLE, STRENGTH, SEED = range(4)

    def __init__(self) -> None:
        super().__init__()
        self._mode = "generate"
        self._model = Chooser(tr("Model"))
        self._style = Chooser(tr("Style"))
        self._strength = StrengthField()
        self._seed = SeedField()
        self._dice = DiceField()
        self._takes = QtWidgets.QSpinBox()
        self._takes.setRange(1, MOST_TAKES)
        self._takes.setAccessibleName(tr("Number of takes"))
        self._takes.setToolTip(tr("How many pictures to paint at once"))
        guard(self._model, self._style, self._takes)
        self._model.chosen.connect(lambda model: self.edited.emit({"model": model}))
        self._style.chosen.connect(lambda style: self.edited.emit({"style": style}))
        self._strength.edited.connect(self._strength_edited)
        self._seed.edited.connect(lambda seed: self.edited.emit({"seed": seed}))
        self._dice.edited.connect(lambda seed: self.edited.emit({"live_seed": seed}))
        self._takes.valueChanged.connect(self._takes_changed)
        self.form = Form()
        self.form.add(tr("Model"), self._model)
        self.form.add(tr("Style"), self._style)
        self.form.add(tr("Strength"), self._strength, self._strength.line)
        last = row(self._seed, self._dice, self._takes, gap=6)
        last.setStretch(0, 1)
        last.setStretch(1, 1)
        self.form.add(tr("Seed"), last)
        self.setLayout(self.form)

    def _strength_edited(self, strength: float) -> None:
        field = STRENGTH_FIELDS.get(self._mode)
        if field:
            self.edited.emit({field: strength})

    def _takes_changed(self, takes: int) -> None:
        self._suffix(takes)
        self.edited.emit({"takes": takes})

    def _suffix(self, takes: int) -> None:
        """ "3 takes"; "3 ×" where the seed would get too narrow."""
        words = " " + (tr("take") if takes == 1 else tr("takes"))
        needed = self.form.widest_name() + self.fontMetrics().horizontalAdvance(words) + em(self, SEED_ROW_EM)
        suffix = words if self.width() >= needed else " ×"
        if suffix != self._takes.suffix():
            self._takes.setSuffix(suffix)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._suffix(self._takes.value())

    def show_view(self, view: View, intent: Intent) -> None:
        self._mode = intent.mode
        models, current = _models(view, intent)
        self._model.offer(models or (("", "–"),), current)
        self._model.setEnabled(bool(models))
        self._style.offer((("", tr("None")), *((style, style) for style in view.styles)), intent.style)
        usual = (self.MODEL, self.STYLE, self.STRENGTH, self.SEED)
        at_hand = (self.STRENGTH, self.SEED, self.MODEL, self.STYLE)
        self.form.arrange(at_hand if intent.mode == "live" else usual)
        self.form.show_row(self.STYLE, bool(view.styles))
        self.form.show_row(self.STRENGTH, intent.mode in STRENGTH_FIELDS)
        self._strength.show_strength(intent.strength, view.steps)
        looked_at = view.takes[view.shown] if 0 <= view.shown < len(view.takes) else None
        newest = looked_at or (view.takes or view.history or (None,))[0]
        self._seed.show_seed(intent.seed, newest.seed if newest else None)
        show_value(self._takes, intent.takes)
        self._suffix(intent.takes)
        self._takes.setVisible(intent.mode not in ("upscale", "live"))  # which make one
        self._dice.show_seed(intent.live_seed)
        self._dice.setVisible(intent.mode == "live")
        self._seed.setVisible(intent.mode != "live")


def _models(view: View, intent: Intent) -> Tuple[tuple, str]:
    """What to offer, and the chosen one's key. With several models one may leave the choice to the style."""
    models = tuple((model.model, model.title) for model in view.models)
    if len(models) < 2:
        return models, intent.model or (models[0][0] if models else "")
    title = view.model.title if view.model and not intent.model else ""
    automatic = tr("Automatic ({model})", model=title) if title else tr("Automatic")
    return (("", automatic), *models), intent.model
