"""Hand-made alerts as definitions: what becomes of each field, and that they decide what they decided before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import example, given
from hypothesis import strategies as st

from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.operators import OPERATORS, Operator
from alerting_assets.alerts.query_text import Identifier, QueryTextError, resolve_placeholders, without_placeholders
from alerting_assets.deployment.conversion import Definition, NotExpressible, Terms, definition_of, free_id
from alerting_assets.deployment.difference import UPDATABLE
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.workspace.local.evaluate import evaluate
from alerting_assets_tests.examples import TARGET
from alerting_assets_tests.profile import examples
from alerting_assets_tests.workspace.bodies import alert_body

TERMS = Terms(replace(TARGET, warehouse_id="local"), "adopted.yml", owner="me@example.com")
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DESTINATION = "01234567-89ab-cdef-0123-456789abcdef"


def convert(terms: Terms = TERMS, **changes: Any) -> Definition:
    return definition_of(alert_body(**changes), "A", terms)


@pytest.mark.unit
def test_a_plain_alert_becomes_the_definition_that_people_would_write() -> None:
    found = convert()
    assert found.entry == {
        "alert_id": "A",
        "alert_name": "Daily cost",
        "agent_domain": "RELIABILITY",
        "severity": "WARNING",
        "alert_query_template": "SELECT 120.5 AS cost",
        "aggregation_column": "cost",
        "operator": "GREATER_THAN",
        "threshold_value_double": 100.0,
        "empty_result_state": "OK",
        "schedule_cron": "0 0 8 * * ?",
        "schedule_timezone": "UTC",
        "notification_channels": ["a@example.com"],
        "notify_on_ok": True,
        "owner": "me@example.com",
    }
    assert found.configuration.managed_by == "yaml:adopted.yml"
    assert found.notes == ("it will be named [WARNING] Daily cost",)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"display_name": "[CRITICAL] Spend"}, {"severity": "CRITICAL", "alert_name": "Spend"}),
        ({"display_name": "[URGENT] Spend"}, {"severity": "WARNING", "alert_name": "[URGENT] Spend"}),
        *(
            ({"evaluation__comparison_operator": operator}, {"operator": operator, "threshold_value_double": 100.0})
            for operator in ("LESS_THAN", "LESS_THAN_OR_EQUAL", "GREATER_THAN_OR_EQUAL", "EQUAL", "NOT_EQUAL")
        ),
        *(
            ({"evaluation__comparison_operator": operator}, {"operator": operator, "threshold_value_double": None})
            for operator in ("IS_NULL", "IS_NOT_NULL")
        ),
        ({"evaluation__threshold": {"value": {"double_value": 0}}}, {"threshold_value_double": 0.0}),
        (
            {
                "evaluation__comparison_operator": "EQUAL",
                "evaluation__threshold": {"value": {"string_value": "a: ${b} #"}},
            },
            {"threshold_value_string": "a: ${b} #", "threshold_value_double": None},
        ),
        (
            {"evaluation__comparison_operator": "NOT_EQUAL", "evaluation__threshold": {"value": {"bool_value": False}}},
            {"threshold_value_bool": False},
        ),
        ({"evaluation__source": {"name": "cost", "aggregation": "MEDIAN"}}, {"aggregation_type": "MEDIAN"}),
        ({"evaluation__empty_result_state": "ERROR"}, {"empty_result_state": "ERROR"}),
        ({"evaluation__notification": {}}, {"notify_on_ok": False, "notification_channels": []}),
        ({"evaluation__notification": {"retrigger_seconds": 0}}, {"retrigger_seconds": None}),
        ({"evaluation__notification": {"retrigger_seconds": 60}}, {"retrigger_seconds": 60}),
        (
            {"evaluation__notification": {"subscriptions": [{"destination_id": DESTINATION}]}},
            {"notification_channels": [DESTINATION]},
        ),
        (
            {
                "schedule": {
                    "quartz_cron_schedule": "7 0/5 * * * ?",
                    "timezone_id": "Asia/Tokyo",
                    "pause_status": "PAUSED",
                }
            },
            {"schedule_cron": "7 0/5 * * * ?", "schedule_timezone": "Asia/Tokyo", "is_enabled": False},
        ),
        (
            {"custom_summary": "{{ALERT_STATUS}}!", "custom_description": "<b>x</b>\n{{QUERY_RESULT_VALUE}}"},
            {
                "custom_subject_template": "{{ALERT_STATUS}}!",
                "custom_body_template": "<b>x</b>\n{{QUERY_RESULT_VALUE}}",
            },
        ),
        ({"custom_summary": ""}, {"custom_subject_template": None}),
        *(
            ({"query_text": text}, {"alert_query_template": text, "template_params": None})
            for text in (
                "SELECT 1 AS cost;",
                " \n-- why\nSELECT 1 AS cost -- that\n;;\n/* end */\n",
                "SELECT 1 AS cost\r\n\tFROM x  \n",
                "WITH a AS (SELECT 1 AS cost)\n\n\n  SELECT * FROM a",
                "SELECT 1 AS cost -- ${not_one}",
                "SELECT '$' AS cost, '{x}', '${'",
            )
        ),
    ],
)
def test_each_field_has_its_counterpart(changes: dict[str, Any], fields: dict[str, Any]) -> None:
    row = convert(**changes).configuration.row()
    assert {name: row[name] for name in fields} == fields


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"evaluation__threshold": {"column": {"name": "limit"}}}, "with the column limit.*difference"),
        ({"evaluation__threshold": None}, "threshold_value_double: is missing"),
        ({"evaluation__threshold": {"value": {"double_value": "NaN"}}}, "threshold_value_double: nan is not allowed"),
        ({"evaluation__threshold": {"value": {"string_value": "x"}}}, "GREATER_THAN compares numbers"),
        ({"evaluation__comparison_operator": None}, "comparison_operator: none is not known"),
        ({"evaluation__empty_result_state": "UNKNOWN"}, "UNKNOWN is no state.*choose OK, TRIGGERED or ERROR"),
        ({"evaluation__empty_result_state": None}, "UNKNOWN is no state"),
        ({"evaluation__source": {}}, "names no column"),
        ({"evaluation__source": {"name": "cost", "aggregation": "MODE"}}, "MODE is not known"),
        ({"custom_description": "<script>x</script>"}, "custom_body_template: .*script"),
        ({"custom_summary": "{{QUERY_RESULT_TABLE}}"}, "custom_subject_template: Invalid placeholder"),
        ({"query_text": "SELECT ${x} AS cost"}, r"query_text: \$\{x\} outside of a string"),
        ({"query_text": "SELECT 1 AS `${x}`"}, r"\$\{x\} outside of a string"),
        ({"query_text": "SELECT '${' || ${x} || '}' AS cost"}, r"\$\{x\} outside of a string"),
        ({"query_text": "-- nothing"}, "is empty"),
        ({"query_text": None}, "alert_query_template"),
        (
            {"parameters": [{"name": "p", "type": "STRING", "value": "x"}]},
            "parameters: a definition has no query parameters",
        ),
        ({"schedule": {"quartz_cron_schedule": "0 0 8 * * *", "timezone_id": "UTC"}}, "schedule_cron"),
        ({"schedule": {"quartz_cron_schedule": "0 0 8 * * ?", "timezone_id": "Mars"}}, "no IANA time zone"),
        ({"display_name": "x" * 201}, "alert_name"),
        ({"display_name": ""}, "alert_name"),
        (
            {"evaluation__notification": {"subscriptions": [{"user_email": "root@localhost"}]}},
            "notification_channels: 'root@localhost'",
        ),
        ({"query_text": "SELECT '\ud800' AS cost"}, "half of a surrogate pair"),
    ],
)
def test_what_no_definition_can_say_is_a_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotExpressible, match=reason):
        convert(**changes)


@pytest.mark.unit
def test_all_reasons_are_told_at_once_and_an_owner_is_asked_for() -> None:
    body = alert_body(evaluation__empty_result_state="UNKNOWN", evaluation__threshold={"column": {"name": "limit"}})
    with pytest.raises(NotExpressible) as caught:
        definition_of(body, "A", replace(TERMS, owner=None))
    assert len(caught.value.reasons) == 3
    assert caught.value.reasons[-1].endswith("--owner")
    by_the_workspace = definition_of(alert_body(owner_user_name="you@example.com"), "A", replace(TERMS, owner=None))
    assert by_the_workspace.configuration.owner == "you@example.com"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"warehouse_id": "w1"}, "it moves from warehouse w1 to local"),
        ({"parent_path": "/Workspace/Users/me"}, "it stays in /Workspace/Users/me: the API cannot move it to /Shared/alerts"),
        ({"run_as": {"user_name": "robot"}}, "it goes on running as robot, which no definition holds"),
        ({"custom_summary": "{{ALERT_NAME}} {{SEVERITY}}"}, "custom_summary will be: Daily cost WARNING"),
        ({"custom_description": "{{QUERY_RESULT_ROWS}}"}, "will be the first row"),
        ({"evaluation__source": {"name": "cost", "display": "Cost"}}, "never fires in Databricks"),
        ({"evaluation__source": {"name": "cost", "aggregation": "SUM"}, "query_text": "SELECT 1 AS cost;"}, "semicolon"),
        (
            {"evaluation__source": {"name": "cost", "aggregation": "SUM"}, "evaluation__empty_result_state": "ERROR"},
            "SUM of an empty result is NULL in Databricks, so its empty_result_state ERROR never counted; OK decides as it did",
        ),
        ({"schedule__pause_status": "PAUSED"}, "a later sync moves it to the trash"),
    ],
)  # fmt: skip
def test_what_will_not_be_as_it_was_is_noted(changes: dict[str, Any], note: str) -> None:
    terms = replace(TERMS, target=replace(TERMS.target, parent_path="/Shared/alerts"), delete_disabled=True)
    assert any(note in found for found in convert(terms, **changes).notes)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "taken", "alert_id"),
    [
        ("Daily cost (EU)", (), "DAILY-COST-EU"),
        ("Daily cost (EU)", ("DAILY-COST-EU", "DAILY-COST-EU-2"), "DAILY-COST-EU-3"),
        ("Crème brûlée_1", (), "CREME-BRULEE_1"),
        ("日本", (), "ALERT"),
        ("x" * 99, (), "X" * 64),
        ("x" * 99, ("X" * 64,), "X" * 62 + "-2"),
    ],
)
def test_ids_come_from_names(name: str, taken: tuple[str, ...], alert_id: str) -> None:
    assert free_id(name, taken) == alert_id


PIECES = ("$", "{", "}", "${", "'", '"', "`", "\\", "x", "catalog", " ", "\n", "r'", "--", ";", "${x}", "'${x}'")
texts = st.lists(st.sampled_from(PIECES)).map("".join)


@pytest.mark.unit
@examples(200, 2_000)
@given(text=texts.map("SELECT {} AS cost".format) | st.text().map("SELECT '{}' AS cost".format))
@example(text="SELECT '${a${b}}', r'${catalog}', \"${x\n}\", '\\'${y}' AS cost")
def test_a_query_stays_letter_for_letter_what_it_was(text: str) -> None:
    values = {"dollar": "$", "catalog": Identifier("mine")}
    try:
        written = without_placeholders(text)
    except QueryTextError:
        return
    assert resolve_placeholders(written, values) == text


@pytest.mark.unit
@examples(80, 500)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), name=st.text(min_size=1, max_size=50))
def test_texts_survive_the_file_or_are_refused(text: str, name: str) -> None:
    try:
        found = convert(query_text=f"SELECT 1 AS cost /*{text}*/ FROM t", display_name=name)
    except NotExpressible:
        return
    assert found.configuration.alert_name == name
    assert compile_alert(found.configuration, TERMS.target).source_sql == f"SELECT 1 AS cost /*{text}*/ FROM t".strip()


QUERIES = {
    kind: f"SELECT {kind} AS cost FROM health_monitor.gold.readings WHERE series = '{{}}' ORDER BY position"
    for kind in ("number", "decimal", "whole", "text", "flag")
}
SERIES: dict[str, list[float | None]] = {
    "empty": [],
    "null": [None],
    "nulls": [None, None],
    "one": [100.0],
    "zero": [0.0],
    "many": [3.0, 100.0, None, 3.0, -1.0],
    "null first": [None, 5.0],
    "nan": [math.nan],
}


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a query on the embedded engine, over real tables; each text once."""
    rows = [
        {
            "series": name,
            "position": position,
            "number": value,
            "decimal": None if value is None or math.isnan(value) else f"{value:.2f}",
            "whole": None if value is None or math.isnan(value) else int(value),
            "text": None if value is None else f"t{value}",
            "flag": None if value is None else value > 0,
        }
        for name, values in SERIES.items()
        for position, value in enumerate(values)
    ]
    table = pa.Table.from_pylist(rows)
    place = table.schema.get_field_index("decimal")
    table = table.set_column(place, "decimal", table["decimal"].cast(pa.decimal128(10, 2)))
    root: Path = tmp_path_factory.mktemp("adopt") / "lakehouse"
    with EmbeddedLakehouse(root, "health_monitor", "gold") as lakehouse:
        create_tables(lakehouse)
        write_deltalake(root / "health_monitor" / "gold" / "readings", table)
        answers: dict[str, pa.Table] = {}

        def run(sql: str) -> pa.Table:
            if sql not in answers:
                answers[sql] = lakehouse.query(sql)
            return answers[sql]

        yield run


NATIVE = [operator.value for operator in Operator if OPERATORS[operator].native]


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    operator = draw(st.sampled_from(NATIVE))
    kind = draw(st.sampled_from(["number", "decimal", "whole"]))
    aggregations: list[str | None] = [None, "AVG", "COUNT", "COUNT_DISTINCT", "MAX", "MEDIAN", "MIN", "STDDEV", "SUM"]
    threshold: dict[str, Any] = {"double_value": draw(st.sampled_from([0.0, 1.0, 3.0, 100.0, -1.0, 2.0, 102.0]))}
    if operator in ("EQUAL", "NOT_EQUAL") and draw(st.booleans()):
        kind = draw(st.sampled_from(["text", "flag"]))
        aggregations = [None, "MAX", "MIN"] if kind == "text" else [None]
        threshold = {"string_value": draw(st.sampled_from(["t3.0", "", "t100.0"]))}
        threshold = {"bool_value": draw(st.booleans())} if kind == "flag" else threshold
    aggregation = draw(st.sampled_from(aggregations))
    text = QUERIES[kind].format(draw(st.sampled_from(sorted(SERIES))))
    states: list[str | None] = ["OK", "TRIGGERED", "ERROR", *(["UNKNOWN", None] if aggregation else [])]
    return alert_body(
        query_text=text,
        evaluation__source={"name": "cost", **({"aggregation": aggregation} if aggregation else {})},
        evaluation__comparison_operator=operator,
        evaluation__threshold=None if operator.startswith("IS_") else {"value": threshold},
        evaluation__empty_result_state=draw(st.sampled_from(states)),
    )


@pytest.mark.integration
@examples(60, 1_000)
@given(body=bodies())
def test_an_adopted_alert_decides_what_it_decided_before(ask: Callable[[str], pa.Table], body: dict[str, Any]) -> None:
    """In the local workspace, from nothing but the bodies before and after the update that an apply sends."""
    configuration = definition_of(body, "A", TERMS).configuration
    wanted = compile_alert(configuration, TERMS.target).body("0" * 32)
    after = {**body, **{name: wanted[name] for name in UPDATABLE if name in wanted}}
    assert "aggregation" not in after["evaluation"]["source"]
    before, now = (evaluate({**form, "id": "1"}, ask, NOW) for form in (body, after))
    assert (now.state, now.error) == (before.state, before.error)
    if before.row_count and now.row_count:
        assert str(now.value) == str(before.value)
