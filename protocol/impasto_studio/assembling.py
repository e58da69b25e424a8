"""The panel's view, put together from everything the studio knows."""

from typing import Iterable, List, Tuple

from impasto_studio.base_work import job_view
from impasto_studio.gallery import Gallery
from impasto_studio.history import views
from impasto_studio.intent import LIVE
from impasto_studio.link import Link
from impasto_studio.live_plan import live_steps_run
from impasto_studio.plan import start_text, steps_run
from impasto_studio.remembered import Memory
from impasto_studio.starting import Starter
from impasto_studio.state import State
from impasto_studio.styles import styled
from impasto_studio.takes import Comparison
from impasto_studio.texts import tr
from impasto_studio.view import LiveView, View
from impasto_studio.work import Work

__all__ = ["assemble"]


def assemble(
    state: State,
    link: Link,
    works: Iterable[Work],
    comparison: Comparison,
    history: List[Tuple[Work, int]],
    gallery: Gallery,
    memory: Memory,
    starter: Starter,
    live: LiveView,
    on_canvas: bool,
) -> View:
    """`history`: the document's takes, newest first."""
    scene, intent, possible = state.scene, state.intent, link.possible
    style = state.styles.get(intent.style)
    model = possible.model_for(intent, style) if possible is not None else None
    start, why_not = _start(state, starter, live)
    compared = [(work, index) for work, index in history if work.job == comparison.job]
    shown = comparison.shown if compared else -1
    return View(
        link=link.view,
        document=scene is not None,
        selection=scene.selection if scene is not None else None,
        layers=scene.layers if scene is not None else (),
        intent=intent,
        models=possible.models if possible is not None else (),
        model=model,
        styles=tuple(state.styles),
        steps=live_steps_run(intent)
        if intent.mode == LIVE
        else steps_run(styled(intent, style, model), model),
        start=start,
        can_start=not why_not,
        why_not=why_not,
        map_kinds=possible.maps if possible is not None else (),
        jobs=tuple(job_view(work) for work in works if work.state not in ("done", "cancelled")),
        takes=views(compared, gallery.thumbnail),
        expected=compared[0][0].expected if compared else 0,
        shown=shown,
        applied=any(index == shown and index in work.note.applied for work, index in compared),
        on_canvas=on_canvas,
        remembered=scene is not None and memory.knows(scene.document, scene.layer),
        history=views(history, gallery.thumbnail),
        notice=state.notice,
        live=live,
        prompts=state.prompts,
        settings=state.settings,
    )


def _start(state: State, starter: Starter, live: LiveView) -> Tuple[str, str]:
    """What the main button says, and what stands against it."""
    if state.intent.mode != LIVE:
        plan = starter.plan()
        return start_text(state.intent, state.scene), plan if isinstance(plan, str) else ""
    if not live.on:
        live_plan = starter.live_plan()
        return tr("Go live"), live_plan if isinstance(live_plan, str) else ""
    waiting = "" if live.picture is not None else live.sentence
    return tr("Pin to a layer"), waiting
