"""Frozen dataclasses as JSON, and back from JSON that may be old, foreign or broken.

Reading never fails: what does not fit its type is left at its default, and an item of a list is left out.
Knows str, int, float, bool, Optional, Tuple[X, ...], Dict[str, X], NamedTuples and dataclasses of these.
"""

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Dict, List, Tuple, Type, TypeVar, Union, cast, get_type_hints

__all__ = ["from_json", "to_json"]

T = TypeVar("T")


class _Misfit(Exception):
    """The data are not of the type; caught where there is a default."""


def to_json(value: object) -> str:
    """Compact, not escaped: notes are counted in UTF-8 bytes."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def from_json(kind: Type[T], text: str, default: T) -> T:
    """A `kind`, with the default's place taken when the text holds nothing of the sort."""
    try:
        return cast(T, _read(kind, json.loads(text)))
    except (ValueError, RecursionError, _Misfit):
        return default


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _read(hint: Any, data: object) -> object:
    origin = getattr(hint, "__origin__", None)
    arguments: Tuple[Any, ...] = getattr(hint, "__args__", ())
    if origin is Union:  # Optional
        return None if data is None else _read(arguments[0], data)
    if origin is tuple:
        return _read_tuple(arguments, data)
    if origin is dict:
        return _read_dict(arguments[1], data)
    if is_dataclass(hint):
        return _read_dataclass(cast(type, hint), data)
    if hasattr(hint, "_fields"):
        return hint(*_read_tuple(tuple(get_type_hints(hint).values()), data))
    return _read_plain(hint, data)


def _read_plain(hint: Any, data: object) -> object:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        data = float(data) if abs(data) < 1 << 53 else data
    if type(data) is not hint or (isinstance(data, float) and not math.isfinite(data)):
        raise _Misfit
    return data


def _read_tuple(arguments: Tuple[Any, ...], data: object) -> Tuple[object, ...]:
    if not isinstance(data, list):
        raise _Misfit
    if arguments[1:] == (...,):
        return tuple(value for item in data for value in _read_some(arguments[0], item))
    if len(data) != len(arguments):
        raise _Misfit
    return tuple(_read(hint, item) for hint, item in zip(arguments, data))  # noqa: B905  Python 3.8


def _read_some(hint: Any, data: object) -> List[object]:
    """The value, alone in a list; an empty list when it does not fit."""
    try:
        return [_read(hint, data)]
    except _Misfit:
        return []


def _read_dict(hint: Any, data: object) -> Dict[str, object]:
    if not isinstance(data, dict):
        raise _Misfit
    return {key: value for key, item in data.items() for value in _read_some(hint, item)}


def _read_dataclass(kind: type, data: object) -> object:
    if not isinstance(data, dict):
        raise _Misfit
    hints, values = get_type_hints(kind), {}
    for field in fields(kind):
        required = field.default is MISSING and field.default_factory is MISSING
        try:
            if field.name in data or required:
                values[field.name] = _read(hints[field.name], data.get(field.name))
        except _Misfit:
            if required:
                raise
    return kind(**values)
