"""The wiring: one studio for the program, a docker and a set of actions for each window."""

import traceback
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from impasto_protocol import places
from impasto_studio.intent import LIVE
from impasto_studio.studio import Studio
from impasto_studio.texts import tr
from impasto_studio.view import View
from krita import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from .bar import SelectionBar
from .host import KritaHost
from .panel import Panel
from .panel.preferences import HOME, use_language
from .qt import QtCore, QtWidgets

__all__ = ["Impasto", "register"]

POLL_MS = 250
IDLE_POLL_MS = 1000  # while another program has the screen
MENU = "tools/scripts"

# Name in impasto.action → its text, and what it calls.
Action = Tuple[str, Callable[["Impasto"], None]]


def _actions() -> Dict[str, Action]:
    return {
        "impasto_start": (tr("Impasto: Start"), lambda it: it.studio.start()),
        "impasto_cancel": (tr("Impasto: Cancel Everything"), lambda it: it.studio.cancel_all()),
        "impasto_apply": (tr("Impasto: Apply Take"), lambda it: it.studio.apply()),
        "impasto_put_away": (tr("Impasto: Put Takes Away"), lambda it: it.studio.put_away()),
        "impasto_next_take": (tr("Impasto: Next Take"), lambda it: it.studio.step(1)),
        "impasto_previous_take": (tr("Impasto: Previous Take"), lambda it: it.studio.step(-1)),
        "impasto_paint_again": (tr("Impasto: Paint Active Layer Again"), lambda it: it.studio.paint_again()),
        "impasto_prompt": (tr("Impasto: Go to Prompt"), lambda it: it.focus_prompt()),
        "impasto_live": (tr("Impasto: Live"), lambda it: it.studio.set_live(not it.following)),
        "impasto_live_pin": (tr("Impasto: Pin Live Preview"), lambda it: it.studio.pin_live()),
        "impasto_settings": (tr("Impasto: Settings…"), lambda it: it.open_settings()),
    }


class Impasto(QtCore.QObject):
    """What there is once in the program."""

    def __init__(self) -> None:
        super().__init__()
        self.host = KritaHost()
        use_language(self.host, QtCore.QLocale().name())
        home = self.host.load_setting(HOME)
        self.home = Path(home) if home else places.home()
        self.studio = Studio(self.host, self.home, on_view=self._show)
        self.panels: List[Panel] = []
        self._bar = SelectionBar(lambda: self.studio, self.host.front_canvas)
        self._timer = QtCore.QTimer(self)
        self._timer.timeout.connect(self._poll)
        application = QtWidgets.QApplication.instance()
        application.aboutToQuit.connect(self.close)
        application.applicationStateChanged.connect(self._pace)

    def open(self) -> None:
        """Starts looking for the server; before, nothing runs and nothing is sent. Idempotent."""
        if not self._timer.isActive():
            self.studio.open()
            self._timer.start(POLL_MS)

    def close(self) -> None:
        self._timer.stop()
        self.studio.close()

    def add(self, panel: Panel) -> None:
        """A window's panel, until it is destroyed."""
        self.panels.append(panel)
        panel.destroyed.connect(lambda: self.panels.remove(panel) if panel in self.panels else None)
        panel.show_view(self.studio.view)

    @property
    def following(self) -> bool:
        """Whether previews follow the drawing; in another mode they pause."""
        view = self.studio.view
        return view.live.on and view.intent.mode == LIVE

    def focus_prompt(self) -> None:
        panel = self._panel()
        if panel is not None:
            _raise_docker(panel)
            panel.focus_prompt()

    def open_settings(self) -> None:
        panel = self._panel()
        if panel is not None:
            panel.open_settings()

    # ── the studio's news ──

    def _show(self, view: View) -> None:
        for panel in self.panels:
            panel.show_view(view)
        self._show_bar()

    def _show_bar(self) -> None:
        """Where the docker says all there is to say, the bar would say it twice."""
        panel = self._panel()
        spread = panel is not None and panel.isVisible() and not panel.folded
        self._bar.show_view(self.studio.view, self.studio.view.settings.bar and not spread)

    def _poll(self) -> None:
        self.studio.poll()
        self._show_bar()  # the docker may have been closed or folded

    def _pace(self, state: QtCore.Qt.ApplicationState) -> None:
        active = state == QtCore.Qt.ApplicationState.ApplicationActive
        self._timer.setInterval(POLL_MS if active else IDLE_POLL_MS)

    def _panel(self) -> Optional[Panel]:
        """The active window's."""
        window = Krita.instance().activeWindow()
        main = window.qwindow() if window is not None else None
        own = [panel for panel in self.panels if panel.window() is main or panel.window().parent() is main]
        return (own or self.panels or [None])[0]


def _raise_docker(panel: QtWidgets.QWidget) -> None:
    docker = panel.parentWidget()
    while docker is not None and not isinstance(docker, QtWidgets.QDockWidget):
        docker = docker.parentWidget()
    if docker is not None:
        docker.setVisible(True)
        docker.raise_()


_impasto: Optional[Impasto] = None


def impasto() -> Impasto:
    """Made when the first window asks."""
    global _impasto
    if _impasto is None:
        _impasto = Impasto()
    return _impasto


class ImpastoDocker(DockWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Impasto")
        try:
            panel = Panel(impasto().studio, impasto().host, _version())
            self.setWidget(panel)
            impasto().add(panel)
            impasto().open()
        except Exception:  # noqa: BLE001  Krita would show an empty docker and say nothing
            self.setWidget(_broken(traceback.format_exc()))

    def canvasChanged(self, canvas: object) -> None:
        """Another document, or none."""
        impasto().studio.poll()


def _version() -> str:
    """What the archive was built as: "0.1.0 (1a2b3c4d)"; empty in a source tree."""
    folder = Path(__file__).parent
    try:
        version = (folder / "VERSION").read_text("utf-8").strip()
        return f"{version} ({(folder / 'STAMP').read_text('utf-8')[:8]})"
    except OSError:
        return ""


def _broken(report: str) -> QtWidgets.QWidget:
    text = QtWidgets.QPlainTextEdit()
    text.setReadOnly(True)
    text.setPlainText(tr("Impasto could not start. Install it again, or report this:") + "\n\n" + report)
    return text


class ImpastoExtension(Extension):
    def setup(self) -> None:
        """Krita calls this before there is a window; nothing is to be done yet."""

    def createActions(self, window: object) -> None:
        for name, (text, call) in _actions().items():
            action = window.createAction(name, text, MENU)
            action.triggered.connect(lambda _checked=False, call=call: call(impasto()))


def register() -> None:
    """Tells Krita of the docker and the actions."""
    program = Krita.instance()
    program.addExtension(ImpastoExtension(program))
    place = DockWidgetFactoryBase.DockRight
    program.addDockWidgetFactory(DockWidgetFactory("impasto", place, ImpastoDocker))
