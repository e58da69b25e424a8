"""The outlines of the shapes as cairo paths, in a circle of radius 1 about the origin."""

from __future__ import annotations

import math

import cairocffi as cairo

from .scene import Item


def trace(context: cairo.Context, item: Item) -> None:
    """Put the object's outline on the context as the current path, holes wound the other way."""
    context.save()
    context.translate(*item.centre)
    context.rotate(item.turn)
    context.scale(item.diameter / 2, item.diameter / 2)
    context.new_path()
    _PATHS[item.shape](context)
    context.restore()


def _polygon(context: cairo.Context, corners: int, inner: float = 1.0) -> None:
    """A regular polygon, or a star where `inner` is the radius of its inner corners; one corner up."""
    points = corners * (2 if inner < 1 else 1)
    for i in range(points):
        radius = inner if inner < 1 and i % 2 else 1.0
        angle = 2 * math.pi * i / points - math.pi / 2
        context.line_to(radius * math.cos(angle), radius * math.sin(angle))
    context.close_path()


def _lines(context: cairo.Context, *points: tuple[float, float]) -> None:
    for x, y in points:
        context.line_to(x, y)
    context.close_path()


def _circle(context: cairo.Context) -> None:
    context.arc(0, 0, 1, 0, 2 * math.pi)


def _ring(context: cairo.Context) -> None:
    _circle(context)
    context.new_sub_path()
    context.arc_negative(0, 0, 0.55, 2 * math.pi, 0)


def _heart(context: cairo.Context) -> None:
    context.move_to(0, 0.95)
    context.curve_to(-1.5, -0.1, -0.75, -1.35, 0, -0.5)
    context.curve_to(0.75, -1.35, 1.5, -0.1, 0, 0.95)


def _crescent(context: cairo.Context) -> None:
    context.arc(0.1, 0, 1, math.radians(50), math.radians(310))
    context.arc_negative(0.5, 0, 0.8, math.radians(287), math.radians(73))
    context.close_path()


def _drop(context: cairo.Context) -> None:
    context.move_to(0, -1)
    context.curve_to(0.25, -0.5, 0.7, -0.1, 0.7, 0.32)
    context.arc(0, 0.32, 0.7, 0, math.pi)
    context.curve_to(-0.7, -0.1, -0.25, -0.5, 0, -1)


def _cross(context: cairo.Context) -> None:
    context.rectangle(-0.3, -0.95, 0.6, 1.9)
    context.new_sub_path()
    context.rectangle(-0.95, -0.3, 1.9, 0.6)


_PATHS = {
    "circle": _circle,
    "ball": _circle,
    "ring": _ring,
    "heart": _heart,
    "crescent": _crescent,
    "drop": _drop,
    "cross": _cross,
    "square": lambda context: _lines(context, (-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
    "triangle": lambda context: _lines(context, (0, -0.92), (0.98, 0.78), (-0.98, 0.78)),
    "diamond": lambda context: _lines(context, (0, -1), (0.68, 0), (0, 1), (-0.68, 0)),
    "hexagon": lambda context: _lines(
        context, (-1, 0), (-0.5, -0.87), (0.5, -0.87), (1, 0), (0.5, 0.87), (-0.5, 0.87)
    ),
    "star": lambda context: _polygon(context, 5, 0.42),
    "arrow": lambda context: _lines(
        context, (1, 0), (0.15, -0.85), (0.15, -0.36), (-1, -0.36), (-1, 0.36), (0.15, 0.36), (0.15, 0.85)
    ),
}
