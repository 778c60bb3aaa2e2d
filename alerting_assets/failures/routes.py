"""Who is told of which failure: `notify.yml`, and the setting for the simple case. Pure.

    reminder_hours: 24        # what still fails is told again; 24 unless set
    recoveries: true          # and that it is well again
    routes:                   # in this order; the first one that fits decides, unless it says `continue: true`
      - match: {severity: CRITICAL, owner: "*@finance.example.com"}
        to: [finance, cfo@example.com]
      - match: {kind: [RUN, TICK], job: "sync*"}
        to: pagerduty+env:PAGERDUTY_KEY
        continue: true
      - match: {asset: "deployed_*", check: no_drift}
        to: []                # nobody
      - to: slack-ops         # everything else

A mistake costs the route that it is in; the failure that `notify.yml` is wrong is told to those who get what no route takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_document
from alerting_assets.delivery import Severity
from alerting_assets.errors import DefinitionError, Problem, did_you_mean
from alerting_assets.failures.decide import Failing
from alerting_assets.failures.failure import Kind
from alerting_assets.failures.receivers import needs_table, parse_receivers

REMINDER_HOURS = 24.0
_KEYS = ("routes", "reminder_hours", "recoveries")
_ROUTE_KEYS = ("match", "to", "continue")
_FIXED: Mapping[str, tuple[str, ...]] = {"kind": tuple(Kind), "severity": tuple(Severity)}
MATCHED = ("kind", "severity", "asset", "check", "owner", "job", "alert")


@dataclass(frozen=True)
class Route:
    """match: name of MATCHED → patterns, one of which must fit; a failure that has no such thing fits none."""

    to: tuple[str, ...]
    match: Mapping[str, tuple[str, ...]]
    goes_on: bool = False

    def fits(self, failing: Failing) -> bool:
        values = _values(failing)
        return all(
            any(fnmatchcase(value, pattern) for value in values[name] for pattern in patterns)
            for name, patterns in self.match.items()
        )


@dataclass(frozen=True)
class Routes:
    """others: who is told what no route takes."""

    routes: tuple[Route, ...] = ()
    others: tuple[str, ...] = ()
    reminder: timedelta = timedelta(hours=REMINDER_HOURS)
    recoveries: bool = True
    problems: tuple[Problem, ...] = ()

    def __call__(self, failing: Failing) -> tuple[str, ...]:
        if failing.subject.kind is Kind.CONFIGURATION:
            return self.of_last_resort
        found: list[str] = []
        for route in self.routes:
            if route.fits(failing):
                found += route.to
                if not route.goes_on:
                    return tuple(dict.fromkeys(found))
        return tuple(dict.fromkeys((*found, *self.others)))

    @property
    def receivers(self) -> tuple[str, ...]:
        """Everybody who may be told something."""
        return tuple(dict.fromkeys([*(name for route in self.routes for name in route.to), *self.others]))

    @property
    def of_last_resort(self) -> tuple[str, ...]:
        """Who is told that the routes are wrong: those who get what no route takes, else the last route's that has somebody."""
        return self.others or next((route.to for route in reversed(self.routes) if route.to), ())

    def only_known(self, known: Collection[str] | None) -> Routes:
        """Without the ids of destinations that nobody can be reached by; each is a problem. known: all there are, None where there is no
        table of them."""
        unknown = [name for name in self.receivers if needs_table(name) and name not in (known or ())]
        if not unknown:
            return self
        why = "there is no table of notification destinations here; write an e-mail address, or slack+env:NAME"
        problems = [
            Problem(
                why if known is None else f"there is no notification destination of this id{did_you_mean(name, known)}",
                name,
            )
            for name in unknown
        ]
        routes = [replace(route, to=tuple(name for name in route.to if name not in unknown)) for route in self.routes]
        return replace(
            self,
            # Whoever named only somebody who is not there meant to tell somebody.
            routes=tuple(new for new, old in zip(routes, self.routes, strict=True) if new.to or not old.to),
            others=tuple(name for name in self.others if name not in unknown),
            problems=(*self.problems, *problems),
        )


def _values(failing: Failing) -> dict[str, Sequence[str]]:
    subject = failing.subject
    one = {"asset": subject.asset, "check": subject.check, "job": subject.job, "alert": subject.alert_id}
    return {
        "kind": [subject.kind],
        "severity": [failing.severity],
        "owner": subject.owners,
        **{name: [] if value is None else [value] for name, value in one.items()},
    }


def read_routes(file: str, text: str | None, others: Iterable[str] = ()) -> Routes:
    """text: of notify.yml; None where there is none. Never raises: what is wrong is in `problems`, with its line."""
    kept = tuple(others)
    if text is None:
        return Routes(others=kept)
    try:
        document = read_document(file, text)
    except DefinitionError as error:
        return Routes(others=kept, problems=tuple(error.problems))
    if document is None:
        return Routes(others=kept)
    if not isinstance(document, YamlMap):
        problem = Problem(f"is a mapping with the keys {', '.join(_KEYS)}", file=file, line=1)
        return Routes(others=kept, problems=(problem,))
    reader = _Reader(file)
    reader.unknown(document, _KEYS)
    routes, hours = reader.routes(document), reader.hours(document)
    recoveries = reader.switch(document, "recoveries", default=True)
    return Routes(routes, kept, timedelta(hours=hours), recoveries, tuple(reader.problems))


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def wrong(self, message: str, field: str, line: int) -> None:
        self.problems.append(Problem(message, field, file=self._file, line=line))

    def unknown(self, given: YamlMap, keys: Sequence[str], where: str = "") -> None:
        for key in given:
            if key not in keys:
                message = f"is not known{did_you_mean(str(key), keys)}; keys are {', '.join(keys)}"
                self.wrong(message, f"{where}{key}", line_of(given, key))

    def switch(self, given: YamlMap, key: str, *, default: bool, where: str = "") -> bool:
        value = given.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong("is true or false", f"{where}{key}", line_of(given, key))
        return default

    def hours(self, document: YamlMap) -> float:
        value = document.get("reminder_hours", REMINDER_HOURS)
        if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 24 * 365:
            return float(value)
        self.wrong("is a number of hours, at least 1", "reminder_hours", line_of(document, "reminder_hours"))
        return REMINDER_HOURS

    def routes(self, document: YamlMap) -> tuple[Route, ...]:
        given = document.get("routes")
        if given is None:
            return ()
        if not isinstance(given, list):
            self.wrong("is a list of {match, to, continue}", "routes", line_of(document, "routes"))
            return ()
        made = [self._route(entry, line_of(document, "routes")) for entry in given]
        return tuple(route for route in made if route is not None)

    def _route(self, entry: Any, line: int) -> Route | None:
        if not isinstance(entry, YamlMap):
            self.wrong("holds something that is no mapping of match, to and continue", "routes", line)
            return None
        before = len(self.problems)
        self.unknown(entry, _ROUTE_KEYS, "routes.")
        to = self._to(entry)
        match = self._match(entry)
        goes_on = self.switch(entry, "continue", default=False, where="routes.")
        return Route(to, match, goes_on) if len(self.problems) == before else None

    def _to(self, entry: YamlMap) -> tuple[str, ...]:
        value = entry.get("to")
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            line = line_of(entry, "to") if "to" in entry else line_of(entry)
            self.wrong("is needed: one receiver, or a list of them, or [] for nobody", "routes.to", line)
            return ()
        try:
            return parse_receivers(items)
        except ValueError as error:
            self.wrong(str(error), "routes.to", line_of(entry, "to"))
            return ()

    def _match(self, entry: YamlMap) -> dict[str, tuple[str, ...]]:
        given = entry.get("match")
        if given is None:
            return {}
        if not isinstance(given, YamlMap):
            self.wrong(
                f"is a mapping with some of the keys {', '.join(MATCHED)}", "routes.match", line_of(entry, "match")
            )
            return {}
        self.unknown(given, MATCHED, "routes.match.")
        found = {}
        for name, value in given.items():
            items = [value] if isinstance(value, str) else value
            line = line_of(given, name)
            if not isinstance(items, list) or not items or not all(isinstance(item, str) and item for item in items):
                self.wrong("is a pattern, or a list of patterns, as deployed_*", f"routes.match.{name}", line)
                continue
            allowed = _FIXED.get(name)
            if allowed and (wrong := [item for item in items if item.upper() not in allowed]):
                self.wrong(f"{wrong[0]!r} is not one of {', '.join(allowed)}", f"routes.match.{name}", line)
                continue
            found[name] = tuple(item.upper() for item in items) if allowed else tuple(items)
        return found
