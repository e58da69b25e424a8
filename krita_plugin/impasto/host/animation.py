"""Frames become an animation."""

from typing import Any, Optional

from impasto_studio.host import Animation
from krita import Krita

from .slices import Pause, Steps, Trouble

__all__ = ["animate"]

POINTS_PER_INCH = 72.0
SHOWN_MS = 100  # by then Krita has brought a new view to the front


def animate(animation: Animation) -> Steps[None]:
    """A new document with the frames on one layer. The artist stays where she is: its view is behind hers."""
    program = Krita.instance()
    window = program.activeWindow()
    if window is None:
        raise Trouble("There is no window to open the recording in: open one, then record again.")
    before: Optional[Any] = window.activeView()
    document = program.createDocument(
        animation.width, animation.height, animation.name, "RGBA", "U8", "", POINTS_PER_INCH
    )
    document.setBatchmode(True)
    document.setFramesPerSecond(animation.frames_per_second)
    window.addView(document)
    yield Pause(SHOWN_MS)
    if not document.importAnimation([str(frame) for frame in animation.frames], 0, 1):
        raise Trouble("Krita could not read the recorded frames.")
    last = len(animation.frames) - 1
    document.setFullClipRangeStartTime(0)
    document.setFullClipRangeEndTime(last)
    document.setPlayBackRange(0, last)
    document.setBatchmode(False)
    if before is not None:
        window.showView(before)
    yield Pause(SHOWN_MS)
