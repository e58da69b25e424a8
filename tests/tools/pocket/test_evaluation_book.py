"""The book of figures: intervals, bars, and what is measured again."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))

from tools.pocket.evaluation.book import Book, Result, Row, mean, share, table, wilson


@pytest.mark.parametrize(
    ("good", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilson_s(good, count, low, high):
    """Values of Newcombe 1998 (table I, method 3), and the ends."""
    assert wilson(good, count) == pytest.approx((low, high), abs=2e-4)


@given(st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_the_interval_holds_the_share_and_stays_within_bounds(case):
    good, count = case
    low, high = wilson(good, count)
    assert 0 <= low <= good / count + 1e-12
    assert good / count - 1e-12 <= high <= 1


def test_a_bar_is_reached_from_its_own_side():
    assert share("", [True, True, False], 0.6).met is True
    assert share("", [True, False, False], 0.6).met is False
    assert mean("", [0.2, 0.4], 0.4, at_most=True).met is True
    assert mean("", [0.5, 0.6], 0.4, at_most=True).met is False
    assert share("", [True]).met is None


def test_nothing_measured_meets_no_bar():
    row = share("", [], 0.5)
    assert math.isnan(row.value)
    assert row.met is False


def test_a_mean_has_the_interval_of_its_standard_error():
    row = mean("", [0.0, 1.0] * 50)
    assert row.value == 0.5
    assert row.high - row.value == pytest.approx(1.96 * math.sqrt(0.25 * 100 / 99) / 10, rel=1e-6)


@pytest.fixture
def book(tmp_path):
    book = Book.open(tmp_path / "deep" / "figures.json")
    book.keep(
        "shapes", "abc", 20, Result([share("right", [True, False], 0.4)], {"by": {"x": [1.23456]}}), 3.21
    )
    return book


def test_a_part_is_measured_again_on_other_weights_or_with_more_prompts(book):
    again = Book.open(book.path)
    assert not again.lacks("shapes", "abc", 20)
    assert not again.lacks("shapes", "abc", 10)
    assert again.lacks("shapes", "abd", 20)
    assert again.lacks("shapes", "abc", 21)
    assert again.lacks("colours", "abc", 1)


def test_the_file_is_plain_json_with_short_numbers(book):
    kept = json.loads(book.path.read_text())["parts"]["shapes"]
    assert kept["rows"][0]["value"] == 0.5
    assert kept["rows"][0]["met"] is True
    assert kept["detail"] == {"by": {"x": [1.2346]}}
    assert '"x": [ 1.2346 ]' in book.path.read_text()  # a list of numbers is one line of a diff


def test_what_is_no_number_is_written_as_nothing(book):
    book.keep("empty", "abc", 1, Result([share("none", [], 0.5)]), 0.0)
    assert json.loads(book.path.read_text())["parts"]["empty"]["rows"][0]["value"] is None


def test_the_table_says_which_bars_are_missed(book):
    book.keep("more", "abc", 20, Result([Row("seconds", 3.0, 5, "s", bar=2.0, at_most=True)]), 1.0)
    lines = table(book).splitlines()
    assert next(line for line in lines if "right" in line).endswith("yes")
    assert next(line for line in lines if "seconds" in line).endswith("NO")
