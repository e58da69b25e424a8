"""The settings page."""

from dataclasses import replace

from impasto_studio.settings import Settings
from impasto_studio.texts import tr

from ..qt import QtCore, QtWidgets, Signal
from .look import em
from .parts import Chooser, Words, column, row
from .preferences import HOME, LANGUAGE, Store, languages
from .styles_editor import StylesEditor

__all__ = ["SettingsDialog"]

_NAMES = {"de": "Deutsch", "en": "English"}  # languages, in their own words


class SettingsDialog(QtWidgets.QDialog):
    """Nothing changes before OK."""

    changed = Signal(object)  # Settings

    def __init__(self, settings: Settings, store: Store, version: str, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Impasto settings"))
        self._settings = settings
        self._store = store
        self._styles = StylesEditor(settings.styles)
        tabs = QtWidgets.QTabWidget()
        tabs.addTab(self._general(), tr("General"))
        tabs.addTab(self._styles, tr("Styles"))
        tabs.addTab(_about(version), tr("About"))
        buttons = QtWidgets.QDialogButtonBox()
        roles = QtWidgets.QDialogButtonBox.ButtonRole
        buttons.addButton(tr("OK"), roles.AcceptRole)
        buttons.addButton(tr("Cancel"), roles.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = column(tabs, buttons, gap=em(self, 0.5))
        margin = em(self, 0.6)
        layout.setContentsMargins(margin, margin, margin, margin)
        self.setLayout(layout)
        self.resize(em(self, 30), em(self, 24))

    def _general(self) -> QtWidgets.QWidget:
        self._home = QtWidgets.QLineEdit(self._store.load_setting(HOME))
        self._home.setPlaceholderText(tr("The usual one"))
        self._home.setAccessibleName(tr("Server's home folder"))
        browse = QtWidgets.QPushButton(tr("Choose…"))
        browse.setAutoDefault(False)
        browse.clicked.connect(lambda _checked=False: self._browse())
        self._language = Chooser(tr("Language"))
        named = tuple((code, _NAMES.get(code, code)) for code in ("en", *languages()))
        self._language.offer((("", tr("As Krita")), *named), self._store.load_setting(LANGUAGE))
        self._start = QtWidgets.QCheckBox(tr("Start the server when Krita starts"))
        self._start.setChecked(self._settings.start_server)
        self._previews = QtWidgets.QCheckBox(tr("Show takes over the canvas"))
        self._previews.setChecked(self._settings.previews)
        self._bar = QtWidgets.QCheckBox(
            tr("Show a bar at the selection while the docker is folded or closed")
        )
        self._bar.setChecked(self._settings.bar)
        self._prompts = QtWidgets.QCheckBox(tr("Remember prompts"))
        self._prompts.setChecked(self._settings.keep_prompts)
        page = QtWidgets.QWidget()
        form = QtWidgets.QFormLayout()
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(tr("Server's home folder"), row(self._home, browse))
        form.addRow("", Words(tr("Where the server keeps its models and results.")))
        form.addRow("", self._start)
        form.addRow(tr("Takes"), self._previews)
        form.addRow("", self._bar)
        form.addRow(tr("Prompts"), self._prompts)
        form.addRow(tr("Language"), self._language)
        form.addRow("", Words(tr("A new folder or language is used after Krita's next start.")))
        page.setLayout(form)
        return page

    def _browse(self) -> None:
        folder = QtWidgets.QFileDialog.getExistingDirectory(
            self, tr("Server's home folder"), self._home.text()
        )
        if folder:
            self._home.setText(QtCore.QDir.toNativeSeparators(folder))

    def accept(self) -> None:
        settings = replace(
            self._settings,
            start_server=self._start.isChecked(),
            previews=self._previews.isChecked(),
            bar=self._bar.isChecked(),
            keep_prompts=self._prompts.isChecked(),
            styles=self._styles.styles(),
        )
        for key, text in (
            (HOME, self._home.text().strip()),
            (LANGUAGE, self._language.currentData() or ""),
        ):
            if text != self._store.load_setting(key):
                self._store.save_setting(key, text)
        if settings != self._settings:
            self.changed.emit(settings)
        super().accept()


def _about(version: str) -> QtWidgets.QWidget:
    name = QtWidgets.QLabel(f"Impasto {version}".strip())
    font = name.font()
    font.setBold(True)
    font.setPointSizeF(font.pointSizeF() * 1.3)
    name.setFont(font)
    page = QtWidgets.QWidget()
    layout = column(
        name,
        Words(tr("Image diffusion inside Krita. Everything is painted on your own machine."), soft=False),
        Words(tr("Free software under the GNU General Public License, version 3 or later.")),
        None,
        gap=8,
    )
    margin = em(page, 0.8)
    layout.setContentsMargins(margin, margin, margin, margin)
    page.setLayout(layout)
    return page
