"""The artist's own styles: a list, and the fields of the chosen one."""

from dataclasses import replace
from typing import List, Tuple

from impasto_studio.styles import Style
from impasto_studio.texts import tr

from ..qt import QtCore, QtWidgets
from .look import em
from .parts import IconButton, Words, column, row

__all__ = ["StylesEditor"]


class StylesEditor(QtWidgets.QWidget):
    """Changes stay here until somebody asks for `styles()`. What it has no field for, it keeps."""

    def __init__(self, styles: Tuple[Style, ...]) -> None:
        super().__init__()
        self._styles: List[Style] = list(styles)
        self._list = QtWidgets.QListWidget()
        self._list.setAccessibleName(tr("Styles"))
        self._list.addItems([style.name for style in styles])
        self._name = QtWidgets.QLineEdit()
        self._prompt = QtWidgets.QPlainTextEdit()
        self._negative = QtWidgets.QPlainTextEdit()
        for field in (self._prompt, self._negative):
            field.setTabChangesFocus(True)
            field.setMaximumHeight(em(self, 5))
        self._remove = IconButton("remove", tr("Remove this style"), self._remove_one)
        add = IconButton("add", tr("Add a style"), self._add_one)
        left = QtWidgets.QWidget()
        left.setLayout(column(self._list, row(add, self._remove, None)))
        left.setMaximumWidth(em(self, 10))
        self._fields = QtWidgets.QWidget()
        hint = Words(tr("{placeholder} stands for your own words.", placeholder="{prompt}"))
        fields = column(
            _named(tr("Name"), self._name),
            self._name,
            _named(tr("Prompt"), self._prompt),
            self._prompt,
            hint,
            _named(tr("Negative prompt"), self._negative),
            self._negative,
            None,
        )
        self._fields.setLayout(fields)
        layout = row(left, self._fields, gap=em(self, 0.6))
        layout.setStretch(1, 1)
        margin = em(self, 0.5)
        layout.setContentsMargins(margin, margin, margin, margin)
        self.setLayout(layout)
        self._list.currentRowChanged.connect(self._show)
        self._name.textEdited.connect(self._rename)
        self._prompt.textChanged.connect(lambda: self._change(prompt=self._prompt.toPlainText()))
        self._negative.textChanged.connect(lambda: self._change(negative=self._negative.toPlainText()))
        self._show(-1)
        if styles:
            self._list.setCurrentRow(0)

    def styles(self) -> Tuple[Style, ...]:
        """Those that have a name."""
        return tuple(style for style in self._styles if style.name.strip())

    def _show(self, index: int) -> None:
        there = 0 <= index < len(self._styles)
        self._fields.setEnabled(there)
        self._remove.setEnabled(there)
        style = self._styles[index] if there else Style("", prompt="")
        for field, text in (
            (self._name, style.name), (self._prompt, style.prompt), (self._negative, style.negative)
        ):  # fmt: skip
            field.blockSignals(True)
            field.setText(text) if field is self._name else field.setPlainText(text)
            field.blockSignals(False)

    def _change(self, **fields: str) -> None:
        index = self._list.currentRow()
        if 0 <= index < len(self._styles):
            self._styles[index] = replace(self._styles[index], **fields)

    def _rename(self, name: str) -> None:
        self._change(name=name)
        if self._list.currentItem() is not None:
            self._list.currentItem().setText(name)

    def _add_one(self) -> None:
        self._styles.append(Style(tr("New style")))
        self._list.addItem(self._styles[-1].name)
        self._list.setCurrentRow(len(self._styles) - 1)
        self._name.setFocus(QtCore.Qt.FocusReason.OtherFocusReason)
        self._name.selectAll()

    def _remove_one(self) -> None:
        index = self._list.currentRow()
        if 0 <= index < len(self._styles):
            del self._styles[index]
            self._list.takeItem(index)
            self._show(self._list.currentRow())


def _named(text: str, field: QtWidgets.QWidget) -> QtWidgets.QWidget:
    label = Words(text)
    label.setBuddy(field)
    field.setAccessibleName(text)
    return label
