"""The panels' fields, as a hand or a script sets them."""

from dataclasses import asdict

import bpy
from under_test import plugin


def _groups():
    fields = bpy.context.window_manager.impasto
    return [(name, getattr(fields, name)) for name in ("render", "texture", "image")]


def strangers():
    """Fields that are not what they were set to."""
    it = plugin()
    wrong = []
    for side, group in _groups():
        for prop in type(group).bl_rna.properties:
            name = prop.identifier
            if name in ("rna_type", "name", "done", "live") or name.endswith(("_lock", "_strength")):
                continue
            for value in _values(prop):
                setattr(group, name, value)
                now = getattr(group, name)
                if (tuple(now) if getattr(prop, "is_array", False) else now) != value:
                    wrong.append(f"{side}.{name}: {value!r} became {now!r}")
        yield
    for side in it.sides.values():
        side.edit(prompt="", seed=-1)
    return wrong


def _values(prop):
    if prop.type == "ENUM":
        return [item.identifier for item in prop.enum_items] or []
    if prop.type == "BOOLEAN":
        return [True, False]
    if prop.type == "STRING":
        return ["12", ""]
    if getattr(prop, "is_array", False):
        return [(1, 2, 3, 4), (0, 0, 0, 0)]
    if prop.type == "INT":
        return [prop.hard_min + 1, prop.hard_min]
    return [prop.hard_min + 0.5, prop.hard_min]


def say():
    """Sets some, and tells what the studios have heard."""
    it = plugin()
    fields = bpy.context.window_manager.impasto
    fields.render.prompt = "a red circle"
    fields.render.strength = 0.25
    fields.render.seed = f"no {2**40}"
    fields.render.depth = False
    fields.render.depth = True
    fields.render.source = "VIEW"
    fields.render.longest_px = "AUTOMATIC"
    fields.texture.order = "IN_TURN"
    fields.texture.texture_px = "PX_2048"
    fields.image.mode = "UPSCALE"
    yield lambda: it.texture.view.intent.texture_px == 2048 and it.image.view.intent.mode == "upscale"
    options = it.render_host.options
    return {
        **{name: asdict(side.view.intent) for name, side in it.sides.items()},
        "options": {"source": options.source, "longest_px": options.longest_px},
    }
