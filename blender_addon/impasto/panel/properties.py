"""The panels' fields. They store nothing; see `binding`."""

from typing import Any

import bpy

from . import choices
from .binding import (
    PLAIN,
    bound,
    bound_choice,
    bound_option,
    choice,
    done,
    factor,
    follow,
    follow_strength,
    guidance,
    intent_of,
    live_switch,
    model,
    negative,
    number,
    option_choice,
    own_seeds,
    pick,
    picked,
    prompt,
    seed_field,
    seed_lock,
    set_own_seeds,
    side_of,
    steps,
    takes,
    tell,
)

__all__ = ["CLASSES", "register", "unregister"]


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
        name="Over the View",
        description="Show the preview over the 3D view too",
        options=PLAIN,
        **bound("render", "live_on_canvas"),
    )
    live: live_switch()
    own_seeds: bpy.props.BoolProperty(
        name="Seed per Frame",
        description="Each frame of an animation has a seed of its own, instead of the same one",
        get=lambda self: own_seeds(),
        set=lambda self, on: set_own_seeds(on),
        options=PLAIN,
    )
    done: done("render")


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
    done: done("texture")


def _own_prompt(self: Any) -> str:
    return dict(intent_of("texture").prompts).get(self.object, "")


def _set_own_prompt(self: Any, words: str) -> None:
    prompts = {**dict(intent_of("texture").prompts), self.object: words}
    tell("texture", prompts=tuple(sorted((key, text) for key, text in prompts.items() if text)))


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
    done: done("image")


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
