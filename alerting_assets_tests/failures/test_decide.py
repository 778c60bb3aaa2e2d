"""Exactly which failures are told: the table of cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from alerting_assets.delivery import EventKind, Severity
from alerting_assets.failures.decide import News, Policy, Standing, decide
from alerting_assets.failures.failure import Batch, Kind, Observation, Subject, fingerprint
from alerting_assets.failures.messages import events_of
from alerting_assets.failures.routes import read_routes

pytestmark = pytest.mark.unit

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
CHECK = Subject(Kind.CHECK, "check", "orders: is_fresh", asset="orders", check="is_fresh")
PART = Subject(Kind.CHECK, "part", "a: is_fresh of orders", asset="orders", check="is_fresh", partition="a")
ONCE = Subject(Kind.RUN, "once", "run of orders", is_repeated=False)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def failed(hours: float, reason: str = "old", subject: Subject = CHECK, **rest: object) -> Observation:
    return Observation(subject, at(hours), True, Severity.WARNING, reason, **rest)  # type: ignore[arg-type]


def passed(hours: float, subject: Subject = CHECK) -> Observation:
    return Observation(subject, at(hours), False)


def unknown(hours: float) -> Observation:
    return Observation(CHECK, at(hours), None, Severity.WARNING, "not run")


Look = tuple[float, list[Observation]]
F, C, S, W, G = News.FAILED, News.CHANGED, News.STILL_FAILING, News.WELL_AGAIN, News.GONE

CASES: list[tuple[str, list[Look], list[tuple[float, News]]]] = [
    ("a failure is told", [(1, [failed(1)])], [(1, F)]),
    ("a pass is not", [(1, [passed(1)])], []),
    ("what was not run is neither", [(1, [unknown(1)]), (2, [failed(2)]), (3, [unknown(3)])], [(2, F)]),
    ("the same again is not told", [(1, [failed(1)]), (2, [failed(2)])], [(1, F)]),
    ("with another number it is the same", [(1, [failed(1, "7 rows")]), (2, [failed(2, "8 rows")])], [(1, F)]),
    ("another reason is told", [(1, [failed(1)]), (2, [failed(2, "gone")])], [(1, F), (2, C)]),
    ("recovery", [(1, [failed(1)]), (2, [passed(2)]), (3, [passed(3)])], [(1, F), (2, W)]),
    ("it fails anew", [(1, [failed(1)]), (2, [passed(2)]), (3, [failed(3)])], [(1, F), (2, W), (3, F)]),
    ("all in one look", [(9, [failed(1), passed(2), failed(3)])], [(9, F), (9, W), (9, F)]),
    ("a reminder after a day", [(1, [failed(1)]), (24, []), (25, []), (48, []), (49, [])], [(1, F), (25, S), (49, S)]),
    ("no more than one a day", [(h, [failed(h)]) for h in range(1, 50)], [(1, F), (25, S), (49, S)]),
    ("a late failure, over since", [(3, [passed(3)]), (4, [failed(1)]), (40, [])], [(4, F)]),
    ("a late failure of what fails", [(3, [failed(3)]), (4, [failed(1, "x")]), (5, [passed(5)])], [(3, F), (5, W)]),
    ("a late pass changes nothing", [(3, [failed(3)]), (4, [passed(1)]), (27, [])], [(3, F), (27, S)]),
    ("told once without reminders", [(1, [failed(1, subject=ONCE)]), (99, [])], [(1, F)]),
    ("a summary is told", [(1, [failed(1, is_summary=True)])], [(1, F)]),
    (
        "but not beside its parts",
        [(1, [failed(1, is_summary=True), failed(2, subject=PART)]), (2, [passed(2, PART)])],
        [(1, F), (2, W)],
    ),
]


@pytest.mark.parametrize(("looks", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_told(looks: Sequence[Look], expected: list[tuple[float, News]]) -> None:
    memory: dict[str, Standing] = {}
    told = []
    for hour, observations in looks:
        batches = [Batch("run", "", "job", (one,)) for one in observations]
        if any(one.is_summary for one in observations):
            batches = [Batch("run", "", "job", tuple(observations))]
        messages, memory = decide(memory, batches, at(hour), Policy(lambda _: ("ops",)))
        told += [(hour, one.news) for message in messages for one in message.told]
    assert told == expected


def test_what_is_no_longer_there_is_told_once_and_forgotten() -> None:
    policy = Policy(lambda _: ("ops",))
    _, memory = decide({}, [Batch("run", "", "job", (failed(1),))], at(1), policy)
    messages, memory = decide(memory, [], at(2), policy, gone=["check"])
    assert [one.news for message in messages for one in message.told] == [G]
    assert decide(memory, [], at(200), policy, gone=["check"]) == ([], {})


def test_recoveries_may_be_left_out_and_whom_nobody_routes_is_remembered() -> None:
    silent = Policy(lambda _: (), recoveries=False)
    messages, memory = decide({}, [Batch("run", "", "job", (failed(1),))], at(1), silent)
    assert messages == []
    assert memory["check"].failing is not None
    messages, memory = decide(memory, [Batch("run", "", "job", (passed(2),))], at(2), silent)
    assert messages == []
    assert memory["check"].failing is None


def test_what_failed_and_passed_in_turn_in_one_run_is_told_in_turn() -> None:
    turns = (failed(1), passed(2), failed(3))
    messages, memory = decide({}, [Batch("run", "", "job", turns)], at(4), Policy(lambda _: ("ops",)))
    assert [(one.news, message.at) for message in messages for one in message.told] == [
        (F, at(1)),
        (W, at(2)),
        (F, at(3)),
    ]
    assert memory["check"].failing is not None


def test_a_worse_severity_is_told() -> None:
    policy = Policy(lambda _: ("ops",))
    _, memory = decide({}, [Batch("1", "", "job", (failed(1),))], at(1), policy)
    worse = Observation(CHECK, at(2), True, Severity.CRITICAL, "old")
    messages, memory = decide(memory, [Batch("2", "", "job", (worse,))], at(2), policy)
    assert [one.news for message in messages for one in message.told] == [C]


def test_each_gets_one_message_with_what_is_for_them() -> None:
    routes = {"check": ("ops", "boss"), "part": ("ops",), "once": ("boss",)}
    seen = (failed(1), failed(1, subject=PART), failed(1, subject=ONCE))
    messages, _ = decide({}, [Batch("run", "", "job", seen)], at(1), Policy(lambda one: routes[one.subject.key]))
    told = {message.destinations: [one.failing.subject.key for one in message.told] for message in messages}
    assert told == {("ops",): ["check", "part"], ("boss",): ["check", "once"]}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("3.41 % are null", "17 % are null", True),
        ("3 of 40 at 2026-01-31T08:00:00+00:00", "4 of 41 at 2026-02-01 09:00:00.123 UTC", True),
        ("run 11111111-2222-3333-4444-555555555555 died at 0xdead", "run aaaaaaaa-2222-3333-4444-555555555555 died at 0xbeef", True),
        ("COST-001 is wrong", "COST-002 is wrong", False),
        ("column a is missing", "column b is missing", False),
    ],
)  # fmt: skip
def test_which_reasons_are_the_same(one: str, other: str, same: bool) -> None:
    assert (fingerprint(one) == fingerprint(other)) is same


# -- messages


def test_a_message_lists_twenty_and_counts_the_rest_and_pagerduty_gets_each() -> None:
    subjects = [Subject(Kind.CHECK, str(n), f"check {n}", alert_id=f"A-{n}") for n in range(57)]
    seen = tuple(failed(1, f"reason {n}", one) for n, one in enumerate(subjects))
    (message,), _ = decide(
        {}, [Batch("run", "run 1", "job", seen, "http://d/runs/1")], at(1), Policy(lambda _: ("a", "p"))
    )
    events = events_of(message, single=["p"])
    together, *apart = events
    assert together[1] == ("a",)
    assert together[0].kind is EventKind.CHECK_FAILURE
    assert together[0].subject == "Failed: check 0, check 1, check 2 and 54 more"
    assert together[0].body_text.endswith("and 37 more")
    assert together[0].body_html.count("<p><b>") == 20
    assert together[0].url == "http://d/runs/1"
    assert [(one[0].key, one[0].alert_id, one[1]) for one in apart][:2] == [("0", "A-0", ("p",)), ("1", "A-1", ("p",))]
    assert len({event.event_id for event, _ in events}) == 58
    assert events == events_of(message, single=["p"])


def test_what_users_wrote_cannot_become_html() -> None:
    (message,), _ = decide({}, [Batch("r", "", "j", (failed(1, "<script>"),))], at(1), Policy(lambda _: ("a",)))
    ((event, _),) = events_of(message)
    assert "<script>" not in event.body_html
    assert "&lt;script&gt;" in event.body_html


# -- routes

ROUTES = """
reminder_hours: 6
recoveries: false
routes:
  - match: {owner: "*@finance.example.com", severity: critical}
    to: [finance, cfo@example.com]
  - {match: {kind: TICK}, to: pagerduty+env:KEY, continue: true}
  - match: {asset: "deployed_*", check: [no_drift, drift_*]}
    to: []
  - match: {job: sync*}
    to: [jobs]
"""


@pytest.mark.parametrize(
    ("subject", "severity", "to"),
    [
        (Subject(Kind.CHECK, "k", "", owners=("a@b.c", "x@finance.example.com")), "CRITICAL", ("finance", "cfo@example.com")),
        (Subject(Kind.CHECK, "k", "", owners=("x@finance.example.com",)), "WARNING", ("ops",)),
        (Subject(Kind.TICK, "k", "", job="sync_on_change"), "CRITICAL", ("pagerduty+env:KEY", "jobs")),
        (Subject(Kind.TICK, "k", "", job="other"), "CRITICAL", ("pagerduty+env:KEY", "ops")),
        (Subject(Kind.CHECK, "k", "", asset="deployed_alerts", check="drift_2"), "CRITICAL", ()),
        (Subject(Kind.CHECK, "k", "", asset="deployed_alerts", check="other"), "CRITICAL", ("ops",)),
        (Subject(Kind.CONFIGURATION, "k", ""), "WARNING", ("ops",)),
    ],
)  # fmt: skip
def test_who_is_told(subject: Subject, severity: str, to: tuple[str, ...]) -> None:
    routes = read_routes("notify.yml", ROUTES, ["ops"])
    assert routes.problems == ()
    assert routes.reminder == timedelta(hours=6)
    assert not routes.recoveries
    seen = Observation(subject, at(1), True, Severity(severity), "old")
    messages, _ = decide({}, [Batch("r", "", "j", (seen,))], at(1), Policy(routes))
    assert tuple(name for message in messages for name in message.destinations) == to


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes: [{to: https://hooks.slack.com/T/secret}]", "notify.yml:1: routes.to: an address of the web names nobody"),
        ("rules: []", "notify.yml:1: rules: is not known"),
        ("[]", "notify.yml:1: is a mapping"),
        ("routes:\n  - match: {severity: HIGH}\n    to: a@b.de", "notify.yml:2: routes.match.severity: 'HIGH' is not one of"),
        ("routes:\n  - match: {asset: x}", "notify.yml:2: routes.to: is needed"),
        ("reminder_hours: 0", "notify.yml:1: reminder_hours: is a number of hours"),
        ("recoveries: sometimes", "notify.yml:1: recoveries: is true or false"),
        ("routes: {", "notify.yml:1: YAML"),
        ("routes: [x]", "notify.yml:1: routes: holds something"),
        ("routes: [{to: a@b.de, match: [x]}]", "notify.yml:1: routes.match: is a mapping"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_costs_its_route_only(text: str, problem: str) -> None:
    routes = read_routes("notify.yml", text, ["ops"])
    assert routes.problems
    assert str(routes.problems[0]).startswith(problem)
    assert "secret" not in str(routes.problems)
    assert routes.routes == ()
    assert routes.of_last_resort == ("ops",)


def test_receivers_that_are_not_there_are_problems_and_never_swallow_a_failure() -> None:
    routes = read_routes("notify.yml", "routes:\n  - to: [finanse, a@b.de]\n  - to: nobody-there", ["ops"])
    checked = routes.only_known(["finance", "ops"])
    assert (
        next(str(one) for one in checked.problems)
        == "finanse: there is no notification destination of this id; did you mean 'finance'?"
    )
    assert [route.to for route in checked.routes] == [("a@b.de",)]
    assert checked.others == ("ops",)
    assert "no table of notification destinations" in str(routes.only_known(None).problems[0])
