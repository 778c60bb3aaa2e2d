"""One text at a time: what is found, and where in what the user wrote."""

from __future__ import annotations

from typing import Any

import pytest

from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation import (
    Finding,
    Policy,
    Severity,
    validate_alert_query,
    validate_lines,
    validate_query_references,
    validate_query_security,
    validate_query_syntax,
)

pytestmark = pytest.mark.integration


def findings(lakehouse: Lakehouse, sql: str, **given: Any) -> list[Finding]:
    return list(validate_alert_query(lakehouse, sql, **given))


def test_a_sound_query_has_no_findings(corpus_lakehouse: Lakehouse) -> None:
    assert findings(corpus_lakehouse, "SELECT SUM(cost) AS total FROM ${catalog}.${gold_schema}.costs;\n-- done") == []


@pytest.mark.parametrize(
    ("sql", "rule", "line", "column"),
    [
        ("SELECT id\nFROM costs\nWHERE  nope > 1", "accepted_by_the_engine", 3, 8),
        ("SELECT id\nFROM ${catalog}.${gold_schema}.cost", "tables_exist", 2, 6),
        ("SELECT '${gold_schema}' AS g, nope\nFROM ${catalog}.${gold_schema}.costs", "accepted_by_the_engine", 1, 31),
        ("/* ${catalog_is_text} */ SELECT 1", "unambiguous_text", 1, 4),
        ("\n\n  SELECT id FROM costs WHERE secret('a', 'b') = sku", "known_functions", 3, 30),
        ("SELECT id FROM costs;\n\nSELECT id FROM jobs", "one_query", 3, 8),
        ("SELECT id\nFROM delta.`s3://bucket/x`", "no_paths", 2, 6),
        ("SELECT id FROM costs WHERE cost > :limit", "no_variables", 1, 35),
        ("SELECT CASE WHEN id THEN 1 END AS x\nFROM costs", "accepted_by_the_engine", 1, 18),
        ("SELECT id,\n  COUNT(\nFROM costs", "parses_as_sql", 3, 6),
        ("WITH a AS (SELECT 1 AS x), A AS (SELECT 2 AS x) SELECT x FROM a", "distinct_names", 1, 28),
        ("SELECT id FROM costs LIMIT 1\nORDER BY id", "clauses_in_order", 2, 1),
        ("SELECT id FROM costs -- a \\\nWHERE cost > 1", "unambiguous_text", 1, 22),
        ("SELECT id AS größe FROM costs", "unambiguous_text", 1, 14),
    ],
)
def test_a_finding_names_its_place_in_the_text_as_it_was_written(
    corpus_lakehouse: Lakehouse, sql: str, rule: str, line: int, column: int
) -> None:
    found = findings(corpus_lakehouse, sql)
    assert [item.rule for item in found if item.severity is not Severity.WARNING] == [rule], found
    assert (found[0].line, found[0].column) == (line, column), found


@pytest.mark.parametrize(
    ("sql", "suggestion"),
    [
        ("SELECT cst FROM costs", "did you mean 'cost'"),
        ("SELECT id FROM cost", "did you mean 'costs'"),
        ("SELECT id FROM silver.costs", "there is health_monitor.gold.costs"),
        ("SELECT coalesc(id, 1) AS c FROM costs", "did you mean 'coalesce'"),
        ("SELECT main.tools.mask(id) FROM costs", "ALERTING_ALLOWED_FUNCTIONS=main.tools.mask"),
    ],
)
def test_a_finding_says_the_way_out(corpus_lakehouse: Lakehouse, sql: str, suggestion: str) -> None:
    (found,) = findings(corpus_lakehouse, sql)
    assert found.suggestion is not None
    assert suggestion in found.suggestion


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT * FROM costs", "no_select_star"),
        ("SELECT c.id FROM costs c CROSS JOIN jobs j", "no_cross_join"),
        ("SELECT c.id FROM costs c, jobs j WHERE c.cost > 1 AND j.seconds > 1", "no_cross_join"),
        ("SELECT SUM(list_cost) AS c FROM fact_usage", "fact_table_is_filtered_by_time"),
        ("SELECT SUM(f.list_cost) AS c FROM fact_usage f JOIN costs c ON f.workspace_id = c.id WHERE c.day > '2026-01-01'",
         "fact_table_is_filtered_by_time"),
        ("SELECT id FROM costs WHERE rand() < 0.1", "is_deterministic"),
        ("SELECT uuid() AS u", "is_deterministic"),
        ("SELECT first(sku) AS s FROM costs", "is_deterministic"),
        ("SELECT id FROM costs TABLESAMPLE (10 PERCENT)", "is_deterministic"),
        ("SELECT CURRENT_DATE() - INTERVAL 24 HOURS AS t", "means_the_same_everywhere"),
        ("SELECT EXTRACT(DOW FROM day) AS d FROM costs", "means_the_same_everywhere"),
        ("SELECT 'it''s' AS s", "means_the_same_everywhere"),
    ],
)  # fmt: skip
def test_what_is_costly_or_doubtful_is_warned_of(corpus_lakehouse: Lakehouse, sql: str, rule: str) -> None:
    found = findings(corpus_lakehouse, sql)
    assert [(item.rule, item.severity) for item in found] == [(rule, Severity.WARNING)], found


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM costs",
        "SELECT id FROM costs WHERE EXISTS (SELECT * FROM jobs WHERE job_id = id)",
        "WITH a AS (SELECT id FROM costs) SELECT * FROM a",
        "SELECT c.id FROM costs c CROSS JOIN (SELECT MAX(seconds) AS m FROM jobs) j",
        "WITH m AS (SELECT MAX(seconds) AS m FROM jobs) SELECT c.id FROM costs c, m WHERE c.cost > m.m",
        "SELECT c.id FROM costs c, jobs j WHERE c.id = j.job_id",
        "SELECT SUM(list_cost) AS c FROM fact_usage WHERE usage_date > CURRENT_DATE() - INTERVAL 7 DAYS",
        "SELECT first_value(sku) OVER (ORDER BY id) AS s FROM costs",
        "SELECT id FROM costs TABLESAMPLE (10 PERCENT) REPEATABLE (1)",
        "SELECT 'it\\'s' AS s",
        "SELECT sku, explode(notes) AS n FROM costs",
    ],
)
def test_what_is_fine_is_not_warned_of(corpus_lakehouse: Lakehouse, sql: str) -> None:
    assert findings(corpus_lakehouse, sql) == []


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"aggregation_column": "n"}, None),
        ({"aggregation_column": "m"}, "aggregation_column_exists"),
        ({"aggregation_column": "n", "operator": "GREATER_THAN", "threshold_value_double": 1.0}, None),
        ({"aggregation_column": "s", "operator": "GREATER_THAN", "threshold_value_double": 1.0}, "value_fits_the_threshold"),
        ({"aggregation_column": "s", "operator": "IS_NULL"}, None),
        ({"aggregation_column": "s", "operator": "EQUAL"}, None),
        ({"aggregation_column": "n", "operator": "GRATER_THAN"}, "input"),
        ({"aggregation_column": "n", "operator": "EQUAL", "threshold_value_double": float("nan")}, "input"),
    ],
)  # fmt: skip
def test_the_contract_is_checked_where_it_is_given(
    corpus_lakehouse: Lakehouse, given: dict[str, Any], rule: str | None
) -> None:
    found = findings(corpus_lakehouse, "SELECT COUNT(*) AS n, MAX(sku) AS s FROM costs", **given)
    assert [item.rule for item in found] == ([rule] if rule else [])


def test_a_first_row_in_no_order_is_warned_of(corpus_lakehouse: Lakehouse) -> None:
    given = {"aggregation_column": "cost", "operator": "GREATER_THAN", "threshold_value_double": 1.0}
    for sql, rules in {
        "SELECT cost FROM costs": ["first_row_has_an_order"],
        "SELECT cost FROM costs ORDER BY cost DESC": [],
        "SELECT cost FROM costs LIMIT 1": [],
        "SELECT MAX(cost) AS cost FROM costs": [],
        "SELECT sku, MAX(cost) AS cost FROM costs GROUP BY sku": ["first_row_has_an_order"],
        "SELECT MAX(cost) OVER () AS cost FROM costs": ["first_row_has_an_order"],
        "SELECT a.cost FROM (SELECT MAX(cost) AS cost FROM costs) a": [],
    }.items():
        assert [item.rule for item in findings(corpus_lakehouse, sql, **given)] == rules, sql


def test_each_public_function_asks_its_groups_only(corpus_lakehouse: Lakehouse) -> None:
    broken = "SELECT nope FROM missing"
    assert validate_query_syntax(corpus_lakehouse, broken) == ()
    assert validate_query_security(corpus_lakehouse, broken) == ()
    assert [item.rule for item in validate_query_references(corpus_lakehouse, broken)] == ["tables_exist"]
    assert [item.rule for item in validate_query_security(corpus_lakehouse, "DROP TABLE costs")] == ["one_query"]
    assert [item.rule for item in validate_query_syntax(corpus_lakehouse, "SELEC 1")] == ["parses_as_sql"]


def test_all_missing_tables_are_named_at_once(corpus_lakehouse: Lakehouse) -> None:
    found = findings(corpus_lakehouse, "SELECT a.id FROM nope a JOIN costs c ON a.id = c.id JOIN nada n ON n.id = c.id")
    assert [item.message for item in found] == ["table nope does not exist", "table nada does not exist"]


def test_functions_of_ones_own_can_be_trusted(corpus_lakehouse: Lakehouse) -> None:
    sql = "SELECT main.tools.mask(sku) AS s FROM costs"
    (found,) = validate_query_security(corpus_lakehouse, sql)
    assert found.rule == "known_functions"
    assert validate_query_security(corpus_lakehouse, sql, Policy(allowed_functions=("main.tools.*",))) == ()


@pytest.mark.parametrize("function", ["secret", "ai_query", "http_request", "java_method"])
def test_no_setting_allows_what_reaches_outside(corpus_lakehouse: Lakehouse, function: str) -> None:
    policy = Policy(allowed_functions=("*",))
    assert validate_query_security(corpus_lakehouse, f"SELECT {function}('a', 'b') AS x", policy)


DEEP = {
    "parentheses": f"SELECT {'(' * 5000}1{')' * 5000}",
    "unclosed": f"SELECT {'(' * 5000}1",
    "sum": f"SELECT {'+'.join(['1'] * 5000)} AS n",
    "or": f"SELECT 1 AS n FROM costs WHERE {' OR '.join(f'id = {number}' for number in range(5000))}",
    "functions": f"SELECT {'abs(' * 5000}1{')' * 5000} AS n",
    "subqueries": f"{'SELECT * FROM (' * 2000}SELECT 1 AS n{') AS t' * 2000}",
    "unions": " UNION ALL ".join(["SELECT 1 AS n"] * 2000),
    "not": f"SELECT {'NOT ' * 5000}TRUE AS n",
    "case": f"SELECT {'CASE WHEN TRUE THEN ' * 3000}1{' END' * 3000} AS n",
    "names": f"SELECT a{'.a' * 20000} FROM costs",
    "aliases of aliases": f"SELECT 1 AS a0, {', '.join(f'a{n} + a{n} AS a{n + 1}' for n in range(40))}",
    "sums of sums": (
        f"WITH a0 AS (SELECT 1 AS n), {', '.join(f'a{n + 1} AS (SELECT n + n AS n FROM a{n})' for n in range(60))} SELECT n FROM a60"
    ),
    "ctes": f"WITH {', '.join(f'a{number} AS (SELECT 1 AS n)' for number in range(2000))} SELECT n FROM a0",
}
LONG = {
    "literal": f"SELECT '{'x' * 1_000_000}' AS s",
    "comment": f"SELECT 1 AS n /* {'x' * 1_000_000} */",
    "semicolons": f"SELECT 1 AS n{';' * 500_000}",
    "list": f"SELECT id FROM costs WHERE id IN ({', '.join(map(str, range(60_000)))})",
    "joined texts": f"SELECT {' || '.join(['sku'] * 60_000)} AS s FROM costs",
    "quotes": f"SELECT {chr(39) * 1_000_001}",
    "backticks": f"SELECT {'`' * 1_000_001}",
    "dashes": f"SELECT 1 AS n {'-' * 1_000_000}",
    "table": f"SELECT 1 AS n FROM {'a' * 1_000_000}",
    "column": f"SELECT {'a' * 1_000_000} FROM costs",
    "function": f"SELECT {'a' * 1_000_000}(1) AS n",
    "nul": f"SELECT 1{chr(0) * 1_000_000}",
    "nothing": " " * 1_000_000,
}


OFTEN = (*(DEEP.keys() - {"unions"}), "literal", "table")
"""The others take up to a minute together."""


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.thorough) for name in (*DEEP, *LONG)]
)
def test_no_text_is_too_much_for_the_validator(corpus_lakehouse: Lakehouse, name: str) -> None:
    """Deep or long: a verdict, and the next query gets its own as if nothing had been."""
    texts = [{"id": name, "sql": {**DEEP, **LONG}[name]}, {"id": "next", "sql": "SELECT id FROM costs"}]
    first, second = validate_lines(corpus_lakehouse, texts, Policy())
    assert first.verdict in ("VALID", "INVALID", "UNSUPPORTED")
    assert second.verdict == "VALID"
    assert all(len(finding.text) < 2_000 for finding in first.findings)
    if name in ("list", "comment", "literal", "semicolons", "dashes"):
        assert first.verdict != "INVALID", first.findings


def test_an_analysis_that_takes_too_long_ends_in_a_verdict(corpus_root: Any) -> None:
    from alerting_assets.lakehouse.embedded import EmbeddedLakehouse

    with EmbeddedLakehouse(corpus_root, "health_monitor", "gold", describe_seconds=0.001) as hasty:
        (found,) = findings(hasty, "SELECT id FROM costs")
    assert found.severity is Severity.UNSUPPORTED
    assert "longer than" in found.message
    assert not found.transient, "a long time was spent on it: it is tried again when somebody asks, and daily"
