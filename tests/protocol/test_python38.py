"""What goes into Krita and Blender runs on Python 3.8, without numpy and without anything compiled."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PROTOCOL = Path(__file__).parents[2] / "protocol"
FILES = sorted(PROTOCOL.glob("impasto_*/*.py"))
VENDORED = {"platformdirs", "wsproto"}
NEWER_METHODS = {
    "removeprefix",
    "removesuffix",
    "bit_count",
    "is_relative_to",
    "with_stem",
    "readlink",
    "hardlink_to",
}
NEWER_NAMES = {("functools", "cache"), ("itertools", "pairwise"), ("zlib", "adler32_combine")}
NEWER_GENERICS = {"list", "dict", "tuple", "set", "frozenset", "type"}  # list[int] at run time: 3.9


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_syntax_is_of_python_3_8(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_the_standard_library_and_vendored_packages_are_imported(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module or ""]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        for module in modules:
            head = module.split(".")[0]
            assert head in sys.stdlib_module_names | VENDORED | {
                "impasto_protocol",
                "impasto_client",
                "impasto_studio",
            }, head
            assert head not in {"asyncio", "multiprocessing", "tomllib", "zoneinfo", "graphlib"}, head


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_newer_than_python_3_8_is_called(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr not in NEWER_METHODS, f"line {node.lineno}"
            if isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in NEWER_NAMES, f"line {node.lineno}"
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in NEWER_GENERICS, f"line {node.lineno}"
        if isinstance(node, ast.Call):
            assert "strict" not in {keyword.arg for keyword in node.keywords}, f"line {node.lineno}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            names = {side.id for side in (node.left, node.right) if isinstance(side, ast.Name)}
            assert not names & {"int", "str", "bytes", "float", "None"}, f"line {node.lineno}"
