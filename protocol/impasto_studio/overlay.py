"""What lies over the canvas, never in the document: the take that is looked at, else what is growing, else
the preview that follows the drawing."""

from typing import Callable, List, Mapping, Optional, Tuple

from impasto_studio.gallery import Gallery, Take
from impasto_studio.geometry import Box
from impasto_studio.growing import part
from impasto_studio.host import Host, Picture, Scene, Shown
from impasto_studio.live import LiveShown
from impasto_studio.pictures import to_show
from impasto_studio.takes import Comparison
from impasto_studio.texts import tr
from impasto_studio.work import Work, place

__all__ = ["Overlay"]

Key = Tuple[object, ...]  # what is shown; compared by its parts


class Overlay:
    """Tells the host only what has changed. On the UI thread."""

    def __init__(self, host: Host, gallery: Gallery, say: Callable[[str], None]) -> None:
        self.on_canvas = True  # False: this host cannot
        self._host = host
        self._gallery = gallery
        self._say = say
        self._key: Key = ()  # empty: nothing is shown
        self._document = ""  # where something is shown

    def update(
        self,
        scene: Optional[Scene],
        comparison: Comparison,
        works: Mapping[str, Work],
        live: Optional[LiveShown],
    ) -> None:
        """`live`: the newest preview, if it is wanted here."""
        if scene is None or not self.on_canvas:
            self.clear()
            return
        if self._document not in ("", scene.document):
            self.clear()
        take = comparison.visible
        work = works.get(take[0]) if take is not None else None
        if take is not None and work is not None and work.note.document == scene.document and work.has_takes:
            if comparison.hovered is None and take[1] in work.note.applied:
                self.clear()  # the layer itself is there
            else:
                self._show_take(scene, work, take)
            return
        growing = [one for one in works.values() if one.note.document == scene.document]
        grown = next((shown for one in growing for shown in _growing(one)), None)
        if grown is not None:
            self._show(*grown)
        elif live is not None and live.plan.watch.document == scene.document:
            self._show_live(live)
        else:
            self.clear()

    def clear(self) -> None:
        if self._key:
            self._key, self._document = (), ""
            self._host.preview(None)

    def _show_take(self, scene: Scene, work: Work, take: Take) -> None:
        """Until the pixels have come, the small copy, or what was there before."""
        box = place(work, take[1], scene).box
        key: Key = ("take", take, box)
        if key == self._key:
            return
        small = self._gallery.thumbnail(take)
        if small is not None:
            self._show(key, Shown(scene.document, box, small))
        self._key, self._document = key, scene.document
        info = work.layers[take[1]]
        absent = tr("The picture cannot be shown before the server is there.")
        self._gallery.picture(take, info, lambda picture: self._came(key, box, picture), self._say, absent)

    def _show_live(self, live: LiveShown) -> None:
        key: Key = ("live", live)
        if key != self._key:
            watch = live.plan.watch
            label = tr("Live preview – not in the document")
            self._show(key, Shown(watch.document, watch.box, live.new, label))

    def _came(self, key: Key, box: Box, picture: Picture) -> None:
        if key == self._key:
            self._set(Shown(self._document, box, to_show(picture)))

    def _show(self, key: Key, shown: Shown) -> None:
        if key != self._key:
            self._key, self._document = key, shown.document
            self._set(shown)

    def _set(self, shown: Shown) -> None:
        if not self._host.preview(shown):
            self.on_canvas, self._key, self._document = False, (), ""


def _growing(work: Work) -> List[Tuple[Key, Shown]]:
    """The picture that grows, with its key; none if there is none, or nobody knows where it belongs."""
    plan, preview = work.plan, work.preview
    if plan is None or plan.grows is None or preview is None:
        return []
    picture, box = preview, plan.grows
    if plan.selection is not None:
        picture, box = part(preview, plan.grows, plan.selection)
    return [(("growing", work.job, work.previews), Shown(plan.document, box, picture))]
