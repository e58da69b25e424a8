"""Pictures of the panel for eyes: `python look_at.py FOLDER [PAGE…]`, under any X server.

PAGE may be followed by options: `takes:light`, `history:dark:500`, `fill:de`, `empty:rtl`, `takes:folded`,
`running:switch` (from dark to light while it is open).
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def prepare_imports() -> None:
    """The plugin's package without its entry, which needs Krita."""
    package = types.ModuleType("impasto")
    package.__path__ = [str(ROOT / "krita_plugin" / "impasto")]
    sys.modules["impasto"] = package
    if "PANEL_QT" in os.environ:
        krita = types.ModuleType("pykrita")
        krita.qt_major_version = lambda: int(os.environ["PANEL_QT"])
        sys.modules["pykrita"] = krita
    sys.path[:0] = [str(ROOT / "protocol"), str(HERE)]


prepare_imports()

from fake_studio import FakeStudio, pages  # noqa: E402
from impasto.panel import Panel  # noqa: E402
from impasto.qt import QtCore, QtGui, QtWidgets  # noqa: E402
from impasto_studio import texts  # noqa: E402

Role = QtGui.QPalette.ColorRole
DARK = {  # KritaDark and KritaBright, as Krita makes palettes of them
    Role.Window: (71, 71, 71), Role.WindowText: (200, 200, 200), Role.Base: (56, 56, 56),
    Role.AlternateBase: (50, 50, 50), Role.Text: (200, 200, 200), Role.Button: (54, 54, 54),
    Role.ButtonText: (200, 200, 200), Role.Highlight: (83, 114, 142), Role.HighlightedText: (235, 235, 235),
    Role.ToolTipBase: (54, 54, 54), Role.ToolTipText: (156, 162, 174),
}  # fmt: skip
LIGHT = {
    Role.Window: (212, 212, 212), Role.WindowText: (42, 42, 42), Role.Base: (230, 230, 230),
    Role.AlternateBase: (220, 220, 220), Role.Text: (42, 42, 42), Role.Button: (202, 202, 202),
    Role.ButtonText: (42, 42, 42), Role.Highlight: (96, 150, 196), Role.HighlightedText: (255, 255, 255),
    Role.ToolTipBase: (230, 230, 230), Role.ToolTipText: (42, 42, 42),
}  # fmt: skip


NEUTRAL = {  # KritaNeutral: the middle grey on which contrast is hardest
    Role.Window: (128, 128, 128), Role.WindowText: (18, 18, 18), Role.Base: (143, 143, 143),
    Role.AlternateBase: (136, 136, 136), Role.Text: (18, 18, 18), Role.Button: (138, 138, 138),
    Role.ButtonText: (18, 18, 18), Role.Highlight: (69, 106, 140), Role.HighlightedText: (240, 240, 240),
    Role.ToolTipBase: (143, 143, 143), Role.ToolTipText: (18, 18, 18),
}  # fmt: skip


def palette(colours: dict) -> QtGui.QPalette:
    """With the derived colours that KColorScheme makes: bevels from the window, greyed text."""
    made = QtGui.QPalette()
    groups = QtGui.QPalette.ColorGroup
    window = QtGui.QColor(*colours[Role.Window])
    for role, rgb in colours.items():
        made.setColor(role, QtGui.QColor(*rgb))
    for role, factor in (
        (Role.Light, 130),
        (Role.Midlight, 115),
        (Role.Mid, 90),
        (Role.Dark, 75),
        (Role.Shadow, 50),
    ):
        made.setColor(role, window.lighter(factor))
    for role in (Role.WindowText, Role.Text, Role.ButtonText):
        there = made.color(role)
        ground = made.color(Role.Button if role == Role.ButtonText else Role.Window)
        grey = QtGui.QColor(
            *((a + b) // 2 for a, b in zip(there.getRgb()[:3], ground.getRgb()[:3], strict=True))
        )
        made.setColor(groups.Disabled, role, grey)
    return made


def application() -> QtWidgets.QApplication:
    high_dpi = getattr(QtCore.Qt.ApplicationAttribute, "AA_UseHighDpiPixmaps", None)
    if high_dpi is not None:  # Qt 5; Krita sets it too
        QtCore.QCoreApplication.setAttribute(high_dpi)
    app = QtWidgets.QApplication(sys.argv[:1])
    app.setStyle("Fusion")
    app.setFont(QtGui.QFont("DejaVu Sans", 9))
    app.setPalette(palette(DARK))
    return app


def settle(app: QtWidgets.QApplication) -> None:
    for _ in range(4):
        app.processEvents()
        app.sendPostedEvents()


def take_picture(app: QtWidgets.QApplication, what: str, folder: Path) -> None:
    page, *options = what.split(":")
    light, rtl = "light" in options, "rtl" in options
    width = next((int(option) for option in options if option.isdigit()), 300)
    app.setPalette(palette(LIGHT if light else NEUTRAL if "neutral" in options else DARK))
    directions = QtCore.Qt.LayoutDirection
    app.setLayoutDirection(directions.RightToLeft if rtl else directions.LeftToRight)
    language = next(
        (o for o in options if (ROOT / f"krita_plugin/impasto/translations/{o}.json").exists()), ""
    )
    texts.use({})
    if language:
        texts.load(ROOT / f"krita_plugin/impasto/translations/{language}.json")
    studio = FakeStudio()
    unfolded = [name for name in ("controls", "advanced", "history") if page == name or name in options]
    folded = "true" if "folded" in options else "false"
    sections = ", ".join(
        f'"{name}"' for name in [*unfolded, *(() if "nohistory" in options else ("history",))]
    )
    studio.kept["impasto-panel"] = f'{{"folded": {folded}, "unfolded": [{sections}]}}'
    panel = Panel(studio, studio)
    panel.resize(width, 240 if "folded" in options else (560 if "short" in options else 760))
    panel.show_view(pages()[page])
    panel.show()
    settle(app)
    if "switch" in options:  # as when the artist chooses another theme
        app.setPalette(palette(DARK if light else LIGHT))
        settle(app)
    name = "-".join(what.split(":"))
    target = panel
    if "settings" in options:
        panel.open_settings()
        settle(app)
        target = panel.findChildren(QtWidgets.QDialog)[0]
        tabs = target.findChild(QtWidgets.QTabWidget)
        tabs.setCurrentIndex(next((int(o[3:]) for o in options if o.startswith("tab")), 0))
        settle(app)
    target.grab().save(str(folder / f"{name}.png"))
    panel.close()
    panel.deleteLater()


def main() -> None:
    app = application()
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for what in sys.argv[2:] or pages():
        take_picture(app, what, folder)


if __name__ == "__main__":
    main()
