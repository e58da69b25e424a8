"""Previews one after another, kept in files until they become an animation."""

import shutil
import tempfile
from collections import deque
from functools import partial
from pathlib import Path
from typing import Callable, Deque, Optional, Tuple

from impasto_protocol.errors import ImpastoError, InternalError

from impasto_studio.host import Animation, Host, Picture
from impasto_studio.png import png
from impasto_studio.texts import tr
from impasto_studio.workers import Worker

__all__ = ["MOST_BYTES", "MOST_FRAMES", "Recorder"]

MOST_FRAMES = 4000  # the oldest go first
MOST_BYTES = 1 << 29
FRAMES_PER_SECOND = 12  # of the animation: a stroke's previews stay apart to the eye


class Recorder:
    """One recording at a time. On the UI thread; files are the worker's."""

    def __init__(
        self, host: Host, worker: Worker, say: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self._host = host
        self._worker = worker
        self._say = say
        self._changed = changed
        self._reel: Optional[_Reel] = None

    @property
    def frames(self) -> int:
        """How many there are so far; negative: nothing is recorded."""
        return self._reel.count if self._reel is not None else -1

    def begin(self, name: str) -> None:
        if self._reel is None:
            self._reel = _Reel(name)
            self._changed()

    def add(self, picture: Picture) -> None:
        """One more frame. A picture of another size than the first belongs to another story: the recording
        ends before it."""
        reel = self._reel
        if reel is None:
            return
        if reel.size not in (None, (picture.width, picture.height)):
            self.end()
            self._say(tr("The preview has another size now. What was recorded is an animation of its own."))
            return
        reel.size = picture.width, picture.height
        reel.count += 1
        self._worker.do(partial(reel.write, picture), _nothing, partial(self._unwritten, reel))

    def end(self) -> None:
        """The frames become an animation, behind those that are just written."""
        reel, self._reel = self._reel, None
        if reel is None:
            return
        self._changed()
        if reel.size is None:
            self._say(tr("Nothing was recorded: no preview came meanwhile."))
        else:
            self._worker.do(lambda: tuple(reel.files), partial(self._animate, reel), _nothing)

    def drop(self) -> None:
        """Nothing becomes of it."""
        reel, self._reel = self._reel, None
        if reel is not None:
            self._worker.do(reel.throw_away, _nothing, _nothing)

    def _animate(self, reel: "_Reel", files: Tuple[Path, ...]) -> None:
        assert reel.size is not None
        if not files:
            return  # what went wrong has been said
        name = tr("{title} (live)", title=reel.name)

        def over(sentence: str) -> None:
            self._say(sentence)
            self._worker.do(reel.throw_away, _nothing, _nothing)

        done = tr("The recording is in a document of its own: {count} frames.", count=len(files))
        self._host.animate(Animation(name, *reel.size, files, FRAMES_PER_SECOND), lambda: over(done), over)

    def _unwritten(self, reel: "_Reel", error: ImpastoError) -> None:
        """What there is so far is kept."""
        if reel is self._reel:
            self.end()
            self._say(error.sentence)


class _Reel:
    """The files of a recording, in a folder that is made for the first of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size: Optional[Tuple[int, int]] = None  # the UI thread's, as the count
        self.count = 0
        self.files: Deque[Path] = deque()  # the worker's, as all below
        self._sizes: Deque[int] = deque()
        self._size = 0  # of all of them
        self._written = 0
        self._folder: Optional[Path] = None

    def write(self, picture: Picture) -> None:
        data = png(picture)
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="impasto-live-"))
            path = self._folder / f"{self._written:06}.png"
            path.write_bytes(data)
        except OSError as error:
            why = error.strerror or error
            raise InternalError(tr("The recording ended: it cannot be written ({why}).", why=why)) from error
        self._written += 1
        self.files.append(path)
        self._sizes.append(len(data))
        self._size += len(data)
        while len(self.files) > MOST_FRAMES or self._size > MOST_BYTES:
            self.files.popleft().unlink()
            self._size -= self._sizes.popleft()

    def throw_away(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _nothing(_: object) -> None:
    pass
