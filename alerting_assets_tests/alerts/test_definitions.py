import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.definitions import parse_definitions, read_definitions
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets_tests.examples import values

pytestmark = pytest.mark.unit

GOOD = """\
alerts:
  - alert_id: COST-001
    alert_name: Daily cost
    agent_domain: COST
    severity: WARNING
    alert_query_template: |
      SELECT 1 AS cost
    aggregation_column: cost
    operator: GREATER_THAN
    threshold_value_double: 100
    schedule_cron: 0 0 8 * * ?
    owner: finops@example.com
"""


def messages(text: str, **more: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        parse_definitions({"a.yml": text, **more})
    return [str(problem) for problem in caught.value.problems]


def test_a_file_may_hold_a_list_or_a_single_alert() -> None:
    single = "\n".join(line[4:] for line in GOOD.replace("  - ", "    ", 1).splitlines()[1:])
    assert parse_definitions({"a.yml": GOOD}) == parse_definitions({"a.yml": single})


def test_an_alert_belongs_to_the_file_that_defines_it() -> None:
    (alert,) = parse_definitions({"cost.yml": GOOD})
    assert alert.managed_by == "yaml:cost.yml"
    assert alert.threshold_value_double == 100.0
    assert (alert.schedule_timezone, alert.empty_result_state, alert.is_enabled) == ("UTC", "OK", True)


@pytest.mark.parametrize(
    ("replace", "by", "place", "says"),
    [
        ("owner: finops", "ownr: finops", "a.yml:12", "did you mean 'owner'"),
        ("0 0 8 * * ?", "0 0 8 * * 1", "a.yml:11", "is no Quartz cron expression"),
        ("0 0 8 * * ?", "0 8 * * *", "a.yml:11", "schedule_cron"),
        ("    owner:", "    schedule_timezone: Europe/Berln\n    owner:", "a.yml:12", "did you mean 'Europe/Berlin'"),
        ("GREATER_THAN", "GREATER", "a.yml:9", "did you mean 'GREATER_THAN'"),
        ("GREATER_THAN", "BETWEEN", "a.yml:10", "takes threshold_value_min and threshold_value_max"),
        ("double: 100", "double: .nan", "a.yml:10", "use a finite number"),
        ("double: 100", "double: .inf", "a.yml:10", "use a finite number"),
        ("double: 100", "double: lots", "a.yml:10", "threshold_value_double"),
        ("    threshold_value_double: 100\n", "", "a.yml:2", "is missing"),
        ("    aggregation_column: cost\n", "", "a.yml:2", "aggregation_column: is missing"),
        ("COST-001", "cost 1", "a.yml:2", "use 1 to 64 of A-Z"),
        ("severity: WARNING", "severity: MAJOR", "a.yml:5", "'MAJOR' is not one of CRITICAL, WARNING, INFO"),
        ("GREATER_THAN", "IS_NULL", "a.yml:10", "which takes no threshold; remove it"),
        ("    owner:", "    threshold_value_string: x\n    owner:", "a.yml:12", "give one of them"),
        ("    owner:", '    tags: {team: "\\uD800"}\n    owner:', "a.yml:12", "half of a surrogate pair"),
        ("    owner:", "    ml_max_hold_minutes: 30\n    owner:", "a.yml:12", "60"),
        ("    owner:", "    schedule_timezone: localtime\n    owner:", "a.yml:12", "schedule_timezone"),
        ("    owner:", "    schedule_timezone: Factory\n    owner:", "a.yml:12", "schedule_timezone"),
        ("    owner:", "    managed_by: me\n    owner:", "a.yml:12", "set by the loader"),
    ],
)
def test_a_wrong_field_is_named_with_file_line_and_a_way_out(replace: str, by: str, place: str, says: str) -> None:
    assert replace in GOOD
    found = messages(GOOD.replace(replace, by, 1))
    assert any(message.startswith(place) and says in message for message in found), found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alerts:\n  - alert_id: [", "a.yml:2: YAML"),
        ("alerts:\n\t- x", "a.yml:2: YAML"),
        ("", "holds no alert"),
        ("alerts: []", "expected a list of alerts"),
        ("alerts:\n  - just words", "a.yml:2: an alert is a mapping"),
        ("alerts: 3", "expected a list"),
        ("just words", "expected a list"),
        ("alerts:\n  - alert_id: A\n    alert_id: B", "a.yml"),
        (GOOD + "version: 2\n", "'version' is not known beside `alerts`"),
    ],
)
def test_a_file_that_is_no_list_of_alerts_is_named_with_its_line(text: str, says: str) -> None:
    assert any(says in message for message in messages(text))


def test_a_duplicate_alert_id_names_both_places() -> None:
    (message,) = messages(GOOD, **{"b.yml": GOOD})
    assert message.startswith("b.yml:2: alert COST-001 alert_id: is used at a.yml:2 as well; neither is taken")


def entry(alert_id: str, **changes: str) -> str:
    text = GOOD.removeprefix("alerts:\n").replace("COST-001", alert_id)
    for old, new in changes.items():
        assert f"    {old}: " in text
        text = re.sub(rf"(?m)^    {old}: .*$", lambda _, line=f"    {old}: {new}": line, text)
    return text


@pytest.mark.parametrize(
    ("texts", "good", "held"),
    [
        ({"bob.yml": "alerts:\n" + entry("B", operator="GREATER") + entry("C")}, ["A", "C"], ["B"]),
        ({"bob.yml": "alerts:\n" + entry("B") + "  - just words\n"}, ["A", "B"], []),
        ({"bob.yml": "alerts:\n" + entry("B") + entry("b 2")}, ["A", "B"], []),
        ({"bob.yml": "alerts:\n" + entry("B").replace("COST-001", "[")}, ["A", "B"], []),
        ({"bob.yml": "alerts: ["}, ["A"], []),
        ({"bob.yml": "alerts:\n" + entry("B") + entry("A")}, ["B"], ["A"]),
        ({"bob.yml": "alerts:\n" + entry("B") + entry("B") + entry("B")}, ["A"], ["B"]),
        ({"bob.yml": "alerts:\n" + entry("A", operator="GREATER")}, [], ["A"]),
        ({"bob.yml": "version: 2\nalerts:\n" + entry("B")}, ["A", "B"], []),
        ({"bob.yml": "alerts:\n" + entry("B", alert_name='"a\\0b"')}, ["A"], ["B"]),
        ({"bob.yml": "alerts:\n" + entry("B", alert_name="2026-01-01")}, ["A"], ["B"]),
        ({"bob.yml": "alerts:\n" + entry("B", threshold_value_double="1" + "0" * 400)}, ["A"], ["B"]),
        ({"bob.yml": "alerts:\n" + entry("B", owner="9\n    retrigger_seconds: 9223372036854775808")}, ["A"], ["B"]),
        ({"bob.yml": "alerts:\n  - &x\n    " + entry("B")[4:] + "  - <<: *x\n    alert_id: C\n    operator: IS_NULL\n"}, ["A", "B"], ["C"]),
    ],
)  # fmt: skip
def test_a_mistake_costs_the_alert_that_it_is_in(texts: dict[str, str], good: list[str], held: list[str]) -> None:
    found = read_definitions({"ann.yml": GOOD.replace("COST-001", "A"), **texts})
    assert ([alert.alert_id for alert in found.alerts], sorted(found.held)) == (good, held)
    told = [problem for problem in found.problems if problem.file and problem.line]
    assert bool(told) == (len(good) + len(held) < 2 or bool(held) or bool(found.unclear))
    assert {problem.file for problem in told} <= {"bob.yml"}


@pytest.mark.parametrize(
    ("cron", "condition", "problem"),
    [
        ("0 0 22-2 * * ?", "for_evaluations: 2", "for_evaluations: needs a schedule that comes at even intervals"),
        ("0 50-10 * * * ?", "for_evaluations: 2", "for_evaluations: needs a schedule that comes at even intervals"),
        ("50-10 0 8 * * ?", "for_evaluations: 2", "for_evaluations: needs a schedule that comes at even intervals"),
        ("0 0 5-3/2 * * ?", "for_evaluations: 2", None),
        ("0 0 22-2 * * ?", "recovery_threshold_double: 5", "recovery_threshold_double: needs a schedule"),
        ("0 0 22-2 * * ?", "operator: CHANGES_BY", "change_lookback_seconds: is missing"),
    ],
)
def test_a_schedule_over_midnight_works_or_is_held_back_in_words(
    cron: str, condition: str, problem: str | None
) -> None:
    written = entry("B", schedule_cron=cron) + f"    {condition}\n"
    if condition.startswith("operator"):
        written = entry("B", schedule_cron=cron, operator="CHANGES_BY") + "    change_direction: INCREASE\n"
    found = read_definitions({"ann.yml": GOOD.replace("COST-001", "A"), "bob.yml": "alerts:\n" + written})
    assert [alert.alert_id for alert in found.alerts] == (["A"] if problem else ["A", "B"])
    assert [str(one).partition(" alert B ")[2][: len(problem or "")] for one in found.problems] == (
        [problem] if problem else []
    )


def test_what_was_inherited_and_does_not_fit_is_told_at_the_merge() -> None:
    text = "alerts:\n  - &x\n    " + entry("B")[4:] + "  - <<: *x\n    alert_id: C\n    operator: IS_NULL\n"
    (problem,) = read_definitions({"b.yml": text}).problems
    line = text.splitlines().index("  - <<: *x") + 1
    assert str(problem).startswith(f"b.yml:{line}: alert C threshold_value_double: is not used by IS_NULL")


def test_what_may_stand_in_a_file_that_cannot_be_read_is_not_taken_for_removed() -> None:
    found = read_definitions({"a.yml": GOOD, "b.yml": "alerts:\n  - alert_id: MOVED-1\n    alert_name: ["})
    assert found.may_define("FROM-B", "b.yml")
    assert found.may_define("MOVED-1", "c.yml"), "it was moved to that file"
    assert not found.may_define("MOVED", "c.yml")
    assert not found.may_define("OTHER", "a.yml")


def test_an_emoji_that_json_escaped_is_that_character() -> None:
    text = json.dumps({"alerts": [values(alert_name="spend 💸 up")]})
    assert "\\ud83d" in text
    (alert,) = parse_definitions({"a.yml": text})
    assert alert.alert_name == "spend 💸 up"


@pytest.mark.parametrize(
    ("query", "line", "place"),
    [
        ("|\n      SELECT 1\n      FORM x", 2, "a.yml:8"),
        ("|-\n\n      SELECT 1\n      FORM x", 3, "a.yml:9"),
        (">\n      SELECT 1\n      FORM x", 1, "a.yml:6"),
        ("SELECT 1 FORM x", 1, "a.yml:6"),
        ("SELECT 1 FORM x", None, "a.yml:6"),
    ],
)
def test_a_line_of_a_query_has_a_place_in_its_file(query: str, line: int | None, place: str) -> None:
    text = GOOD.replace("|\n      SELECT 1 AS cost", query)
    for made in (text, text.replace("alert_name:", "alert_name: &n")):  # by the fast reader, and by ruamel
        assert read_definitions({"a.yml": made}).places["COST-001"].of_query(line) == place


def test_every_problem_of_every_file_is_told_at_once() -> None:
    found = messages(GOOD.replace("COST", "cosst"), **{"b.yml": GOOD.replace("owner", "ownr"), "c.yml": "alerts: ["})
    assert {message.split(":")[0] for message in found} == {"a.yml", "b.yml", "c.yml"}


@pytest.mark.parametrize(
    ("written", "means"),
    [("greater_than", "GREATER_THAN"), (" Less_Than ", "LESS_THAN"), (">", None), ("==", None), ("gte", None)],
)
def test_operators_are_read_in_any_case_and_other_spellings_are_answered(written: str, means: str | None) -> None:
    text = GOOD.replace("GREATER_THAN", json.dumps(written)).replace("severity: WARNING", "severity: warning")
    if means:
        (alert,) = parse_definitions({"a.yml": text})
        assert (alert.operator, alert.severity, alert.row()["operator"]) == (means, "WARNING", means)
    else:
        assert re.search("did you mean '(GREATER_THAN|EQUAL|GREATER_THAN_OR_EQUAL)'", messages(text)[0])


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@given(
    name=words,
    query=words,
    channels=st.lists(words, max_size=3),
    threshold=st.floats(allow_nan=False, allow_infinity=False),
    tags=st.dictionaries(words, words, max_size=3),
)
def test_what_yaml_says_is_what_the_alert_holds(
    name: str, query: str, channels: list[str], threshold: float, tags: dict[str, str]
) -> None:
    entry = values(
        alert_name=name,
        alert_query_template=query,
        notification_channels=channels,
        threshold_value_double=threshold,
        tags=tags,
    )
    (alert,) = parse_definitions({"a.yml": json.dumps({"alerts": [entry]}, ensure_ascii=False)})
    assert (alert.alert_name, alert.alert_query_template, alert.notification_channels) == (name, query, channels)
    assert (alert.threshold_value_double, alert.tags) == (threshold, tags)


@pytest.mark.parametrize(
    "text", ["!!x - a", "alerts: !!x [a, b]", "alerts:\n- !!x {alert_id: A}", "!!map {alerts: !y [*z]}"]
)
def test_tags_are_no_reason_to_fail(text: str) -> None:
    assert all(problem.file == "a.yml" for problem in read_definitions({"a.yml": text}).problems)


@given(text=st.text(max_size=200))
def test_no_text_at_all_gets_anything_but_alerts_or_problems(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        parse_definitions({"a.yml": text})
    except DefinitionError as error:
        problems = error.problems
    assert all(problem.file == "a.yml" and problem.line for problem in problems)
