"""The table of what functions take, and the rule that reads it."""

from __future__ import annotations

import pytest

from alerting_assets.lakehouse.functions import documented
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation import Policy, validate_lines
from alerting_assets.validation.signatures import PATH, Kind, signature_of, signatures, text_of


def lines() -> list[str]:
    return PATH.read_text(encoding="ascii").splitlines()


def test_the_table_is_sorted_and_reads_as_it_is_written() -> None:
    head, *rest = lines()
    assert head.startswith("# Spark ")
    assert rest == sorted(set(rest))
    assert [text_of(signature_of(line)) for line in rest] == rest
    assert len(rest) == sum(len(counts) for counts in signatures().values())


def test_only_documented_functions_are_in_it() -> None:
    assert set(signatures()) <= {*documented(), "positive"}
    assert len(signatures()) > 300


@pytest.mark.parametrize(
    "line",
    [
        "abs number|text|months|seconds",
        "get array-null, number|text",
        "make_timestamp date, time, text",
        "mask text, constant text",
        "pi ()",
    ],
)
def test_known_signatures(line: str) -> None:
    assert line in lines()


def test_an_argument_that_may_be_anything_may_be_null() -> None:
    arguments = signatures()["coalesce"][2].arguments
    assert arguments is not None
    assert all(argument is not None and argument.kinds == frozenset(Kind) for argument in arguments)
    assert signatures()["coalesce"][None].arguments is None


@pytest.mark.integration
@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT get(NULL, 0)", "get: argument 1, NULL, is NULL, which it does not take there"),
        ("SELECT mask(5)", "mask: argument 1, 5, is an int, which it does not take there"),
    ],
)
def test_messages_name_function_and_argument(lakehouse: Lakehouse, sql: str, message: str) -> None:
    (verdict,) = validate_lines(lakehouse, [{"id": "one", "sql": sql}], Policy())
    assert (verdict.verdict, [finding.message for finding in verdict.findings][:1]) == ("INVALID", [message])
