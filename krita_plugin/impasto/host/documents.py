"""Which documents are open, and what keeps their ids: an annotation inside each."""

import hashlib
import uuid
from typing import Any, List, Optional, Tuple

from krita import Krita

from .annotations import keep, kept

__all__ = ["Documents"]

ID = "document"


class Documents:
    """Documents by id, 32 hex digits. Krita makes new Python objects for the same document at every
    question: an id is the only thing to hold on to."""

    def __init__(self) -> None:
        self._hidden: List[Any] = []

    def hide(self, document: Any) -> None:
        """This one is the plugin's own, and no picture of the artist."""
        self._hidden.append(document)

    def active(self) -> Optional[Tuple[str, Any]]:
        """The document in front, with its id."""
        document = Krita.instance().activeDocument()
        if document is None or document in self._hidden or not document.width():
            return None
        return self.id_of(document), document

    def find(self, document: str) -> Optional[Any]:
        """The open document of this id; None: it was closed."""
        for found in self._open():
            if kept(found, ID) == document.encode():
                return found
        return None

    def id_of(self, document: Any) -> str:
        """Its id. A document that has none gets one: of its file, so that it is the same again when the
        file is opened anew without having been saved, or else by chance. Of two open copies the second
        gets another."""
        own = kept(document, ID).decode("ascii", "replace")
        if own and not self._taken(own, document):
            return own
        name = document.fileName()
        new = hashlib.sha256(name.encode()).hexdigest()[:32] if name else uuid.uuid4().hex
        if self._taken(new, document):
            new = uuid.uuid4().hex
        keep(document, ID, new.encode())
        return new

    def _taken(self, document: str, by_other_than: Any) -> bool:
        for found in self._open():
            if found == by_other_than:
                return False  # an earlier one has the right to it
            if kept(found, ID) == document.encode():
                return True
        return False

    def _open(self) -> List[Any]:
        return [found for found in Krita.instance().documents() if found not in self._hidden]
