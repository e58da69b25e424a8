"""Codes are stable and come back as the class they stood for."""

from __future__ import annotations

import pytest
from impasto_protocol import errors

LEAVES = [leaf for branch in errors._BRANCHES for leaf in branch.__subclasses__()]


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_received_code_becomes_its_error_again(leaf: type[errors.ImpastoError]) -> None:
    error = errors.from_code(leaf.code, "Do this.")
    assert type(error) is leaf
    assert str(error) == error.sentence == "Do this."


def test_no_two_errors_share_a_code() -> None:
    assert len({leaf.code for leaf in LEAVES}) == len(LEAVES)


def test_the_drawn_tree_is_the_tree() -> None:
    assert errors.__doc__ is not None
    for leaf in LEAVES:
        assert f"{leaf.__name__} " in errors.__doc__
        assert leaf.code in errors.__doc__


def test_a_code_of_a_newer_server_is_an_impasto_error() -> None:
    assert type(errors.from_code("too_much_fun", "x")) is errors.ImpastoError
