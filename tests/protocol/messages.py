"""Strategies for every message, made from the type hints of the dataclasses."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from impasto_protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES

TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    str: TEXT,
    bytes: st.binary(max_size=300),
}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: of(hints[field.name]) for field in dataclasses.fields(hint)})
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union:
        return st.one_of([st.none() if part is type(None) else of(part) for part in arguments])
    if origin is tuple:
        return st.lists(of(arguments[0]), max_size=3).map(tuple)
    assert origin is dict
    return st.dictionaries(of(arguments[0]), of(arguments[1]), max_size=3)


CLIENT = st.one_of([of(kind) for kind in CLIENT_MESSAGES.values()])
SERVER = st.one_of([of(kind) for kind in SERVER_MESSAGES.values()])
