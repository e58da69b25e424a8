"""The installers, also on machines that are not as they should be.

Pythons are stand-ins that note what they are asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHELLS = [shell for shell in ("dash", "bash", "sh") if shutil.which(shell)]
TOOLS = "awk cat chmod cksum cp df dirname mkdir mv rm sed sh sleep touch tr uname"

# Stands for a Python that can do everything, and for the python and impasto of the .venv it makes.
PYTHON = """#!/bin/sh
echo "$0 $*" >>"$LOG"
here=$(dirname -- "$0")
case "$*" in
    *sys.version_info*) exit $OLD ;;
    *ensurepip*) exit $BARE ;;
    --version) echo Python 3.11.0 ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$0" "$3/bin/impasto" ;;
    *"m.version('torch')"*) exit 1 ;;
    "- https://"*) exit 1 ;;
    *"pip install"*) [ ! -e "$BROKEN" ] || exit 1; [ ! -e "$KILL" ] || kill -9 $PPID ;;
    demo) echo painted ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """A clone and a PATH with nothing on it but what is put there."""

    clone: Path
    path: Path

    def run(self, *words: str, shell: str = "sh", **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": str(self.path),
            "HOME": str(self.clone.parent),
            "LOG": str(self.clone / "log"),
            "KILL": str(self.clone / "kill"),
            "BROKEN": str(self.clone / "broken"),
            "OLD": "0",
            "BARE": "0",
            **environment,
        }
        script = str(self.clone / "installers/run.sh")
        command = [str(shutil.which(shell)), script, *words]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

    def asked(self) -> list[str]:
        """What the Pythons were asked since the last time."""
        log = self.clone / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def put(self, name: str, script: str) -> None:
        target = self.path / name
        target.unlink(missing_ok=True)
        target.write_text(script)
        target.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    clone, path = tmp_path / "a clone", tmp_path / "bin"
    (clone / "installers").mkdir(parents=True)
    path.mkdir()
    for name in ("installers/run.sh", "installers/environment.sh", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    for tool in TOOLS.split():
        found = shutil.which(tool)
        if found:
            (path / tool).symlink_to(found)
    made = Machine(clone, path)
    made.put("python3", PYTHON)
    return made


@pytest.mark.parametrize("shell", SHELLS)
def test_a_fresh_machine_is_set_up_and_paints(machine: Machine, shell: str) -> None:
    done = machine.run(shell=shell)
    assert done.returncode == 0, done.stderr
    assert "painted" in done.stdout
    assert "ready for the plugins" in done.stdout
    installs = [line for line in machine.asked() if "pip install" in line]
    assert "torch==" in installs[0]
    assert installs[-1].endswith(f"-e {machine.clone}")
    assert not (machine.clone / ".venv/impasto-installing").exists()


def test_the_second_start_installs_nothing(machine: Machine) -> None:
    machine.run()
    machine.asked()
    assert machine.run().returncode == 0
    assert [line.rsplit("/", 1)[-1] for line in machine.asked()] == ["impasto demo"]


def test_changed_pins_are_installed_at_the_next_start(machine: Machine) -> None:
    machine.run()
    machine.asked()
    with (machine.clone / "constraints.txt").open("a") as file:
        file.write("newcomer==1.0\n")
    machine.run()
    asked = machine.asked()
    stop, install = (
        next(i for i, line in enumerate(asked) if words in line) for words in ("impasto stop", "pip install")
    )
    assert stop < install
    assert not any("-m venv" in line for line in asked)


def test_once_stops_the_server(machine: Machine) -> None:
    done = machine.run("--once")
    assert [line.rsplit("/", 1)[-1] for line in machine.asked()][-2:] == ["impasto demo", "impasto stop"]
    assert "ready for the plugins" not in done.stdout


def test_an_installation_that_was_killed_is_made_anew(machine: Machine) -> None:
    (machine.clone / "kill").touch()
    assert machine.run().returncode != 0
    assert (machine.clone / ".venv/impasto-installing").exists()
    (machine.clone / ".venv/half-written").touch()
    (machine.clone / "kill").unlink()
    assert machine.run().returncode == 0
    assert not (machine.clone / ".venv/half-written").exists()


def test_an_installation_that_failed_goes_on_where_it_stopped(machine: Machine) -> None:
    (machine.clone / "broken").touch()
    done = machine.run()
    assert done.returncode == 1
    assert "start this script again" in done.stderr
    (machine.clone / ".venv/downloaded").touch()
    (machine.clone / "broken").unlink()
    assert machine.run().returncode == 0
    assert (machine.clone / ".venv/downloaded").exists()


@pytest.mark.parametrize(
    ("environment", "says"),
    [({"BARE": "1"}, "sudo apt install python3-venv"), ({"OLD": "1"}, "Python 3.10 or newer is needed")],
)
def test_a_python_that_will_not_do_gets_a_sentence(
    machine: Machine, environment: dict[str, str], says: str
) -> None:
    done = machine.run(**environment)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (machine.clone / ".venv").exists()


def test_a_machine_without_python_gets_a_sentence(machine: Machine) -> None:
    (machine.path / "python3").unlink()
    done = machine.run()
    assert done.returncode == 1
    assert "none was found" in done.stderr


def test_a_newer_python_is_found_behind_an_old_one(machine: Machine) -> None:
    machine.put("python3", PYTHON.replace("$OLD", "1"))
    machine.put("python3.12", PYTHON)
    assert machine.run().returncode == 0
    assert any("python3.12 -m venv" in line for line in machine.asked())


def test_a_full_disk_is_seen_before_anything_is_written(machine: Machine) -> None:
    machine.put("df", "#!/bin/sh\necho head\necho disk 1 1 102400 1% /\n")
    done = machine.run()
    assert done.returncode == 1
    assert "100 MiB free" in done.stderr
    assert not (machine.clone / ".venv").exists()


def test_a_card_decides_which_pytorch_is_installed(machine: Machine) -> None:
    machine.put("nvidia-smi", "#!/bin/sh\nexit 0\n")
    done = machine.run()
    assert "with CUDA" in done.stdout
    machine.put("nvidia-smi", "#!/bin/sh\nexit 9\n")
    shutil.rmtree(machine.clone / ".venv")
    machine.put("python3", PYTHON.replace('"- https://"*) exit 1', '"- https://"*) exit 0'))
    machine.put("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo x86_64\n")
    machine.asked()
    assert "for the CPU" in machine.run().stdout
    assert any("--index-url https://download.pytorch.org/whl/cpu torch==" in line for line in machine.asked())


def test_an_unknown_option_is_refused(machine: Machine) -> None:
    assert machine.run("--twice").returncode == 1


def test_a_demo_that_fails_fails_the_script(machine: Machine) -> None:
    machine.put("python3", PYTHON.replace("demo) echo painted", "demo) exit 4"))
    assert machine.run().returncode == 4


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="no PowerShell here")
def test_the_powershell_twin_parses() -> None:
    check = "[void][ScriptBlock]::Create((Get-Content -Raw installers/run.ps1))"
    subprocess.run(["pwsh", "-NoProfile", "-Command", check], cwd=ROOT, check=True, env=dict(os.environ))
