"""Pictures that tests compare, and the colours they should have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.hosts.krita.harness import Krita

SPACES = [
    ("RGBA", "U8"),
    ("RGBA", "U16"),
    ("RGBA", "F16"),
    ("RGBA", "F32"),
    ("GRAYA", "U8"),
    ("GRAYA", "U16"),
    ("GRAYA", "F32"),
    ("CMYKA", "U8"),
    ("CMYKA", "U16"),
    ("CMYKA", "F32"),
    ("LABA", "U8"),
    ("LABA", "U16"),
    ("LABA", "F32"),
]


def colourful(width: int, height: int, seed: int = 5) -> np.ndarray:
    """Opaque sRGB, RGBA8, (height, width, 4): smooth colours, so that a shift by a pixel is seen and noise
    is not."""
    y, x = np.mgrid[0:height, 0:width]
    picture = np.empty((height, width, 4), np.uint8)
    picture[..., 0] = 40 + 170 * x // max(width - 1, 1)
    picture[..., 1] = 60 + 140 * y // max(height - 1, 1)
    picture[..., 2] = 90 + (37 * seed) % 120
    picture[..., 3] = 255
    return picture


class Easel:
    """A document in front of Krita, with numpy arrays going in and out."""

    def __init__(self, krita: Krita, folder: Path, **document: Any) -> None:
        self.krita, self.folder = krita, folder
        if document:
            krita.call("documents.make", **document)
        self.name: str = self.scene()["document"]

    def scene(self) -> Any:
        return self.krita.call("under_test.scene")

    def tree(self) -> Any:
        return self.krita.call("documents.tree")

    def background(self) -> str:
        return str(self.tree()[0][2])

    def file(self, picture: np.ndarray) -> str:
        path = self.folder / "pixels"
        path.write_bytes(picture.tobytes())
        return str(path)

    def seen(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """What an artist sees, RGBA8, asked of Krita without the host under test."""
        path = self.folder / "seen"
        self.krita.call("documents.projection", box=[x, y, width, height], file=str(path))
        rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(height, width, 4)
        return rows[..., [2, 1, 0, 3]]

    def capture(self, box: tuple[int, int, int, int], **more: Any) -> dict[str, Any]:
        """The answer, with its pictures as arrays."""
        answer = self.krita.call(
            "under_test.capture", document=self.name, box=list(box), folder=str(self.folder), **more
        )
        for key, (width, height, kind) in answer.get("pictures", {}).items():
            shape = (height, width) if kind == "gray8" else (height, width, 4)
            answer[key] = np.frombuffer((self.folder / key).read_bytes(), np.uint8).reshape(shape)
        return dict(answer)

    def insert(self, picture: np.ndarray, x: int = 0, y: int = 0, name: str = "take", **more: Any) -> Any:
        """Inserts an array: RGB8 or RGBA8 by its depth, RGBA16 by its type, GRAY8 by its shape."""
        if picture.dtype == np.uint16:
            kind = "rgba16"
        else:
            kind = "gray8" if picture.ndim == 2 else {3: "rgb8", 4: "rgba8"}[picture.shape[2]]
        return self.krita.call(
            "under_test.insert",
            document=self.name,
            name=name,
            x=x,
            y=y,
            width=picture.shape[1],
            height=picture.shape[0],
            format=kind,
            file=self.file(picture),
            **more,
        )
