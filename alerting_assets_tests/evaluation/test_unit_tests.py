"""Unit tests of alerts: what people write, what is wrong with it, and what they are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting_assets.configuration.templates import TemplateCatalog, templates_of
from alerting_assets.evaluation.unit_test_files import collect_tests, open_runner
from alerting_assets.evaluation.unit_test_run import UnitTestRunner
from alerting_assets.evaluation.unit_tests import parse_tests
from alerting_assets.settings import Settings
from alerting_assets_tests.templates import TEXT as TEMPLATE

ALERTS = """\
alerts:
  - alert_id: COST-1
    alert_name: Spend
    agent_domain: COST
    severity: WARNING
    alert_query_template: |
      SELECT SUM(list_cost) AS cost FROM ${catalog}.${gold_schema}.fact_usage
      WHERE usage_end_time > CURRENT_TIMESTAMP() - INTERVAL 1 HOUR
      HAVING COUNT(*) > 0
    aggregation_column: cost
    operator: GREATER_THAN
    threshold_value_double: 100
    empty_result_state: ERROR
    schedule_cron: 0 0 * * * ?
    custom_subject_template: "{{ALERT_NAME}}: {{QUERY_RESULT_VALUE}} > {{THRESHOLD_VALUE}}, {{ALERT_STATUS}}"
    owner: me
  - alert_id: COST-2
    alert_name: Spend grows
    agent_domain: COST
    severity: WARNING
    alert_query_template: SELECT cost, note FROM main.finance.daily AS d, other AS o
    aggregation_column: cost
    operator: CHANGES_BY
    threshold_value_double: 50
    change_direction: INCREASE
    schedule_cron: 0 0 * * * ?
    owner: me
  - alert_id: COST-4
    alert_name: Spend that recurs
    agent_domain: COST
    severity: WARNING
    alert_query_template: SELECT 150 AS cost
    aggregation_column: cost
    operator: GREATER_THAN
    threshold_value_double: 100
    schedule_cron: 0 0 * * * ?
    ml_model_enabled: true
    ml_shadow: false
    owner: me
  - alert_id: COST-3
    alert_name: Writes
    agent_domain: COST
    severity: WARNING
    alert_query_template: DROP TABLE fact_usage
    aggregation_column: cost
    operator: IS_NULL
    schedule_cron: 0 0 * * * ?
    owner: me
"""
HEAD = "tests:\n  - name: t\n    alert: COST-1\n    as_of: 2026-11-02T12:00:00Z\n"
GOOD = HEAD + "    given: {fact_usage: [{usage_end_time: -30m, list_cost: 150}]}\n    expect: {state: TRIGGERED}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    definitions = tmp_path_factory.mktemp("alerts")
    (definitions / "a.yml").write_text(ALERTS)
    (definitions / "templates").mkdir()
    (definitions / "templates" / "own_rate.yml").write_text(TEMPLATE)
    (definitions / "tests").mkdir()
    (definitions / "tests" / "t.yml").write_text(GOOD)
    return definitions


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[UnitTestRunner]:
    with open_runner(Settings(definitions=folder), None) as opened:
        yield opened


def failures(runner: UnitTestRunner, text: str) -> tuple[str, ...]:
    tests, problems = parse_tests("tests/t.yml", text)
    assert not problems
    (outcome,) = runner.run(tests)
    return outcome.failures


@pytest.mark.integration
@pytest.mark.parametrize(
    "body",
    [
        "given: {fact_usage: [{usage_end_time: -30m, list_cost: 150}]}\n    expect: {state: TRIGGERED, value: 150}",
        "given: {fact_usage: [{usage_end_time: 2026-11-02T11:30:00Z, list_cost: 150}]}\n    expect: {state: TRIGGERED}",
        "given: {fact_usage: [{usage_end_time: '2026-11-02T13:30:00+02:00', list_cost: 150}]}\n    expect: {state: TRIGGERED}",
        "given: {health_monitor.gold.fact_usage: [{usage_end_time: -1h, list_cost: 150}]}\n    expect: {state: ERROR}",
        "given: {fact_usage: [{usage_end_time: -1m, list_cost: 100}]}\n    expect: {state: OK, value: 100.0}",
        "given: {fact_usage: [{usage_end_time: -1m}]}\n    expect: {state: OK, value: null}",
        "given: {fact_usage: []}\n    expect: {state: ERROR}",
        "given: {fact_usage: [{usage_end_time: -1m, list_cost: 120.5}]}\n"
        "    expect: {state: TRIGGERED, subject: 'Spend: 120.5 > 100, TRIGGERED'}",
    ],
)
def test_a_test_that_is_right_passes(runner: UnitTestRunner, body: str) -> None:
    assert failures(runner, HEAD + "    " + body + "\n") == ()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("given", "state"),
    [
        ("given: {}", "TRIGGERED"),
        ("given: {expected_ranges: [{upper: 200}]}", "SUPPRESSED"),
        ("given: {expected_ranges: [{upper: 140}]}", "TRIGGERED"),
        ("given: {expected_ranges: [{upper: 200, valid_from: -3h, valid_until: -2h}]}", "TRIGGERED"),
    ],
)
def test_an_alert_with_a_model_sees_the_ranges_that_the_test_gives(
    runner: UnitTestRunner, given: str, state: str
) -> None:
    head = HEAD.replace("COST-1", "COST-4")
    assert failures(runner, f"{head}    {given}\n    expect: {{state: {state}}}\n") == ()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("TRIGGERED", "OK", "state is TRIGGERED, expected OK; the value is 150.0"),
        ("{state: TRIGGERED}", "{state: TRIGGERED, value: 151}", "value is 150.0, expected 151"),
        ("{state: TRIGGERED}", "{state: TRIGGERED, value: '150'}", "value is 150.0, expected '150'"),
        (
            "{state: TRIGGERED}",
            "{state: TRIGGERED, subject: x}",
            "subject is 'Spend: 150 > 100, TRIGGERED', expected 'x'",
        ),
        ("{state: TRIGGERED}", "{state: TRIGGERED, body: x}", "body is None, expected 'x'"),
        ("list_cost", "list_csot", "fact_usage: there is no column 'list_csot'; did you mean 'list_cost'?"),
        ("150", "lots", "fact_usage: row 1: list_cost is double, and 'lots' is not"),
        ("-30m", "soon", "fact_usage: row 1: usage_end_time is timestamp[us, tz=UTC], and 'soon' is not"),
        (
            "{fact_usage:",
            "{fact_usge:",
            "given: fact_usge is not read by the query, which reads health_monitor.gold.fact_usage",
        ),
        ("COST-1", "COST-9", "there is no alert 'COST-9'; did you mean 'COST-1'?"),
        ("COST-1", "COST-3", "DROP is no query"),
        ("COST-1", "COST-2", "given: fact_usage is not read by the query"),
    ],
)
def test_a_test_that_is_wrong_says_why(runner: UnitTestRunner, old: str, new: str, says: str) -> None:
    assert old in GOOD
    assert any(says in failure for failure in failures(runner, GOOD.replace(old, new, 1)))


@pytest.mark.integration
def test_tables_that_exist_nowhere_are_typed_by_their_values_or_by_columns(runner: UnitTestRunner) -> None:
    text = (
        "tests:\n  - name: t\n    alert: COST-2\n    as_of: 2026-11-02\n    columns: {other: {note: string}}\n"
        "    given: {main.finance.daily: [{cost: 160}], other: [{note: null}]}\n"
        "    history: [{at: -1h, value: 100}, {at: -2h, value: 1000}]\n    expect: {state: TRIGGERED, value: 160}\n"
    )
    assert failures(runner, text) == ()
    (why,) = failures(runner, text.replace("    history: [{at: -1h, value: 100}, {at: -2h, value: 1000}]\n", ""))
    assert "state is OK (no evaluation of about 1 hour ago to compare with" in why
    (why,) = failures(
        runner, text.replace("    columns: {other: {note: string}}\n", "").replace("[{note: null}]", "[]")
    )
    assert why == "other: is empty and exists nowhere; give its columns: `columns: {other: {name: type}}`"
    (why,) = failures(runner, text.replace(", other: [{note: null}]", ""))
    assert "the query reads health_monitor.gold.other; give its rows: `given: {other: []}`" in why


@pytest.mark.unit
@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("    name: t\n".strip(), "nam: t", "t.yml:2", "did you mean 'name'?"),
        ("    as_of: 2026-11-02T12:00:00Z\n", "", "t.yml:2", "as_of: is missing"),
        ("2026-11-02T12:00:00Z", "-2h", "t.yml:4", "is relative"),
        ("2026-11-02T12:00:00Z", "noon", "t.yml:4", "as_of"),
        ("state: TRIGGERED", "state: FIRING", "t.yml:6", "needs a state: OK, TRIGGERED, SUPPRESSED, ERROR"),
        ("state: TRIGGERED", "state: OK, valeu: 1", "t.yml:6", "did you mean 'value'?"),
        ("[{usage_end_time: -30m, list_cost: 150}]", "5", "t.yml:5", "fact_usage: is a list of rows"),
        ("    expect", "    history: [{at: soon}]\n    expect", "t.yml:6", "at: "),
        ("    expect", "    history: [{value: 1}]\n    expect", "t.yml:6", "`at` is needed"),
        ("    expect", "    params: {a: 1}\n    expect", "t.yml:6", "is no field of a test"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(old: str, new: str, place: str, says: str) -> None:
    assert old in GOOD
    tests, problems = parse_tests("tests/t.yml", GOOD.replace(old, new, 1))
    assert not tests
    assert any(place in str(problem) and says in str(problem) for problem in problems), problems


@pytest.mark.unit
def test_two_tests_of_an_alert_have_two_names() -> None:
    _, (problem,) = parse_tests("tests/t.yml", GOOD + GOOD.removeprefix("tests:\n"))
    assert "is the name of another test of COST-1" in str(problem)


@pytest.mark.unit
def test_a_wrong_test_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.yml").write_text(GOOD + GOOD.removeprefix("tests:\n").replace("state:", "stat:"))
    (tmp_path / "tests" / "b.yml").write_text("tests: [")
    (tmp_path / "team" / "tests").mkdir(parents=True)
    (tmp_path / "team" / "tests" / "c.yml").write_text(GOOD)
    tests, problems = collect_tests(tmp_path, templates_of(tmp_path))
    assert [test.file for test in tests] == ["team/tests/c.yml", "tests/a.yml"]
    assert [str(problem).split(": ")[0] for problem in problems] == ["tests/a.yml:11", "tests/b.yml:1"]


@pytest.mark.unit
def test_tests_of_ones_own_templates_are_collected_with_those_of_the_folder(folder: Path) -> None:
    own, _ = collect_tests(folder, templates_of(folder))
    assert [test.title for test in own] == ["COST-1: t", "OWN_RATE: all fail"]
    assert len(collect_tests(folder, templates_of(folder), shipped=True)[0]) > 60


SHIPPED, _ = collect_tests(Path("nowhere"), TemplateCatalog(), shipped=True)


@pytest.mark.unit
@pytest.mark.parametrize("template_id", list(TemplateCatalog()))
def test_every_shipped_template_is_tested_firing_quiet_and_on_no_input(template_id: str) -> None:
    tests = [test for test in SHIPPED if test.subject == template_id]
    assert {test.expect.state.value for test in tests} >= {"TRIGGERED", "OK"}
    assert any(not any(test.given.values()) for test in tests)


@pytest.mark.integration
@pytest.mark.parametrize("test", SHIPPED, ids=[test.title for test in SHIPPED])
def test_shipped_template(runner: UnitTestRunner, test: object) -> None:
    (outcome,) = runner.run([test])  # type: ignore[list-item]
    assert outcome.failures == ()
