"""What a program that starts again finds of its results: the real front, a real worker, the fake engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from impasto_client.session import Session
from impasto_protocol.errors import BadValue, UnknownJob
from impasto_protocol.messages import GenerateRequest
from impasto_protocol.rasters import PixelFormat

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    command = [sys.executable, "-m", "tests.fakes.serve", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        yield tmp_path
        process.terminate()
        process.wait(20)


def test_a_program_rebuilds_its_list_from_the_server_alone(home: Path) -> None:
    with Session.connect(home, program="krita") as session:
        job = session.submit(GenerateRequest("a fox", width=96, height=48, takes=2), "batch", note="{}")
        _, second = job.wait(60)
        session.annotate(job.id, '{"favourite": 1}')
    with Session.connect(home, program="krita") as later:
        (known,) = later.jobs()
        assert (known.job, known.note, known.urgency) == (job.id, '{"favourite": 1}', "batch")
        assert [(layer.width, layer.height) for layer in known.layers] == [(96, 48)] * 2
        assert later.thumbnail(job.id, 1, 512) == (96, 48, PixelFormat.RGBA8, second.pixels)
        assert later.thumbnail(job.id, 0, 32)[:2] == (32, 16)
        with pytest.raises(BadValue):
            later.thumbnail(job.id, 2, 32)
        canvas = later.canvas(24, 16, PixelFormat.RGB8)
        image = canvas.update(bytes(range(192)) * 6)
        assert "scribble" in later.welcome.maps
        (lines,) = later.submit(GenerateRequest("", image=image, make_map="scribble")).wait(60)
        assert (lines.info.format, lines.pixels) == (PixelFormat.GRAY8, bytes(range(0, 192, 3)) * 6)
        (larger,) = later.submit(GenerateRequest("", image=image, width=48, height=32)).wait(60)
        assert (larger.info.width, larger.info.height) == (48, 32)
        with pytest.raises(BadValue, match="There are: edges, scribble"):
            later.submit(GenerateRequest("", image=image, make_map="depth")).wait(60)
        with pytest.raises(BadValue, match="Send the picture"):
            later.submit(GenerateRequest("", make_map="edges")).wait(60)
    with Session.connect(home, program="blender") as other:
        assert other.jobs() == []
        with pytest.raises(UnknownJob):
            other.thumbnail(job.id, 0, 32)
        with pytest.raises(UnknownJob):
            other.annotate(job.id, "mine")
