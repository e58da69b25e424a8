"""Ids of objects: they survive renaming and saving, and a duplicate gets one of its own.

An id is a text among the object's custom properties. It is written when the object is first read for a job;
until then, and after an undo has taken it back, it is known here by the object's name.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import bpy

from .documents import document_id

__all__ = ["find", "id_of", "ids_of", "keep_id"]

KEY = "impasto_id"

_names: dict[str, str] = {}  # by id: the name of the object that has it
_ids: dict[str, str] = {}  # the other way round
_document = ""  # whose objects these are


def id_of(thing: Any) -> str:
    """16 hex digits. Nothing is written."""
    return ids_of([thing])[0]


def ids_of(things: Sequence[Any]) -> list[str]:
    """Of many at once."""
    _follow()
    return [_id_of(thing) for thing in things]


def _id_of(thing: Any) -> str:
    own, learnt = _written(thing), _ids.get(thing.name_full, "")
    known = own or learnt
    if known and _is_duplicate(thing, own):
        known = learnt if learnt != own else ""
    known = known or secrets.token_hex(8)
    _learn(known, thing.name_full)
    return known


def keep_id(thing: Any) -> str:
    """The id, written into the object where that is possible."""
    known = id_of(thing)
    if _written(thing) != known and thing.library is None:
        thing[KEY] = known
    return known


def find(wanted: str) -> Any | None:
    """The object of that id, or None."""
    _follow()
    thing = _named(_names.get(wanted, ""))
    if thing is not None and _written(thing) in ("", wanted):
        return thing
    for thing in bpy.data.objects:  # renamed since
        if _written(thing) == wanted:
            _learn(wanted, thing.name_full)
            return thing
    return None


def _follow() -> None:
    """Another file: other objects. Of several with the same id, the one with the first name has it."""
    global _document
    document = document_id()
    if document != _document:
        _document = document
        _names.clear()
        _ids.clear()
        for thing in sorted(bpy.data.objects, key=lambda thing: (len(thing.name), thing.name)):
            known = _written(thing)
            if known and known not in _names:
                _learn(known, thing.name_full)


def _is_duplicate(thing: Any, own: str) -> bool:
    """Whether another object had this id before; one that was renamed is no other."""
    owner = _names.get(own, thing.name_full) if own else thing.name_full
    if owner == thing.name_full:
        return False
    other = _named(owner)
    return other is not None and other != thing and _written(other) in ("", own)


def _learn(known: str, name: str) -> None:
    if _names.get(known) != name:
        _ids.pop(_names.get(known, ""), None)
        _names[known] = name
    _ids[name] = known


def _written(thing: Any) -> str:
    known = thing.get(KEY, "")
    return known if isinstance(known, str) and len(known) == 16 else ""


def _named(name: str) -> Any | None:
    thing = bpy.data.objects.get(name)
    if thing is not None and thing.name_full == name:
        return thing
    return next((one for one in bpy.data.objects if one.name_full == name), None) if "[" in name else None
