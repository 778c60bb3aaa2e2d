from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.matcher import MATCHER_COLUMNS
from alerting_assets.alerts.routes import Route, RouteConfiguration, RouteSubject, Routing, covers, parse_route
from alerting_assets.errors import DefinitionError
from alerting_assets_tests.examples import TARGET, configuration
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


def route(route_id: str, position: int = 10, channels: Any = ("team",), **changes: Any) -> RouteConfiguration:
    given = {"route_id": route_id, "position": position, "channels": list(channels), "owner": "o", **changes}
    return parse_route(given)


def routing(*routes: RouteConfiguration | Route) -> Routing:
    return Routing.of([one if isinstance(one, Route) else Route.right(one) for one in routes])


def wrong(route_id: str, *rows: dict[str, Any]) -> Route:
    empty = {**dict.fromkeys(MATCHER_COLUMNS), "position": 10}
    return Route.wrong(route_id, [{**empty, **row} for row in rows or ({},)], "it is wrong")


ROUTES = routing(
    route("security", 10, ["soc"], match_domains="SECURITY"),
    route("pager", 20, ["pager", "slack-ops"], match_severities="CRITICAL"),
    route("finops", 30, ["finance"], match_tags={"team": "finops"}),
    route("quiet", 40, [], match_alert_ids="TEST-*"),
    route("default", 50, ["owner", "slack-ops"]),
)


@pytest.mark.parametrize(
    ("changes", "route_id", "channels"),
    [
        ({"agent_domain": "SECURITY", "severity": "CRITICAL"}, "security", ("soc",)),
        ({"severity": "CRITICAL", "tags": {"team": "finops"}}, "pager", ("pager", "slack-ops")),
        ({"tags": {"team": "finops"}}, "finops", ("finance",)),
        ({"alert_id": "TEST-1"}, "quiet", ()),
        ({}, "default", ("finops@example.com", "slack-ops")),
        ({"owner": "slack-ops"}, "default", ("slack-ops",)),
        ({"severity": "CRITICAL", "notification_channels": ["me@example.com"]}, None, ("me@example.com",)),
    ],
)
def test_the_first_route_that_means_an_alert_counts_and_no_other(
    changes: dict[str, Any], route_id: str | None, channels: tuple[str, ...]
) -> None:
    found = ROUTES.decide(configuration(**changes))
    assert (found.route.route_id if found.route else None, found.channels, found.problem) == (route_id, channels, "")


def test_without_a_route_that_means_it_an_alert_tells_nobody() -> None:
    found = routing(route("security", match_domains="SECURITY")).decide(configuration())
    assert (found.channels, found.route, found.effect) == ((), None, None)
    assert [one.why_not(configuration()) for one in found.passed] == ["its domain is COST"]


def test_a_deployed_alert_tells_those_of_its_route() -> None:
    target = replace(
        TARGET, addresses={"team": ("3f1-id",)}, routing=routing(route("all", channels=["team", "b@x.org"]))
    )
    compiled = compile_alert(configuration(), target)
    assert compiled.channels == ("3f1-id", "b@x.org")
    assert compile_alert(configuration(), TARGET).config_hash != compiled.config_hash
    assert compile_alert(configuration(), TARGET).compiled_hash == compiled.compiled_hash, "a verdict stays"
    unknown = compile_alert(configuration(), replace(target, addresses={}))
    assert unknown.unmapped == ("team",)


def test_an_owner_who_cannot_be_told_holds_back_this_alert() -> None:
    found = ROUTES.decide(configuration(owner="The Platform Team"))
    assert found.channels == ()
    assert "'The Platform Team', is neither an e-mail address nor the name of a destination" in found.problem
    assert ROUTES.decide(configuration()).problem == ""


def test_a_wrong_route_is_not_passed_over() -> None:
    broken = wrong("cost", {"position": 20, "match_domains": ["COST"]})
    routes = routing(route("critical", 10, match_severities="CRITICAL"), broken, route("default", 30))
    assert routes.decide(configuration()).problem == "route cost cannot be used: it is wrong"
    assert str(routes.decide(configuration(severity="CRITICAL")).route).startswith("route critical")
    assert routes.decide(configuration(agent_domain="SECURITY")).channels == ("team",), (
        "it surely does not mean this one"
    )
    assert routes.decide(configuration(notification_channels=["me@example.com"])).problem == ""


@pytest.mark.parametrize(
    "rows",
    [
        [{"position": None}],
        [{"match_domains": ["MONEY"], "position": 0}],
        [{"match_domains": ["SECURITY"]}, {"match_domains": ["SECURITY"]}],
    ],
)
def test_where_nobody_can_tell_whom_a_wrong_route_means_it_may_be_any(rows: list[dict[str, Any]]) -> None:
    routes = routing(wrong("a-first", *rows), route("default", 10))
    assert routes.decide(configuration()).problem


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"route_id": "Cost Critical"}, "route_id", "a-z, 0-9, _ and -"),
        ({"channels": None}, "channels", ""),
        ({"channels": ["Slack Ops"]}, "channels", "is neither an e-mail address"),
        ({"channels": ["a", "b", "a"]}, "channels", "names a twice"),
        ({"channel": ["a"]}, "channel", "did you mean 'channels'"),
        ({"match_domains": "MONEY"}, "match_domains", "is not one of COST"),
        ({"match_domain": "COST"}, "match_domain", "did you mean 'match_domains'"),
        ({"position": -1}, "position", ""),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str, says: str) -> None:
    given = {"route_id": "cost", "position": 10, "channels": ["team"], "owner": "o", **changes}
    with pytest.raises(DefinitionError) as told:
        parse_route(given, file="routing.yml", line_of=lambda _: 3)
    (problem,) = told.value.problems
    assert (problem.field, problem.route_id) == (field, changes.get("route_id", "cost"))
    assert says in str(problem)
    assert str(problem).startswith("routing.yml:3: route ")


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ({}, {}, True),
        ({}, {"match_domains": "COST"}, True),
        ({"match_domains": "COST"}, {}, False),
        ({"match_domains": ["COST", "SECURITY"]}, {"match_domains": "COST", "match_severities": "INFO"}, True),
        ({"match_domains": "COST"}, {"match_domains": ["COST", "SECURITY"]}, False),
        ({"match_alert_ids": "COST-*"}, {"match_alert_ids": ["COST-1", "COST-2"]}, True),
        ({"match_alert_ids": "COST-*"}, {"match_alert_ids": "*-1"}, False),
        ({"match_alert_ids": "COST-1*"}, {"match_alert_ids": "COST-*"}, False),
        ({"match_tags": {"team": "*"}}, {"match_tags": {"team": "ops-?", "tier": "1"}}, True),
        ({"match_tags": {"team": "a", "tier": "1"}}, {"match_tags": {"team": "a"}}, False),
    ],
)
def test_a_route_that_never_counts_is_told_with_the_one_before_it(
    wide: dict[str, Any], narrow: dict[str, Any], expected: bool
) -> None:
    first, second = route("first", 10, **wide), route("second", 20, **narrow)
    assert covers(first, second) is expected
    notes = routing(first, second).notes
    assert any("route second never counts" in note and "route first" in note for note in notes) is expected


def test_two_routes_in_one_place_are_told() -> None:
    routes = routing(route("b", 10, match_domains="COST"), route("a", 10, match_severities="INFO"))
    assert [one.route_id for one in routes.routes] == ["a", "b"]
    assert routes.notes == [
        "route a and route b have the same position 10; a comes first, by its name. Give them different ones"
    ]


WORDS = st.sampled_from(["A", "A-1", "A-2", "B-1", "*", "A*", "?-1"])
MATCHERS = st.fixed_dictionaries(
    {},
    optional={
        "match_alert_ids": st.lists(WORDS, min_size=1, max_size=2),
        "match_domains": st.lists(st.sampled_from(["COST", "SECURITY"]), min_size=1, max_size=2),
        "match_severities": st.lists(st.sampled_from(["INFO", "CRITICAL"]), min_size=1, max_size=2),
        "match_tags": st.dictionaries(st.sampled_from(["team", "tier"]), WORDS, min_size=1, max_size=2),
    },
)
SUBJECTS = st.builds(
    RouteSubject,
    alert_id=st.sampled_from(["A", "A-1", "A-2", "B-1"]),
    agent_domain=st.sampled_from(["COST", "SECURITY", "QUALITY"]),
    severity=st.sampled_from(["INFO", "WARNING", "CRITICAL"]),
    tags=st.none() | st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["A", "A-1", "B-1"])),
    owner=st.just("o@example.com"),
    notification_channels=st.just(()) | st.just(("own",)),
)


def plainly_means(matcher: dict[str, Any], alert: RouteSubject) -> bool:
    """What the documentation says, without our code."""
    ids, domains, severities = (matcher.get(f"match_{name}") for name in ("alert_ids", "domains", "severities"))
    if ids is not None and not [one for one in ids if fnmatchcase(alert.alert_id, one)]:
        return False
    if domains is not None and alert.agent_domain not in domains:
        return False
    if severities is not None and alert.severity not in severities:
        return False
    for name, pattern in (matcher.get("match_tags") or {}).items():
        value = (alert.tags or {}).get(name)
        if value is None or not fnmatchcase(value, pattern):
            return False
    return True


@given(st.lists(MATCHERS, max_size=5), st.permutations(range(5)), SUBJECTS)
@examples(150, 10_000)
def test_a_plain_reading_of_first_match_agrees(
    matchers: list[dict[str, Any]], order: list[int], alert: RouteSubject
) -> None:
    routes = [route(f"r{index}", position=10 * index, **matcher) for index, matcher in enumerate(matchers)]
    found = routing(*[routes[index] for index in order if index < len(routes)]).decide(alert)
    expected = next((f"r{index}" for index, one in enumerate(matchers) if plainly_means(one, alert)), None)
    if alert.notification_channels:
        assert (found.channels, found.route) == (("own",), None)
        return
    assert (found.route.route_id if found.route else None) == expected
    assert all(one.why_not(alert) for one in found.passed)
    assert found.route is None or found.route.why_not(alert) == ""


@given(MATCHERS, MATCHERS, SUBJECTS)
@examples(150, 10_000)
def test_what_is_said_never_to_count_never_counts(
    wide: dict[str, Any], narrow: dict[str, Any], alert: RouteSubject
) -> None:
    first, second = route("first", 10, **wide), route("second", 20, **narrow)
    if covers(first, second) and second.matches(alert):
        assert first.matches(alert)


@given(SUBJECTS)
@examples(30, 1_000)
def test_a_row_is_routed_as_its_configuration(alert: RouteSubject) -> None:
    row = configuration(
        alert_id=alert.alert_id,
        agent_domain=alert.agent_domain.lower(),
        severity=f" {alert.severity.lower()} ",
        tags=None if alert.tags is None else dict(alert.tags),
    )
    raw = {**row.row(), "agent_domain": alert.agent_domain.lower(), "severity": f" {alert.severity.lower()} "}
    assert ROUTES.decide(RouteSubject.of_row(raw)).effect == ROUTES.decide(row).effect
