"""The table of what functions take, and the rule that reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from alerting_assets.lakehouse.functions import documented
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation import Policy, validate_lines
from alerting_assets.validation.signatures import PATH, Argument, Kind, Signature, signature_of, signatures
from alerting_assets_tests.profile import THOROUGH
from alerting_assets_tests.validation.signature_text import text_of


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


COLUMNS = {
    Kind.INT: "id",
    Kind.TEXT: "sku",
    Kind.DOUBLE: "cost",
    Kind.BOOLEAN: "paid",
    Kind.ARRAY: "notes",
    Kind.DATE: "day",
    Kind.TIMESTAMP: "at",
    Kind.MAP_OF_TEXTS: "tags",
    Kind.DECIMAL: "amount",
    Kind.BIGINT: "CAST(id AS BIGINT)",
    Kind.BINARY: "CAST(sku AS BINARY)",
    Kind.TIME: "CAST(sku AS TIME)",
}
"""Of the table costs of the corpora; what can be told for certain first."""
CONSTANTS = {
    Kind.INT: "1",
    Kind.TEXT: "'a'",
    Kind.DECIMAL: "1.5",
    Kind.BOOLEAN: "true",
    Kind.ARRAY: "array(1)",
    Kind.DATE: "DATE '2024-01-01'",
    Kind.TIMESTAMP: "TIMESTAMP '2024-01-01'",
    Kind.MAP_OF_TEXTS: "map('a', 'b')",
    Kind.MONTHS: "INTERVAL 1 MONTH",
    Kind.STRUCT: "named_struct('a', 1)",
    Kind.NULL: "NULL",
}


def fitting(argument: Argument | None) -> str:
    texts = CONSTANTS if argument is None or argument.constant else {**CONSTANTS, **COLUMNS}
    return next(text for kind, text in texts.items() if argument is None or kind in argument.kinds)


def unfit(argument: Argument | None) -> Iterator[str]:
    if argument is None:
        return
    texts = CONSTANTS if argument.constant else COLUMNS
    yield from [text for kind, text in texts.items() if kind not in argument.kinds][:1]
    if argument.constant:
        yield from [text for kind, text in COLUMNS.items() if kind in argument.kinds][:1]


def broken_calls(signature: Signature, counts: Mapping[int | None, Signature]) -> Iterator[str]:
    """One for each argument whose kinds are known, one for each that is a constant, and one with a number of arguments that the function
    does not take."""
    arguments = signature.arguments or ()
    texts = [fitting(argument) for argument in arguments]
    for position, argument in enumerate(arguments):
        for wrong in unfit(argument):
            yield call(signature.name, [*texts[:position], wrong, *texts[position + 1 :]])
    known = [count for count in counts if count is not None]
    if signature.name == "positive":  # +x
        return
    if None not in counts:
        yield call(signature.name, [*texts, *["1"] * (max(known) - len(texts) + 1)])
    elif min(known) > 0:
        yield call(signature.name, ["1"] * (min(known) - 1))


def call(name: str, texts: list[str]) -> str:
    return (
        f"SELECT +{texts[0]} AS x FROM costs"
        if name == "positive"
        else f"SELECT {name}({', '.join(texts)}) AS x FROM costs"
    )


@pytest.mark.integration
def test_every_line_of_the_table_refuses_broken_calls(corpus_lakehouse: Lakehouse) -> None:
    """Whatever way sqlglot goes through its parser, and whatever it leaves out of its tree; each time of every fourth function."""
    items = []
    for name, counts in sorted(signatures().items())[:: 1 if THOROUGH else 4]:
        for signature in counts.values():
            texts = list(broken_calls(signature, counts))
            items += [{"id": text_of(signature), "sql": sql} for sql in texts]
            assert texts or {None, 0} <= set(counts), name  # unless it takes any number of anything
    assert len(items) > (1_400 if THOROUGH else 300)
    refused, left = set(), {}
    for item, verdict in zip(items, validate_lines(corpus_lakehouse, items, Policy()), strict=True):
        assert verdict.verdict != "VALID", item["sql"]
        if verdict.verdict == "INVALID":
            refused.add(verdict.id)
        elif verdict.findings[0].rule != "parses_as_sql":
            left[verdict.id] = item["sql"]
    assert {line: sql for line, sql in left.items() if line not in refused} == {}


@pytest.mark.integration
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT string_agg(notes, ',') FROM costs",
        "SELECT listagg(DISTINCT notes, ',') FROM costs",
        "SELECT max_by(cost, day, day) FROM costs",
        "SELECT percentile(cost, 0.5, sku) FROM costs",
        "SELECT overlay(notes PLACING 'x' FROM 1) FROM costs",
        "SELECT overlay(sku PLACING 'x' FROM paid FOR 2) FROM costs",
        "SELECT substring(notes FROM 2 FOR 3) FROM costs",
        "SELECT trim(BOTH 'x' FROM notes) FROM costs",
        "SELECT sum(DISTINCT notes) FROM costs",
        "SELECT abs(+notes) FROM costs",
        "SELECT first(cost, id) FROM costs",
        "SELECT uuid(id) FROM costs",
    ],
)
def test_arguments_are_looked_at_however_they_are_written(corpus_lakehouse: Lakehouse, sql: str) -> None:
    (verdict,) = validate_lines(corpus_lakehouse, [{"id": "one", "sql": sql}], Policy())
    assert verdict.verdict == "INVALID"


@pytest.mark.integration
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(cost AS DECIMAL(10, 2)) AS x, CAST(sku AS CHAR(3)) AS y FROM costs",
        "SELECT substring(sku FROM 2 FOR 3) AS x, overlay(sku PLACING 'x' FROM 1 FOR 2) AS y FROM costs",
        "SELECT trim(LEADING 'x' FROM sku) AS x, trim(BOTH FROM sku) AS y FROM costs",
        "SELECT nullif(leading, trailing) AS x FROM (SELECT sku AS leading, sku AS trailing FROM costs)",
        "SELECT size(CAST(tags AS MAP<STRING, STRING>)) AS x FROM costs",
        "SELECT id FROM costs WHERE EXISTS(SELECT id, sku, day FROM costs)",
        "SELECT count(DISTINCT id, sku) AS x, count(*) AS y FROM costs",
        "SELECT date.a AS a FROM VALUES (1, 2) AS date(a, b)",
        "WITH map(a, b, c) AS (SELECT 1, 2, 3) SELECT a FROM map",
        "SELECT sum(cost) FILTER (WHERE sku IN ('a', 'b')) AS x FROM costs",
    ],
)
def test_commas_that_part_no_arguments(corpus_lakehouse: Lakehouse, sql: str) -> None:
    (verdict,) = validate_lines(corpus_lakehouse, [{"id": "one", "sql": sql}], Policy())
    assert (verdict.verdict, [finding.text for finding in verdict.findings if finding.severity != "WARNING"]) == (
        "VALID",
        [],
    )
