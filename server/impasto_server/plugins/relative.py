"""Absolute imports of carried packages, rewritten to relative ones.

Blender runs every extension in one interpreter: a package of ours under its plain name would be everybody's,
and another extension's would be ours. So what an archive carries is imported from inside it. The sources keep
the plain names; only the name after `from` or `import` changes, and every line keeps its number.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from impasto_protocol.errors import BadValue

__all__ = ["relative"]

_FROM = re.compile(rb"from[ \t]+(?P<module>[\w.]+)(?=\s)")
_PLAIN = re.compile(rb"import[ \t]+(?P<module>\w+)(?=\s|$)")


def relative(source: bytes, package: str, home: str, carried: Collection[str]) -> bytes:
    """`source`: UTF-8 of a module in `package`; `home`: the package that `carried` lie in, both dotted.

    Raises `BadValue` for `import a.b` of a carried package, which has no relative form, and for `import`s of
    several in one statement or under another name, which nobody has needed yet.
    """
    lines = source.splitlines(keepends=True)
    way = _way(package, home)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        names = _absolute(node)
        if not any(name.partition(".")[0] in carried for name in names):
            continue
        line, start = lines[node.lineno - 1], node.col_offset
        found = (_FROM if isinstance(node, ast.ImportFrom) else _PLAIN).match(line, start)
        if found is None or found["module"].decode() != names[0] or not _simple(node):
            raise BadValue(
                f"{package}, line {node.lineno}: carried packages need “from package import name”."
            )
        if isinstance(node, ast.ImportFrom):
            at = found.start("module")
            new = (way if way.endswith(".") else f"{way}.").encode() + found["module"]
        else:
            at = start
            new = f"from {way} import {names[0]}".encode()
        lines[node.lineno - 1] = line[:at] + new + line[found.end() :]
    return b"".join(lines)


def _absolute(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules it names, unless they are relative already."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and not node.level else []


def _simple(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) or (len(node.names) == 1 and node.names[0].asname is None)


def _way(package: str, home: str) -> str:
    """From one package to another, as an import has it: "..vendor"."""
    here, there = package.split("."), home.split(".")
    common = 0
    while common < min(len(here), len(there)) and here[common] == there[common]:
        common += 1
    return "." * (len(here) - common + 1) + ".".join(there[common:])
