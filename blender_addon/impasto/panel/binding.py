"""How the panels' fields are bound to the studios: nothing is stored in them, they read the intents and write
there. So panel and studio cannot say different things.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bpy
from impasto_studio.intent import AS_IT_STARTS, LIVE
from impasto_studio.texture.intent import AS_IT_STARTS as TEXTURES_AS_THEY_START

from ..host.options import ImageOptions, RenderOptions
from ..plugin import Side, impasto
from . import choices

__all__ = [
    "PLAIN",
    "bound",
    "bound_choice",
    "bound_option",
    "choice",
    "done",
    "factor",
    "follow",
    "follow_strength",
    "guidance",
    "intent_of",
    "live_switch",
    "model",
    "negative",
    "number",
    "option_choice",
    "own_seeds",
    "pick",
    "picked",
    "prompt",
    "seed_field",
    "seed_lock",
    "set_own_seeds",
    "side_of",
    "steps",
    "takes",
    "tell",
]

# Kept neither in the file nor in the undo history, and not to be animated.
PLAIN = {"SKIP_SAVE"}


def side_of(name: str) -> Side | None:
    it = impasto()
    return it.sides[name] if it is not None else None


def options_of(name: str) -> Any:
    """`RenderOptions` or `ImageOptions`."""
    it = impasto()
    if it is None:
        return RenderOptions() if name == "render" else ImageOptions()
    return (it.render_host if name == "render" else it.image_host).options


def set_option(name: str, **fields: Any) -> None:
    it = impasto()
    if it is not None:
        host = it.render_host if name == "render" else it.image_host
        host.options = replace(host.options, **fields)
        it.sides[name].studio.poll()


def intent_of(name: str) -> Any:
    side = side_of(name)
    if side is not None:
        return side.intent
    return TEXTURES_AS_THEY_START if name == "texture" else AS_IT_STARTS


def tell(name: str, **fields: Any) -> None:
    side = side_of(name)
    if side is not None:
        side.edit(**fields)


def picked(name: str, what: str) -> str:
    """A choice that is no part of the intent."""
    side = side_of(name)
    return side.picked.get(what, "") if side is not None else ""


def pick(name: str, what: str, value: str) -> None:
    side = side_of(name)
    if side is not None:
        side.picked[what] = value


def bound(side: str, field: str) -> dict[str, Callable[..., Any]]:
    """Getter and setter of a field of the intent."""
    return {
        "get": lambda self: getattr(intent_of(side), field),
        "set": lambda self, value: tell(side, **{field: value}),
    }


def bound_option(side: str, field: str) -> dict[str, Callable[..., Any]]:
    return {
        "get": lambda self: getattr(options_of(side), field),
        "set": lambda self, value: set_option(side, **{field: value}),
    }


def bound_choice(
    offered: Callable[[], list[Any]], get: Callable[[], Any], put: Callable[[Any], None]
) -> dict[str, Callable[..., Any]]:
    """`offered`: (value, name, description) of each. Items of Blender's are numbered by their place."""

    def at(self: Any) -> int:
        values, value = [one[0] for one in offered()], get()
        return values.index(value) if value in values else 0

    def choose(self: Any, number: int) -> None:
        values = [one[0] for one in offered()]
        if number < len(values):
            put(values[number])

    return {"items": choices.items_of(offered), "get": at, "set": choose}


def choice(side: str, field: str, offered: Callable[[], list[Any]]) -> dict[str, Callable[..., Any]]:
    return bound_choice(
        offered, lambda: getattr(intent_of(side), field), lambda value: tell(side, **{field: value})
    )


def option_choice(side: str, field: str, offered: Callable[[], list[Any]]) -> dict[str, Callable[..., Any]]:
    return bound_choice(
        offered,
        lambda: getattr(options_of(side), field),
        lambda value: set_option(side, **{field: value}),
    )


def _seed_text(side: str) -> str:
    seed = intent_of(side).seed
    return str(seed) if seed >= 0 else ""


def _set_seed(side: str, text: str) -> None:
    digits = "".join(letter for letter in text if letter in "0123456789")
    tell(side, seed=min(int(digits), 2**63 - 1) if digits else -1)


def _lock_seed(side: str, on: bool) -> None:
    """The seed of what was painted last, if there is anything."""
    tell(side, seed=choices.last_seed(side_of(side)) if on else -1)


def seed_field(side: str) -> Any:
    return bpy.props.StringProperty(
        name="Seed",
        description="The same seed paints the same picture again; empty: another one each time",
        get=lambda self: _seed_text(side),
        set=lambda self, text: _set_seed(side, text),
        options=PLAIN,
    )


def seed_lock(side: str) -> Any:
    return bpy.props.BoolProperty(
        name="Keep the Seed",
        description="Use this seed again, instead of another one each time",
        get=lambda self: intent_of(side).seed >= 0,
        set=lambda self, on: _lock_seed(side, on),
        options=PLAIN,
    )


def text(side: str, field: str, name: str, description: str) -> Any:
    return bpy.props.StringProperty(name=name, description=description, options=PLAIN, **bound(side, field))


def factor(side: str, field: str, name: str, description: str, highest: float = 1.0) -> Any:
    return bpy.props.FloatProperty(
        name=name,
        description=description,
        min=0.0,
        max=highest,
        subtype="FACTOR",
        precision=2,
        options=PLAIN,
        **bound(side, field),
    )


def number(side: str, field: str, name: str, description: str, low: int, high: int) -> Any:
    return bpy.props.IntProperty(
        name=name, description=description, min=low, max=high, options=PLAIN, **bound(side, field)
    )


def steps(side: str) -> Any:
    return number(side, "steps", "Steps", "Denoising steps; 0: as the model likes it", 0, 200)


def guidance(side: str) -> Any:
    return bpy.props.FloatProperty(
        name="Guidance",
        description="How strictly the prompt is followed; -1: as the model likes it",
        min=-1.0,
        max=30.0,
        step=50,
        precision=1,
        options=PLAIN,
        **bound(side, "guidance"),
    )


def model(side: str) -> Any:
    return bpy.props.EnumProperty(
        name="Model",
        description="What paints",
        options=PLAIN,
        **choice(side, "model", lambda: choices.models(side_of(side))),
    )


def prompt(side: str) -> Any:
    return text(side, "prompt", "Prompt", "Describe what shall be seen")


def negative(side: str) -> Any:
    return text(side, "negative", "Negative Prompt", "What shall not be seen")


def done(side: str) -> Any:
    """A bar, for Blenders that cannot draw one (before 4.0). Nobody can move it."""
    return bpy.props.IntProperty(
        name="",
        description="How far the job is",
        min=0,
        max=100,
        subtype="PERCENTAGE",
        get=lambda self: round(100 * choices.done_of(side_of(side))),
        set=lambda self, value: None,
        options=PLAIN,
    )


def takes(side: str) -> Any:
    return number(side, "takes", "Takes", "How many pictures to paint at once", 1, 16)


def _followed(kind: str, side: str = "render") -> Any:
    return next((row for row in intent_of(side).controls if row.layer == kind), None)


def _follow(kind: str, on: bool) -> None:
    tell("render", controls=choices.with_row(intent_of("render").controls, kind, on, side_of("render")))


def _follow_strictly(kind: str, strength: float) -> None:
    rows = intent_of("render").controls
    tell(
        "render",
        controls=tuple(replace(row, strength=strength) if row.layer == kind else row for row in rows),
    )


def follow(kind: str, name: str, description: str) -> Any:
    return bpy.props.BoolProperty(
        name=name,
        description=description,
        get=lambda self: _followed(kind) is not None,
        set=lambda self, on: _follow(kind, on),
        options=PLAIN,
    )


def follow_strength(kind: str, name: str) -> Any:
    def strength(self: Any) -> float:
        row = _followed(kind)
        return row.strength if row is not None else 1.0

    return bpy.props.FloatProperty(
        name=name,
        description="How strictly the picture follows it",
        min=0.0,
        max=2.0,
        subtype="FACTOR",
        precision=2,
        get=strength,
        set=lambda self, value: _follow_strictly(kind, value),
        options=PLAIN,
    )


def own_seeds() -> bool:
    """Of the frames of an animation."""
    it = impasto()
    return it is not None and it.film.own_seeds


def set_own_seeds(on: bool) -> None:
    it = impasto()
    if it is not None:
        it.film.own_seeds = on


def live_switch() -> Any:
    return bpy.props.BoolProperty(
        name="Live",
        description="Previews follow the view and the scene",
        get=lambda self: _live(),
        set=lambda self, on: _set_live(on),
        options=PLAIN,
    )


def _live() -> bool:
    side = side_of("render")
    return side is not None and side.view.live.on


def _set_live(on: bool) -> None:
    """Another mode pauses live, so it is left again for jobs."""
    side = side_of("render")
    if side is not None:
        side.studio.set_live(on)
        if not on and side.intent.mode == LIVE:
            side.edit(mode="refine")
