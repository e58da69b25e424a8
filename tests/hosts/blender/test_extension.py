"""The built zip is a valid extension, installs, and leaves nothing behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from impasto_server.plugins import blender as installed

from tests.hosts.blender.harness import Blender
from tests.hosts.blender.versions import VERSIONS, Blenderless, python_of

pytestmark = pytest.mark.every_blender


@pytest.mark.parametrize("wanted", VERSIONS)
def test_this_blender_is_tested(wanted: str) -> None:
    """Says so where one is not."""
    try:
        assert python_of(wanted).exists()
    except Blenderless as why:
        pytest.skip(f"the real Blender {wanted}: {why}")


def test_blenders_own_check_finds_nothing(able: str, zipped: Path) -> None:
    folder = next((python_of(able).parents[1] / "lib").glob("python3*/site-packages/bpy/*/scripts"))
    check = folder / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    done = subprocess.run(
        [str(python_of(able)), str(check), "validate", str(zipped)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_registered(blender: Blender) -> None:
    facts = blender.call("session.facts")
    assert {"IMPASTO_PT_render", "IMPASTO_PT_texture", "IMPASTO_PT_live", "IMPASTO_PT_image"} <= set(
        facts["panels"]
    )
    assert {"generate", "texture", "paint_image", "cancel_all"} <= set(facts["operators"])


def test_nothing_runs_before_a_panel_is_shown(able: str, zipped: Path, tmp_path: Path) -> None:
    fresh = Blender(able, tmp_path, zipped)
    try:
        assert not fresh.call("session.facts")["running"]
        assert fresh.call("session.threads") == []
    finally:
        fresh.kill()


def test_switched_off_it_leaves_nothing_and_comes_back(blender: Blender) -> None:
    assert blender.call("session.toggle_twice") == []
    assert blender.call("session.facts")["fields"]
    assert blender.call("session.threads") == []


def test_every_field_reads_and_writes(blender: Blender) -> None:
    assert blender.call("fields.strangers") == []


def test_what_a_field_is_set_to_is_what_the_studio_hears(blender: Blender) -> None:
    said = blender.call("fields.say")
    assert said["render"]["prompt"] == "a red circle"
    assert said["render"]["refine_strength"] == pytest.approx(0.25)
    assert said["render"]["seed"] == 2**40
    assert [(row["kind"], row["layer"]) for row in said["render"]["controls"]] == [("depth", "depth")]
    assert said["texture"]["order"] == "in turn"
    assert said["texture"]["texture_px"] == 2048
    assert said["image"]["mode"] == "upscale"
    assert said["options"] == {"source": "view", "longest_px": 0}


def test_what_impasto_blender_install_has_put_there_can_be_switched_on(
    able: str, zipped: Path, tmp_path: Path
) -> None:
    folder = installed.BlenderFolder(tmp_path / "user", (int(able[0]), int(able[2])))
    installed.install(zipped, folder)
    fresh = Blender(able, tmp_path, None)
    try:
        assert fresh.call("session.switch_on")
        assert fresh.call("session.facts")["fields"]
    finally:
        fresh.kill()


def test_it_ends_cleanly_when_the_artist_quits(able: str, zipped: Path, tmp_path: Path) -> None:
    fresh = Blender(able, tmp_path, zipped)
    fresh.call("session.begin")
    assert fresh.quit() == 0, fresh.output[-2000:]
    assert "Traceback" not in fresh.output
