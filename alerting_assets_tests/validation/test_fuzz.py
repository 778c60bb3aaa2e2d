"""Whatever the text: a verdict, no exception, and nothing hostile passes because it was mutated."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from alerting_assets.alerts.parse import DIALECT
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation import Policy, Severity, read_only_problem, validate_lines
from alerting_assets_tests.profile import examples
from alerting_assets_tests.validation.corpus import TABLES, corpus

pytestmark = pytest.mark.integration

LEGITIMATE = [item["sql"] for item in corpus("legitimate") if len(item["sql"]) < 2_000]
HOSTILE = [item["sql"] for item in corpus("hostile") if len(item["sql"]) < 500]
PIECES = [
    ";", "--", "/*", "*/", "'", '"', "`", "\\", "(", ")", ",", "\n", "\r", "\0", "\u200b", "$", "{", "}", "@", ":", "?", "|>", "''",
    "r'", "DROP TABLE costs", "UNION ALL", "SELECT", "FROM", "secret(", "WITH", "AS", "1", "NULL", "costs", "LATERAL VIEW", "OVER (",
    "X'", "::", "->", "=>", "\ud800", "\U0001f600",
]  # fmt: skip

BATCHES = settings(examples(5, 40), suppress_health_check=list(HealthCheck))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A text of the corpora, cut, spliced with another one, and sprinkled with what lexers stumble over."""
    text = draw(st.sampled_from(LEGITIMATE + HOSTILE))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        match draw(st.integers(0, 4)):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + draw(st.sampled_from(PIECES)) + text[start:]
            case 2:
                other = draw(st.sampled_from(LEGITIMATE + HOSTILE))
                text = text[:start] + other[: draw(st.integers(0, len(other)))]
            case 3:
                text = text[:start] + text[start:end] * 2 + text[end:]
            case _:
                text = text[:start] + text[start:end].swapcase() + text[end:]
    return text


def literal(draw: st.DrawFn) -> exp.Expr:
    value = draw(st.one_of(st.integers(-5, 10**6), st.text(max_size=5), st.booleans(), st.none()))
    return exp.convert(value)


@st.composite
def trees(draw: st.DrawFn) -> exp.Expr:
    """A SELECT over the corpora's tables, of nested expressions that may or may not fit together."""
    table = draw(st.sampled_from(sorted(TABLES)))
    columns = sorted(TABLES[table])

    def expression(depth: int) -> exp.Expr:
        kind = draw(st.integers(0, 9 if depth else 1))
        inner = depth - 1
        match kind:
            case 0:
                return exp.column(draw(st.sampled_from(columns)))
            case 1:
                return literal(draw)
            case 2:
                return exp.Paren(this=exp.Add(this=expression(inner), expression=expression(inner)))
            case 3:
                return exp.func(draw(st.sampled_from(["abs", "upper", "sum", "count", "max"])), expression(inner))
            case 4:
                return exp.Case(ifs=[exp.If(this=expression(inner), true=expression(inner))], default=expression(inner))
            case 5:
                return exp.cast(
                    expression(inner), draw(st.sampled_from(["int", "date", "string", "double", "boolean"]))
                )
            case 6:
                return exp.func("coalesce", expression(inner), expression(inner))
            case 7:
                return exp.EQ(this=expression(inner), expression=expression(inner))
            case 8:
                return exp.Subquery(this=exp.select(expression(inner).as_("s")).from_(table))
            case _:
                return exp.In(this=expression(inner), expressions=[literal(draw), literal(draw)])

    query = exp.select(*(expression(3).as_(f"c{number}") for number in range(draw(st.integers(1, 3))))).from_(table)
    if draw(st.booleans()):
        query = query.where(expression(3))
    if draw(st.booleans()):
        query = query.group_by(expression(1))
    return query


@BATCHES
@given(texts=st.lists(mutated(), min_size=10, max_size=10))
def test_any_text_gets_a_verdict(corpus_lakehouse: Lakehouse, texts: list[str]) -> None:
    items = [{"id": number, "sql": text} for number, text in enumerate(texts)]
    found = list(validate_lines(corpus_lakehouse, items, Policy()))
    assert [verdict.id for verdict in found] == list(range(len(texts)))
    for text, verdict in zip(texts, found, strict=True):
        assert not any("the rule failed" in finding.message for finding in verdict.findings), (text, verdict)
        if verdict.verdict == "VALID":
            assert read_only_problem(text) is None, text


@BATCHES
@given(queries=st.lists(trees(), min_size=10, max_size=10))
def test_any_tree_gets_a_verdict(corpus_lakehouse: Lakehouse, queries: list[exp.Expr]) -> None:
    items = [{"id": number, "sql": query.sql(dialect=DIALECT)} for number, query in enumerate(queries)]
    for item, verdict in zip(items, validate_lines(corpus_lakehouse, items, Policy()), strict=True):
        assert not any("the rule failed" in finding.message for finding in verdict.findings), (item, verdict)
        blocking = [finding for finding in verdict.findings if finding.severity is not Severity.WARNING]
        assert all(finding.group not in ("safety",) for finding in blocking), (item, verdict)


@BATCHES
@given(text=st.text(alphabet=st.characters(codec=None), max_size=200))
def test_any_characters_get_a_verdict(corpus_lakehouse: Lakehouse, text: str) -> None:
    (verdict,) = validate_lines(corpus_lakehouse, [{"id": 1, "sql": text}], Policy())
    assert not any("the rule failed" in finding.message for finding in verdict.findings), verdict


@given(
    seed=st.integers(0, 2**32), where=st.sampled_from(["select", "where", "cte", "subquery", "order", "lambda", "case"])
)
@examples(30, 300)
def test_what_reaches_outside_is_found_wherever_it_stands(seed: int, where: str) -> None:
    chance = random.Random(seed)
    name = chance.choice(
        ["secret", "ai_query", "java_method", "reflect", "http_request", "read_files", "main.x.f", "list_secrets"]
    )
    name = "".join(letter.upper() if chance.random() < 0.3 else letter for letter in name)
    gap = chance.choice(["", " ", "\n", " /* x */ ", " -- x\n"])
    call = f"{name}{gap}('a', 'b')"
    text = {
        "select": f"SELECT {call} AS c FROM costs",
        "where": f"SELECT id FROM costs WHERE {call} = sku",
        "cte": f"WITH a AS (SELECT {call} AS c) SELECT c FROM a",
        "subquery": f"SELECT id FROM costs WHERE sku IN (SELECT {call})",
        "order": f"SELECT id FROM costs ORDER BY {call}",
        "lambda": f"SELECT transform(notes, n -> {call}) AS c FROM costs",
        "case": f"SELECT CASE WHEN id = 1 THEN {call} END AS c FROM costs",
    }[where]
    assert read_only_problem(text) is not None, text
