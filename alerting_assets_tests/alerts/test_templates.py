from pathlib import Path
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import parse_configuration
from alerting_assets.alerts.definitions import parse_definitions
from alerting_assets.alerts.templates import instantiate, render_fields
from alerting_assets.configuration import get_template, list_templates, render_template
from alerting_assets.configuration.templates import TemplateCatalog
from alerting_assets.errors import DefinitionError, TemplateError
from alerting_assets_tests.examples import TARGET
from alerting_assets_tests.golden import assert_matches
from alerting_assets_tests.templates import ALERT, PARAMS, TEXT, changed, template

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
VALUES: dict[str, Any] = {
    "job": "O'Brien",
    "states": ["FAILED", "it's late"],
    "runs": "system.lakeflow.`my runs`",
    "ended": "`end time`",
    "strict": True,
}


def test_the_rendered_query_is() -> None:
    assert_matches(GOLDEN / "template.sql", render_fields(template(), VALUES)["alert_query_template"])


def test_the_threshold_parameter_sets_the_threshold() -> None:
    fields = render_fields(template(), {**PARAMS, "threshold_pct": 33})
    assert (fields["threshold_value_double"], fields["alert_name"]) == (33.0, "Failures of nightly over 33 %")


def test_catalog_and_schema_stay_for_the_compiler_or_are_filled_in() -> None:
    left = render_template(template(), PARAMS)["alert_query_template"]
    filled = render_template(template(), PARAMS, "main", "prod")["alert_query_template"]
    assert "FROM ${catalog}.${gold_schema}.`runs`" in left
    assert "FROM main.prod.`runs`" in filled


@pytest.mark.parametrize(
    ("params", "parameter", "says"),
    [
        ({}, "job", "is missing: The job (string)"),
        ({"job": None}, "job", "is missing"),
        ({**PARAMS, "thresold_pct": 5}, "thresold_pct", "did you mean 'threshold_pct'?"),
        ({**PARAMS, "threshold_pct": "5"}, "threshold_pct", "expected a number, got '5'"),
        ({**PARAMS, "threshold_pct": True}, "threshold_pct", "expected a number, got True"),
        ({**PARAMS, "threshold_pct": float("nan")}, "threshold_pct", "expected a number"),
        ({**PARAMS, "threshold_pct": 101}, "threshold_pct", "101 is above the maximum of 100"),
        ({**PARAMS, "lookback_hours": 0}, "lookback_hours", "0 is below the minimum of 1"),
        ({**PARAMS, "lookback_hours": 1.5}, "lookback_hours", "expected a whole number"),
        ({"job": 5}, "job", "expected a string, got 5"),
        ({"job": "${catalog}"}, "job", "would be taken for a placeholder"),
        ({"job": "\ud800"}, "job", "surrogate"),
        ({**PARAMS, "states": "FAILED"}, "states", "expected a list of strings"),
        ({**PARAMS, "states": []}, "states", "expected a list of strings"),
        ({**PARAMS, "strict": "yes"}, "strict", "expected true or false"),
        ({**PARAMS, "zone": "uk"}, "zone", "'uk' is not one of eu, us"),
        *(
            ({**PARAMS, "runs": hostile}, "runs", "is not a table name")
            for hostile in (
                "'; DROP TABLE x --",
                "runs; SELECT 1",
                "runs -- x",
                "(SELECT 1)",
                "a.b.c.d",
                "runs AS r",
                "runs JOIN x",
                "read_files('x')",
                "",
                "a..b",
                "`a",
                "runs WHERE 1=1",
                "runs TABLESAMPLE (5 ROWS)",
                "${catalog}.x",
                "runs@v1",
            )
        ),
        *(
            ({**PARAMS, "ended": hostile}, "ended", "is not a column name")
            for hostile in ("1", "a b", "a.b", "x OR 1=1", "f(x)", "'x'", "a--", "*")
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_its_template(params: dict[str, Any], parameter: str, says: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render_fields(template(), params)
    assert (caught.value.template_id, caught.value.parameter) == ("OWN_RATE", parameter)
    assert says in caught.value.message or "placeholder" in caught.value.message
    assert str(caught.value).startswith(f"template OWN_RATE: parameter {parameter}: ")


@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30).filter(
        lambda text: "${" not in text
    )
)
def test_a_string_reaches_the_query_as_itself_and_never_as_sql(text: str) -> None:
    values = {"job": text, "states": [text, "b"]}
    fields = instantiate(template(), {"alert_id": "A-1", "owner": "me"}, values)
    alert = compile_alert(parse_configuration({**fields, "template_id": "OWN_RATE"}), TARGET)
    (tree,) = sqlglot.parse(alert.sql, dialect="databricks")
    literals = [literal.this for literal in tree.find_all(exp.Literal) if literal.is_string]
    assert [literal for literal in literals if literal not in ("b", "eu", "24")].count(text) >= (
        text not in ("b", "eu", "24")
    ) * 2


@given(name=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12))
def test_a_table_name_is_one_identifier_or_refused(name: str) -> None:
    try:
        query = render_fields(template(), {**PARAMS, "runs": name})["alert_query_template"]
    except TemplateError:
        return
    query = query.replace("${catalog}", "c").replace("${gold_schema}", "s")
    tables = list(sqlglot.parse_one(query, dialect="databricks").find_all(exp.Table))
    assert len(tables) == 1
    assert len(tables[0].parts) == 3


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (
            changed("template_id: OWN_RATE", "template_id: OTHER"),
            "own_rate.yml:1",
            "the file of OTHER is named other.yml",
        ),
        (changed("severity: CRITICAL\n", ""), "own_rate.yml:1", "severity: is missing"),
        (changed("operator:", "oprator:"), "own_rate.yml:22", "did you mean 'operator'?"),
        (changed("operator:", "owner: me\noperator:"), "own_rate.yml:22", "belongs to the alert"),
        (changed("type: number", "type: float"), "own_rate.yml:6", "threshold_pct: type is one of number,"),
        (changed("default: 10,", "default: 200,"), "own_rate.yml:6", "200 is above the maximum"),
        (changed("= ${job}", "= ${jb}"), "own_rate.yml:15", "${jb} is no parameter; did you mean 'job'?"),
        (changed("AND zone = '${zone}'", ""), "own_rate.yml:6", "zone: is used nowhere"),
        (
            changed("{type: string, description: The job}", "{type: string}"),
            "own_rate.yml:6",
            "job: has no description",
        ),
        ("- a\n", "own_rate.yml:1", "a template is a mapping"),
        ("a: [", "own_rate.yml:", "YAML"),
    ],
)
def test_a_wrong_template_is_told_with_file_line_and_field(text: str, place: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        template(text)
    assert any(str(problem).startswith(place) and says in str(problem) for problem in caught.value.problems), str(
        caught.value
    )


def test_an_alert_of_a_template_remembers_it_and_its_parameters() -> None:
    (alert,) = parse_definitions({"a.yml": ALERT}, {"OWN_RATE": template()})
    assert (alert.template_id, alert.template_params) == ("OWN_RATE", {"job": '"nightly"', "threshold_pct": "25"})
    assert (alert.alert_name, alert.condition.words) == ("Failures of nightly over 25 %", "is greater than 25")
    assert "health_monitor.gold.`runs`" in compile_alert(alert, TARGET).sql


def test_an_alert_overrides_what_its_template_leaves_open() -> None:
    own = ALERT + "    severity: INFO\n    alert_name: Mine\n    for_evaluations: 2\n"
    (alert,) = parse_definitions({"a.yml": own}, {"OWN_RATE": template()})
    assert (alert.severity, alert.alert_name, alert.condition.evaluations) == ("INFO", "Mine", 2)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("OWN_RATE", "OWN_RAT", "template_id: there is no template 'OWN_RAT'; did you mean 'OWN_RATE'?"),
        ("job: nightly, ", "", "template_params: template OWN_RATE: parameter job: is missing"),
        (
            "owner:",
            "threshold_value_double: 5\n    owner:",
            "threshold_value_double: is set by threshold_pct of template OWN_RATE",
        ),
        ("owner:", "operator: LESS_THAN\n    owner:", "operator: is what template OWN_RATE stands for"),
        ("{job: nightly, threshold_pct: 25}", "[1]", "template_params: is a mapping"),
        ("nightly", "2026-01-01", "template_params: template OWN_RATE: parameter job: expected a string"),
    ],
)
def test_a_wrong_use_of_a_template_is_told_with_alert_file_and_line(old: str, new: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_definitions({"a.yml": ALERT.replace(old, new, 1)}, {"OWN_RATE": template()})
    (problem,) = caught.value.problems
    assert (problem.alert_id, problem.file) == ("REL-100", "a.yml")
    assert problem.line
    assert says in str(problem)


def test_a_parameter_that_does_not_go_with_another_is_named_with_its_template() -> None:
    text = ALERT.replace("OWN_RATE", "WAREHOUSE_QUEUEING").replace(
        "{job: nightly, threshold_pct: 25}", "{threshold_pct: 5, recovered_pct: 9}"
    )
    with pytest.raises(DefinitionError) as caught:
        parse_definitions({"a.yml": text}, TemplateCatalog())
    (problem,) = caught.value.problems
    assert str(problem) == (
        "a.yml:2: alert REL-100 recovery_threshold_double: 9 lies beyond the threshold 5; with GREATER_THAN it is at most that "
        "(set by parameter recovered_pct of template WAREHOUSE_QUEUEING)"
    )


def test_a_folder_of_templates_is_picked_up_beside_those_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "own_rate.yml").write_text(TEXT)
    listed = [item.template_id for item in list_templates(tmp_path)]
    assert {"OWN_RATE", "COST_SPIKE"} < set(listed)
    assert listed == sorted(listed)
    assert get_template("OWN_RATE", tmp_path).required_params == ("job",)
    with pytest.raises(TemplateError, match="did you mean 'OWN_RATE'"):
        get_template("OWN_RAT", tmp_path)


def test_a_template_of_ones_own_takes_no_id_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "cost_spike.yml").write_text(TEXT)
    with pytest.raises(DefinitionError, match="COST_SPIKE is the id of a template of the package"):
        TemplateCatalog(tmp_path)
