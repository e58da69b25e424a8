"""A home of its own for each test of the command line, and a server with the fake engine in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home; a server started here takes any free port."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "config.toml").write_text("port = 0\n")
    monkeypatch.setenv("IMPASTO_HOME", str(folder))
    return folder


@pytest.fixture
def server(home: Path) -> Iterator[Path]:
    """The home of a running server: real front, real worker process, fake engine."""
    command = [sys.executable, "-m", "tests.fakes.serve", str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        yield home
        process.terminate()
        process.wait(20)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A 96×64 RGB PNG with every pixel different from its neighbours."""
    pixels = np.random.default_rng(4).integers(0, 256, (64, 96, 3), np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """A mask for `photo`: a white rectangle."""
    pixels = np.zeros((64, 96), np.uint8)
    pixels[16:48, 32:72] = 255
    path = tmp_path / "mask.png"
    Image.fromarray(pixels).save(path)
    return path
