"""What is written into a job's note in the server's journal: all that is needed to show and apply its takes
after the host was closed or has crashed."""

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from impasto_protocol.messages import NOTE_BYTES

from impasto_studio.geometry import Box
from impasto_studio.intent import AS_IT_STARTS, Intent
from impasto_studio.settings import sound
from impasto_studio.tolerant import from_json, to_json

__all__ = ["MAP", "NOTHING", "Note", "read_note", "write_note"]

MAP = "map"  # `Note.mode` of a job that makes a control map


@dataclass(frozen=True)
class Note:
    """Boxes in document pixels, as the document was when the job was started."""

    document: str
    box: Box  # what the submitted pictures cover; layers lie relative to its corner
    size: Tuple[int, int] = (0, 0)  # of the document then
    mode: str = ""  # one of `intent.MODES`, or MAP
    title: str = ""
    resize: Optional[Box] = None  # see `host.NewLayer`
    scale: bool = False
    above: str = ""  # id of the layer the result comes above; empty: the active one
    kind: str = ""  # of a map, and
    row: int = -1  # the control row that asked for it
    intent: Intent = AS_IT_STARTS
    favourites: Tuple[int, ...] = ()  # takes, by index
    applied: Tuple[int, ...] = ()
    dismissed: bool = False  # the artist has read why it failed; its finished takes stay


NOTHING = Note("", Box(0, 0, 0, 0))


def write_note(note: Note) -> str:
    """JSON of at most `NOTE_BYTES`. A very long prompt is left out: the results' recipes have it too."""
    text = to_json(note)
    if len(text.encode("utf-8", "replace")) <= NOTE_BYTES:
        return text
    short = replace(note.intent, prompt="", negative="", controls=(), loras=())
    return to_json(replace(note, intent=short, title=note.title[:200]))


def read_note(text: str) -> Optional[Note]:
    """None for the note of another program, and for none."""
    note = from_json(Note, text, NOTHING)
    if not note.document:
        return None
    return replace(note, intent=sound(note.intent))
