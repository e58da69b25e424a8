"""What every file of the repository keeps to."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from impasto_protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES

from tools import protocol_page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
SOURCES = [path for top in ("protocol", "server", "tools") for path in sorted((ROOT / top).rglob("*.py"))]

# Loading any of these runs what a file says. facts: pickle and torch.load are how models became trojans.
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "torch.load",
    "torch.hub.load",
    "yaml.load",
}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def offences(source: str, tool: bool = False) -> Iterator[str]:
    """What in this source would run code that came from outside."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = []
        for name in names:
            if name.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_CALLS:
                yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.Call):
            yield from _call_offences(node, tool)


def _weights_only(call: ast.Call) -> bool:
    """As developers' tools read back the checkpoints they wrote themselves."""
    return any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in call.keywords)


def _call_offences(call: ast.Call, tool: bool) -> Iterator[str]:
    name = dotted(call.func)
    if name in FORBIDDEN_CALLS and not (tool and name == "torch.load" and _weights_only(call)):
        yield f"line {call.lineno}: calls {name}"
    for keyword in call.keywords:
        off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in ("trust_remote_code", "shell", "allow_pickle") and not off:
            yield f"line {call.lineno}: {keyword.arg}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_from_outside_is_run(path: Path) -> None:
    assert list(offences(path.read_text("utf-8"), tool=ROOT / "tools" in path.parents)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from torch import load",
        "import torch\ntorch.load('model.pt')",
        "eval('1')",
        "f(trust_remote_code=True)",
        "f(trust_remote_code=flag)",
        "subprocess.run('ls', shell=True)",
        "np.load('a.npz', allow_pickle=True)",
    ],
)
def test_the_lint_sees(source: str) -> None:
    assert list(offences(source)) != []
    assert list(offences(source, tool=True)) != []


@pytest.mark.parametrize(
    "source", ["model.eval()", "f(shell=False)", "json.load(file)", "from torch import nn", "re.compile('a')"]
)
def test_the_lint_lets_pass(source: str) -> None:
    assert list(offences(source)) == []


def test_only_tools_may_read_their_own_checkpoints() -> None:
    source = "torch.load(path, weights_only=True)"
    assert list(offences(source)) != []
    assert list(offences(source, tool=True)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "protocol").rglob("*.py")), ids=lambda path: path.name)
def test_the_protocol_is_written_in_the_syntax_of_python_3_8(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("message", [*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values()])
def test_every_message_is_documented(message: type) -> None:
    """Either in words, or by fields that say it all: no docstring, no fields."""
    generated = f"{message.__name__}("
    assert not (message.__doc__ or generated).startswith(generated) or message.__name__ in WORDLESS


WORDLESS = {"CloseCanvas", "FetchLayer", "ListJobs", "ListModels", "Welcome"}
"""Their names are the sentence; the comments on their fields say the rest."""


def test_the_page_of_the_protocol_is_up_to_date() -> None:
    text = (ROOT / "docs/protocol.md").read_text("utf-8")
    assert text == protocol_page.page(), "run python -m tools.protocol_page"
    assert [tag for tag in (*CLIENT_MESSAGES, *SERVER_MESSAGES) if f"`{tag}`" not in text] == []


def pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_constraints_pin_every_dependency_exactly() -> None:
    project = pyproject()["project"]
    assert isinstance(project, dict)
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pins = {line.split("==")[0] for line in lines}
    version = r'python_version (<|>=) "3\.1[01]"'
    pin = re.compile(rf"[a-z0-9-]+==[0-9][0-9.]*(\.post[0-9]+)?(; {version}( and {version})?)?")
    assert [line for line in lines if not pin.fullmatch(line)] == []
    assert {re.split(r"[;<>=! ]", name)[0] for name in wanted} <= pins


def test_a_pin_for_one_python_has_a_twin_for_the_other() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    newer = {line.split("==")[0] for line in lines if '>= "3.11"' in line}
    older = {line.split("==")[0] for line in lines if '< "3.11"' in line}
    assert older - newer == {"tomli"}
    assert newer - older == set()


def test_the_licence_is_the_one_named() -> None:
    project = pyproject()["project"]
    assert isinstance(project, dict)
    assert project["license"] == "GPL-3.0-or-later"
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text("utf-8")


def readme_commands() -> list[list[str]]:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [
        line.split("#")[0].strip().replace("\\\n", " ") for block in blocks for line in block.splitlines()
    ]
    return [line.split() for line in lines if line]


def test_the_readme_names_commands_that_exist() -> None:
    from impasto_server.cli import COMMANDS

    commands = readme_commands()
    impasto = [words[1] for words in commands if words[0].endswith("impasto")]
    assert impasto
    assert set(impasto) <= set(COMMANDS)
    scripts = [
        words[1] for words in commands if words[0] in ("sh", "python") and words[1].endswith((".sh", ".py"))
    ]
    assert "installers/run.sh" in scripts
    assert "installers/test.sh" in scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_links_in_the_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    links = [(page, to) for page in pages for to in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))]
    assert [to for page, to in links if "://" not in to and not (page.parent / to).exists()] == []


def test_ci_runs_the_test_script() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8")
    assert "sh installers/test.sh" in script
    subprocess.run(["bash", "-n", str(ROOT / ".ci/run")], check=True)


def test_no_module_of_a_plugin_is_long() -> None:
    for folder in (ROOT / "krita_plugin", ROOT / "protocol" / "impasto_studio"):
        for path in folder.rglob("*.py"):
            assert len(path.read_text("utf-8").splitlines()) <= 400, path
