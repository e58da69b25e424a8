"""What an artist can tell a `TextureStudio` to do. Panels are written against this."""

from typing import Protocol

from impasto_studio.texture.intent import TextureIntent

__all__ = ["TextureCommands"]


class TextureCommands(Protocol):
    """Every method returns at once and is called on the UI thread; what came of it is in the next view."""

    def change(self, intent: TextureIntent) -> None: ...
    def start(self) -> None:
        """Paints the selected objects. The textures are put on as soon as they are finished."""

    def project(self, picture: str, camera: str) -> None:
        """Lays an image, as seen through a camera ("": the current view), onto the selected objects; where it
        shows something else that stands in the way, that is left out. Nothing is painted by a model."""

    def edit(self, mask: str) -> None:
        """Paints what the current view shows of the selected objects anew, at `intent.strength`, where the
        image `mask` is bright ("": everywhere); the rest of their textures stays."""

    def repaint_view(self, job: str, view: int) -> None:
        """One view of a finished job with another seed; the others keep their pictures."""

    def reproject(self, job: str) -> None:
        """The pictures of a finished job once more, onto the objects as they are now."""

    def show_views(self, job: str) -> None:
        """The views of a finished job as images, for looking at and painting on."""

    def inspect(self, what: str) -> None:
        """One of `TEXTURE_MAPS` over the selected objects, for the views at hand; "": away with it."""

    def apply(self, job: str) -> None:
        """A finished job's textures once more: after an undo, or when they could not be put on."""

    def cancel(self, job: str) -> None: ...
    def cancel_all(self) -> None: ...
    def dismiss(self, job: str) -> None: ...
    def retry(self, job: str) -> None: ...
    def discard(self, job: str) -> None: ...
    def start_server(self) -> None: ...
    def dismiss_notice(self) -> None: ...
