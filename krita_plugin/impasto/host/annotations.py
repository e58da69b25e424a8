"""Data inside a document, saved with it."""

from typing import Any

from ..qt import QtCore

__all__ = ["keep", "kept"]

PREFIX = "impasto/"
DESCRIPTION = "Impasto"


def keep(document: Any, key: str, data: bytes) -> None:
    """No undo step; a document that had nothing to save has nothing to save afterwards."""
    modified = document.modified()
    document.setAnnotation(PREFIX + key, DESCRIPTION, QtCore.QByteArray(data))
    if not modified:
        document.setModified(False)


def kept(document: Any, key: str) -> bytes:
    """What `keep` kept; empty if nothing."""
    return bytes(document.annotation(PREFIX + key))
