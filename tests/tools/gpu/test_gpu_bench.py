"""The script for GPU machines runs to its end wherever torch does, with tiny models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ONLY = ("--only", "sd15-64-1", "--only", "sd15-64-4", "--only", "sdxl-128-4")
SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "gpu" / "bench.py"


@pytest.mark.heavy
def test_it_measures_every_contender_by_turns_and_says_the_ratios(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--tiny", "--seconds", "15", *ONLY],
        env={**os.environ, "OUT": str(tmp_path), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    report = json.loads((tmp_path / "live.json").read_text())
    measured = {name: case for name, case in report["cases"].items() if "skipped" not in case}
    assert "sd15-64-1" in measured
    for name, case in measured.items():
        steps = int(name.rpartition("-")[2])
        contenders = {who: one for who, one in case.items() if who != "ratios"}
        finished = [one for one in contenders.values() if isinstance(one, dict)]
        assert len({one["frames"] for one in finished}) == 1
        assert all(one["latency_p95_ms"] >= one["latency_p50_ms"] > 0 for one in finished)
        stream = case["stream batch"]
        if isinstance(stream, dict):
            frames = stream["frames_per_s"] * stream["latency_p50_ms"] / 1000
            assert frames == pytest.approx(steps)  # so many calls from a picture to its own result
            assert case["ratios"]["latency against stream batch"] > 0
    assert {"eager", "stream batch", "stock"} <= set(report["cases"]["sd15-64-1"])
    assert "sd15, 64², 1 step" in done.stdout
