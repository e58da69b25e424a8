"""What a studio decides is tested branch by branch, without any host and any server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = ("test_branches.py", "test_texture_with_server.py", "test_with_server.py")


@pytest.mark.heavy
def test_no_branch_is_left_out(tmp_path: Path) -> None:
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "branches")}
    coverage = [sys.executable, "-m", "coverage"]
    tests = [f"--ignore=tests/studio/{name}" for name in APART]
    run = subprocess.run(
        [
            *coverage,
            "run",
            "--branch",
            "--source=impasto_studio",
            "-m",
            "pytest",
            "-q",
            "tests/studio",
            *tests,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    report = subprocess.run(
        [*coverage, "report", "--fail-under=100", "--skip-covered", "--show-missing"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert report.returncode == 0, report.stdout
