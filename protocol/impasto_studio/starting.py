"""The buttons that start a job: what the panel says, a layer's recipe once more, a control map."""

import secrets
from dataclasses import replace
from typing import Union

from impasto_studio.desk import Desk
from impasto_studio.intent import LIVE, Intent
from impasto_studio.link import Link
from impasto_studio.live_plan import LivePlan, plan_live
from impasto_studio.notes import MAP, Note
from impasto_studio.plan import Possible, plan_job, plan_map, start_text
from impasto_studio.remembered import Memory
from impasto_studio.state import State
from impasto_studio.takes import Comparison
from impasto_studio.tasks import Plan
from impasto_studio.texts import tr

__all__ = ["Starter"]

DRAWN_SEEDS = 2**31  # as many as people like to read


class Starter:
    """What cannot be started is said as a notice. On the UI thread."""

    def __init__(self, state: State, link: Link, desk: Desk, memory: Memory, comparison: Comparison) -> None:
        self._state = state
        self._link = link
        self._desk = desk
        self._memory = memory
        self._comparison = comparison

    def plan(self) -> Union[Plan, str]:
        """What `start` would do, or why it cannot."""
        possible = self._possible()
        if isinstance(possible, str):
            return possible
        state = self._state
        style = state.styles.get(state.intent.style)
        return plan_job(state.intent, state.scene, possible, style, secrets.randbelow(DRAWN_SEEDS))

    def live_plan(self) -> Union[LivePlan, str]:
        """What previews would follow, or why they cannot."""
        possible, state = self._possible(), self._state
        if isinstance(possible, str):
            return possible
        return plan_live(state.intent, state.scene, possible, state.styles.get(state.intent.style))

    def start(self) -> None:
        state = self._state
        state.look()
        plan = self.plan()
        if isinstance(plan, str):
            state.say(plan)
            return
        prompt = state.intent.prompt.strip()
        state.keep_prompt(prompt)
        self._begin(plan, self._note(plan, prompt or start_text(state.intent, state.scene)))

    def paint_again(self) -> None:
        """The same pixels as then, by the server's journal; the new takes come above the layer."""
        state = self._state
        state.look()
        scene, possible = state.scene, self._possible()
        recipe = self._memory.recipe(scene.document, scene.layer) if scene is not None else None
        if scene is None or recipe is None:
            state.say(tr("Choose a layer that Impasto has painted."))
        elif isinstance(possible, str):
            state.say(possible)
        elif recipe.note.mode == LIVE:
            self._in_full(recipe.note.intent, possible)
        else:
            note = replace(recipe.note, document=scene.document, above=scene.layer)
            takes = 1 if note.scale else min(note.intent.takes, possible.limits.takes)
            request = replace(recipe.request, seed=secrets.randbelow(DRAWN_SEEDS), takes=takes)
            plan = Plan(
                note.document,
                note.size,
                note.box,
                request,
                resize=note.resize,
                scale=note.scale,
                grows=note.box if request.mask is None and not note.scale else None,
            )
            self._begin(plan, note)

    def _in_full(self, live: Intent, possible: Possible) -> None:
        """What a pinned preview was asked for, painted with all the model's steps over what is there now. The
        pixels of then are kept by nobody."""
        state = self._state
        intent = replace(live, mode="refine", refine_strength=live.live_strength)
        style = state.styles.get(intent.style)
        plan = plan_job(intent, state.scene, possible, style, secrets.randbelow(DRAWN_SEEDS))
        if isinstance(plan, str):
            state.say(plan)
        else:
            note = self._note(plan, intent.prompt.strip() or start_text(intent, state.scene))
            self._begin(plan, replace(note, mode=intent.mode, intent=intent))

    def make_map(self, row: int) -> None:
        state = self._state
        state.look()
        possible = self._possible()
        if not 0 <= row < len(state.intent.controls):
            return
        kind = state.intent.controls[row].kind
        plan = possible if isinstance(possible, str) else plan_map(kind, state.scene, possible)
        if isinstance(plan, str):
            state.say(plan)
            return
        note = self._note(plan, tr("Control map “{kind}”", kind=kind))
        self._begin(plan, replace(note, mode=MAP, kind=kind, row=row))

    def _possible(self) -> Union[Possible, str]:
        """What the server can do; the state line's sentence while it is not there."""
        possible = self._link.possible
        return possible if possible is not None and self._link.ready else self._link.view.sentence

    def _note(self, plan: Plan, title: str) -> Note:
        intent = self._state.intent
        return Note(
            plan.document, plan.box, plan.size, intent.mode, title, plan.resize, plan.scale, intent=intent
        )

    def _begin(self, plan: Plan, note: Note) -> None:
        """Whoever paints something new is done with comparing."""
        self._state.notice = ""
        if note.mode != MAP:
            self._comparison.close()
        self._desk.begin(plan, note)
