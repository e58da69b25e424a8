"""Which take is looked at: a small state machine without pixels, documents or threads."""

from typing import Optional, Tuple

__all__ = ["Comparison"]

Take = Tuple[str, int]  # job, index


class Comparison:
    """The takes of one job, one of them shown; and what the pointer is on, which goes before.

    closed ── open ──▶ showing(n) ── step, show ──▶ showing(m) ── close ──▶ closed
    In every state a `hover` shows another take for as long as it lasts.
    """

    def __init__(self) -> None:
        self.job = ""  # empty: closed
        self.document = ""
        self.shown = -1
        self.hovered: Optional[Take] = None

    @property
    def take(self) -> Optional[Take]:
        """The take being compared."""
        return (self.job, self.shown) if self.job else None

    @property
    def visible(self) -> Optional[Take]:
        """The take to be seen over the canvas."""
        return self.hovered or self.take

    def open(self, document: str, job: str, index: int = 0) -> None:
        self.document, self.job, self.shown = document, job, index

    def step(self, by: int, count: int) -> None:
        """`count`: takes there are now; while their job runs they become more."""
        if self.job:
            self.shown = (self.shown + by) % count

    def hover(self, take: Optional[Take]) -> None:
        self.hovered = take

    def close(self) -> None:
        self.job, self.document, self.shown = "", "", -1

    def gone(self, job: str) -> None:
        """That job's takes are no more."""
        if self.job == job:
            self.close()
        if self.hovered is not None and self.hovered[0] == job:
            self.hovered = None
