"""What stays: ids, annotations, settings; through saving, copying and closing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.hosts.krita.harness import Krita
from tests.hosts.krita.pictures import Easel, colourful

pytestmark = pytest.mark.usefixtures("closed_afterwards")


def test_annotations_and_layer_ids_are_saved(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=96, height=64)
    ids = [
        easel.insert(colourful(20, 20), insert=insert, name=insert)["done"]
        for insert in ("layer", "mask", "group")
    ]
    recipe = '{"prompt": "été — 夏"}' * 1000
    krita.call("under_test.remember", document=easel.name, key="recipes", text=recipe)
    tree, scene = easel.tree(), easel.scene()
    seen = easel.seen(0, 0, 96, 64)
    file = str(tmp_path / "saved.kra")
    assert krita.call("documents.save", path=file)
    krita.call("documents.close")
    krita.call("documents.open_file", path=file)
    again = Easel(krita, tmp_path)
    assert again.name == easel.name
    assert again.tree() == tree
    assert again.scene()["layers"] == scene["layers"]
    assert {layer for layer, _ in scene["layers"]} >= set(ids)
    assert krita.call("under_test.recall", document=easel.name, key="recipes") == recipe
    assert krita.call("under_test.recall", document=easel.name, key="nothing") == ""
    assert np.array_equal(again.seen(0, 0, 96, 64), seen)
    krita.call("documents.close")


def test_a_file_keeps_its_id_without_being_saved_again(krita: Krita, tmp_path: Path) -> None:
    file = str(tmp_path / "strange.png")
    Easel(krita, tmp_path, width=32, height=32)
    krita.call("documents.export", path=file)
    krita.call("documents.close")
    names = []
    for _ in range(2):
        krita.call("documents.open_file", path=file)
        names.append(krita.call("under_test.scene")["document"])
        assert not krita.call("documents.state")["modified"]
        krita.call("documents.close")
    assert names[0] == names[1]
    assert len(names[0]) == 32


def test_a_copy_open_beside_it_is_another_document(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=32, height=32)
    file = tmp_path / "one.kra"
    krita.call("documents.save", path=str(file))
    copy = tmp_path / "two.kra"
    copy.write_bytes(file.read_bytes())
    krita.call("documents.open_file", path=str(copy))
    other = Easel(krita, tmp_path)
    assert other.name != easel.name
    assert other.scene()["document"] == other.name
    assert "done" in easel.insert(colourful(5, 5))
    assert len(other.tree()) == 1
    krita.call("documents.close")
    assert len(easel.tree()) == 2
    krita.call("documents.close")


def test_nothing_happens_to_closed_documents(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=32, height=32)
    krita.call("documents.close")
    krita.call("under_test.remember", document=easel.name, key="a", text="b")
    assert krita.call("under_test.recall", document=easel.name, key="a") == ""
    answer = easel.insert(colourful(5, 5))
    assert "closed" in answer["failed"]
    assert krita.call("under_test.scene") is None


def test_what_is_remembered_can_be_changed(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=32, height=32)
    for text in ("first", "second, and longer", ""):
        krita.call("under_test.remember", document=easel.name, key="a", text=text)
        assert krita.call("under_test.recall", document=easel.name, key="a") == text
    assert not krita.call("documents.state")["modified"]
    krita.call("documents.close")


def test_settings(krita: Krita) -> None:
    text = 'ü, [x]=\n"quoted" \\ {"a": [1, 2]}'
    assert krita.call("under_test.settings", key="panel", text=text) == [text, ""]


def test_calls_from_other_threads_come_in_order(krita: Krita) -> None:
    assert krita.call("under_test.called_soon") == [["not yet", True], ["first", True], ["second", True]]


def test_the_host_says_what_it_is(krita: Krita) -> None:
    assert krita.call("under_test.name").startswith("Krita ")


def test_layers_top_first_and_groups_before_what_is_in_them(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=32, height=32)
    group = krita.call("documents.add", name="group", kind="grouplayer")
    krita.call("documents.add", name="in group", into=group)
    krita.call("documents.add", name="vectors", kind="vectorlayer")
    krita.call("documents.add", name="filter", kind="filterlayer")
    krita.call("documents.add", name="top")
    assert [name for _, name in easel.scene()["layers"]] == [
        "top",
        "vectors",
        "group",
        "in group",
        "Background",
    ]
    krita.call("documents.close")


def test_a_very_large_document(krita: Krita, tmp_path: Path) -> None:
    """12 000 × 15 000: what is read and put in costs what it covers."""
    easel = Easel(krita, tmp_path, width=12_000, height=15_000)
    picture = colourful(700, 500)
    answer = easel.insert(picture, 11_000, 14_000)
    assert "done" in answer
    krita.call("documents.select", boxes=[[11_000, 14_000, 700, 500]])
    assert easel.scene()["selection"] == [11_000, 14_000, 700, 500]
    captured = easel.capture((10_900, 13_950, 900, 600), mask=True, controls=[answer["done"]])
    assert np.array_equal(captured["image"][50:550, 100:800], picture)
    assert np.array_equal(captured["control0"][50:550, 100:800], picture)
    assert captured["mask"].sum() == 255 * 700 * 500
    krita.call("documents.close")
