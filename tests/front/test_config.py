"""The settings file: what may be said in it, and one clear sentence for what may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from impasto_protocol.errors import BadValue
from impasto_server.config import DAY_S, DEFAULT_LIMITS, DEFAULT_PORT, Config


def written(home: Path, text: str) -> Config:
    (home / "config.toml").write_text(text, "utf-8")
    return Config.load(home)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    assert config == Config(home=tmp_path)
    assert (config.host, config.port, config.limits) == ("127.0.0.1", DEFAULT_PORT, DEFAULT_LIMITS)


def test_every_setting_can_be_said(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        'host = "::1"\nport = 9000\nmodel_folders = ["/srv/models"]\nretention_days = 0.5\n'
        "[limits]\njobs = 3\n",
    )
    assert (config.host, config.port) == ("::1", 9000)
    assert config.model_folders == (Path("/srv/models"),)
    assert config.retention_s == DAY_S / 2
    assert config.limits.jobs == 3
    assert config.limits.canvas_px == DEFAULT_LIMITS.canvas_px


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('host = "0.0.0.0"', "this machine only"),
        ('host = "192.168.1.7"', "this machine only"),
        ('host = "::"', "this machine only"),
        ('host = "painter.example"', "this machine only"),
        ("host = 7", "host must be a text"),
        ("port = 70000", "no port 70000"),
        ("port = true", "port must be a whole number"),
        ("prot = 8641", "no setting 'prot'"),
        ("retention_days = -1", "retention"),
        ("model_folders = [1]", "list of folders"),
        ("[limits]\ncanvas = 4", "no setting 'canvas'"),
        ("[limits]\njobs = 0", "jobs must be at least 1"),
        ("port = ", "not valid TOML"),
    ],
)
def test_a_bad_setting_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadValue) as refused:
        written(tmp_path, text)
    assert said in refused.value.sentence
    assert str(tmp_path / "config.toml") in refused.value.sentence


def test_a_server_cannot_be_made_to_listen_to_the_network(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "10.0.0.1", "", "127.0.0.1.example.org"):
        with pytest.raises(BadValue):
            Config(home=tmp_path, host=host)
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        assert Config(home=tmp_path, host=host).host == host
