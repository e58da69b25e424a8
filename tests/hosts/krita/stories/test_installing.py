"""`impasto krita install`, and the archive through Krita's own importer: the docker is there afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.krita import harness

IMPORTER = Path("/usr/share/krita/pykrita/plugin_importer/plugin_importer.py")


def bare_home(cache: Path, folder: Path) -> Path:
    """A home in which nobody has switched Impasto on."""
    home = harness.throw_away(cache, folder / "home")
    settings = home / "config" / "kritarc"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("enable_impasto=")]
    settings.write_text("\n".join(lines) + "\n")
    return home


def starts_with_the_docker(home: Path, folder: Path) -> None:
    krita = harness.Krita(home, plugin=None, environment={"IMPASTO_HOME": str(folder / "server")})
    try:
        krita.call("artist.blank_document", width=64, height=64)
        view = krita.call("artist.view")
        assert view["document"]
        assert view["link"]["sentence"]
        assert krita.quit() == 0
    finally:
        krita.kill()


def test_one_command_puts_it_in_place(krita_cache: Path, tmp_path: Path) -> None:
    home = bare_home(krita_cache, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "impasto_server.cli", "krita", "install"],
        env={
            **os.environ,
            **harness.places(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "switched on" in done.stdout
    starts_with_the_docker(home, tmp_path)


@pytest.mark.skipif(not IMPORTER.exists(), reason="Krita's importer lies elsewhere here")
def test_kritas_own_importer_takes_the_archive(plugin: Path, krita_cache: Path, tmp_path: Path) -> None:
    home = bare_home(krita_cache, tmp_path)
    resources = home / "data" / "krita"
    archive = plugin / "impasto-krita.zip"
    done = subprocess.run(
        [sys.executable, str(IMPORTER), str(archive), str(resources)], capture_output=True, text=True
    )
    assert "Imported plugin: Impasto" in done.stdout, done.stderr
    settings = home / "config" / "kritarc"
    settings.write_text(settings.read_text().replace("[python]\n", "[python]\nenable_impasto=true\n"))
    starts_with_the_docker(home, tmp_path)
