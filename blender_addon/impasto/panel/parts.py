"""What several panels draw."""

from typing import Any

import blf
import bpy
from impasto_studio.frames import FramesView
from impasto_studio.texts import tr
from impasto_studio.view import JobView, LinkView

from .pictures import icon_of

__all__ = [
    "button",
    "jobs",
    "model_and_steps",
    "notice",
    "ready",
    "seed",
    "wide_prompt",
    "words",
]

MARGINS_PX = 52  # of a panel, left and right, at a resolution scale of 1
ICON_PX = 20
PREVIEW_SCALE = 6.0  # of a picture that grows, in the height of a button


def words(layout: Any, context: Any, sentence: str, icon: str = "NONE", quiet: bool = False) -> None:
    """A sentence in as many lines as the region is wide."""
    scale = context.preferences.system.ui_scale
    room = context.region.width - MARGINS_PX * scale - (ICON_PX * scale if icon != "NONE" else 0)
    column = layout.column(align=True)
    column.scale_y = 0.85
    column.active = not quiet
    for at, line in enumerate(_lines(sentence, max(room, 60.0), context)):
        if icon == "NONE":
            column.label(text=line, translate=False)
        else:
            column.label(text=line, icon=icon if at == 0 else "BLANK1", translate=False)


def _lines(sentence: str, room_px: float, context: Any) -> list[str]:
    """As the interface's font has it."""
    points = context.preferences.ui_styles[0].widget.points * context.preferences.system.ui_scale
    if bpy.app.version < (4, 0, 0):
        blf.size(0, points, 72)
    else:
        blf.size(0, points)
    lines: list[str] = []
    for word in sentence.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and blf.dimensions(0, longer)[0] <= room_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def ready(layout: Any, context: Any, link: LinkView) -> bool:
    """Draws how it stands with the server, unless all is well."""
    if link.state == "ready":
        return True
    column = layout.column()
    trouble = link.state in ("absent", "trouble")
    words(column, context, link.sentence, icon="ERROR" if trouble else "SORTTIME")
    if link.can_start:
        button(column, "impasto.start_server", tr("Start Server"), icon="PLAY")
    return False


def button(
    layout: Any, operator: str, text: str, icon: str = "NONE", large: bool = False, **options: Any
) -> Any:
    row = layout.row(align=True)
    row.scale_y = 1.5 if large else 1.0
    called = row.operator(operator, text=text, icon=icon, translate=False)
    for name, value in options.items():
        setattr(called, name, value)
    return called


def wide_prompt(
    layout: Any, fields: Any, name: str = "prompt", hint: str = "", icon: str = "GREASEPENCIL"
) -> None:
    """As wide as the panel; its name stands in it while it is empty, where Blender can do that."""
    if bpy.app.version >= (4, 2, 0):
        layout.prop(fields, name, text="", icon=icon, placeholder=hint or tr("Prompt"), translate=False)
    else:
        layout.prop(fields, name, text="", icon=icon)


def seed(layout: Any, fields: Any) -> None:
    row = layout.row(align=True)
    if bpy.app.version >= (4, 2, 0):
        row.prop(fields, "seed", placeholder=tr("Random"))
    else:
        row.prop(fields, "seed")
    row.prop(fields, "seed_lock", text="", icon="LOCKED" if fields.seed_lock else "UNLOCKED")


def model_and_steps(layout: Any, fields: Any) -> None:
    layout.prop(fields, "model")
    wide_prompt(layout, fields, "negative", tr("Negative Prompt"), icon="REMOVE")
    column = layout.column(align=True)
    column.prop(fields, "steps")
    column.prop(fields, "guidance")


def notice(layout: Any, context: Any, side: str, sentence: str) -> None:
    """The newest thing to tell, until it is clicked away."""
    if sentence:
        box = layout.box().row()
        words(box.column(), context, sentence, icon="INFO")
        box.operator("impasto.dismiss_notice", text="", icon="X", emboss=False).side = side


def jobs(layout: Any, context: Any, side: str, running: tuple[JobView, ...]) -> None:
    """What is being painted, what waits, and what failed."""
    first = next((job.job for job in running if job.state != "failed"), "")
    for job in running:
        box = layout.box().column()
        if job.state == "failed":
            _failed(box, context, side, job)
        else:
            _painting(box, context, side, job, job.job == first)
    if sum(job.state != "failed" for job in running) > 1:
        button(layout, "impasto.cancel_all", tr("Cancel All"), icon="CANCEL")


def _painting(box: Any, context: Any, side: str, job: JobView, first: bool) -> None:
    head = box.row()
    head.label(text=job.title or tr("(no prompt)"), translate=False)
    cancel = head.operator("impasto.cancel", text="", icon="X", emboss=False)
    cancel.side, cancel.job = side, job.job
    said = [_stage(job), remaining(job.remaining_s)]
    if first:
        if bpy.app.version >= (4, 0, 0):
            box.progress(factor=max(0.0, job.done), type="BAR", text=said.pop(0), translate=False)
        else:
            row = box.row()
            row.use_property_split = False
            row.prop(getattr(context.window_manager.impasto, side), "done", text="", slider=True)
    for text in filter(None, said):
        words(box, context, text, quiet=True)
    if job.preview is not None:
        box.template_icon(icon_value=icon_of(f"job {job.job}", job.preview), scale=PREVIEW_SCALE)


def _failed(box: Any, context: Any, side: str, job: JobView) -> None:
    row = box.row()
    words(row.column(), context, job.error, icon="ERROR")
    row = box.row(align=True)
    for name, text in (("impasto.retry", tr("Retry")), ("impasto.dismiss", tr("Dismiss"))):
        called = row.operator(name, text=text, translate=False)
        called.side, called.job = side, job.job


def _stage(job: JobView) -> str:
    if job.stage:
        return job.stage
    if job.state == "queued" and job.position:
        return tr("Waiting, {n} ahead", n=job.position)
    return {
        "capturing": tr("Reading the Scene"),
        "sending": tr("Sending"),
        "queued": tr("Waiting"),
        "running": tr("Painting"),
    }.get(job.state, job.state)


def remaining(seconds: float) -> str:
    """In words that do not jump; empty when nobody knows."""
    if seconds < 0:
        return ""
    if seconds < 90:
        return tr("{n} s left", n=max(1, round(seconds) if seconds < 10 else 5 * round(seconds / 5)))
    return tr("{n} min left", n=round(seconds / 60))


def counts(film: FramesView) -> dict[str, int]:
    """For sentences on a batch of frames."""
    return {"frame": film.frame, "done": film.done, "total": film.total}


def status(job: JobView | None, others: int) -> str | None:
    """The status bar's text; None: Blender's own."""
    if job is None:
        return None
    said = [f"Impasto: {job.title}" if job.title else "Impasto", _stage(job), remaining(job.remaining_s)]
    if others:
        said.append(tr("{n} more", n=others))
    said.append(tr("Esc cancels"))
    return "  ·  ".join(part for part in said if part)
