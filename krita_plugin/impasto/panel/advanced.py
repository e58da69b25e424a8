"""Steps, guidance, LoRAs, and how a take comes into the document: folded away."""

from dataclasses import replace
from typing import List

from impasto_studio.intent import INSERTS, Intent, LoraRow
from impasto_studio.texts import tr
from impasto_studio.view import View

from ..qt import QtWidgets, Signal
from .choices import Form
from .keys import guard
from .parts import Chooser, IconButton, Words, column, row, show_value

__all__ = ["Advanced", "insert_titles"]

LIVE_SIDES_PX = (256, 384, 512, 768, 1024)


def insert_titles() -> tuple:
    titles = {
        "layer": tr("New layer"),
        "group": tr("Group with the layer in it"),
        "mask": tr("Layer with transparency mask"),
        "replace": tr("In place of the active layer"),
    }
    return tuple((insert, titles[insert]) for insert in INSERTS)


class AutoSpin(QtWidgets.QDoubleSpinBox):
    """A number, or the model's own: its lowest value says so, and the first step up starts from there."""

    def __init__(self, name: str, auto: float, highest: float, step: float, decimals: int) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setDecimals(decimals)
        self.setRange(auto, highest)
        self.setSingleStep(step)
        self._auto = auto
        self._models_own = 0.0
        guard(self)

    def show_default(self, value: float) -> None:
        self._models_own = value
        text = f"{value:g}" if value > 0 else ""
        special = tr("Model's own ({value})", value=text) if text else tr("Model's own")
        if special != self.specialValueText():
            self.setSpecialValueText(special)

    def stepBy(self, steps: int) -> None:
        if self.value() <= self._auto:
            self.setValue(self._models_own + steps * self.singleStep())
        else:
            wanted = self.value() + steps * self.singleStep()
            self.setValue(wanted if wanted >= min(1.0, self.singleStep()) else self._auto)

    def stepEnabled(self):
        flags = QtWidgets.QAbstractSpinBox.StepEnabledFlag
        return flags.StepUpEnabled | flags.StepDownEnabled


class LoraLine(QtWidgets.QWidget):
    """One LoRA and how strongly it works."""

    edited = Signal(object)  # LoraRow
    removed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._row = LoraRow("")
        self._name = Chooser(tr("LoRA"))
        self._strength = QtWidgets.QDoubleSpinBox()
        self._strength.setRange(-4.0, 4.0)
        self._strength.setSingleStep(0.1)
        self._strength.setAccessibleName(tr("Strength of the LoRA"))
        guard(self._name, self._strength)
        self._name.chosen.connect(lambda name: self.edited.emit(replace(self._row, name=name)))
        self._strength.valueChanged.connect(lambda s: self.edited.emit(replace(self._row, strength=s)))
        remove = IconButton("remove", tr("Remove this LoRA"), self.removed.emit)
        self.setLayout(row(self._name, self._strength, remove))

    def show_row(self, lora: LoraRow, names: tuple) -> None:
        self._row = lora
        self._name.offer(tuple((name, name) for name in names), lora.name)
        show_value(self._strength, lora.strength)


class Loras(QtWidgets.QWidget):
    edited = Signal(object)  # tuple of LoraRow

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple = ()
        self._names: tuple = ()
        self._lines: List[LoraLine] = []
        self._add = IconButton("add", tr("Add a LoRA"), self._add_one)
        self._words = Words(tr("LoRAs"))
        head = row(self._words, None, self._add)
        self._list = column()
        self.setLayout(column(head, self._list, gap=2))

    def _add_one(self) -> None:
        used = {lora.name for lora in self._rows}
        free = [name for name in self._names if name not in used]
        if free:
            self.edited.emit((*self._rows, LoraRow(free[0])))

    def _change(self, index: int, lora: LoraRow) -> None:
        self.edited.emit((*self._rows[:index], lora, *self._rows[index + 1 :]))

    def _remove(self, index: int) -> None:
        self.edited.emit((*self._rows[:index], *self._rows[index + 1 :]))

    def show_rows(self, rows: tuple, names: tuple) -> None:
        """`names`: of the model's LoRAs; without any there is nothing to show but what was chosen before."""
        self.setVisible(bool(names) or bool(rows))
        self._rows, self._names = rows, names
        while len(self._lines) < len(rows):
            index, line = len(self._lines), LoraLine()
            line.edited.connect(lambda lora, index=index: self._change(index, lora))
            line.removed.connect(lambda index=index: self._remove(index))
            self._lines.append(line)
            self._list.addWidget(line)
        for index, line in enumerate(self._lines):
            line.setVisible(index < len(rows))
            if index < len(rows):
                line.show_row(rows[index], names)
        self._add.setEnabled(len({lora.name for lora in rows}) < len(names))


def _sizes(native_px: int) -> tuple:
    """Sides of a square as large as a preview, and the model's own."""
    own = tr("Model's own ({value})", value=native_px) if native_px else tr("Model's own")
    return (("", own), *((str(side), f"{side} px") for side in LIVE_SIDES_PX))


class Advanced(QtWidgets.QWidget):
    edited = Signal(dict)  # fields of the intent

    STEPS, GUIDANCE, INSERT, LIVE_STEPS, LIVE_SIZE = range(5)

    def __init__(self) -> None:
        super().__init__()
        self._steps = AutoSpin(tr("Steps"), auto=0, highest=200, step=1, decimals=0)
        self._guidance = AutoSpin(tr("Guidance"), auto=-1.0, highest=30.0, step=0.5, decimals=1)
        self._insert = Chooser(tr("Insert as"))
        self._live_steps = AutoSpin(tr("Steps of a preview"), auto=0, highest=50, step=1, decimals=0)
        self._live_size = Chooser(tr("Size of the previews"))
        self._loras = Loras()
        guard(self._insert, self._live_size)
        self._steps.valueChanged.connect(lambda steps: self.edited.emit({"steps": int(steps)}))
        self._guidance.valueChanged.connect(
            lambda guidance: self.edited.emit({"guidance": guidance if guidance >= 0 else -1.0})
        )
        self._insert.chosen.connect(lambda insert: self.edited.emit({"insert": insert}))
        self._live_steps.valueChanged.connect(lambda steps: self.edited.emit({"live_steps": int(steps)}))
        self._live_size.chosen.connect(lambda side: self.edited.emit({"live_px": int(side or 0)}))
        self._loras.edited.connect(lambda loras: self.edited.emit({"loras": loras}))
        self.form = Form()
        self.form.add(tr("Steps"), self._steps)
        self.form.add(tr("Guidance"), self._guidance)
        self.form.add(tr("Insert as"), self._insert)
        self.form.add(tr("Steps"), self._live_steps)
        self.form.add(tr("Size"), self._live_size)
        self.setLayout(column(self.form, self._loras))

    def show_view(self, view: View, intent: Intent) -> None:
        model = view.model
        self._steps.show_default(model.default_steps if model else 0)
        self._guidance.show_default(model.default_guidance if model else 0)
        show_value(self._steps, intent.steps)
        show_value(self._guidance, intent.guidance)
        self._insert.offer(insert_titles(), intent.insert)
        live = intent.mode == "live"
        for row_of in (self.STEPS, self.GUIDANCE, self.INSERT, self.LIVE_STEPS, self.LIVE_SIZE):
            self.form.show_row(row_of, live == (row_of in (self.LIVE_STEPS, self.LIVE_SIZE)))
        self._live_steps.show_default(0)
        show_value(self._live_steps, intent.live_steps)
        self._live_size.offer(_sizes(model.native_px if model else 0), str(intent.live_px or ""))
        self._loras.show_rows(intent.loras, model.loras if model else ())
        if intent.mode == "upscale":  # which adds detail to what is there, without them
            self._loras.hide()

    @staticmethod
    def summary(intent: Intent) -> str:
        """What is not as it starts."""
        said = []
        if intent.mode == "live":
            if intent.live_steps > 0:
                said.append(tr("{n} steps", n=intent.live_steps))
            if intent.live_px > 0:
                said.append(f"{intent.live_px} px")
            return " · ".join((*said, *(lora.name for lora in intent.loras)))
        if intent.steps > 0:
            said.append(tr("1 step") if intent.steps == 1 else tr("{n} steps", n=intent.steps))
        if intent.guidance >= 0:
            said.append(tr("guidance {value}", value=f"{intent.guidance:g}"))
        said.extend(lora.name for lora in intent.loras)
        return " · ".join(said)
