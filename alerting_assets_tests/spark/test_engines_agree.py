"""The embedded engine and Spark over the same tables: every demo alert decides the same, and the differences that docs/engines.md lists
are still the ones there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.configuration import load_definitions, read_rows, target_of, to_alerts
from alerting_assets.demo import build_demo
from alerting_assets.errors import QueryError
from alerting_assets.errors import QueryErrorKind as Kind
from alerting_assets.evaluation.decide import decide
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings
from alerting_assets_tests.decisions import EDGES, decided, edge_case, fail_open_cases, inline, model_cases
from alerting_assets_tests.decisions import expected as documented
from alerting_assets_tests.patterns import PATTERNS, TEXTS, matching_sql, python_matches
from alerting_assets_tests.shipped import shipped_definitions

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("jvm")]

CHECKOUT = Path(__file__).parents[2]
DEFINITIONS = shipped_definitions()
NAMES = ("health_monitor", "gold")


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lakehouse, Lakehouse]]:
    root = tmp_path_factory.mktemp("both")
    now = datetime.now(UTC)
    with EmbeddedLakehouse(root, *NAMES) as embedded:
        create_tables(embedded)
        build_demo(embedded, now=now)
        load_definitions(embedded, DEFINITIONS, now)
        with LocalSparkLakehouse(root, *NAMES) as spark:
            yield embedded, spark


@pytest.fixture(scope="module")
def alerts(engines: tuple[Lakehouse, Lakehouse]) -> dict[str, CompiledAlert]:
    configured = to_alerts(read_rows(engines[0]), target_of(Settings()))
    return {item.alert_id: item.compiled for item in configured if item.compiled is not None}


def test_every_demo_alert_decides_the_same_on_both(
    engines: tuple[Lakehouse, Lakehouse], alerts: dict[str, CompiledAlert]
) -> None:
    assert len(alerts) >= 15
    now = datetime.now(UTC)
    answers = {alert_id: [answer(engine, alert, now) for engine in engines] for alert_id, alert in alerts.items()}
    assert {alert_id: both for alert_id, both in answers.items() if not alike(*both)} == {}


def alike(one: Any, other: Any) -> bool:
    """Whether two answers say the same. A sum of floats depends on the order in which an engine adds them, hence the tolerance."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def answer(engine: Lakehouse, alert: CompiledAlert, now: datetime) -> tuple[object, ...]:
    """The result's columns and what is decided, or what is wrong and where. The clock stands still at `now`."""
    stopped = at_moment(alert.sql, now)
    try:
        columns = [(column.name, column.type) for column in engine.describe(stopped)]
        decision = decide(alert, engine.query(stopped))
    except QueryError as error:
        return error.kind, error.name, error.line, error.column
    return columns, decision.state, decision.value, decision.row_count


def test_spark_decides_the_edges_of_every_operator_as_the_documentation_says(
    engines: tuple[Lakehouse, Lakehouse],
) -> None:
    edges = [*(edge_case(*edge) for edge in EDGES), *model_cases(), *fail_open_cases()]
    results = answers_of(engines[1], [sql_of_case(case) for case in edges])
    wrong = []
    for case, result in zip(edges, results, strict=True):
        decision = decided(lambda _tables, _sql_of, result=result: result, case)
        if (decision.state.value, decision.threshold_met) != documented(case):
            wrong.append((case, decision, documented(case)))
    assert wrong == []


def sql_of_case(case: dict[str, Any]) -> str:
    """The deployed text of a case with its rows inline."""
    texts: list[str] = []

    def note(tables: Sequence[pa.Table], sql_of: Callable[[Sequence[str]], str]) -> pa.Table:
        texts.append(sql_of([inline(table) for table in tables]))
        raise LookupError

    with suppress(LookupError):
        decided(note, case)
    return texts[0]


def answers_of(engine: Lakehouse, queries: Sequence[str]) -> list[pa.Table]:
    """The results of queries of at most one row each, many in one query: each costs Spark a tenth of a second whatever it does."""
    answers: list[pa.Table] = []
    for batch in batched(queries, 25):
        columns = [
            f"(SELECT COLLECT_LIST(STRUCT(*)) FROM (\n{sql}\n)) AS q{number}" for number, sql in enumerate(batch)
        ]
        rows = engine.query("SELECT " + ",\n".join(columns))
        answers += [pa.Table.from_struct_array(pc.list_flatten(column.combine_chunks())) for column in rows.columns]
    return answers


def batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def test_spark_finds_the_patterns_that_the_documentation_says(engines: tuple[Lakehouse, Lakehouse]) -> None:
    wrong = []
    for pattern, row in zip(
        PATTERNS, answers_of(engines[1], [matching_sql(pattern) for pattern in PATTERNS]), strict=True
    ):
        found = [text for text, matches in zip(TEXTS, row.to_pylist()[0].values(), strict=True) if matches]
        if found != [text for text in TEXTS if python_matches(pattern, text)]:
            wrong.append((pattern, found))
    assert wrong == []


DIFFERENCES: list[tuple[str, object, object]] = [
    ("SELECT CURRENT_DATE() - INTERVAL 24 HOURS AS v", "date", "timestamp"),
    ("SELECT EXTRACT(DOW FROM DATE'2026-01-04') AS v", 0, 1),
    ("SELECT 'it''s' AS v", "its", "it's"),
    ("SELECT 2147483647 + 1 AS v", -2147483648, Kind.RUNTIME),
    ("SELECT NULL / 0 AS v", Kind.RUNTIME, None),
    ("SELECT CAST(1.50 AS DECIMAL(10,2)) * 100.0 / 3 AS v", "decimal(19,7)", "decimal(18,6)"),
    ("SELECT DATE'2026-01-02' - DATE'2026-01-01' AS v", "bigint", "interval day"),
    ("SELECT DATEDIFF(DATE'2026-01-02', DATE'2026-01-01') AS v", "bigint", "int"),
    ("SELECT CASE WHEN 1 THEN 'a' ELSE 'b' END AS v", "a", Kind.TYPE_MISMATCH),
    ("SELECT MEDIAN(sku_name) AS v FROM fact_usage", "string", "double"),
    ("SELECT 'ab' RLIKE '(?=a)a' AS v", Kind.RUNTIME, True),
    ("SELECT string(TIMESTAMP'2026-01-01 00:00:00') AS v", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00"),
    ("SELECT 1 AS v FROM FACT_USAGE LIMIT 1", Kind.UNSUPPORTED, 1),
    ("SELECT u.run_as AS v FROM fact_usage u JOIN fact_usage w USING (run_as) LIMIT 0", Kind.UNSUPPORTED, "string"),
    ("SELECT 1 AS w, w + 1 AS v", Kind.UNSUPPORTED, 2),
    ("SELECT run_as AS v, COUNT(*) AS n FROM fact_usage GROUP BY ALL LIMIT 0", Kind.UNSUPPORTED, "string"),
    ("SELECT 1 AS v FROM fact_usage QUALIFY ROW_NUMBER() OVER (ORDER BY run_as) = 1", Kind.UNSUPPORTED, 1),
    ("SELECT * EXCEPT (w) FROM (SELECT 1 AS v, 2 AS w)", Kind.UNSUPPORTED, 1),
    ("SELECT 'ab' LIKE ALL ('a%', '%b') AS v", Kind.UNSUPPORTED, True),
    ("SELECT v FROM (SELECT 'a' AS k, 1 AS n) PIVOT (SUM(n) FOR k IN ('a' AS v))", Kind.UNSUPPORTED, 1),
]
"""(query, on the embedded engine, on Spark): a value, the type where that is what differs, or the kind of error."""


@pytest.mark.parametrize(("sql", "embedded", "spark"), DIFFERENCES)
def test_a_difference_is_what_the_documentation_says(
    engines: tuple[Lakehouse, Lakehouse], sql: str, embedded: object, spark: object
) -> None:
    for engine, expected in zip(engines, (embedded, spark), strict=True):
        try:
            (column, *_) = engine.describe(sql)
            found = column.type if expected == column.type else engine.query(sql).to_pylist()[0]["v"]
        except QueryError as error:
            found = error.kind
        assert found == expected, f"{type(engine).__name__}: {sql}"
    assert f"`{sql}`" in (CHECKOUT / "docs" / "engines.md").read_text(encoding="utf-8").replace("\\|", "|")
