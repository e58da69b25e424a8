"""The panel in a window, used with real key events and clicks. Runs in a Python that has PyQt5 and a screen:

    python drive.py RESULTS.json [CHECK…]

With PANEL_QT=6 in the environment, PyQt6. Each `check_…` of the modules beside is one statement about the
panel; its doc string is the statement.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable

from look_at import DARK, application, palette

import keys_checks  # isort: skip
import live_checks
import looks_checks
import work_checks
from desk import Desk
from impasto.qt import QtWidgets
from impasto_studio import texts


def run(name: str, check: Callable[[Desk], None], app: QtWidgets.QApplication) -> str:
    """The trace of what went wrong; empty if nothing."""
    app.setPalette(palette(DARK))
    desk = Desk(app)
    try:
        check(desk)
    except Exception:  # noqa: BLE001 - whatever it is, pytest shall show it
        return traceback.format_exc()
    finally:
        texts.use({})
        desk.close()
    return ""


def checks() -> dict[str, Callable[[Desk], None]]:
    return {
        name: check
        for module in (keys_checks, work_checks, looks_checks, live_checks)
        for name, check in vars(module).items()
        if name.startswith("check_")
    }


def main() -> None:
    app = application()
    wrong: list[str] = []
    sys.excepthook = lambda *error: wrong.append("".join(traceback.format_exception(*error)))
    results = {}
    for name, check in checks().items():
        if name in (sys.argv[2:] or [name]):
            said = run(name, check, app)
            results[name] = said or "".join(wrong)  # also what was raised inside an event
            wrong.clear()
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main()
