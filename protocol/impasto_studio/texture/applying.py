"""From finished jobs to textures on objects: the only place where a file changes. On the UI thread."""

from dataclasses import replace
from typing import Dict, List, Set, Tuple

from impasto_protocol.messages import LayerInfo

from impasto_studio.gallery import Gallery, Take
from impasto_studio.host import Picture
from impasto_studio.texts import tr
from impasto_studio.texture.desk import TextureDesk
from impasto_studio.texture.fetching import fetch
from impasto_studio.texture.host import NewTextures, TextureHost
from impasto_studio.texture.state import State
from impasto_studio.texture.work import TextureWork

__all__ = ["Applier"]


class Applier:
    """What is finished is put on once, by itself, as soon as the file it was made for is open; after that
    only when the artist says so. Maps are shown instead, and then forgotten: one is quickly made again."""

    def __init__(self, host: TextureHost, state: State, desk: TextureDesk, gallery: Gallery) -> None:
        self.inspecting = ""  # the map that is shown, or asked for
        self._host = host
        self._state = state
        self._desk = desk
        self._gallery = gallery
        self._later: Set[str] = set()  # could not be fetched: tried again with the next connection
        self._map_job = ""  # whose map is waited for
        self._map_document = ""
        self._shown = False  # a map lies over the objects

    # ── textures ─────────────────────────────────────────────────────────────────────────────────────────

    def settle(self, connected: bool) -> None:
        """Does what is due. Called after every change."""
        if self.inspecting and self._map_document != self._state.document:
            self.put_away()
        scene = self._state.scene
        free = connected and scene is not None and not scene.busy
        for work in list(self._desk.works.values()):
            if work.inspects:
                self._settle_map(work)
            elif work.state == "done" and work.textures and not work.delivering and not work.note.applied:
                if scene is not None and work.job in scene.worn:  # nobody could be told when it was put on
                    self._desk.annotate(work.job, replace(work.note, applied=True))
                elif free and self._is_due(work):
                    self._deliver(work, by_itself=True)

    def finished(self, work: TextureWork) -> None:
        """News of a job that this run has seen unfinished."""
        self._state.look()
        if (
            work.state == "done"
            and not work.inspects
            and work.textures
            and work.document != self._state.document
        ):
            self._state.say(
                tr("“{title}” is finished. Open its file again, and it is put on.", title=work.title)
            )

    def apply(self, work: TextureWork) -> None:
        if not work.textures:
            self._state.say(tr("It has no textures: it was stopped before. Lay its views on instead."))
        elif work.document != self._state.document:
            self._state.say(tr("Open the file this was painted for, then apply it. Nothing is lost."))
        elif self._state.scene is not None and self._state.scene.busy:
            self._state.say(self._state.scene.busy)
        elif not work.delivering:
            self._deliver(work, by_itself=False)

    def attached(self) -> None:
        """The server is there again."""
        self._later.clear()

    def _is_due(self, work: TextureWork) -> bool:
        note = work.note
        wanted = not (note.stopped or note.tried or work.job in self._later)
        return wanted and note.document == self._state.document

    def _deliver(self, work: TextureWork, by_itself: bool) -> None:
        work.delivering = True
        note = work.note

        def ready(pictures: Dict[str, Picture]) -> None:
            self._state.look()
            if self._state.document != note.document:
                work.delivering = False  # once more when its file is back
                return
            textures = NewTextures(note.document, work.title, work.job, note.targets, _ordered(pictures))
            self._host.put(textures, put, not_put)

        def put() -> None:
            work.delivering = False
            self._desk.annotate(work.job, replace(work.note, applied=True))
            self._state.look()

        def not_put(sentence: str) -> None:
            work.delivering = False
            if by_itself:
                self._desk.annotate(work.job, replace(work.note, tried=True))
            self._state.say(sentence)

        def not_fetched(sentence: str) -> None:
            work.delivering = False
            self._later.add(work.job)
            self._state.say(sentence)

        fetch(self._gallery, _textures(work), ready, not_fetched)

    # ── maps ─────────────────────────────────────────────────────────────────────────────────────────────

    def inspect(self, what: str, job: str) -> None:
        """That job's map is shown when it is there, in place of the one that is."""
        self._cancel_map()
        self.inspecting, self._map_job, self._map_document = what, job, self._state.document

    def put_away(self) -> None:
        """No map is shown any more, and none is waited for."""
        self._cancel_map()
        self.inspecting = ""
        if self._shown:
            self._shown = False
            self._host.show_map(None)

    def _cancel_map(self) -> None:
        job, self._map_job = self._map_job, ""
        self._desk.cancel(job)

    def _settle_map(self, work: TextureWork) -> None:
        if work.job != self._map_job:
            if work.state == "done":
                self._desk.forget(work.job)  # nobody waits for it
        elif work.state == "failed":
            self._map_job = ""
            self.put_away()
        elif work.state == "done" and not work.delivering:
            work.delivering = True
            fetch(self._gallery, _textures(work), lambda pictures: self._map(work, pictures), self._no_map)

    def _map(self, work: TextureWork, pictures: Dict[str, Picture]) -> None:
        if work.job == self._map_job:
            note, self._map_job, self._shown = work.note, "", True
            self._host.show_map(
                NewTextures(note.document, work.title, work.job, note.targets, _ordered(pictures))
            )
        self._desk.forget(work.job)

    def _no_map(self, sentence: str) -> None:
        self.put_away()
        self._state.say(sentence)


def _textures(work: TextureWork) -> List[Tuple[str, Take, LayerInfo]]:
    first = len(work.views)
    return [(str(number), (work.job, first + number), info) for number, info in enumerate(work.textures)]


def _ordered(pictures: Dict[str, Picture]) -> Tuple[Picture, ...]:
    return tuple(pictures[str(number)] for number in range(len(pictures)))
