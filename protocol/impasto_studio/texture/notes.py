"""What is written into a texture job's note in the server's journal: all that is needed to put its textures
on after the program was closed or has crashed."""

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from impasto_protocol.messages import NOTE_BYTES

from impasto_studio.texture.host import Textured
from impasto_studio.texture.intent import AS_IT_STARTS, TextureIntent
from impasto_studio.texture.settings import sound
from impasto_studio.tolerant import from_json, to_json

__all__ = ["KINDS", "NOTHING", "TextureNote", "read_note", "write_note"]

KINDS = ("paint", "project", "edit", "inspect")


@dataclass(frozen=True)
class TextureNote:
    document: str
    kind: str = "paint"  # one of KINDS
    title: str = ""
    objects: str = ""  # names, for a list: "Suzanne, Cube"
    targets: Tuple[Textured, ...] = ()  # without their bases
    others: bool = False  # as in `Gather`
    bases: bool = False
    intent: TextureIntent = AS_IT_STARTS
    applied: bool = False
    stopped: bool = False  # the artist has cancelled it: it is not put on by itself
    tried: bool = False  # it could not be put on by itself, and the artist was told why
    dismissed: bool = False  # she has read why it failed; its finished views stay


NOTHING = TextureNote("")


def write_note(note: TextureNote) -> str:
    """JSON of at most `NOTE_BYTES`, unless there are thousands of objects. A very long prompt is left out:
    the results' recipes have it too."""
    bare = tuple(replace(target, base=None) for target in note.targets)
    note = replace(note, targets=bare)
    text = to_json(note)
    if len(text.encode("utf-8", "replace")) <= NOTE_BYTES:
        return text
    short = replace(note.intent, prompt="", negative="", prompts=(), cameras=())
    return to_json(replace(note, intent=short, title=note.title[:200], objects=note.objects[:200]))


def read_note(text: str) -> Optional[TextureNote]:
    """None for the note of another program, and for none."""
    note = from_json(TextureNote, text, NOTHING)
    if not note.document or note.kind not in KINDS:
        return None
    return replace(note, intent=sound(note.intent))
