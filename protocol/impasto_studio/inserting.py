"""From a take to a layer in the document: the only place where a document changes."""

from dataclasses import replace
from typing import Callable

from impasto_studio.desk import Desk
from impasto_studio.gallery import Gallery
from impasto_studio.history import marked
from impasto_studio.host import Host, NewLayer, Picture
from impasto_studio.remembered import Memory, Recipe
from impasto_studio.texts import tr
from impasto_studio.work import Work, place

__all__ = ["Inserter"]


class Inserter:
    """`say` tells the artist; `changed` is called when a layer is in. On the UI thread."""

    def __init__(
        self,
        host: Host,
        desk: Desk,
        gallery: Gallery,
        memory: Memory,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._host = host
        self._desk = desk
        self._gallery = gallery
        self._memory = memory
        self._say = say
        self._changed = changed
        self._busy = False  # one at a time: a second press while one is on its way would insert it twice

    def apply(self, work: Work, index: int, insert: str) -> None:
        """The take becomes a layer of its document, which must be the active one when the pixels are here."""

        def ready(picture: Picture) -> None:
            scene = self._host.scene()
            if scene is None or scene.document != work.note.document:
                self._failed(
                    tr("Go back to the document this was painted for, then apply it. Nothing is lost.")
                )
                return
            spot = place(work, index, scene)
            layer = NewLayer(
                work.note.document,
                work.title,
                spot.x,
                spot.y,
                picture,
                insert,
                work.note.above,
                spot.resize,
                spot.scale,
            )
            self._host.insert(layer, lambda name: inserted(name, spot.fits), self._failed)

        def inserted(name: str, fits: bool) -> None:
            self._busy = False
            recipe = Recipe(work.note, work.layers[index].recipe.request)
            self._memory.remember(work.note.document, name, recipe)
            if not fits:
                self._say(tr("The document has another size now, so it was left as it is."))
            applied = marked(work.note.applied, index, True)
            self._desk.annotate(work.job, replace(work.note, applied=applied))
            self._changed()

        self._fetch(work, index, ready)

    def insert_map(self, work: Work, placed: Callable[[Work, str], None]) -> None:
        """The control map of a finished job as a layer; `placed` is called with the layer's id. Afterwards
        the job is forgotten: a map is quickly made again."""

        def ready(picture: Picture) -> None:
            note = work.note
            name = note.kind[:1].upper() + note.kind[1:]
            layer = NewLayer(note.document, name, note.box.x, note.box.y, picture)
            self._host.insert(layer, inserted, failed)

        def inserted(name: str) -> None:
            placed(work, name)
            self._desk.forget(work.job)

        def failed(sentence: str) -> None:
            self._say(sentence)
            self._desk.forget(work.job)

        self._gallery.picture((work.job, 0), work.layers[0], ready, failed, _no_server())

    def _fetch(self, work: Work, index: int, ready: Callable[[Picture], None]) -> None:
        if self._busy:
            return
        self._busy = True
        self._gallery.picture((work.job, index), work.layers[index], ready, self._failed, _no_server())

    def _failed(self, sentence: str) -> None:
        self._busy = False
        self._say(sentence)


def _no_server() -> str:
    return tr("The server is not there, and it keeps the picture. Start it, then apply again.")
