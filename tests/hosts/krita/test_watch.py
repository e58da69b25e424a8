"""What the artist sees is followed: each change soon, nothing while nothing changes, the last one always."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture
from impasto_studio.png import png

from tests.hosts.krita.harness import Krita
from tests.hosts.krita.pictures import SPACES, Easel, colourful

pytestmark = pytest.mark.usefixtures("closed_afterwards")


@pytest.fixture(autouse=True)
def _not_watched_afterwards(krita: Krita) -> Iterator[None]:
    yield
    if krita.process.poll() is None:
        krita.call("under_test.watch")


class Watched(Easel):
    """An easel whose document is followed, and what came of it."""

    def follow(self, box: tuple[int, int, int, int], width: int, height: int, **more: Any) -> None:
        self.size = width, height
        self.krita.call(
            "under_test.watch", document=self.name, box=list(box), width=width, height=height, **more
        )
        self.told = self.krita.call("under_test.seen", count=1)
        self.box = list(box)

    def rest(self) -> int:
        """How many pictures have come when no more come."""
        return int(self.krita.call("under_test.rests"))

    def newest(self) -> dict[str, np.ndarray]:
        found = {}
        for key, (width, height, kind) in self.krita.call(
            "under_test.newest", folder=str(self.folder)
        ).items():
            shape = (height, width) if kind == "gray8" else (height, width, 4)
            found[key] = np.frombuffer((self.folder / key).read_bytes(), np.uint8).reshape(shape)
        return found

    def expected(self) -> np.ndarray:
        """The document as it is now, as a watch that begins now would see it."""
        width, height = self.size
        self.krita.call(
            "under_test.expected", box=self.box, width=width, height=height, folder=str(self.folder)
        )
        return np.frombuffer((self.folder / "expected").read_bytes(), np.uint8).reshape(height, width, 4)

    def paint(self, picture: np.ndarray, x: int, y: int) -> None:
        """B, G, R, A into the background; Krita composites it."""
        self.krita.call(
            "documents.paint",
            layer=self.background(),
            file=self.file(picture),
            x=x,
            y=y,
            width=picture.shape[1],
            height=picture.shape[0],
        )


def test_the_first_picture_comes_by_itself_and_then_nothing(krita: Krita, tmp_path: Path) -> None:
    easel = Watched(krita, tmp_path, width=300, height=200)
    easel.insert(colourful(300, 200))
    easel.follow((0, 0, 300, 200), 152, 104)
    assert easel.rest() == 1
    assert np.array_equal(easel.newest()["image"], easel.expected())
    krita.call("under_test.stalls", seconds=1.0)
    assert easel.rest() == 1


def test_without_scaling_it_is_the_projection_itself(krita: Krita, tmp_path: Path) -> None:
    easel = Watched(krita, tmp_path, width=320, height=200)
    easel.insert(colourful(320, 200))
    easel.follow((40, 16, 256, 176), 256, 176)
    assert np.array_equal(easel.newest()["image"], easel.seen(40, 16, 256, 176))


@pytest.mark.parametrize(("width", "height"), [(1000, 700), (130, 90), (2048, 64), (64, 1500)])
def test_a_change_is_told_and_only_once(krita: Krita, tmp_path: Path, width: int, height: int) -> None:
    """Documents that are made smaller, and larger, in bands that do not divide them."""
    easel = Watched(krita, tmp_path, width=width, height=height)
    easel.follow((0, 0, width, height), 256, 184)
    before = easel.rest()
    easel.paint(colourful(30, 20), width // 2, height // 2)
    assert krita.call("under_test.seen", count=before + 1) > before
    after = easel.rest()
    assert np.array_equal(easel.newest()["image"], easel.expected())
    assert len(np.unique(easel.newest()["image"])) > 2
    easel.rest()
    assert easel.rest() == after


def test_the_same_document_gives_the_same_picture_whatever_changed_last(krita: Krita, tmp_path: Path) -> None:
    easel = Watched(krita, tmp_path, width=700, height=900)
    easel.follow((0, 0, 700, 900), 240, 312)
    for x, y in ((10, 10), (300, 420), (600, 850)):
        easel.paint(colourful(90, 45, seed=x), x, y)
    easel.rest()
    by_parts = easel.newest()["image"]
    easel.follow((0, 0, 700, 900), 240, 312)
    assert np.array_equal(by_parts, easel.newest()["image"])


@pytest.mark.parametrize(("model", "depth"), SPACES)
def test_every_colour_model_and_depth(krita: Krita, tmp_path: Path, model: str, depth: str) -> None:
    easel = Watched(krita, tmp_path, model=model, depth=depth, width=160, height=128)
    easel.follow((0, 0, 160, 128), 160, 128)
    before = easel.rest()
    easel.insert(colourful(100, 60), 20, 30)
    krita.call("under_test.seen", count=before + 1)
    easel.rest()
    assert np.array_equal(easel.newest()["image"], easel.seen(0, 0, 160, 128))


def test_undo_and_hiding_a_layer_are_changes(krita: Krita, tmp_path: Path) -> None:
    easel = Watched(krita, tmp_path, width=256, height=256)
    easel.insert(colourful(256, 256))
    easel.follow((0, 0, 256, 256), 256, 256)
    coloured = easel.newest()["image"]
    count = easel.rest()
    krita.call("documents.undo")
    krita.call("under_test.seen", count=count + 1)
    count = easel.rest()
    assert (easel.newest()["image"] == 255).all()
    krita.call("documents.redo")
    krita.call("under_test.seen", count=count + 1)
    easel.rest()
    assert np.array_equal(easel.newest()["image"], coloured)


def test_the_selection_is_followed_too(krita: Krita, tmp_path: Path) -> None:
    easel = Watched(krita, tmp_path, width=256, height=256)
    easel.follow((0, 0, 256, 256), 128, 128, mask=True)
    assert not easel.newest()["mask"].any(), "nothing is selected"
    count = easel.rest()
    krita.call("documents.select", boxes=[[64, 32, 100, 60]])
    krita.call("under_test.seen", count=count + 1)
    easel.rest()
    mask = easel.newest()["mask"]
    assert mask[20, 40] == 255
    assert mask[60, 20] == 0
    assert krita.call("under_test.same_objects") == [True, False]
    krita.call("documents.deselect")


@pytest.mark.parametrize("space", [None, ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc")])
def test_a_layer_is_followed_by_itself(
    krita: Krita, tmp_path: Path, space: tuple[str, str, str] | None
) -> None:
    easel = Watched(krita, tmp_path, width=300, height=200)
    layer = krita.call("documents.add", name="lines", space=space)
    easel.follow((0, 0, 300, 200), 152, 104, controls=["", layer])
    assert not easel.newest()["control1"].any()
    before = easel.newest()["image"]
    count = easel.rest()
    rows = np.zeros((40, 50, 4), np.uint8 if space is None else np.uint16)
    rows[..., 3] = rows[..., 0] = 255 if space is None else 65535
    krita.call("documents.paint", layer=layer, file=easel.file(rows), x=100, y=80, width=50, height=40)
    krita.call("under_test.seen", count=count + 1)
    easel.rest()
    newest = easel.newest()
    assert newest["control1"][50, 60, 3] == 255
    assert newest["control1"][10, 10, 3] == 0
    assert newest["control1"][50, 60, 2] > 250, "blue: the first of B, G, R, A"
    assert not np.array_equal(newest["image"], before)
    assert np.array_equal(newest["image"], newest["control0"])


def test_our_own_preview_over_the_canvas_is_not_seen(krita: Krita, tmp_path: Path) -> None:
    easel = Watched(krita, tmp_path, width=256, height=256)
    easel.follow((0, 0, 256, 256), 256, 256)
    count = easel.rest()
    krita.call(
        "under_test.preview",
        document=easel.name,
        box=[0, 0, 256, 256],
        width=256,
        height=256,
        format="rgba8",
        file=easel.file(colourful(256, 256)),
    )
    assert easel.rest() == count
    krita.call("under_test.preview", document=easel.name, box=[], width=0, height=0, format="", file=None)


def test_while_the_document_is_gone_nothing_is_seen_and_it_may_come_back(
    krita: Krita, tmp_path: Path
) -> None:
    easel = Watched(krita, tmp_path, width=256, height=256)
    path = tmp_path / "kept.kra"
    assert krita.call("documents.save", path=str(path))
    easel.follow((0, 0, 256, 256), 256, 256)
    count = easel.rest()
    krita.call("documents.close")
    assert easel.rest() == count
    krita.call("documents.open_file", path=str(path))
    assert easel.scene()["document"] == easel.name
    easel.paint(colourful(30, 20), 10, 10)
    krita.call("under_test.seen", count=count + 1)
    easel.rest()
    assert np.array_equal(easel.newest()["image"], easel.expected())


def test_a_large_document_leaves_the_ui_thread_free(krita: Krita, tmp_path: Path) -> None:
    """8192²: 256 MiB are looked at again and again, a few milliseconds at a time."""
    easel = Watched(krita, tmp_path, width=8192, height=8192)
    krita.call("under_test.watch", document=easel.name, box=[0, 0, 8192, 8192], width=256, height=256)
    krita.call("under_test.seen", count=1, timeout_s=60)
    easel.box, easel.size = [0, 0, 8192, 8192], (256, 256)
    count = easel.rest()
    found = krita.call("under_test.stalls", seconds=3.0)
    print(f"8192²: stall {found['stall_ms']:.0f} ms, own {found['own_ms']:.0f} ms, busy {found['busy']:.0%}")
    easel.paint(colourful(600, 500), 4000, 7000)
    krita.call("under_test.seen", count=count + 1, timeout_s=60)
    easel.rest()
    assert np.array_equal(easel.newest()["image"], easel.expected())


# ── the pen ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(shutil.which("xdotool") is None, reason="not installed: xdotool")
def test_the_last_stroke_is_always_seen(krita: Krita, tmp_path: Path) -> None:
    """By hand, at 120 Hz: pictures come while the pen is down, and the last is what the stroke has left."""
    easel = Watched(krita, tmp_path, width=400, height=300)
    krita.call("canvases.fill_screen", width=1180, height=780)
    krita.call("canvases.turn", percent=100)
    left, top, width, height = krita.call("canvases.place")
    easel.follow((0, 0, 400, 300), 296, 224)
    for stroke in range(5):
        count = easel.rest()
        x, y = left + width // 2 - 100, top + height // 2 - 60 + 25 * stroke
        words: list[object] = ["mousemove", x, y, "mousedown", 1]
        for step in range(1, 50):
            words += ["mousemove", x + 4 * step, y + step % 5, "sleep", "0.008"]
        subprocess.run(["xdotool", *map(str, words)], env=krita.screen.environment, check=True, timeout=60)
        assert krita.call("under_test.pen") is True
        assert krita.call("under_test.seen", count=count + 2) > count + 1, "it follows while the pen is down"
        subprocess.run(["xdotool", "mouseup", "1"], env=krita.screen.environment, check=True, timeout=60)
        easel.rest()
        assert krita.call("under_test.pen") is False
        assert np.array_equal(easel.newest()["image"], easel.expected())


# ── layers of another size, animations ───────────────────────────────────────────────────────────────────


def test_a_small_picture_is_put_in_as_large_as_what_it_shows(krita: Krita, tmp_path: Path) -> None:
    """Smooth, without seams between the slices it is filled in, in one undo step."""
    easel = Easel(krita, tmp_path, width=600, height=500)
    picture = colourful(64, 48)
    answer = easel.insert(picture, 30, 20, size=[512, 384])
    assert "done" in answer, answer
    assert easel.tree()[1][3] == [30, 20, 512, 384]
    seen = easel.seen(30, 20, 512, 384).astype(int)
    assert np.abs(seen[4, 4] - picture[0, 0]).max() <= 3
    assert np.abs(seen[-5, -5] - picture[-1, -1]).max() <= 3
    steps = np.abs(np.diff(seen[..., :3], axis=0)).max()
    assert steps <= 3, "no seam"
    krita.call("documents.undo")
    assert len(easel.tree()) == 1
    answer = easel.insert(colourful(512, 384), 0, 0, size=[100, 75])
    assert easel.tree()[1][3] == [0, 0, 100, 75]


def test_frames_become_an_animation_behind_the_document_in_front(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=96, height=64)
    frames = []
    for shade in (10, 120, 230):
        frame = tmp_path / f"{shade}.png"
        frame.write_bytes(
            png(Picture(200, 72, PixelFormat.RGB8, bytes([shade, 0, 255 - shade]) * (200 * 72)))
        )
        frames.append(str(frame))
    answer = krita.call(
        "under_test.animate", name='a fox & "hen"', width=200, height=72, frames=frames, rate=12
    )
    assert answer["done"] is True
    made = krita.call("anims.info")
    assert (made["layer"], made["size"], made["rate"], made["last"]) == ('a fox & "hen"', [200, 72], 12, 2)
    assert made["keyframes"] == [True, True, True, False]
    assert (made["file"], made["modified"], made["in front"]) == ("", True, False)
    assert easel.scene()["document"] == easel.name
    for time, shade in enumerate((10, 120, 230)):
        pixels = np.frombuffer(base64.b64decode(krita.call("anims.frame", time=time)), np.uint8)
        assert (pixels.reshape(72, 200, 4) == (shade, 0, 255 - shade, 255)).all()
    krita.call("anims.close")


def test_frames_that_cannot_be_read_are_said(krita: Krita, tmp_path: Path) -> None:
    Easel(krita, tmp_path, width=96, height=64)
    before = krita.call("documents.state")["open"]
    (tmp_path / "broken.png").write_bytes(b"nothing")
    answer = krita.call(
        "under_test.animate", name="x", width=8, height=8, frames=[str(tmp_path / "broken.png")], rate=12
    )
    assert "could not read" in answer["failed"]
    assert krita.call("documents.state")["open"] == before
