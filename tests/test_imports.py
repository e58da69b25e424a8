"""Imports run one way, as the table in docs/architecture.md says; torch stays where it belongs."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH = {"torch", "diffusers", "transformers", "accelerate", "peft"}
ROW = re.compile(r"^\| (?P<where>`(?:protocol|server)/[^|]*) \|[^|]*\| (?P<may>[^|]*) \|$", re.MULTILINE)
TORCH_RULE = re.compile(r"`torch` appears in (.*?) alone")
QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Rules:
    """The table, read: part → what its row names; parts that may use no third-party package but the named."""

    may: dict[str, frozenset[str]]
    strict: frozenset[str]
    torch: tuple[str, ...]

    def closure(self, part: str) -> set[str]:
        found: set[str] = set()
        waiting = [part]
        while waiting:
            for name in self.may.get(waiting.pop(), frozenset()) - found:
                found.add(name)
                waiting.append(name)
        return found


def read_rules(page: str) -> Rules:
    may: dict[str, frozenset[str]] = {}
    strict = set()
    for row in ROW.finditer(page):
        for place in QUOTED.findall(row["where"]):
            part = place.rstrip("/").rsplit("/", 1)[-1].removesuffix(".py")
            may[part] = frozenset(QUOTED.findall(row["may"]))
            if "standard library" in row["may"]:
                strict.add(part)
    torch = TORCH_RULE.search(page)
    assert torch is not None
    return Rules(may, frozenset(strict), tuple(QUOTED.findall(torch[1])))


def part_of(module: str) -> str:
    """`impasto_server.pool.channel` → `pool.channel`, `impasto_client.session` → `impasto_client`."""
    head, _, rest = module.partition(".")
    return rest if head == "impasto_server" else head


def imports(source: str, package: str) -> Iterator[str]:
    """Dotted names a module imports, also inside functions; relative ones resolved against `package`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def modules(root: Path) -> Iterator[tuple[str, str, Path]]:
    """(module, its package, file) of everything under protocol/ and server/."""
    for top in (root / "protocol", root / "server"):
        for path in sorted(top.rglob("*.py")):
            names = [*path.relative_to(top).with_suffix("").parts]
            package = ".".join(names[:-1])
            yield (package if names[-1] == "__init__" else ".".join(names)), package, path


def back_edges(root: Path, rules: Rules) -> list[str]:
    found = []
    for module, package, path in modules(root):
        part = part_of(module).split(".")[0]
        if module == "impasto_server":
            continue
        allowed = rules.closure(part) | {part}
        for name in imports(path.read_text("utf-8"), package):
            head = name.split(".")[0]
            if head in TORCH and not _within(part_of(module), rules.torch):
                found.append(f"{module} imports {name}")
            elif head in ("impasto_server", "impasto_protocol", "impasto_client"):
                if part_of(name) and part_of(name) != "__version__" and not _within(part_of(name), allowed):
                    found.append(f"{module} imports {name}")
            elif part in rules.strict and head not in sys.stdlib_module_names and head not in allowed:
                found.append(f"{module} imports {name}")
    return found


def _within(name: str, allowed: set[str] | tuple[str, ...]) -> bool:
    """A part or anything inside it. `pool.channel` allows that module, not its neighbours."""
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return read_rules((ROOT / "docs/architecture.md").read_text("utf-8"))


def test_imports_run_one_way(rules: Rules) -> None:
    assert back_edges(ROOT, rules) == []


def test_every_part_has_a_row(rules: Rules) -> None:
    parts = {part_of(module).split(".")[0] for module, _, _ in modules(ROOT)} - {"impasto_server", ""}
    assert parts <= set(rules.may)


def test_no_two_rows_allow_each_other(rules: Rules) -> None:
    assert [part for part in rules.may if part in rules.closure(part)] == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("server/impasto_server/compositing/masks.py", "from impasto_server.engine import interface"),
        ("server/impasto_server/pool/interface.py", "import impasto_server.front.app"),
        ("server/impasto_server/pool/interface.py", "from ..front import app"),
        ("server/impasto_server/front/__init__.py", "def f():\n    import torch"),
        ("server/impasto_server/worker/__init__.py", "from impasto_server.pool import interface"),
        ("server/impasto_server/front/__init__.py", "from impasto_server import cli"),
        ("protocol/impasto_protocol/messages.py", "import numpy"),
        ("protocol/impasto_protocol/messages.py", "from impasto_client import session"),
    ],
)
def test_a_step_back_is_found(file: str, line: str, tmp_path: Path, rules: Rules) -> None:
    for top in ("protocol", "server"):
        shutil.copytree(ROOT / top, tmp_path / top, ignore=lambda folder, names: _not_python(folder, names))
    target = tmp_path / file
    target.write_text(f"{target.read_text('utf-8')}\n{line}\n", "utf-8")
    assert len(back_edges(tmp_path, rules)) == len(back_edges(ROOT, rules)) + 1


def _not_python(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not (name.endswith(".py") or (Path(folder) / name).is_dir())}


@pytest.mark.parametrize(
    "module",
    ["impasto_server.front.app", "impasto_server.cli", "impasto_server.pool.local", "impasto_client"],
)
def test_these_start_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({TORCH!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_client_needs_no_numpy() -> None:
    code = "import sys, impasto_client.session; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
