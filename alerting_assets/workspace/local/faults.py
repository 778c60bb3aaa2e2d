"""Faults on request: rules that make the server slow, throttled, broken, silent or stale for the requests that they match.

A rule as JSON:
    {"fault": "lose_response", "match": {"method": "POST", "path": "/api/2.0/alerts*"}, "every": 3}

fault: latency (the work starts latency_ms later), throttle (429; retry_after seconds), error (status, default 500), lose_response (the
work is done, the connection then closed without an answer), hang (the work is done, the answer then held back for latency_ms),
stale_list (alerts are listed as before the newest `writes` writes).
match: method and path, a shell pattern; what is left out matches all. Of the matching requests the first `after` pass, then each
`every`-th is hit, `times` times at most.

`applied` counts the requests that a rule hit: from when they come in, but with lose_response and hang from when the work is done
and in the journal. So a test kills a client, once `applied` shows,
- before the work, with latency: a request whose client goes while it waits is dropped, as if it had never come. Together with
  error nothing is done even if the client lives longer than the latency;
- after the work and before the answer, with hang.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from alerting_assets.workspace.local.api_error import invalid

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


class Fault(StrEnum):
    LATENCY = "latency"
    THROTTLE = "throttle"
    ERROR = "error"
    LOSE_RESPONSE = "lose_response"
    HANG = "hang"
    STALE_LIST = "stale_list"


AFTER_THE_WORK = frozenset({Fault.LOSE_RESPONSE, Fault.HANG})


@dataclass
class Rule:
    """One rule, and what it did so far.

    times: how many requests it may hit; None sets no limit.
    matched, hit, applied: how many requests it matched, hit, and was applied to so far. `applied` lags behind `hit` where the work
        comes first."""

    fault: Fault
    id: str = ""
    match: dict[str, str] = field(default_factory=dict)
    every: int = 1
    after: int = 0
    times: int | None = None
    latency_ms: int = 1_000
    status: int = 500
    retry_after: int = 1
    writes: int = 1
    matched: int = 0
    hit: int = 0
    applied: int = 0

    def hits(self, method: str, path: str) -> bool:
        """Whether this request is hit. Counts the request."""
        wanted = self.match.get("method")
        if (wanted and wanted != method) or not fnmatchcase(path, self.match.get("path", "*")):
            return False
        self.matched += 1
        if self.matched <= self.after or (self.matched - self.after) % self.every or self.hit == self.times:
            return False
        self.hit += 1
        if self.fault not in AFTER_THE_WORK:
            self.applied += 1
        return True


class Faults:
    """The rules of one server. Thread-safe; they are gone with the server."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._ids = itertools.count(1)

    def add(self, value: Any) -> dict[str, Any]:
        rule = _read(value)
        with self._lock:
            rule.id = str(next(self._ids))
            self._rules.append(rule)
        return asdict(rule)

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def clear(self, rule_id: str | None = None) -> int:
        """Remove one rule, or all of them, and return how many were removed."""
        with self._lock:
            kept = [rule for rule in self._rules if rule_id is not None and rule.id != rule_id]
            removed = len(self._rules) - len(kept)
            self._rules = kept
        return removed

    def hitting(self, method: str, path: str) -> dict[Fault, Rule]:
        """The rules that hit this request; of several with the same fault the first."""
        found: dict[Fault, Rule] = {}
        with self._lock:
            for rule in self._rules:
                if rule.hits(method, path):
                    found.setdefault(rule.fault, rule)
        return found

    def worked(self, hits: dict[Fault, Rule]) -> None:
        """Note that the work of a request is done. hits: what `hitting` returned for it."""
        with self._lock:
            for fault in AFTER_THE_WORK & hits.keys():
                hits[fault].applied += 1


def _read(value: Any) -> Rule:
    settable = {item.name for item in fields(Rule)} - {"id", "matched", "hit", "applied"}
    if not isinstance(value, dict) or "fault" not in value:
        raise invalid("a fault rule is a JSON object with the field fault")
    if unknown := set(value) - settable:
        raise invalid(f"Unknown field: {', '.join(sorted(unknown))}; a fault rule has {', '.join(sorted(settable))}")
    if value["fault"] not in list(Fault):
        raise invalid(f"fault: expected one of {', '.join(Fault)}, got {value['fault']!r}")
    for name, least in {
        "every": 1,
        "after": 0,
        "times": 1,
        "latency_ms": 0,
        "status": 400,
        "retry_after": 0,
        "writes": 1,
    }.items():
        number = value.get(name, least)
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise invalid(f"{name}: expected a whole number from {least}, got {number!r}")
    if value.get("status", 500) > 599:
        raise invalid(f"status: expected an HTTP error from 400 to 599, got {value['status']}")
    match = value.get("match", {})
    if (
        not isinstance(match, dict)
        or set(match) - {"method", "path"}
        or not all(isinstance(item, str) for item in match.values())
    ):
        raise invalid("match: expected an object with method and path, both strings")
    if match.get("method", "GET") not in METHODS:
        raise invalid(f"match.method: expected one of {', '.join(METHODS)}, got {match['method']!r}")
    return Rule(**{**value, "fault": Fault(value["fault"])})
