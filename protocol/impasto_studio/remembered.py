"""Which layer was painted by which recipe, kept inside the document: so that it can be painted again, also
when the document is opened next year."""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from typing import Dict, Optional

from impasto_protocol.codec import decode_client, encode
from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import GenerateRequest, Submit

from impasto_studio.host import Host
from impasto_studio.notes import Note, read_note, write_note
from impasto_studio.tolerant import from_json, to_json

__all__ = ["Memory", "Recipe"]

KEY = "impasto-recipes"
MOST_LAYERS = 1000  # of one document; the oldest are forgotten first


@dataclass(frozen=True)
class Recipe:
    """What made a layer. `request` names its pictures by digest: the server may still have them."""

    note: Note
    request: GenerateRequest


@dataclass(frozen=True)
class _Entry:
    note: str = ""
    request: str = ""  # base64 of a `Submit` frame


@dataclass(frozen=True)
class _Kept:
    layers: Dict[str, _Entry] = field(default_factory=dict)  # by layer id, oldest first


_NOTHING = _Kept()


class Memory:
    """Reads each document once, and again only when another one is asked about: `knows` is asked often."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._document = ""
        self._layers: Dict[str, _Entry] = {}

    def knows(self, document: str, layer: str) -> bool:
        return bool(layer) and layer in self._read(document)

    def recipe(self, document: str, layer: str) -> Optional[Recipe]:
        entry = self._read(document).get(layer)
        if entry is None:
            return None
        note = read_note(entry.note)
        try:
            submit = decode_client(b64decode(entry.request))
        except (ImpastoError, ValueError):
            return None
        if note is None or not isinstance(submit, Submit):
            return None
        return Recipe(note, submit.generate)

    def remember(self, document: str, layer: str, recipe: Recipe) -> None:
        layers = dict(self._read(document))
        frame = encode(Submit("", recipe.request))
        note = replace(recipe.note, favourites=(), applied=(), dismissed=False)
        layers.pop(layer, None)
        layers[layer] = _Entry(write_note(note), b64encode(frame).decode("ascii"))
        for oldest in list(layers)[: len(layers) - MOST_LAYERS]:
            del layers[oldest]
        self._layers = layers
        self._host.remember(document, KEY, to_json(_Kept(layers)).encode("utf-8"))

    def _read(self, document: str) -> Dict[str, _Entry]:
        if document != self._document:
            data = self._host.recall(document, KEY).decode("utf-8", "replace")
            self._document, self._layers = document, from_json(_Kept, data, _NOTHING).layers
        return self._layers
