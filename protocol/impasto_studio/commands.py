"""What an artist can tell a `Studio` to do. Panels are written against this, and tried with a recorder."""

from typing import Protocol, Sequence, Tuple

from impasto_studio.intent import Intent
from impasto_studio.settings import Settings

__all__ = ["Commands"]


class Commands(Protocol):
    """Every method returns at once and is called on the UI thread; what came of it is in the next `View`."""

    def change(self, intent: Intent) -> None:
        """The panel's fields have changed."""

    def start(self) -> None:
        """The main button, by the mode of the intent."""

    def cancel(self, job: str) -> None:
        """Stops a job. The takes it has finished stay."""

    def cancel_all(self) -> None: ...
    def dismiss(self, job: str) -> None:
        """Takes a failed job off the list. The takes it has finished stay."""

    def retry(self, job: str) -> None:
        """A failed job again, with the same pixels."""

    def compare(self, job: str, index: int) -> None:
        """Shows a take over the canvas: from the takes or from the history."""

    def hover(self, job: str, index: int) -> None:
        """Shows a take while the pointer is on it; index -1: the pointer has left."""

    def step(self, by: int) -> None:
        """The next (1) or previous (-1) take of those being compared; around the end."""

    def apply(self) -> None:
        """The shown take becomes a layer."""

    def put_away(self) -> None:
        """Ends the comparison without applying; the takes stay in the history."""

    def reuse(self, job: str, index: int) -> None:
        """The take's prompt, seed and settings become the intent."""

    def favourite(self, job: str, index: int, on: bool) -> None: ...
    def discard(self, job: str) -> None:
        """Removes a job's takes from the history, for good. If it is still painting, it is stopped."""

    def look_at(self, takes: Sequence[Tuple[str, int]]) -> None:
        """The takes (job, index) of the history that the panel shows now: their thumbnails come first.
        Without a word, the newest ones come."""

    def paint_again(self) -> None:
        """The active layer's recipe once more, with another seed."""

    def make_map(self, row: int) -> None:
        """The control row's kind is made from what the artist sees, and becomes a layer of that row."""

    def start_server(self) -> None: ...
    def set_live(self, on: bool) -> None:
        """Previews follow the drawing; switching it on chooses the mode "live"."""

    def pin_live(self) -> None:
        """The preview, as it is, becomes a layer."""

    def record_live(self, on: bool) -> None:
        """From now on previews are kept; switched off, they become an animation in a document of its own."""

    def dismiss_notice(self) -> None: ...
    def change_settings(self, settings: Settings) -> None:
        """The settings page has changed."""
