"""The panels drawn without a window: onto a layout that takes only what this Blender's own would."""

from types import SimpleNamespace

import bpy
from under_test import addon, plugin

FUNCTIONS = bpy.types.UILayout.bl_rna.functions
PROPERTIES = bpy.types.UILayout.bl_rna.properties


class Paper:
    """`drawn`: what was drawn on it or on a part of it, as (function, arguments)."""

    def __init__(self, drawn):
        self.__dict__["drawn"] = drawn

    def __setattr__(self, name, value):
        kinds = {"BOOLEAN": bool, "FLOAT": (int, float), "ENUM": str, "STRING": str}
        assert isinstance(value, kinds[PROPERTIES[name].type]), f"{name} = {value!r}"

    def __getattr__(self, name):
        function = FUNCTIONS[name]
        places = [one.identifier for one in function.parameters if not one.is_output]

        def draw(*words, **named):
            said = {**dict(zip(places, words, strict=False)), **named}
            unknown = set(said) - set(places)
            assert not unknown, f"{name} does not know {unknown}"
            for key, value in said.items():
                self._check(name, function.parameters[key], value)
            if name == "prop":
                assert said["property"] in said["data"].bl_rna.properties, said["property"]
            self.drawn.append((name, said))
            return SimpleNamespace() if name == "operator" else Paper(self.drawn)

        return draw

    def _check(self, name, parameter, value):
        if parameter.type == "ENUM" and parameter.identifier == "icon":
            icons = FUNCTIONS["prop"].parameters["icon"].enum_items
            assert value in icons, f"{name} has no icon {value}"
        if parameter.type == "STRING":
            assert isinstance(value, str), f"{name}: {parameter.identifier}={value!r}"


def draw_all(space="VIEW_3D"):
    """Names of the panels that were drawn, and how many things on each."""
    plugin()
    context = SimpleNamespace(
        window_manager=bpy.context.window_manager,
        preferences=bpy.context.preferences,
        region=SimpleNamespace(width=280),
        space_data=SimpleNamespace(image=next(iter(bpy.data.images), None), type=space),
        scene=bpy.context.scene,
    )
    found = {}
    for one in addon("panel").CLASSES:
        if one.bl_space_type == space and (not hasattr(one, "poll") or one.poll(context)):
            drawn = []
            one.draw(one_like(one, Paper(drawn)), context)
            found[one.__name__] = len(drawn)
    return found


def one_like(kind, layout):
    """Something with a panel's methods, since Blender alone makes panels."""
    methods = {
        name: getattr(kind, name)
        for name in ("the_side", "begun", "fields", "connected")
        if hasattr(kind, name)
    }
    return SimpleNamespace(layout=layout, **methods)
