"""Model families, one file each. A file in this folder that sets `FAMILY` is a family; nothing else lists
it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from impasto_server.families.interface import Components, Defaults, Family, FamilyMismatch, Hint, Reading

__all__ = [
    "Components",
    "Defaults",
    "Family",
    "FamilyMismatch",
    "Hint",
    "Reading",
    "families",
    "family_of",
]


@cache
def families() -> tuple[Family, ...]:
    """All families, by name. Imports no torch."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        family = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FAMILY", None)
        if family is not None:
            found.append(family)
    return tuple(sorted(found, key=lambda family: family.name))


def family_of(index: Mapping[str, object]) -> Family | None:
    """The family of a folder with this `model_index.json`, or None if Impasto knows none that can load it."""
    return next((family for family in families() if family.recognises(index)), None)
