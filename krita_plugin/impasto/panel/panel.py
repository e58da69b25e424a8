"""The docker's content: renders a `View`, calls `Commands`."""

from dataclasses import replace
from typing import Any, Dict, Optional, Set

from impasto_studio.commands import Commands
from impasto_studio.texts import tr
from impasto_studio.view import View

from ..qt import QtCore, QtGui, QtWidgets
from .advanced import Advanced
from .choices import Choices, Form
from .controls import Controls
from .drafts import Draft
from .history import History
from .jobs import Jobs
from .live import LiveCard
from .look import em, repaint_on
from .modes import ModeOptions, ModeRow
from .parts import IconButton, column, row
from .preferences import PanelState, Store, load_state, save_state
from .prompt import PromptBox
from .sections import Section
from .settings_dialog import SettingsDialog
from .start import StartButton, StartRow
from .state_line import Notice, StateLine
from .takes import Takes

__all__ = ["Panel"]

LAID_OUT_MS = 60  # by then Qt has given a new part its place
SHORT_START_EM = 7  # the start button of a folded panel
Key = QtCore.Qt.Key
Mod = QtCore.Qt.KeyboardModifier


class Panel(QtWidgets.QWidget):
    """Everything the artist sees of Impasto, but the canvas."""

    def __init__(self, commands: Commands, store: Store, version: str = "") -> None:
        """`store`: the host. `version`: the plugin's, for the settings page."""
        super().__init__()
        self._version = version
        self._commands = commands
        self._store = store
        self._state: PanelState = load_state(store)
        self._view = View()
        self._draft = Draft(self._view.intent)
        self._newest: QtWidgets.QWidget = self
        self._came_from: Optional[int] = None  # where the panel was before it scrolled by itself
        self._seen: Set[str] = set()  # jobs that have been scrolled to, as running and as takes
        self._make_parts()
        self._lay_out()
        self._connect()
        for section in self._sections:
            section.set_open(section.name in self._state.unfolded)
            section.unfolded.connect(lambda _on: self._keep_state())
        self._show_fold()
        self.show_view(self._view)

    # ── for the docker ──

    def show_view(self, view: View) -> None:
        """What the studio says is so. What the artist is just typing stays."""
        self._view = view
        intent = self._draft.receive(view.intent)
        self._state_line.show_link(view.link)
        in_sight = not self._state.folded or view.link.state != "ready"
        self._state_line.setVisible(in_sight)
        self._unfold.setVisible(not in_sight)
        self._notice.show_view(view)
        self._modes.show_mode(intent.mode)
        self._prompt.show_intent(intent)
        self._start.show_view(view)
        self._short_start.say(view.start)
        self._short_start.setEnabled(view.can_start)
        self._jobs.show_view(view)
        self._takes.show_view(view)
        self._live.show_view(view, intent)
        self._place_start(intent.mode == "live")
        self._reveal(view)
        if self._state.folded:
            return
        self._options.show_intent(intent)
        self._choices.show_view(view, intent)
        self._controls.show_view(view, intent)
        self._controls_section.setVisible(intent.mode != "upscale")  # which follows the picture alone
        self._advanced.show_view(view, intent)
        self._history.show_view(view)
        self._controls_section.say("" if self._controls_section.is_open() else Controls.summary(intent))
        self._advanced_section.say("" if self._advanced_section.is_open() else Advanced.summary(intent))
        self._history_section.say(str(len(view.history)) if view.history else "")

    def _place_start(self, live: bool) -> None:
        """Under what it is about: the live picture, or all the choices."""
        before = self._choices if live else self._jobs
        at = self._whole.indexOf(before)
        if self._whole.indexOf(self._start) != at - 1:
            self._whole.removeWidget(self._start)
            self._whole.insertWidget(self._whole.indexOf(before), self._start)

    def _reveal(self, view: View) -> None:
        """Scrolls to what is new on a small screen, but not away from where the artist writes; and back when
        nothing of it is left."""
        new = {f"job {job.job}" for job in view.jobs} | {f"take {take.job}" for take in view.takes}
        arrived, gone, self._seen = new - self._seen, self._seen - new, new
        if gone and not new and self._came_from is not None:
            self._scroll.verticalScrollBar().setValue(self._came_from)
            self._came_from = None
        if arrived and self._draft.settled():
            if self._came_from is None:
                self._came_from = self._scroll.verticalScrollBar().value()
            takes_came = any(name.startswith("take ") for name in arrived)
            self._newest = self._takes if takes_came else self._jobs
            QtCore.QTimer.singleShot(LAID_OUT_MS, self._scroll_to_newest)

    def _scroll_to_newest(self) -> None:
        self._scroll.ensureWidgetVisible(self._newest, 0, em(self, 0.4))

    @property
    def folded(self) -> bool:
        """Whether it shows one line only."""
        return self._state.folded

    def let_go(self) -> None:
        """Gives the keys back to Krita: Ctrl+Z after applying a take means the take and not the prompt."""
        focused = QtWidgets.QApplication.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            focused.clearFocus()

    def focus_prompt(self) -> None:
        self._prompt.prompt.setFocus(QtCore.Qt.FocusReason.ShortcutFocusReason)

    def open_settings(self) -> None:
        dialog = SettingsDialog(self._view.settings, self._store, self._version, self)
        dialog.changed.connect(self._commands.change_settings)
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def start(self) -> None:
        """As the main button. Also when the view says it cannot: the studio knows what was selected since."""
        self._commands.start()

    # ── construction ──

    def _make_parts(self) -> None:
        commands = self._commands
        self._state_line = StateLine()
        self._notice = Notice()
        self._modes = ModeRow()
        self._options = ModeOptions()
        self._prompt = PromptBox(lambda: self._view.prompts)
        self._short_start = StartButton()
        self._short_start.setMaximumWidth(em(self, SHORT_START_EM))
        self._unfold = IconButton("unfold", tr("Show everything"), lambda: self._fold(False))
        self._choices = Choices()
        self._controls = Controls()
        self._advanced = Advanced()
        self._start = StartRow()
        self._live = LiveCard()
        self._jobs = Jobs(commands)
        self._takes = Takes(commands)
        self._history = History(commands)
        self._controls_section = Section(
            "controls", tr("Control layers"), self._controls, self._controls.add_button
        )
        self._advanced_section = Section("advanced", tr("Advanced"), self._advanced)
        self._history_section = Section("history", tr("History"), self._history)
        self._sections = (self._controls_section, self._advanced_section, self._history_section)

    def _lay_out(self) -> None:
        self._content = QtWidgets.QWidget()
        prompt_line = row(self._prompt, self._short_start, self._unfold)
        prompt_line.setStretch(0, 1)
        for button in (self._short_start, self._unfold):
            prompt_line.setAlignment(button, QtCore.Qt.AlignmentFlag.AlignTop)
        self._whole = whole = column(
            self._state_line,
            self._notice,
            self._modes,
            self._options,
            prompt_line,
            self._live,
            self._choices,
            self._controls_section,
            self._advanced_section,
            self._start,
            self._jobs,
            self._takes,
            self._history_section,
            gap=em(self, 0.4),
        )
        whole.setStretch(whole.count() - 1, 1)
        whole.addStretch(0)
        self._content.setLayout(whole)
        self._scroll = QtWidgets.QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(self._content)
        self._scroll.viewport().setAutoFillBackground(False)
        self._content.setAutoFillBackground(False)
        self.setLayout(column(self._scroll))
        self._space()

    def _space(self) -> None:
        """Sizes that follow the font."""
        margin = em(self, 0.35)
        self._content.layout().setContentsMargins(margin, margin, margin, margin)
        self._content.layout().setSpacing(em(self, 0.4))
        self._align(self._choices.form, self._advanced.form)

    def _align(self, *forms: Form) -> None:
        """One column of names through the whole panel."""
        widest = max(form.widest_name() for form in forms)
        for form in forms:
            form.setColumnMinimumWidth(0, widest)

    def _connect(self) -> None:
        self._state_line.server_wanted.connect(self._commands.start_server)
        self._state_line.settings_wanted.connect(self.open_settings)
        self._state_line.folded.connect(self._fold)
        self._takes.decided.connect(self.let_go)
        self._notice.dismissed.connect(self._commands.dismiss_notice)
        self._modes.chosen.connect(lambda mode: self._edit(mode=mode))
        self._prompt.edited.connect(lambda field, text: self._edit(**{field: text}))
        self._controls.edited.connect(lambda rows: self._edit(controls=rows))
        self._controls.added.connect(lambda: self._controls_section.set_open(True))
        self._controls.wanted.connect(self._commands.make_map)
        for part in (self._options, self._choices, self._advanced):
            part.edited.connect(lambda fields: self._edit(**fields))
        self._start.started.connect(self.start)
        self._short_start.clicked.connect(lambda _checked=False: self.start())
        self._start.again.connect(self._commands.paint_again)
        self._start.live.connect(self._commands.set_live)
        self._live.edited.connect(lambda fields: self._edit(**fields))
        self._live.record.connect(self._commands.record_live)

    # ── the artist's doing ──

    def _edit(self, **fields: Any) -> None:
        changed: Dict[str, Any] = {
            name: value for name, value in fields.items() if getattr(self._draft.intent, name) != value
        }
        if changed:
            self._commands.change(self._draft.edit(**changed))
            self.show_view(self._view)

    def _fold(self, folded: bool) -> None:
        self._state = replace(self._state, folded=folded)
        self._keep_state()
        self._show_fold()
        self.show_view(self._view)

    def _show_fold(self) -> None:
        folded = self._state.folded
        self._state_line.show_fold(folded)
        self._prompt.show_short(folded)
        self._short_start.setVisible(folded)
        for widget in (self._modes, self._options, self._choices, *self._sections):
            widget.setVisible(not folded)
        self._start.show_line(not folded)

    def _keep_state(self) -> None:
        unfolded = tuple(section.name for section in self._sections if section.is_open())
        self._state = replace(self._state, unfolded=unfolded)
        save_state(self._store, self._state)
        self.show_view(self._view)

    # ── keys ──

    def _busy(self) -> bool:
        return any(job.state != "failed" for job in self._view.jobs)

    def _starts(self, event: QtGui.QKeyEvent) -> bool:
        return event.key() in (Key.Key_Return, Key.Key_Enter) and bool(
            event.modifiers() & (Mod.ShiftModifier | Mod.ControlModifier)
        )

    def _cancels(self, event: QtGui.QKeyEvent) -> bool:
        return event.key() == Key.Key_Escape and self._busy()

    def event(self, event: QtCore.QEvent) -> bool:
        override = event.type() == QtCore.QEvent.Type.ShortcutOverride
        if override and (self._starts(event) or self._cancels(event)):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        if self._starts(event):
            self.start()
        elif self._cancels(event):
            self._commands.cancel_all()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event) and hasattr(self, "_content"):
            self._space()

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 19), em(self, 34))

    def minimumSizeHint(self) -> QtCore.QSize:
        """Small: on a small screen the panel scrolls, it does not push Krita's window out."""
        return QtCore.QSize(em(self, 13), em(self, 5))
