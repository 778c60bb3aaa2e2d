import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from databricks.bundles.alerts import Alert
from databricks.sdk.service.sql import AlertV2
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.gated import COLUMNS
from alerting_assets.alerts.marker import Marker, mark, read_marker
from alerting_assets.alerts.operators import OPERATORS, Aggregation, Operator
from alerting_assets.alerts.query_text import resolve_placeholders
from alerting_assets.alerts.windows import Window
from alerting_assets.errors import CompileError
from alerting_assets_tests.conditions import condition_fields
from alerting_assets_tests.examples import compiled
from alerting_assets_tests.golden import assert_matches

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
NONCE = "0123456789abcdef0123456789abcdef"

FORMS: dict[str, dict[str, Any]] = {
    "aggregated": {},
    "count_distinct": {"aggregation_type": "COUNT_DISTINCT"},
    "first_row": {
        "aggregation_type": None,
        "alert_query_template": "SELECT MAX(list_cost) AS cost FROM t ORDER BY 1;\n-- done",
    },
    "first_row_of_a_limited_query": {
        "aggregation_type": None,
        "alert_query_template": "SELECT cost FROM t ORDER BY cost DESC LIMIT 5",
    },
    "trailing_comment": {"alert_query_template": "SELECT 1 AS cost -- the end"},
    "with_clause": {"alert_query_template": "WITH a AS (SELECT 1 AS cost) SELECT cost FROM a"},
    "parameters": {
        "alert_query_template": (
            "SELECT cost FROM ${catalog}.${gold_schema}.t\n"
            "WHERE day > CURRENT_DATE() - INTERVAL ${days} DAYS AND owner = ${owner} AND note = '${owner}: ${days}' -- ${comment} stays"
        ),
        "template_params": {"days": "7", "owner": json.dumps('o\'brien \\ "x"')},
    },
    **{
        f"gated_{name}": {"threshold_value_double": None, "schedule_cron": "0 0 * * * ?", **changes}
        for name, changes in {
            "between": {"operator": "BETWEEN", "threshold_value_min": -1.5, "threshold_value_max": 10.0},
            "not_in_texts": {
                "operator": "NOT_IN",
                "threshold_value_list": ["O'Brien", "日本"],
                "aggregation_type": None,
            },
            "in_numbers": {"operator": "IN", "threshold_value_list": ["1", "2.5"]},
            "not_matches": {
                "operator": "NOT_MATCHES",
                "threshold_value_string": r"^(SUCCEEDED|SKIPPED)\s*$",
                "aggregation_type": "MAX",
            },
            "changes_by": {"operator": "CHANGES_BY", "threshold_value_double": 20.0, "change_direction": "INCREASE"},
            "for_evaluations": {"operator": "IS_NULL", "for_evaluations": 3},
            "for_evaluations_empty": {
                "operator": "GREATER_THAN",
                "threshold_value_double": 100.0,
                "for_evaluations": 3,
                "empty_result_state": "TRIGGERED",
            },
            "recovery": {
                "operator": "GREATER_THAN",
                "threshold_value_double": 100.0,
                "recovery_threshold_double": 80.0,
                "for_evaluations": 2,
            },
        }.items()
    },
    **{
        f"model_{name}": {"ml_model_enabled": True, "ml_shadow": False, "schedule_cron": "0 0 * * * ?", **changes}
        for name, changes in {
            "holds": {"notify_on_ok": True},
            "in_shadow": {"ml_shadow": True, "ml_model_name": "ml.prod.spend@champion", "ml_threshold": 0.5},
            "critical": {"severity": "CRITICAL"},
            "outside_of_a_range": {
                "operator": "NOT_BETWEEN",
                "threshold_value_double": None,
                "threshold_value_min": 1.0,
                "threshold_value_max": 10.0,
            },
            "recovery": {"recovery_threshold_double": 80.0, "for_evaluations": 2},
        }.items()
    },
    "odd_column": {"aggregation_column": "the `cost`", "alert_query_template": "SELECT 1 AS `the ``cost```"},
}


SILENCED: dict[str, dict[str, Any]] = {
    "native": {"notify_on_ok": True},
    "empty_is_error": {"empty_result_state": "ERROR", "threshold_value_double": None, "operator": "IS_NULL"},
    "gated": FORMS["gated_recovery"],
    "with_a_model": {"ml_model_enabled": True, "ml_shadow": False},
    "column_of_ours": {"aggregation_column": "measured_value", "empty_result_state": "TRIGGERED"},
}
WINDOWS = (
    Window(datetime(2026, 12, 6, 1, tzinfo=UTC), datetime(2026, 12, 6, 3, tzinfo=UTC), "weekly"),
    Window(datetime(2026, 12, 13, 1, tzinfo=UTC), datetime(2026, 12, 13, 3, tzinfo=UTC), "weekly"),
)


@pytest.mark.parametrize("name", SILENCED)
def test_the_deployed_text_under_a_silence_is(name: str) -> None:
    alert = compiled(**SILENCED[name]).silenced(WINDOWS)
    body = alert.body(NONCE)
    assert_matches(GOLDEN / f"silenced_{name}.sql", alert.deployed_sql + "\n")
    assert body["query_text"].endswith(alert.deployed_sql)
    assert body["evaluation"]["comparison_operator"] == "IS_NOT_NULL"
    assert "threshold" not in body["evaluation"]
    assert body["evaluation"]["notification"]["notify_on_ok"] is False, "the begin of a silence is no recovery"


def test_a_text_tells_the_condition_and_not_that_of_the_deployed_form() -> None:
    texts = {
        "custom_subject_template": "{{ALERT_CONDITION}} {{ALERT_THRESHOLD}}",
        "custom_body_template": "<p>{{ALERT_CONDITION}}</p>",
    }
    silenced = compiled(**texts).silenced(WINDOWS).body(NONCE)
    gated = compiled(**texts, for_evaluations=2, schedule_cron="0 0 * * * ?").body(NONCE)
    assert "greater than" in silenced["custom_description"]
    assert silenced["custom_summary"].replace(", at 2 evaluations in a row", "") == gated["custom_summary"].replace(
        ", at 2 evaluations in a row", ""
    )
    assert compiled(**texts).silenced(()).body(NONCE)["custom_summary"] == compiled(**texts).custom_summary


def test_a_silence_changes_what_is_deployed_and_not_what_is_judged() -> None:
    plain = compiled()
    silenced = plain.silenced(WINDOWS)
    assert (silenced.sql, silenced.compiled_hash) == (plain.sql, plain.compiled_hash)
    assert silenced.config_hash != plain.config_hash
    assert silenced.silenced(()).config_hash == plain.config_hash


@pytest.mark.parametrize("name", FORMS)
def test_the_deployed_text_is(name: str) -> None:
    assert_matches(GOLDEN / f"{name}.sql", compiled(**FORMS[name]).sql + "\n")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("number", {}),
        (
            "string",
            {
                "threshold_value_double": None,
                "threshold_value_string": "FAILED",
                "operator": "EQUAL",
                "aggregation_type": None,
            },
        ),
        (
            "bool",
            {
                "threshold_value_double": None,
                "threshold_value_bool": False,
                "operator": "NOT_EQUAL",
                "aggregation_type": None,
            },
        ),
        ("null", {"threshold_value_double": None, "operator": "IS_NULL"}),
        (
            "everything",
            {
                "notification_channels": ["b@example.com", "a@example.com", "0a1b2c3d-0000-4000-8000-000000000001"],
                "notify_on_ok": True,
                "retrigger_seconds": 3600,
                "custom_subject_template": "{{ALERT_NAME}} is {{ALERT_STATUS}}",
                "custom_body_template": "Value: {{QUERY_RESULT_VALUE}}",
                "empty_result_state": "ERROR",
                "is_enabled": False,
                "schedule_timezone": "Europe/Berlin",
            },
        ),
    ],
)
def test_the_payload_is(name: str, changes: dict[str, Any]) -> None:
    body = compiled(Target("c", "s", "prod", "w1", "/Workspace/Shared/alerts"), **changes).body(NONCE)
    assert_matches(GOLDEN / f"payload_{name}.json", json.dumps(body, indent=2) + "\n")


printable = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    return {
        **draw(condition_fields(list(Operator))),
        "aggregation_type": draw(st.none() | st.sampled_from([item.value for item in Aggregation])),
        "aggregation_column": draw(printable.filter(lambda name: name.lower() not in COLUMNS)),
        "alert_name": draw(printable),
        "empty_result_state": draw(st.sampled_from(["OK", "TRIGGERED", "ERROR"])),
        "notify_on_ok": draw(st.booleans()),
        "retrigger_seconds": draw(st.none() | st.integers(0, 10**6)),
        "custom_subject_template": draw(st.none() | st.sampled_from(["{{ALERT_NAME}} is at {{QUERY_RESULT_VALUE}}"])),
    }


@given(changes=configurations())
def test_every_payload_is_one_that_databricks_knows(changes: dict[str, Any]) -> None:
    body = compiled(**changes).body(NONCE)
    Alert.from_dict(body)
    native = OPERATORS[Operator(changes["operator"])].native
    sent = AlertV2.from_dict(body).evaluation.comparison_operator.value
    assert sent == (changes["operator"] if native else "IS_NOT_NULL")
    assert json.loads(json.dumps(body, allow_nan=False)) == body


@given(changes=configurations())
def test_the_deployed_text_is_one_query_that_yields_the_column(changes: dict[str, Any]) -> None:
    alert = compiled(**changes)
    (tree,) = sqlglot.parse(alert.body(NONCE)["query_text"], dialect="databricks")
    assert isinstance(tree, exp.Select)
    if changes["aggregation_type"]:
        assert tree.named_selects[0] == changes["aggregation_column"]


@given(value=st.text(max_size=40), quote=st.sampled_from(["'", '"']))
def test_a_parameter_reaches_the_query_as_the_very_same_string(value: str, quote: str) -> None:
    bare = resolve_placeholders("SELECT ${p}", {"p": value})
    inside = resolve_placeholders(f"SELECT {quote}<${{p}}>{quote}", {"p": value})
    assert sqlglot.parse_one(bare, dialect="databricks").selects[0].this == value
    assert sqlglot.parse_one(inside, dialect="databricks").selects[0].this == f"<{value}>"


def test_a_negative_parameter_behind_a_minus_sign_is_no_comment() -> None:
    assert resolve_placeholders("SELECT 1 -${p}", {"p": -2}) == "SELECT 1 -(-2)"


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"alert_query_template": "SELECT ${dys} AS cost"}, "alert_query_template", "${dys} is not resolved"),
        ({"alert_query_template": "SELECT '${dys}' AS cost"}, "alert_query_template", "${dys} is not resolved"),
        ({"alert_query_template": "SELECT ${} AS cost"}, "alert_query_template", "malformed"),
        ({"alert_query_template": "-- nothing"}, "alert_query_template", "is empty"),
        ({"alert_query_template": " ; "}, "alert_query_template", "is empty"),
        ({"alert_query_template": "SELECT 'abc"}, "alert_query_template", "cannot be read as SQL"),
        ({"template_params": {"catalog": '"x"'}}, "template_params", "is a setting"),
        ({"template_params": {"p": "{}"}}, "template_params", "must be a string"),
        ({"template_params": {"p": "NaN"}}, "template_params", "finite"),
        ({"template_params": {"p": "7 days"}}, "template_params", "is not JSON"),
        ({"notification_channels": ["#ops"]}, "notification_channels", "'#ops' is neither an e-mail address, nor"),
    ],
)
def test_what_cannot_be_compiled_names_alert_field_and_reason(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(**changes)
    assert (caught.value.alert_id, caught.value.field) == ("COST-001", field)
    assert says in caught.value.message


def test_hashes_change_with_what_they_stand_for_and_with_nothing_else() -> None:
    alert = compiled()
    assert compiled(alert_description="new", owner="other", tags={"a": "b"}).config_hash == alert.config_hash
    renamed = compiled(alert_name="Other name", notification_channels=["a@example.com"])
    assert (renamed.compiled_hash, renamed.config_hash != alert.config_hash) == (alert.compiled_hash, True)
    assert compiled(threshold_value_double=101.0).compiled_hash != alert.compiled_hash


def test_the_order_of_channels_means_nothing() -> None:
    one, other = (compiled(notification_channels=names) for names in (["a@x.org", "b@x.org"], ["b@x.org", "a@x.org"]))
    assert one.config_hash == other.config_hash


@given(text=st.text(max_size=80))
def test_a_marker_is_read_back(text: str) -> None:
    marker = Marker("A-1", "prod", NONCE)
    assert read_marker(mark(text, marker)) == marker


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT 1",
        f" /* alerting_assets alert_id=A environment=e nonce={NONCE} */\nSELECT 1",
        f"/* alerting_assets alert_id=A environment=e nonce={NONCE[1:]} */\nSELECT 1",
        f"/* alerting_assets alert_id=a environment=e nonce={NONCE} */\nSELECT 1",
        f"SELECT 1 /* alerting_assets alert_id=A environment=e nonce={NONCE} */",
    ],
)
def test_anything_but_our_exact_marker_is_foreign(text: str) -> None:
    assert read_marker(text) is None
