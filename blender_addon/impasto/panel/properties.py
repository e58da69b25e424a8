"""What the panels' fields are bound to. Nothing is stored in them: they read the studios' intents and write
there, so that panel and studio cannot say different things.
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

__all__ = ["CLASSES", "options_of", "register", "side_of", "unregister"]

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


def _intent(name: str) -> Any:
    side = side_of(name)
    if side is not None:
        return side.intent
    return TEXTURES_AS_THEY_START if name == "texture" else AS_IT_STARTS


def _edit(name: str, **fields: Any) -> None:
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
        "get": lambda self: getattr(_intent(side), field),
        "set": lambda self, value: _edit(side, **{field: value}),
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
        offered, lambda: getattr(_intent(side), field), lambda value: _edit(side, **{field: value})
    )


def option_choice(side: str, field: str, offered: Callable[[], list[Any]]) -> dict[str, Callable[..., Any]]:
    return bound_choice(
        offered,
        lambda: getattr(options_of(side), field),
        lambda value: set_option(side, **{field: value}),
    )


def _seed_text(side: str) -> str:
    seed = _intent(side).seed
    return str(seed) if seed >= 0 else ""


def _set_seed(side: str, text: str) -> None:
    digits = "".join(letter for letter in text if letter in "0123456789")
    _edit(side, seed=min(int(digits), 2**63 - 1) if digits else -1)


def _lock_seed(side: str, on: bool) -> None:
    """The seed of what was painted last, if there is anything."""
    _edit(side, seed=choices.last_seed(side_of(side)) if on else -1)


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
        get=lambda self: _intent(side).seed >= 0,
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


def takes(side: str) -> Any:
    return number(side, "takes", "Takes", "How many pictures to paint at once", 1, 16)


def _followed(kind: str, side: str = "render") -> Any:
    return next((row for row in _intent(side).controls if row.layer == kind), None)


def _follow(kind: str, on: bool) -> None:
    _edit("render", controls=choices.with_row(_intent("render").controls, kind, on, side_of("render")))


def _follow_strictly(kind: str, strength: float) -> None:
    rows = _intent("render").controls
    _edit(
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


class IMPASTO_render_fields(bpy.types.PropertyGroup):
    prompt: prompt("render")
    negative: negative("render")
    model: model("render")
    strength: factor(
        "render", "refine_strength", "Strength", "How far the picture may go from the render; 1: all is new"
    )
    takes: takes("render")
    seed: seed_field("render")
    seed_lock: seed_lock("render")
    steps: steps("render")
    guidance: guidance("render")
    source: bpy.props.EnumProperty(
        name="Source",
        description="What the picture is seen through",
        options=PLAIN,
        **option_choice("render", "source", choices.sources),
    )
    picture: bpy.props.EnumProperty(
        name="Picture",
        description="What is painted over",
        options=PLAIN,
        **option_choice("render", "picture", choices.pictures),
    )
    region: bpy.props.BoolProperty(
        name="Selected Objects Only",
        description="Repaint only where the selected objects are seen",
        options=PLAIN,
        **bound_option("render", "region"),
    )
    insert: bpy.props.EnumProperty(
        name="Result",
        description="What becomes of a take that is applied",
        options=PLAIN,
        **option_choice("render", "insert", choices.inserts),
    )
    longest_px: bpy.props.EnumProperty(
        name="Size",
        description="Longer side of the picture",
        options=PLAIN,
        **option_choice("render", "longest_px", choices.picture_sizes),
    )
    depth: follow("depth", "Depth", "The picture keeps the scene's distances")
    depth_strength: follow_strength("depth", "Depth")
    normal: follow("normal", "Normals", "The picture keeps which way the surfaces face")
    normal_strength: follow_strength("normal", "Normals")
    edges: follow("edges", "Edges", "The picture keeps the outlines and creases")
    edges_strength: follow_strength("edges", "Edges")
    live_strength: factor(
        "render", "live_strength", "Strength", "How far the preview may go from what you see; 1: all is new"
    )
    live_steps: number("render", "live_steps", "Steps", "Of a preview; 0: as few as the model bears", 0, 50)
    live_on_canvas: bpy.props.BoolProperty(
        name="Over the 3D View",
        description="Show the preview over the 3D view too",
        options=PLAIN,
        **bound("render", "live_on_canvas"),
    )
    live: bpy.props.BoolProperty(
        name="Live",
        description="Previews follow the view and the scene",
        get=lambda self: _live(),
        set=lambda self, on: _set_live(on),
        options=PLAIN,
    )
    done: bpy.props.FloatProperty(
        name="",
        description="How far the job is",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        get=lambda self: choices.done_of(side_of("render")),
        set=lambda self, value: None,
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


class IMPASTO_texture_fields(bpy.types.PropertyGroup):
    prompt: prompt("texture")
    negative: negative("texture")
    model: model("texture")
    separately: bpy.props.BoolProperty(
        name="Prompt per Object",
        description="Each object is a job of its own, with words of its own",
        options=PLAIN,
        **bound("texture", "separately"),
    )
    source: bpy.props.EnumProperty(
        name="Views",
        description="Where the objects are seen from while they are painted",
        options=PLAIN,
        **choice("texture", "source", choices.view_sources),
    )
    around: number("texture", "around", "Number", "Views around the objects", 2, 24)
    order: bpy.props.EnumProperty(
        name="Order",
        description="How the views come to agree with each other",
        options=PLAIN,
        **choice("texture", "order", choices.orders),
    )
    unwrap: bpy.props.EnumProperty(
        name="UV Map",
        description="Objects without a usable layout get a new one in any case",
        options=PLAIN,
        **choice("texture", "unwrap", choices.unwraps),
    )
    texture_px: bpy.props.EnumProperty(
        name="Texture",
        description="Side of new textures",
        options=PLAIN,
        **choice("texture", "texture_px", choices.texture_sizes),
    )
    view_px: bpy.props.EnumProperty(
        name="View",
        description="Longer side of the views' pictures",
        options=PLAIN,
        **choice("texture", "view_px", choices.view_sizes),
    )
    depth: factor("texture", "depth", "Depth", "How strictly the true depth is followed", highest=2.0)
    keep: bpy.props.BoolProperty(
        name="Go on from Textures",
        description="Paint over the textures there are, instead of anew",
        options=PLAIN,
        **bound("texture", "keep"),
    )
    strength: factor("texture", "strength", "Strength", "How much of the textures is painted anew")
    seed: seed_field("texture")
    seed_lock: seed_lock("texture")
    steps: steps("texture")
    guidance: guidance("texture")
    picture: bpy.props.StringProperty(
        name="Picture",
        description="An image of what the camera or the view shows",
        get=lambda self: picked("texture", "picture"),
        set=lambda self, name: pick("texture", "picture", name),
        options=PLAIN,
    )
    camera: bpy.props.EnumProperty(
        name="Seen From",
        description="Whose view the picture shows",
        options=PLAIN,
        **bound_choice(
            lambda: choices.seen_from(side_of("texture")),
            lambda: picked("texture", "camera"),
            lambda camera: pick("texture", "camera", camera),
        ),
    )
    mask: bpy.props.StringProperty(
        name="Mask",
        description="An image that is bright where the view may be repainted; empty: everywhere",
        get=lambda self: picked("texture", "mask"),
        set=lambda self, name: pick("texture", "mask", name),
        options=PLAIN,
    )
    done: bpy.props.FloatProperty(
        name="",
        description="How far the job is",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        get=lambda self: choices.done_of(side_of("texture")),
        set=lambda self, value: None,
        options=PLAIN,
    )


def _own_prompt(self: Any) -> str:
    return dict(_intent("texture").prompts).get(self.object, "")


def _set_own_prompt(self: Any, words: str) -> None:
    prompts = {**dict(_intent("texture").prompts), self.object: words}
    _edit("texture", prompts=tuple(sorted((key, text) for key, text in prompts.items() if text)))


class IMPASTO_object_fields(bpy.types.PropertyGroup):
    """One of the selected objects, kept in step with the studio's view."""

    object: bpy.props.StringProperty(options=PLAIN)
    prompt: bpy.props.StringProperty(
        name="Prompt",
        description="What this object shall look like; empty: the prompt of all",
        get=_own_prompt,
        set=_set_own_prompt,
        options=PLAIN,
    )


class IMPASTO_image_fields(bpy.types.PropertyGroup):
    prompt: prompt("image")
    negative: negative("image")
    model: model("image")
    mode: bpy.props.EnumProperty(
        name="Mode", description="What to do", options=PLAIN, **choice("image", "mode", choices.image_modes)
    )
    fill_strength: factor("image", "fill_strength", "Strength", "How much is painted anew; 1: all")
    refine_strength: factor("image", "refine_strength", "Strength", "How much is painted anew; 1: all")
    upscale_strength: factor("image", "upscale_strength", "Strength", "How much detail is painted; 0: none")
    scale: bpy.props.FloatProperty(
        name="Scale", min=1.0, max=8.0, precision=1, options=PLAIN, **bound("image", "scale")
    )
    takes: takes("image")
    seed: seed_field("image")
    seed_lock: seed_lock("image")
    steps: steps("image")
    guidance: guidance("image")
    selection: bpy.props.EnumProperty(
        name="Repaint",
        description="Which part of the image is repainted",
        options=PLAIN,
        **option_choice("image", "selection", choices.selections),
    )
    box: bpy.props.IntVectorProperty(
        name="Box",
        description="From the left, from the top, width and height in pixels",
        size=4,
        min=0,
        options=PLAIN,
        **bound_option("image", "box"),
    )
    seamless: bpy.props.BoolProperty(
        name="Seamless",
        description="The image repeats: what leaves it on one side comes in on the other",
        options=PLAIN,
        **bound_option("image", "seamless"),
    )
    result: bpy.props.EnumProperty(
        name="Result",
        description="What becomes of a take that is applied",
        options=PLAIN,
        **option_choice("image", "result", choices.results),
    )
    done: bpy.props.FloatProperty(
        name="",
        description="How far the job is",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        get=lambda self: choices.done_of(side_of("image")),
        set=lambda self, value: None,
        options=PLAIN,
    )


class IMPASTO_fields(bpy.types.PropertyGroup):
    render: bpy.props.PointerProperty(type=IMPASTO_render_fields)
    texture: bpy.props.PointerProperty(type=IMPASTO_texture_fields)
    image: bpy.props.PointerProperty(type=IMPASTO_image_fields)
    objects: bpy.props.CollectionProperty(type=IMPASTO_object_fields)


CLASSES = (
    IMPASTO_render_fields,
    IMPASTO_texture_fields,
    IMPASTO_object_fields,
    IMPASTO_image_fields,
    IMPASTO_fields,
)


def register() -> None:
    bpy.types.WindowManager.impasto = bpy.props.PointerProperty(type=IMPASTO_fields, options=PLAIN)


def unregister() -> None:
    del bpy.types.WindowManager.impasto
