"""Whom an alert tells that names no channels itself: routes, of which the first that means the alert counts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Protocol, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from alerting_assets.alerts.fields import NonEmpty, Text, checked
from alerting_assets.alerts.matcher import MATCHER_COLUMNS, Matchable, Matcher
from alerting_assets.errors import Problem
from alerting_assets.settings import CHANNEL_NAME, is_address

OWNER = "owner"
"""Among the channels of a route: the alert's own `owner`."""
FIRST, STEP = 10, 10
"""Positions of the routes of a file, so that rows find a place between them."""
LARGEST = 2**31 - 1


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _channels(values: list[str]) -> list[str]:
    for name in values:
        if not (is_address(name) or CHANNEL_NAME.fullmatch(name)):
            raise ValueError(
                f"{name!r} is neither an e-mail address, nor the id of a notification destination (a UUID), nor the name of one "
                f"(as slack-ops: a-z, 0-9, _ and -), nor {OWNER}"
            )
    if repeated := next((name for name in values if values.count(name) > 1), None):
        raise ValueError(f"names {repeated} twice; once is enough")
    return values


class RouteConfiguration(Matcher):
    """The columns of `notification_routes` that people own, under the same names (docs/routing.md)."""

    route_id: Annotated[str, Field(pattern=f"^{CHANNEL_NAME.pattern}$")]
    position: Annotated[int, Field(ge=0, le=LARGEST)]
    channels: Annotated[list[Text], BeforeValidator(_one_or_more), AfterValidator(_channels)]
    owner: NonEmpty
    managed_by: NonEmpty = "sql"

    def row(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @property
    def channels_in_words(self) -> str:
        return ", ".join(self.channels) or "nobody"


OWNED_ROUTE_COLUMNS = ("route_id", "position", *MATCHER_COLUMNS, "channels", "owner", "managed_by")
"""The columns of notification_routes that people own."""


def parse_route(
    values: Mapping[str, Any], *, file: str | None = None, line_of: Callable[[str | None], int | None] = lambda _: None
) -> RouteConfiguration:
    """A checked route. Raises DefinitionError with every problem found."""
    route_id = values.get("route_id")
    return checked(
        RouteConfiguration,
        values,
        Problem("", route_id=route_id if isinstance(route_id, str) else None, file=file),
        line_of,
        what="a route",
        patterns={"route_id": "1 to 64 of a-z, 0-9, _ and -, the first one a letter, as cost-critical"},
    )


class Routable(Matchable, Protocol):
    @property
    def notification_channels(self) -> Sequence[str]: ...
    @property
    def owner(self) -> str: ...


@dataclass(frozen=True)
class RouteSubject:
    """What of an alert decides whom it tells, from a row that need not be right, or from what somebody asks about."""

    alert_id: str
    agent_domain: str
    severity: str
    tags: Mapping[str, str] | None
    owner: str
    notification_channels: tuple[str, ...] = ()

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """In the spelling that a checked configuration has."""
        return cls(
            row["alert_id"],
            str(row["agent_domain"]).strip().upper(),
            str(row["severity"]).strip().upper(),
            None if row["tags"] is None else dict(row["tags"]),
            str(row["owner"]),
            tuple(row["notification_channels"] or ()),
        )


@dataclass(frozen=True)
class Route:
    """A route in its place. configuration: None where it cannot be used, for the reason `problem`. matcher: None where nobody can tell
    which alerts it means; it may be any."""

    route_id: str
    position: int
    configuration: RouteConfiguration | None
    matcher: Matcher | None
    problem: str = ""

    @classmethod
    def right(cls, configuration: RouteConfiguration) -> Self:
        return cls(configuration.route_id, configuration.position, configuration, configuration)

    @classmethod
    def wrong(cls, route_id: str, rows: Sequence[Mapping[str, Any]], problem: str) -> Self:
        """rows: those with that route_id. With a place that nobody can tell it comes before all others."""
        given = [row["position"] for row in rows]
        position = min(given) if all(isinstance(one, int) for one in given) else -1
        return cls(route_id, position, None, _matcher(rows[0]) if len(rows) == 1 else None, problem)

    def means(self, alert: Matchable) -> bool:
        """Also where it may mean it, and nobody can tell."""
        return self.matcher is None or self.matcher.matches(alert)

    def why_not(self, alert: Matchable) -> str:
        """Why it does not mean the alert; empty where it does, or may."""
        return why_not(self.matcher, alert) if self.matcher else ""

    def __str__(self) -> str:
        return f"route {self.route_id} ({self.matcher.in_words() if self.matcher else 'nobody can tell for whom'})"


@dataclass(frozen=True)
class Routed:
    """Whom an alert tells, before names become addresses.

    route: that decided it; None: the alert names channels itself, or no route means it. passed: those before it, which do not mean the
    alert. problem: why nobody can tell whom to tell."""

    channels: tuple[str, ...] = ()
    route: Route | None = None
    passed: tuple[Route, ...] = ()
    problem: str = ""

    @property
    def because(self) -> str:
        """What decided it, in words."""
        if self.route is not None:
            return str(self.route)
        return "it names them itself (notification_channels)" if self.channels else "no route means it"

    @property
    def effect(self) -> str | None:
        """What routes do to the alert, in words; None where they do nothing. Where it is the same, there is nothing to deploy."""
        if self.problem:
            return f"held back: {self.problem}"
        return None if self.route is None else ", ".join(sorted(self.channels)) or "nobody"


@dataclass(frozen=True)
class Routing:
    """Routes by their positions; of two with the same one, the smaller route_id comes first."""

    routes: tuple[Route, ...] = ()

    @classmethod
    def of(cls, routes: Sequence[Route]) -> Self:
        return cls(tuple(sorted(routes, key=lambda one: (one.position, one.route_id))))

    def decide(self, alert: Routable) -> Routed:
        """An alert that names channels tells these and no others. Otherwise the first route that means it counts, and no other. One that
        cannot be used is not passed over: a later one would tell somebody else."""
        if alert.notification_channels:
            return Routed(tuple(alert.notification_channels))
        for index, route in enumerate(self.routes):
            if not route.means(alert):
                continue
            passed = self.routes[:index]
            if route.configuration is None:
                return Routed((), route, passed, f"route {route.route_id} cannot be used: {route.problem}")
            return _told_by(route, route.configuration.channels, alert, passed)
        return Routed((), None, self.routes)

    @property
    def notes(self) -> list[str]:
        """Sentences about routes that are right and may still surprise."""
        return [*self._ties(), *self._shadowed()]

    def _ties(self) -> Iterator[str]:
        for first, second in zip(self.routes, self.routes[1:], strict=False):
            if first.position == second.position:
                yield (
                    f"route {first.route_id} and route {second.route_id} have the same position {first.position}; {first.route_id} comes "
                    "first, by its name. Give them different ones"
                )

    def _shadowed(self) -> Iterator[str]:
        for index, route in enumerate(self.routes):
            for earlier in self.routes[:index]:
                if route.matcher and earlier.matcher and covers(earlier.matcher, route.matcher):
                    yield (
                        f"route {route.route_id} never counts: {earlier} comes before it and takes every alert that it means. Put "
                        f"{route.route_id} before {earlier.route_id}, or remove it"
                    )
                    break


def _told_by(route: Route, names: Sequence[str], alert: Routable, passed: tuple[Route, ...]) -> Routed:
    channels = tuple(dict.fromkeys(alert.owner if name == OWNER else name for name in names))
    if OWNER in names and not (is_address(alert.owner) or CHANNEL_NAME.fullmatch(alert.owner)):
        problem = (
            f"route {route.route_id} tells the owner of each alert, and the owner of this one, {alert.owner!r}, is neither an e-mail "
            "address nor the name of a destination"
        )
        return Routed((), route, passed, problem)
    return Routed(channels, route, passed)


def why_not(matcher: Matcher, alert: Matchable) -> str:
    """Why a matcher does not mean the alert, as `its domain is COST, its tag team is ops`; empty where it does."""
    own = {"match_alert_ids": "alert_id", "match_domains": "agent_domain", "match_severities": "severity"}
    words = {"alert_id": "id", "agent_domain": "domain", "severity": "severity"}
    found = [
        f"its {words[field]} is {getattr(alert, field) or 'not known'}"
        for column, field in own.items()
        if not Matcher.model_validate({column: getattr(matcher, column)}).matches(alert)
    ]
    for name, pattern in sorted((matcher.match_tags or {}).items()):
        if not Matcher(match_tags={name: pattern}).matches(alert):
            tags = alert.tags or {}
            found.append(f"its tag {name} is {tags[name]}" if name in tags else f"it has no tag {name}")
    return ", ".join(found)


def covers(one: Matcher, other: Matcher) -> bool:
    """Whether each alert that `other` means is surely meant by `one`, too."""
    return (
        _all_within(one.match_alert_ids, other.match_alert_ids)
        and _all_within(one.match_domains, other.match_domains)
        and _all_within(one.match_severities, other.match_severities)
        and all(
            name in (other.match_tags or {}) and _is_within(pattern, (other.match_tags or {})[name])
            for name, pattern in (one.match_tags or {}).items()
        )
    )


def _all_within(wide: Sequence[str] | None, narrow: Sequence[str] | None) -> bool:
    if wide is None:
        return True
    return narrow is not None and all(any(_is_within(pattern, one) for pattern in wide) for one in narrow)


def _is_within(pattern: str, other: str) -> bool:
    """Whether all texts that fit `other` surely fit `pattern`."""
    if pattern in (other, "*"):
        return True
    return not any(character in other for character in "*?[") and fnmatchcase(other, pattern)


def _matcher(row: Mapping[str, Any]) -> Matcher | None:
    try:
        return Matcher.model_validate({name: row[name] for name in MATCHER_COLUMNS})
    except ValidationError:
        return None
