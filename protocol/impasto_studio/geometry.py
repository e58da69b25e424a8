"""Boxes of whole pixels in a document's coordinates."""

from typing import NamedTuple, Optional, Tuple

__all__ = ["Box"]


class Box(NamedTuple):
    """Left, top, width and height in document pixels. May lie partly or wholly beyond the document."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column that is not inside."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row that is not inside."""
        return self.y + self.height

    @property
    def size(self) -> Tuple[int, int]:
        return self.width, self.height

    @property
    def area(self) -> int:
        return self.width * self.height

    def grown(self, left: int, top: int, right: int, bottom: int) -> "Box":
        """With these margins added; negative ones take away."""
        return Box(self.x - left, self.y - top, self.width + left + right, self.height + top + bottom)

    def common(self, other: "Box") -> Optional["Box"]:
        """What both cover; None when that is nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width, height = min(self.right, other.right) - x, min(self.bottom, other.bottom) - y
        return Box(x, y, width, height) if width > 0 and height > 0 else None

    def moved(self, x: int, y: int) -> "Box":
        return Box(self.x + x, self.y + y, self.width, self.height)
