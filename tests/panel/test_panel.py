"""What the `…_checks.py` beside state about the panel, each as a test. One process, with PyQt5, runs all."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DRIVER = HERE / "drive.py"
CHECKS = [
    node.name
    for module in sorted(HERE.glob("*_checks.py"))
    for node in ast.parse(module.read_text("utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
]
PYTHONS = ("/usr/bin/python3", "/usr/bin/python3.11", "python3")


def python_with_qt() -> str | None:
    """A Python that has PyQt5 with QtTest; Krita's packages bring one on Linux."""
    for python in PYTHONS:
        found = shutil.which(python)
        if (
            found
            and subprocess.run([found, "-c", "import PyQt5.QtTest"], capture_output=True).returncode == 0
        ):
            return found
    return None


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Check → what went wrong, or nothing."""
    python, screen = python_with_qt(), shutil.which("xvfb-run")
    if python is None or screen is None:
        pytest.skip("needs PyQt5 and Xvfb (Debian: python3-pyqt5, xvfb, xauth)")
    folder = tmp_path_factory.mktemp("panel")
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    results = folder / "results.json"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(runtime),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    run = subprocess.run(
        [screen, "-a", python, str(DRIVER), str(results)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stderr
    return json.loads(results.read_text("utf-8"))


@pytest.mark.parametrize("check", CHECKS)
def test_panel(said: dict[str, str], check: str) -> None:
    assert said[check] == "", said[check]
