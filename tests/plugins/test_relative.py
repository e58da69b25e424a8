"""Imports of carried packages become relative ones, and nothing else of a file changes."""

from __future__ import annotations

import ast

import pytest
from impasto_protocol.errors import BadValue
from impasto_server.plugins.relative import relative

CARRIED = ("impasto_studio", "h11")
HOME = "impasto.vendor"


def rewritten(text: str, package: str = "impasto.host") -> str:
    return relative(text.encode(), package, HOME, CARRIED).decode()


@pytest.mark.parametrize(
    ("package", "before", "after"),
    [
        ("impasto", "from h11 import Event", "from .vendor.h11 import Event"),
        ("impasto.host", "from h11 import Event", "from ..vendor.h11 import Event"),
        ("impasto.host.capture", "from h11._headers import X", "from ...vendor.h11._headers import X"),
        ("impasto.vendor.impasto_studio", "from h11 import Event", "from ..h11 import Event"),
        ("impasto.vendor.impasto_studio.texture", "from h11 import E", "from ...h11 import E"),
        ("impasto.vendor.h11", "import h11", "from .. import h11"),
        ("impasto", "import h11", "from .vendor import h11"),
        ("impasto.host", "from impasto_studio import texts", "from ..vendor.impasto_studio import texts"),
    ],
)
def test_the_way_to_a_package_follows_from_where_it_is_imported(
    package: str, before: str, after: str
) -> None:
    assert rewritten(before, package) == after


def test_only_the_names_change_and_every_line_keeps_its_number() -> None:
    text = (
        '"""from h11 import nothing"""\nfrom  h11   import (  # why\n    Event,\n)\r\n'
        "if True:\n\tfrom h11 import Data; from impasto_studio import texts\n"
        "ä = 'from h11 import x'; from h11 import Y  # from h11 import z\n"
    )
    assert rewritten(text) == (
        '"""from h11 import nothing"""\nfrom  ..vendor.h11   import (  # why\n    Event,\n)\r\n'
        "if True:\n\tfrom ..vendor.h11 import Data; from ..vendor.impasto_studio import texts\n"
        "ä = 'from h11 import x'; from ..vendor.h11 import Y  # from h11 import z\n"
    )


@pytest.mark.parametrize(
    "line", ["import bpy", "from . import h11", "from h11x import a", "from .h11 import a", "import a.h11"]
)
def test_what_is_not_carried_stays(line: str) -> None:
    assert rewritten(line) == line


@pytest.mark.parametrize(
    "line", ["import h11.events", "import os, h11", "import h11 as h", "from \\\n  h11 import a"]
)
def test_what_has_no_exact_relative_form_is_refused(line: str) -> None:
    with pytest.raises(BadValue, match="line 2"):
        rewritten("# a comment\n" + line)


def test_what_comes_out_is_python() -> None:
    ast.parse(rewritten("def f():\n    from h11 import (\n        a,\n        b,\n    )\n    return a, b\n"))
