"""After each new view: panels drawn again, the list of objects, the status bar."""

from typing import Any

import bpy
from impasto_studio.texts import tr

from ..plugin import impasto
from .parts import counts, status

__all__ = ["hide", "show"]

EDITORS = {"VIEW_3D", "IMAGE_EDITOR"}

_said: str | None = None  # in the status bar


def show() -> None:
    it = impasto()
    if it is None:
        return
    _list_objects(it.sides["texture"].view.objects)
    jobs = [job for side in it.sides.values() for job in side.view.jobs if job.state != "failed"]
    jobs.sort(key=lambda job: job.state != "running")
    said = status(jobs[0] if jobs else None, len(jobs) - 1)
    film = it.film.view
    if said is None and film.running:
        said = tr("Impasto: frame {frame}, {done} of {total} are there", **counts(film))
    _say(said)
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in EDITORS:
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def hide() -> None:
    """Gives the status bar back."""
    _say(None)


def _say(text: str | None) -> None:
    global _said
    if text != _said:
        _said = text
        for workspace in bpy.data.workspaces:  # she may change to another one meanwhile
            workspace.status_text_set(text)


def _list_objects(entries: tuple[Any, ...]) -> None:
    rows = bpy.context.window_manager.impasto.objects
    wanted = [entry.object for entry in entries]
    if [row.object for row in rows] != wanted:
        rows.clear()
        for name in wanted:
            rows.add().object = name
