"""A texture job through the real server: cancelled halfway it keeps its views, and nobody else waits."""

from __future__ import annotations

from pathlib import Path

import pytest
from impasto_client.session import Session
from impasto_protocol.geometry import ROW_BYTES, Part, pack
from impasto_protocol.messages import CanvasRef, GenerateRequest, TextureRequest, TextureTarget
from impasto_protocol.rasters import PixelFormat
from impasto_server.bench.processes import running

from tests.texturing import shapes

pytestmark = pytest.mark.model
WAIT_S = 120.0


def sent(session: Session) -> CanvasRef:
    mesh = shapes.torus()
    part = Part(0, mesh.positions.tobytes(), mesh.triangles.tobytes(), mesh.uvs.tobytes())
    data = pack([part])
    return session.canvas(ROW_BYTES, len(data) // ROW_BYTES, PixelFormat.GRAY8).update(data)


def request(geometry: CanvasRef, order: str, view_px: int = 0) -> GenerateRequest:
    texture = TextureRequest(
        geometry, (TextureTarget("ring", 256, 256),), around=3, order=order, view_px=view_px
    )
    return GenerateRequest("wood", steps=4, seed=3, texture=texture)


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_a_cancelled_job_keeps_its_views_and_other_clients_jobs_survive(tmp_path: Path, order: str) -> None:
    with (
        running("impasto_server.cli", tmp_path, "serve", "--port", "0"),
        Session.connect(tmp_path, "test", "a" * 32) as artist,
        Session.connect(tmp_path, "test", "b" * 32) as other,
    ):
        geometry = sent(artist)
        # Larger views are painted once more each: that is when those before them are finished.
        job = artist.submit(request(geometry, order, view_px=336))
        waiting = other.submit(GenerateRequest("a red circle", steps=4, seed=1), "batch")
        artist.wait_until(lambda: bool(job.layers), WAIT_S)
        job.cancel()
        kept = job.wait(WAIT_S)
        assert job.state == "cancelled"
        assert 1 <= len(kept) < 4
        assert [layer.info.name for layer in kept] == [f"view {n}" for n in range(1, len(kept) + 1)]
        assert len(waiting.wait(WAIT_S)) == 1
        assert waiting.state == "done"

        whole = artist.submit(request(geometry, order, view_px=336)).wait(WAIT_S)
        assert [layer.pixels for layer in whole[: len(kept)]] == [layer.pixels for layer in kept]
        assert [layer.info.name for layer in whole] == ["view 1", "view 2", "view 3", "ring"]
