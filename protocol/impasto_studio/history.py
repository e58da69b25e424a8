"""What was painted in a document: its takes, newest first, as the server's journal has them.

Nothing is stored here. The journal keeps each job with its note; `Desk` reads both after a restart, and this
module makes the panel's list of it.
"""

from typing import Callable, Iterable, List, Optional, Tuple

from impasto_studio.gallery import Take
from impasto_studio.host import Picture
from impasto_studio.view import TakeView
from impasto_studio.work import Work, take_view

__all__ = ["ON_THEIR_OWN", "marked", "takes_of", "to_fetch", "views"]

ON_THEIR_OWN = 24  # newest thumbnails that are fetched without being asked for

Thumbnail = Callable[[Take], Optional[Picture]]


def takes_of(works: Iterable[Work], document: str) -> List[Tuple[Work, int]]:
    """The document's takes: newest job first, each job's takes in their own order."""
    finished = [work for work in works if work.has_takes and work.note.document == document]
    finished.sort(key=lambda work: work.created_s, reverse=True)
    return [(work, index) for work in finished for index in range(len(work.layers))]


def views(takes: Iterable[Tuple[Work, int]], thumbnail: Thumbnail) -> Tuple[TakeView, ...]:
    return tuple(take_view(work, index, thumbnail((work.job, index))) for work, index in takes)


def to_fetch(compared: Iterable[Take], visible: Iterable[Take], history: Iterable[Take]) -> List[Take]:
    """Thumbnails in the order they are wanted: those being compared, those the panel shows, the newest."""
    newest = [take for _, take in zip(range(ON_THEIR_OWN), history)]  # noqa: B905  Python 3.8
    return list(dict.fromkeys((*compared, *visible, *newest)))


def marked(indices: Tuple[int, ...], index: int, on: bool) -> Tuple[int, ...]:
    """Indices of takes with one more, or one less."""
    others = [one for one in indices if one != index]
    return tuple(sorted([*others, index] if on else others))
