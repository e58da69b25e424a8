"""`impasto pocket card`: words from the template, numbers from the figures, sheets as small pictures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from impasto_server.cli import main
from impasto_server.cli.pocket import LARGEST_SHEET
from impasto_server.pocket import card, curves
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"


def row(what: str, value: float, bar: float | None = None, met: bool | None = None) -> dict[str, Any]:
    about = {"what": what, "value": value, "n": 40, "unit": "share", "low": 0.5, "high": 0.9, "note": ""}
    return {**about, "bar": bar, "at_most": False, "met": met}


FIGURES: dict[str, Any] = {
    "measured": "2026-01-02",
    "software": {"torch": "1", "diffusers": "2"},
    "model": {
        "version": "7",
        "parts": {
            "UNet": {"parameters": 1_500_000, "bytes": 3_000_000},
            "LoRA": {"parameters": 5, "bytes": 6},
        },
    },
    "words": {"colours": ["red", "blue"]},
    "data": {"icons": {"one": "MIT", "two": "MIT", "three": "CC0"}},
    "parts": {"shapes": {"rows": [row("right", 0.775, 0.7, True), row("left", 0.5, 0.7, False)]}},
    "sheets": ["pairs-20", "unused"],
    "training": [{"stage": "unet <a>", "seconds": [60, 120], "loss": [0.5, 0.25], "samples": 1200}],
}


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("Version {{model.version}}.", "Version 7."),
        ("{{words.colours}}", "red, blue"),
        ("{{rows shapes}}", None),
        ("{{parts}}", "| UNet | 1.50 M | 3.0 MB |\n| LoRA | 0.00 M | 0.0 MB |"),
        ("{{megabytes UNet}} MB", "3.0 MB"),
        ("{{licences icons}}", "| one, two | MIT |\n| three | CC0 |"),
        ("![](pocket/{{sheet pairs-20}})", "![](pocket/pairs-20.jpg)"),
        ("{{missed}}", "| shapes | left | ≥ 70.0 % | 50.0 % | 50.0 % – 90.0 % | 40 | **not met** |"),
        ("![]({{curves}})", "![](loss.svg)"),
        ("{{if shapes}}Shapes.", "Shapes."),
    ],
)
def test_a_placeholder_becomes_what_the_figures_say(words: str, printed: str | None) -> None:
    page = card.page(words, FIGURES)
    if printed is None:
        assert page.splitlines()[0] == "| right | ≥ 70.0 % | 77.5 % | 50.0 % – 90.0 % | 40 | met |"
        assert page.splitlines()[1].endswith("| **not met** |")
    else:
        assert page == printed + "\n"


@pytest.mark.parametrize(
    "placeholder",
    ["model.native_px", "rows depth", "sheet depth", "licences photographs", "megabytes VAE", "if depth"],
)
def test_a_block_without_figures_is_left_out(placeholder: str) -> None:
    words = f"Before.\n\nSomething: {{{{{placeholder}}}}}\n\nAfter."
    assert card.page(words, FIGURES) == "Before.\n\nAfter.\n"


def test_a_heading_with_nothing_below_it_is_left_out() -> None:
    words = "# Card\n\n## Depth\n\n{{rows depth}}\n\n## Words\n\n### Colours\n\nRed.\n\n### None\n\n{{no}}"
    assert card.page(words, FIGURES) == "# Card\n\n## Words\n\n### Colours\n\nRed.\n"


def test_a_card_without_misses_has_no_table_of_them() -> None:
    good = {**FIGURES, "parts": {"shapes": {"rows": [row("right", 0.9, 0.7, True)]}}}
    assert card.page("{{missed}}", good) == "\n"


def test_a_mistyped_placeholder_is_an_error() -> None:
    with pytest.raises(ValueError, match="rowz shapes"):
        card.page("{{rowz shapes}}", FIGURES)


def test_no_number_stands_in_the_template() -> None:
    """Shares, decibels, seconds and counts come from the figures."""
    prose = re.sub(r"```.*?```|<!--.*?-->|\{\{.*?\}\}", "", card.template(), flags=re.DOTALL)
    assert re.findall(r"[\d.,]+(?= ?(?:%|dB|s\b|ms\b|M\b|MB\b|samples|prompts|pictures|words))", prose) == []


def test_loss_curves_fall_from_left_to_right() -> None:
    drawing = curves.drawing(FIGURES["training"])
    points = re.search(r'points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"', drawing)
    assert points is not None
    x, y, later_x, later_y = map(float, points.groups())
    assert x < later_x
    assert y < later_y  # down the page
    assert "unet &lt;a&gt;" in drawing
    assert "2 min, 1,200 samples" in drawing


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """What an evaluation leaves: figures, and a sheet that is hard to compress."""
    (tmp_path / "out" / "sheets").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    Image.fromarray(noise).resize((1100, 900)).save(tmp_path / "out" / "sheets" / "pairs-20.png")
    figures = tmp_path / "out" / "figures.json"
    figures.write_text(json.dumps(FIGURES))
    return figures


def test_figures_and_sheets_are_taken_over_and_the_card_can_be_written_again_without_them(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "docs" / "pocket.md"
    (tmp_path / "docs" / "pocket").mkdir(parents=True)
    (tmp_path / "docs" / "pocket" / "old.jpg").write_bytes(b"of other weights")
    assert main(["pocket", "card", "--figures", str(measured), "--out", str(out)]) == 0
    sheets = list(out.with_suffix("").glob("*.jpg"))
    assert [path.name for path in sheets] == ["pairs-20.jpg"]
    assert 1000 < sheets[0].stat().st_size <= LARGEST_SHEET
    assert "2026-01-02" in out.read_text("utf-8")
    first = out.read_bytes()
    measured.unlink()
    assert main(["pocket", "card", "--out", str(out)]) == 0
    assert out.read_bytes() == first
    assert str(out) in capsys.readouterr().out


def test_without_figures_the_command_says_how_to_get_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pocket", "card", "--out", str(tmp_path / "pocket.md")]) == 2
    assert "python -m tools.pocket evaluate" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[]", "{", '{"parts": {"singles, 20 steps": 3}}'])
def test_what_holds_no_figures_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "figures.json").write_text(text)
    options = ["--figures", str(tmp_path / "figures.json"), "--out", str(tmp_path / "pocket.md")]
    assert main(["pocket", "card", *options]) == 2
    assert "does not hold the figures" in capsys.readouterr().err
    assert not (tmp_path / "pocket.md").exists()


def test_the_command_needs_no_torch_and_no_tools() -> None:
    code = (
        "import sys; from impasto_server.cli import main; import impasto_server.cli.pocket; "
        "sys.exit(bool({'torch', 'diffusers', 'tools'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_card_in_the_repository_is_current() -> None:
    figures = json.loads((DOCS / "pocket" / "figures.json").read_text("utf-8"))
    text = (DOCS / "pocket.md").read_text("utf-8")
    assert text == card.page(card.template(), figures), "run impasto pocket card"
    shown = re.findall(r"\(pocket/([^)]+)\)", text)
    assert {name for name in shown if name.endswith(".jpg")} <= {
        path.name for path in (DOCS / "pocket").glob("*.jpg") if path.stat().st_size <= LARGEST_SHEET
    }
    if figures.get("training"):
        assert (DOCS / "pocket" / card.CURVES).read_text("utf-8") == curves.drawing(figures["training"])


def test_the_card_s_figures_are_of_the_weights_in_the_package() -> None:
    """Parameters and bytes of each part, as the card has them."""
    from impasto_server import pocket

    figures = json.loads((DOCS / "pocket" / "figures.json").read_text("utf-8"))
    for name, folder in {"UNet": "unet", "autoencoder": "vae", "text encoder": "text_encoder"}.items():
        files = (pocket.folder() / folder).glob("*.safetensors")
        assert figures["model"]["parts"][name]["bytes"] == sum(file.stat().st_size for file in files), name
