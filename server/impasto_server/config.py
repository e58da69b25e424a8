"""The server's settings: what `config.toml` in the home says, and the defaults for the rest.

host = "127.0.0.1"             # this machine only
port = 8641                    # 0: any free port
model_folders = ["~/models"]   # besides the home's own
retention_days = 7             # how long results that nobody fetched are kept

[limits]                       # names as in impasto_protocol.messages.Limits
canvas_px = 16384
"""

from __future__ import annotations

import dataclasses
import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto_protocol import places
from impasto_protocol.errors import BadValue
from impasto_protocol.messages import Limits

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["DEFAULT_LIMITS", "DEFAULT_PORT", "Config"]

DEFAULT_PORT = 8641
DAY_S = 86_400.0
DEFAULT_LIMITS = Limits(
    frame_bytes=128 << 20,
    canvas_px=16_384,
    canvases=64,
    canvas_bytes=1 << 30,
    jobs=64,
    takes=16,
    steps=150,
)


@dataclass(frozen=True)
class Config:
    """Everything a server needs to know before it starts. Raises `BadValue` for what cannot be."""

    home: Path
    host: str = "127.0.0.1"  # an address of this machine's loopback, never of a network
    port: int = DEFAULT_PORT  # 0: any free port
    limits: Limits = DEFAULT_LIMITS
    model_folders: tuple[Path, ...] = ()
    retention_s: float = 7 * DAY_S

    def __post_init__(self) -> None:
        if not _is_loopback(self.host):
            raise BadValue(
                f"The server answers this machine only; {self.host!r} would open it to the network, which "
                "needs encryption it does not have yet. Use host 127.0.0.1, and an SSH tunnel from elsewhere."
            )
        if not 0 <= self.port <= 65_535:
            raise BadValue(f"There is no port {self.port}. Choose one from 1024 to 65535.")
        if self.retention_s < 0:
            raise BadValue("The retention must not be negative.")
        for name, value in dataclasses.asdict(self.limits).items():
            if value < 1:
                raise BadValue(f"The limit {name} must be at least 1, not {value}.")

    @classmethod
    def load(cls, home: Path) -> Config:
        """Reads `config.toml` under `home`; without the file, the defaults.

        Raises `BadValue` with a sentence that names the file and the setting.
        """
        file = places.config_file(home)
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            table = {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadValue(
                f"{file} is not valid TOML: {error}. Mend it, or remove it for the defaults."
            ) from error
        except OSError as error:
            raise BadValue(f"{file} cannot be read: {error.strerror}.") from error
        try:
            return cls(home=home, **_settings(table))
        except BadValue as error:
            raise BadValue(f"{file}: {error.sentence}") from error


def _settings(table: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unknown(table, ("host", "port", "model_folders", "retention_days", "limits"))
    settings: dict[str, Any] = {}
    if "host" in table:
        settings["host"] = _typed(table, "host", str, "a text")
    if "port" in table:
        settings["port"] = _typed(table, "port", int, "a whole number")
    if "retention_days" in table:
        settings["retention_s"] = _typed(table, "retention_days", (int, float), "a number of days") * DAY_S
    if "model_folders" in table:
        folders = _typed(table, "model_folders", list, "a list of folders")
        if not all(isinstance(folder, str) for folder in folders):
            raise BadValue("model_folders must be a list of folders, each in quotes.")
        settings["model_folders"] = tuple(Path(folder).expanduser() for folder in folders)
    if "limits" in table:
        limits = _typed(table, "limits", dict, "a table")
        _refuse_unknown(limits, [field.name for field in dataclasses.fields(Limits)])
        chosen = {name: _typed(limits, name, int, "a whole number") for name in limits}
        settings["limits"] = dataclasses.replace(DEFAULT_LIMITS, **chosen)
    return settings


def _typed(table: Mapping[str, Any], name: str, kind: type | tuple[type, ...], words: str) -> Any:
    value = table[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadValue(f"{name} must be {words}, not {value!r}.")
    return value


def _refuse_unknown(table: Mapping[str, Any], known: list[str] | tuple[str, ...]) -> None:
    for name in table:
        if name not in known:
            raise BadValue(f"there is no setting {name!r}; there are: {', '.join(known)}.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
