"""A take comes into the document with its colours, in its place, as one undo step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.krita.harness import Krita
from tests.hosts.krita.pictures import SPACES, Easel, colourful

pytestmark = pytest.mark.usefixtures("closed_afterwards")

WIDTH, HEIGHT = 96, 64
TOLERANCE = {  # of 255; Krita dithers, and a step of 8-bit Lab is several of sRGB
    ("CMYKA", "U8"): 2,
    ("CMYKA", "U16"): 2,
    ("LABA", "U8"): 6,
}


def names(tree: list[Any]) -> list[Any]:
    """Names bottom first; a node with children as (name, [children])."""
    return [(row[0], names(row[4])) if row[4] else row[0] for row in tree]


def ring(width: int, height: int) -> np.ndarray:
    """A colourful disc with a soft edge; nothing around it."""
    picture = colourful(width, height)
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot((x - width / 2) / (width / 2), (y - height / 2) / (height / 2))
    picture[..., 3] = np.clip((1 - distance) * 600, 0, 255)
    return picture


def converted_by_krita(krita: Krita, folder: Path, picture: np.ndarray, model: str, depth: str) -> np.ndarray:
    """What an artist sees after "Convert Image Color Space" of a plain picture."""
    height, width = picture.shape[:2]
    easel = Easel(krita, folder, width=width, height=height)
    file = easel.file(picture[..., [2, 1, 0, 3]])
    krita.call("documents.paint", layer=easel.background(), file=file, x=0, y=0, width=width, height=height)
    krita.call("documents.convert", model=model, depth=depth)
    seen = easel.seen(0, 0, width, height)
    krita.call("documents.close")
    return seen


@pytest.mark.parametrize(("model", "depth"), SPACES)
def test_colours_in_any_document(krita: Krita, tmp_path: Path, model: str, depth: str) -> None:
    """RGB and gray come back within 1/255. CMYK and Lab come back as Krita has these colours when it
    converts a picture of them into this space: Krita 5.1.5 itself does not read back what it wrote (CMYK:
    up to 28, 8-bit and 16-bit Lab: up to 14). Linear 16-bit gray is stored right, but Krita reads it
    wrongly below 48, by up to 10."""
    picture = colourful(40, 30)
    if model == "GRAYA":
        picture[..., :3] = np.maximum(picture[..., :1], 48)
    if model in ("CMYKA", "LABA"):
        picture = converted_by_krita(krita, tmp_path, picture, model, depth)
    easel = Easel(krita, tmp_path, model=model, depth=depth, width=WIDTH, height=HEIGHT)
    before = easel.seen(0, 0, WIDTH, HEIGHT)
    answer = easel.insert(
        colourful(40, 30) if model in ("CMYKA", "LABA") else picture, 17, 11, name="a red circle"
    )
    assert "failed" not in answer, answer
    after = easel.seen(0, 0, WIDTH, HEIGHT)
    difference = np.abs(after[11:41, 17:57].astype(int) - picture)
    assert difference.max() <= TOLERANCE.get((model, depth), 1)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[11:41, 17:57] = False
    assert np.array_equal(after[outside], before[outside])
    tree = easel.tree()
    assert names(tree) == ["Background", "a red circle"]
    assert tree[1][2:4] == [answer["done"], [17, 11, 40, 30]]
    assert krita.call("documents.state")["space"][:2] == [model, depth]
    assert easel.scene()["layer"] == answer["done"]
    krita.call("documents.undo")
    assert names(easel.tree()) == ["Background"]
    assert np.array_equal(easel.seen(0, 0, WIDTH, HEIGHT), before)
    krita.call("documents.redo")
    assert names(easel.tree()) == ["Background", "a red circle"]
    assert np.array_equal(easel.seen(0, 0, WIDTH, HEIGHT), after)


@pytest.mark.parametrize("depth", ["U8", "F32"])
@pytest.mark.parametrize("insert", ["layer", "group", "mask"])
def test_one_undo_step(krita: Krita, tmp_path: Path, insert: str, depth: str) -> None:
    easel = Easel(krita, tmp_path, depth=depth, width=WIDTH, height=HEIGHT)
    krita.call("documents.add", name="own layer")
    before = easel.tree()
    seen = easel.seen(0, 0, WIDTH, HEIGHT)
    answer = easel.insert(ring(40, 30), 17, 11, insert=insert)
    assert "failed" not in answer, answer
    changed = easel.seen(0, 0, WIDTH, HEIGHT)
    assert not np.array_equal(changed, seen)
    after = easel.tree()
    assert len(after) == 3
    krita.call("documents.undo")
    assert easel.tree() == before
    assert np.array_equal(easel.seen(0, 0, WIDTH, HEIGHT), seen)
    krita.call("documents.redo")
    assert easel.tree() == after
    assert np.array_equal(easel.seen(0, 0, WIDTH, HEIGHT), changed)


def test_the_alpha_of_a_take(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    take = ring(40, 30)
    easel.insert(take, 17, 11)
    seen = easel.seen(17, 11, 40, 30)
    alpha = take[..., 3:].astype(float) / 255
    expected = take[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(seen[..., :3] - expected).max() <= 1


@pytest.mark.parametrize("depth", ["U8", "F32"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_mask_holds_the_alpha(krita: Krita, tmp_path: Path, depth: str, deep: bool) -> None:
    """The layer below it is opaque: the artist may paint the mask away."""
    easel = Easel(krita, tmp_path, depth=depth, width=WIDTH, height=HEIGHT)
    take = ring(40, 30)
    plain = Easel(krita, tmp_path, depth=depth, width=WIDTH, height=HEIGHT)
    plain.insert(take, 17, 11)
    expected = plain.seen(0, 0, WIDTH, HEIGHT)
    krita.call("documents.close")
    answer = easel.insert(take.astype(np.uint16) * 257 if deep else take, 17, 11, insert="mask", name="disc")
    assert np.abs(easel.seen(0, 0, WIDTH, HEIGHT).astype(int) - expected).max() <= 1
    layer = easel.tree()[1]
    assert layer[0] == "disc"
    assert layer[2:4] == [answer["done"], [17, 11, 40, 30]]
    [mask] = layer[4]
    assert mask[1] == "transparencymask"
    krita.call("documents.native", layer=mask[2], box=[17, 11, 40, 30], file=str(tmp_path / "mask"))
    assert np.array_equal(np.frombuffer((tmp_path / "mask").read_bytes(), np.uint8), take[..., 3].ravel())
    size = 8 if deep else 4
    krita.call("documents.native", layer=layer[2], box=[17, 11, 40, 30], file=str(tmp_path / "layer"))
    assert set((tmp_path / "layer").read_bytes()[size - 1 :: size]) == {255}


def test_a_group_holds_the_layer(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    answer = easel.insert(colourful(40, 30), 17, 11, insert="group", name="disc")
    assert names(easel.tree()) == ["Background", ("disc", ["disc"])]
    assert easel.tree()[1][1] == "grouplayer"
    assert easel.tree()[1][4][0][2:4] == [answer["done"], [17, 11, 40, 30]]


@pytest.mark.parametrize("depth", ["U8", "U16"])
def test_replacing_paints_onto_the_active_layer(krita: Krita, tmp_path: Path, depth: str) -> None:
    """Two undo steps, the fewest that Krita allows: the layer, and merging it down."""
    easel = Easel(krita, tmp_path, depth=depth, width=WIDTH, height=HEIGHT)
    before = easel.seen(0, 0, WIDTH, HEIGHT)
    tree = easel.tree()
    take = ring(40, 30)
    answer = easel.insert(take, 17, 11, insert="replace")
    assert names(easel.tree()) == ["Background"]
    assert easel.tree()[0][2] == answer["done"]
    seen = easel.seen(0, 0, WIDTH, HEIGHT)
    centre = seen[20:32, 30:44, :3].astype(int) - take[9:21, 13:27, :3]
    assert np.abs(centre).max() <= 1
    assert np.array_equal(seen[:11], before[:11])
    krita.call("documents.undo")
    krita.call("documents.undo")
    assert easel.tree() == tree
    assert np.array_equal(easel.seen(0, 0, WIDTH, HEIGHT), before)


def test_sixteen_bits_stay_sixteen(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, depth="U16", width=WIDTH, height=HEIGHT)
    y, x = np.mgrid[0:30, 0:40]
    deep = np.stack([x * 1000 + 7, y * 1500 + 3, x * 500 + y, np.full_like(x, 65535)], -1).astype(np.uint16)
    answer = easel.insert(deep, 17, 11)
    krita.call("documents.native", layer=answer["done"], box=[17, 11, 40, 30], file=str(tmp_path / "native"))
    native = np.frombuffer((tmp_path / "native").read_bytes(), "<u2").reshape(30, 40, 4)
    assert np.array_equal(native[..., [2, 1, 0, 3]], deep)
    assert np.abs(easel.seen(17, 11, 40, 30) - deep / 257).max() <= 1


def test_pictures_without_alpha_and_without_colour(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    picture = colourful(41, 30)  # an odd width: rows of RGB8 without padding
    easel.insert(np.ascontiguousarray(picture[..., :3]), 1, 2)
    assert np.array_equal(easel.seen(1, 2, 41, 30), picture)
    easel.insert(np.ascontiguousarray(picture[..., 0]), 1, 2, insert="mask")
    seen = easel.seen(1, 2, 41, 30)
    assert np.array_equal(seen[..., 1], picture[..., 0])
    assert (seen[..., 3] == 255).all()


def test_above_the_layer_that_is_named(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    krita.call("documents.add", name="second")
    krita.call("documents.add", name="third")
    easel.insert(ring(10, 10), name="low", above=easel.background())
    assert names(easel.tree()) == ["Background", "low", "second", "third"]
    krita.call("documents.select", boxes=[[0, 0, 10, 10]])
    easel.insert(ring(10, 10), name="top", above=easel.tree()[-2][2])
    assert [row[0] for row in easel.tree() if row[1] == "paintlayer"] == [
        "Background",
        "low",
        "second",
        "third",
        "top",
    ]


def test_inside_the_group_of_the_active_layer(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    group = krita.call("documents.add", name="group", kind="grouplayer")
    inside = krita.call("documents.add", name="inside", into=group)
    krita.call("documents.add", name="top")
    krita.call("documents.activate", layer=inside)
    easel.insert(ring(10, 10))
    assert names(easel.tree()) == ["Background", ("group", ["inside", "take"]), "top"]


def test_beside_the_layer_of_an_active_mask(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    answer = easel.insert(ring(10, 10), insert="mask", name="masked")
    mask = easel.tree()[1][4][0][2]
    krita.call("documents.activate", layer=mask)
    easel.insert(ring(10, 10), name="next", above=mask)
    assert names(easel.tree()) == ["Background", ("masked", ["Transparency Mask"]), "next"]
    assert easel.tree()[1][2] == answer["done"]


def test_the_layer_it_belongs_above_was_deleted(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    gone = krita.call("documents.add", name="gone")
    krita.call("documents.remove", layer=gone)
    answer = easel.insert(ring(10, 10), above=gone)
    assert "done" in answer
    assert names(easel.tree()) == ["Background", "take"]
    answer = easel.insert(ring(10, 10), above=gone, insert="replace")
    assert "gone" in answer["failed"]
    assert names(easel.tree()) == ["Background", "take"]


def test_locked_and_animated_layers(krita: Krita, tmp_path: Path) -> None:
    """A new layer goes above them; they themselves are not painted over."""
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    background = easel.background()
    krita.call("documents.set_locked", layer=background, locked=True)
    answer = easel.insert(ring(10, 10), insert="replace")
    assert "locked" in answer["failed"]
    assert "Background" in answer["failed"]
    assert "done" in easel.insert(ring(10, 10), name="above locked")
    krita.call("documents.set_locked", layer=background, locked=False)
    krita.call("documents.activate", layer=background)
    krita.call("documents.animate", layer=background)
    assert "animated" in easel.insert(ring(10, 10), insert="replace")["failed"]
    assert "done" in easel.insert(ring(10, 10), name="above animated")
    assert names(easel.tree()) == ["Background", "above animated", "above locked"]


def test_replacing_a_group_is_refused(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    group = krita.call("documents.add", name="group", kind="grouplayer")
    assert "group" in easel.insert(ring(10, 10), insert="replace", above=group)["failed"]
    assert names(easel.tree()) == ["Background", "group"]


def test_one_pixel(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=1, height=1)
    assert easel.scene()["size"] == [1, 1]
    for insert in ("layer", "group", "mask", "replace"):
        assert "done" in easel.insert(np.array([[[200, 90, 40, 255]]], np.uint8), insert=insert)
        assert easel.seen(0, 0, 1, 1).tolist() == [[[200, 90, 40, 255]]]
    assert easel.capture((0, 0, 1, 1))["image"].tolist() == [[[200, 90, 40, 255]]]


def test_beyond_the_edges(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    picture = colourful(40, 30)
    easel.insert(picture, -20, -10)
    assert np.array_equal(easel.seen(0, 0, 20, 20), picture[10:, 20:])
    assert easel.tree()[1][3] == [-20, -10, 40, 30]


def test_expanding_the_canvas(krita: Krita, tmp_path: Path) -> None:
    """Positions are those of the document before; two undo steps."""
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    easel.insert(ring(40, 30), 17, 11, name="own")
    before = easel.tree()
    picture = colourful(WIDTH + 30, HEIGHT + 20)
    answer = easel.insert(picture, -30, 0, resize=[-30, 0, WIDTH + 30, HEIGHT + 20])
    assert "done" in answer
    assert easel.scene()["size"] == [WIDTH + 30, HEIGHT + 20]
    assert np.array_equal(easel.seen(0, 0, WIDTH + 30, HEIGHT + 20), picture)
    x, y, width, height = before[1][3]
    assert easel.tree()[1][3] == [x + 30, y, width, height]
    krita.call("documents.undo")
    krita.call("documents.undo")
    assert easel.tree() == before
    assert easel.scene()["size"] == [WIDTH, HEIGHT]


def test_scaling_the_document(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    picture = colourful(2 * WIDTH, 2 * HEIGHT)
    easel.insert(picture, resize=[0, 0, 2 * WIDTH, 2 * HEIGHT], scale=True)
    assert np.array_equal(easel.seen(0, 0, 2 * WIDTH, 2 * HEIGHT), picture)
    assert easel.tree()[0][3] == [0, 0, 2 * WIDTH, 2 * HEIGHT]


@pytest.mark.parametrize("insert", ["layer", "mask"])
def test_a_document_closed_in_the_middle(krita: Krita, tmp_path: Path, insert: str) -> None:
    easel = Easel(krita, tmp_path, depth="F32", width=1500, height=1000)
    answer = easel.insert(colourful(1500, 1000), insert=insert, meanwhile="close")
    assert "closed" in answer["failed"]
    assert answer["answers"] == 1


def test_another_document_in_front(krita: Krita, tmp_path: Path) -> None:
    """The take goes where it belongs."""
    first = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    second = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    assert first.name != second.name
    for insert in ("layer", "group", "mask"):
        assert "done" in first.insert(ring(10, 10), insert=insert)
    assert names(second.tree()) == ["Background"]
    krita.call("documents.close")
    krita.call("documents.close")
