import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.alerts.compiled import Target
from alerting_assets.configuration import ConfiguredAlert, to_alerts
from alerting_assets.lakehouse.port import Column, Lakehouse, TableSpec
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_QUERY_VALIDATIONS
from alerting_assets.validation import (
    RULES,
    AlertVerdict,
    Group,
    alert_verdicts,
    validate_all_alert_queries,
    verdicts_of_rows,
)
from alerting_assets.validation.policy import NO_POLICY
from alerting_assets.validation.verdicts import store_verdicts
from alerting_assets_tests.examples import configuration

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
COSTS = TableSpec(
    "costs",
    "",
    (
        Column("id", "int", nullable=False),
        Column("cost", "double"),
        Column("amount", "decimal(10,2)"),
        Column("sku", "string"),
        Column("paid", "boolean"),
        Column("day", "date"),
    ),
    key=("id",),
)


@pytest.fixture
def costs(lakehouse: Lakehouse) -> Lakehouse:
    lakehouse.create_table(COSTS)
    return lakehouse


def target(lakehouse: Lakehouse) -> Target:
    catalog, schema = lakehouse.namespace
    return Target(catalog, schema, "test", "w")


def row(query: str, **changes: Any) -> dict[str, Any]:
    values = {"aggregation_type": None, **changes}
    return dict.fromkeys(ALERT_CONFIGURATIONS.column_names) | configuration(alert_query_template=query, **values).row()


def alert(lakehouse: Lakehouse, query: str, **changes: Any) -> ConfiguredAlert:
    (made,) = to_alerts([row(query, **changes)], target(lakehouse))
    return made


def verdict(lakehouse: Lakehouse, query: str, **changes: Any) -> AlertVerdict:
    (found,) = validate_all_alert_queries(lakehouse, [alert(lakehouse, query, **changes)], NOW).verdicts
    return found


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("SELECT SUM(cost) AS cost FROM ${catalog}.${gold_schema}.costs", {}),
        ("SELECT amount AS cost FROM costs ORDER BY amount DESC", {}),
        ("SELECT cost FROM costs", {"aggregation_type": "MEDIAN"}),
        ("SELECT sku AS cost FROM costs", {"aggregation_type": "COUNT_DISTINCT"}),
        ("WITH a AS (SELECT cost FROM costs) SELECT cost FROM a -- all of it", {"aggregation_type": "MAX"}),
        ("SELECT cost FROM costs WHERE sku LIKE '%TRUNCATE; DROP TABLE x%';", {}),
        ("SELECT cost FROM costs UNION ALL SELECT cost FROM costs", {"aggregation_type": "AVG"}),
        (
            "SELECT sku AS cost FROM costs",
            {"operator": "EQUAL", "threshold_value_double": None, "threshold_value_string": "x"},
        ),
        (
            "SELECT paid AS cost FROM costs",
            {"operator": "EQUAL", "threshold_value_double": None, "threshold_value_bool": True},
        ),
        ("SELECT day AS cost FROM costs", {"operator": "IS_NULL", "threshold_value_double": None}),
    ],
)
def test_a_sound_alert_is_valid(costs: Lakehouse, query: str, changes: dict[str, Any]) -> None:
    found = verdict(costs, query, **changes)
    assert (found.verdict, found.reason) == ("VALID", "")


@pytest.mark.parametrize(
    ("query", "changes", "rule", "says"),
    [
        ("DROP TABLE costs", {}, "one_query", "DROP is no query"),
        ("DELETE FROM costs", {}, "one_query", "DELETE is no query"),
        ("SELECT 1 AS cost; SELECT 2 AS cost", {}, "one_query", "2 statements"),
        ("SELECT 1 AS cost; DROP TABLE costs", {}, "one_query", "2 statements"),
        ("WITH a AS (SELECT 1) INSERT INTO costs SELECT * FROM a", {}, "one_query", "INSERT is no query"),
        ("SELECT * INTO t FROM costs", {}, "no_side_effects", "INTO inside the query"),
        ("SET spark.x = 1", {}, "one_query", "SET is no query"),
        ("SHOW TABLES", {}, "one_query", "SHOW is no query"),
        ("SELECT * FROM csv.`/etc/passwd`", {}, "no_paths", "is a file"),
        ("EXPLAIN SELECT 1", {}, "one_query", "EXPLAIN is no query"),
        ("SELEC cost FROM costs", {}, "parses_as_sql", "line 1"),
        ("SELECT cost\nFROM costs\nWHERE (cost > 1", {}, "parses_as_sql", "line 3"),
        ("SELECT cost FROM no_such_table", {}, "tables_exist", "no_such_table"),
        ("SELECT no_such_column AS cost FROM costs", {}, "accepted_by_the_engine", "no_such_column"),
        ("SELECT no_such_function(cost) AS cost FROM costs", {}, "known_functions", "no_such_function"),
        ("SELECT cost AS coost FROM costs", {}, "aggregation_column_exists", "did you mean 'coost'"),
        ("SELECT cost, amount AS cost FROM costs", {}, "aggregation_column_exists", "2 output columns"),
        ("SELECT sku AS cost FROM costs", {"aggregation_type": "SUM"}, "aggregation_fits_the_column", "needs a number"),
        ("SELECT sku AS cost FROM costs", {}, "value_fits_the_threshold", "which is string, with a number threshold"),
        ("SELECT day AS cost FROM costs", {}, "value_fits_the_threshold", "which is date"),
        ("SELECT paid AS cost FROM costs", {}, "value_fits_the_threshold", "which is boolean"),
        (
            "SELECT cost FROM costs",
            {"operator": "EQUAL", "threshold_value_double": None, "threshold_value_string": "x"},
            "value_fits_the_threshold",
            "with a string threshold",
        ),
        ("SELECT ${nope} AS cost", {}, "configuration", "${nope} is not resolved"),
    ],
)
def test_a_broken_alert_is_invalid_by_the_rule_it_breaks(
    costs: Lakehouse, query: str, changes: dict[str, Any], rule: str, says: str
) -> None:
    found = verdict(costs, query, **changes)
    assert (found.verdict, found.finding and found.finding.rule) == ("INVALID", rule), found.reason
    assert says in found.reason


@pytest.mark.parametrize("query", ["SELECT cost FROM costs QUALIFY ROW_NUMBER() OVER (ORDER BY cost) = 1"])
def test_what_only_this_engine_lacks_is_unsupported(costs: Lakehouse, query: str) -> None:
    assert verdict(costs, query).verdict == "UNSUPPORTED"


def test_validating_executes_nothing(costs: Lakehouse) -> None:
    before = costs.tables()
    for text in (
        "CREATE TABLE made AS SELECT 1",
        "CREATE VIEW made AS SELECT 1",
        "DROP TABLE costs",
        "SELECT 1) q; DROP TABLE costs; --",
    ):
        assert verdict(costs, text).verdict == "INVALID"
    assert costs.tables() == before


def test_a_valid_verdict_is_reused_until_query_or_tables_change(costs: Lakehouse) -> None:
    query = "SELECT cost FROM costs"
    assert not verdict(costs, query).reused
    stored = costs.version(ALERT_QUERY_VALIDATIONS.name)
    assert verdict(costs, query).reused
    assert costs.version(ALERT_QUERY_VALIDATIONS.name) == stored
    assert not verdict(costs, query, threshold_value_double=7.0).reused
    costs.create_table(TableSpec("costs", "", (*COSTS.columns, Column("note", "string")), key=("id",)))
    assert not verdict(costs, query).reused


def test_the_verdicts_of_rows_are_those_of_their_alerts(costs: Lakehouse) -> None:
    """Found without compiling where nothing changed, and never those of what an alert, its target or its tables were before."""
    queries = [
        "SELECT cost FROM costs",
        "SELECT nope AS cost FROM costs",
        "SELEC cost",
        "SELECT ${nope} AS cost",
        "SELECT 1 AS cost",
    ]
    rows = [row(query, alert_id=f"A-{number}") for number, query in enumerate(queries)]
    there = target(costs)

    def assert_same(rows: list[dict[str, Any]], there: Target) -> None:
        assert verdicts_of_rows(costs, rows, there) == alert_verdicts(costs, to_alerts(rows, there))

    assert_same(rows, there)
    validate_all_alert_queries(costs, to_alerts(rows, there), NOW)
    found = verdicts_of_rows(costs, rows, there)
    assert [(one := found[row["alert_id"]]) and one.verdict for row in rows] == [
        "VALID",
        "INVALID",
        "INVALID",
        "INVALID",
        "VALID",
    ]
    assert_same(rows, there)
    assert_same(rows, replace(there, catalog="other"))
    assert_same([*rows, rows[0]], there)  # a row twice is nobody's alert
    edited = [{**rows[0], "alert_query_template": "SELECT amount AS cost FROM costs"}, *rows[1:]]
    assert verdicts_of_rows(costs, edited, there)["A-0"] is None
    assert_same(edited, there)
    renamed = [{**rows[0], "alert_name": "Another name"}, *rows[1:]]
    assert_same(renamed, there)
    validate_all_alert_queries(costs, to_alerts(renamed, there), NOW)
    assert_same(renamed, there)
    costs.create_table(TableSpec("costs", "", (*COSTS.columns, Column("note", "string")), key=("id",)))
    assert verdicts_of_rows(costs, rows, there)["A-0"] is None
    assert_same(rows, there)


def test_a_verdict_of_other_rules_is_not_reused(costs: Lakehouse) -> None:
    """After an upgrade all is judged again, and nothing is deployed on the word of the old rules."""
    item = alert(costs, "SELECT nope AS cost FROM costs")
    (judged,) = validate_all_alert_queries(costs, [item], NOW, store=False).verdicts
    older = AlertVerdict(judged.alert_id, judged.compiled_hash, judged.schema_hash)  # to which the query was VALID
    store_verdicts(costs, [older], NO_POLICY.fingerprint(costs.engine, rules="older"), NOW)
    assert alert_verdicts(costs, [item]) == {judged.alert_id: None}
    (again,) = validate_all_alert_queries(costs, [item], NOW).verdicts
    assert (again.verdict, again.reused) == ("INVALID", False)
    assert alert_verdicts(costs, [item]) == {judged.alert_id: replace(again, reused=True)}


def test_a_quarantined_alert_heals_when_its_table_appears(costs: Lakehouse) -> None:
    query = "SELECT cost FROM late"
    assert verdict(costs, query).verdict == "INVALID"
    costs.create_table(TableSpec("late", "", (Column("cost", "double"),), key=()))
    costs.append("late", pa.table({"cost": [1.0]}))
    assert verdict(costs, query).verdict == "VALID"


def test_rules_stand_in_the_order_of_their_groups() -> None:
    groups = list(Group)
    assert [rule.group for rule in RULES] == sorted((rule.group for rule in RULES), key=groups.index)


def test_groups_behind_the_one_that_failed_were_not_run(costs: Lakehouse) -> None:
    for query, last in (
        ("SELECT cost FROM costs; SELECT 1", Group.SAFETY),
        ("SELECT nope AS cost FROM costs", Group.ANALYSIS),
        ("SELECT sku AS cost FROM costs", Group.CONTRACT),
        ("SELECT cost FROM costs", Group.QUALITY),
    ):
        found = verdict(costs, query)
        assert [group for group in Group if found.ran(group)][-1] is last


def test_deployment_looks_up_what_validation_stored(costs: Lakehouse) -> None:
    good, bad = (
        alert(costs, "SELECT cost FROM costs", alert_id="GOOD"),
        alert(costs, "SELECT x AS cost FROM costs", alert_id="BAD"),
    )
    new, wrong = alert(costs, "SELECT 1 AS cost", alert_id="NEW"), alert(costs, "SELECT ${x} AS cost", alert_id="WRONG")
    validate_all_alert_queries(costs, [good, bad], NOW)
    found = alert_verdicts(costs, [good, bad, new, wrong])
    assert {name: item and item.verdict for name, item in found.items()} == {
        "GOOD": "VALID",
        "BAD": "INVALID",
        "NEW": None,
        "WRONG": "INVALID",
    }


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT {'(' * 5000}1{')' * 5000} AS cost",
        f"SELECT {'CASE WHEN TRUE THEN ' * 3000}1{' END' * 3000} AS cost",
        f"{'SELECT * FROM (' * 1000}SELECT 1 AS cost{') AS t' * 1000}",
    ],
    ids=["parentheses", "case", "subqueries"],
)
@pytest.mark.parametrize("aggregation", [None, "SUM"])
def test_a_query_that_is_nested_beyond_reading_costs_its_own_alert_only(
    costs: Lakehouse, query: str, aggregation: str | None
) -> None:
    deep = alert(costs, query, alert_id="DEEP", aggregation_type=aggregation)
    good = alert(costs, "SELECT cost FROM ${catalog}.${gold_schema}.costs", alert_id="GOOD")
    found = {verdict.alert_id: verdict for verdict in validate_all_alert_queries(costs, [deep, good], NOW).verdicts}
    assert found["GOOD"].verdict == "VALID"
    assert found["DEEP"].verdict == "UNSUPPORTED"
    assert "nested too deeply" in found["DEEP"].reason


OUTSIDE = (
    "SELECT secret('scope', 'key') AS cost",
    "SELECT `secret`('scope', 'key') AS cost",
    "SELECT SeCrEt /* */ ('scope', 'key') AS cost",
    "SELECT system.builtin.secret('scope', 'key') AS cost",
    "SELECT try_secret('scope', 'key') AS cost",
    "SELECT * FROM list_secrets()",
    "SELECT ai_query('model', sku) AS cost FROM {t}",
    "SELECT ai_classify(sku, array('a')) AS cost FROM {t}",
    "SELECT ai_gen('x') AS cost",
    "SELECT http_request(conn => 'c', method => 'GET', path => '/') AS cost",
    "SELECT * FROM remote_query('c', database => 'd', query => 'SELECT 1 AS cost')",
    "SELECT * FROM read_files('/Volumes/a/b')",
    "WITH a AS (SELECT * FROM read_files('s3://a/b')) SELECT * FROM a",
    "SELECT * FROM read_kafka(bootstrapServers => 'x')",
    "SELECT reflect('java.lang.System', 'getenv', 'HOME') AS cost",
    "SELECT java_method('java.lang.Runtime', 'x') AS cost",
    "SELECT try_reflect('a', 'b') AS cost",
    "SELECT cost FROM {t} WHERE sku = (SELECT secret('a', 'b'))",
    "SELECT cost FROM {t} ORDER BY secret('a', 'b')",
    "SELECT transform(array(1), x -> secret('a', 'b')) AS cost",
    "SELECT CASE WHEN 1 = 1 THEN secret('a', 'b') END AS cost",
    "SELECT * FROM {t} LATERAL VIEW reflect('a', 'b') AS cost",
)
INSIDE = (
    "SELECT cost AS secret FROM {t}",
    "SELECT 'secret(1) read_files(2)' AS cost FROM {t}",
    "SELECT cost FROM {t} AS reflect",
    "WITH read_files AS (SELECT cost FROM {t}) SELECT cost FROM read_files",
    "SELECT cost FROM {t} -- ai_query('x')",
    "SELECT `ai_score`.cost FROM {t} AS `ai_score`",
    "SELECT regexp_replace(sku, 'http_request', '') AS cost FROM {t}",
    "SELECT try_cast(sku AS DOUBLE) AS cost FROM {t}",
)


@pytest.mark.parametrize("query", OUTSIDE)
def test_what_reaches_beyond_tables_is_never_deployed(costs: Lakehouse, query: str) -> None:
    found = verdict(costs, query.format(t="costs"))
    assert found.verdict == "INVALID"
    assert "reaches beyond tables and views" in found.reason


@pytest.mark.parametrize("query", INSIDE)
def test_what_only_looks_like_it_is_fine(costs: Lakehouse, query: str) -> None:
    column = "secret" if "AS secret" in query else "cost"
    changes = {"operator": "IS_NULL", "threshold_value_double": None, "aggregation_column": column}
    found = verdict(costs, query.format(t="costs"), **changes)
    assert (found.verdict, found.reason) == ("VALID", "")


@pytest.mark.parametrize(
    ("query", "aggregation", "warned"),
    [
        ("SELECT COUNT(*) AS cost FROM costs", "COUNT", True),
        ("SELECT SUM(cost) AS cost FROM costs", "STDDEV", True),
        ("SELECT cost FROM costs ORDER BY cost LIMIT 1", "COUNT_DISTINCT", True),
        ("SELECT SUM(cost) AS cost FROM costs", "SUM", False),
        ("SELECT SUM(cost) AS cost FROM costs GROUP BY sku", "COUNT", False),
        ("SELECT cost FROM costs", "COUNT", False),
    ],
)
def test_an_aggregation_of_one_row_is_a_warning(costs: Lakehouse, query: str, aggregation: str, warned: bool) -> None:
    found = verdict(costs, query, aggregation_type=aggregation)
    told = [finding.message for finding in found.warnings if finding.rule == "aggregation_has_several_rows"]
    assert (found.verdict, bool(told)) == ("VALID", warned)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELCT SUM(cost) FROM costs", "did you mean SELECT for SELCT?"),
        ("SELECT sku, SUM(cost) AS cost FROM costs GRUOP BY sku", "did you mean GROUP for GRUOP?"),
        ("SELECT cost FROM costs WEHRE cost > 1", "did you mean WHERE for WEHRE?"),
    ],
)
def test_a_misspelt_keyword_is_told(costs: Lakehouse, query: str, says: str) -> None:
    assert says in verdict(costs, query).reason


def test_an_alert_whose_expected_values_cannot_be_read_is_refused_before_it_is_deployed(
    costs: Lakehouse, tmp_path: Path
) -> None:
    """And not an ERROR at night."""
    shutil.rmtree(tmp_path.joinpath("lakehouse", *costs.namespace, "expected_ranges"))
    assert verdict(costs, "SELECT cost FROM costs").verdict == "VALID"
    found = verdict(costs, "SELECT cost FROM costs", ml_model_enabled=True)
    assert found.verdict == "INVALID"
    assert "expected_ranges" in found.reason


def test_an_alert_with_a_model_is_valid(costs: Lakehouse) -> None:
    assert verdict(costs, "SELECT amount AS cost FROM costs", ml_model_enabled=True).verdict == "VALID"
