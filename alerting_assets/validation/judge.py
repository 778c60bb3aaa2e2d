"""One query, all rules: the findings that its verdict rests on."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from alerting_assets.alerts.origin import Origin
from alerting_assets.errors import AlertingError
from alerting_assets.validation.finding import Finding, Group, Severity
from alerting_assets.validation.policy import Policy
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules import RULES, Rule
from alerting_assets.validation.rules.base import SHORTER

_log = logging.getLogger(__name__)

BLOCKING = (Severity.ERROR, Severity.UNSUPPORTED)
QUERY_SECONDS = 60.0
"""How many seconds one query may take in all. Reading and analysing have limits of their own below this one."""
NOBODY: Mapping[str, str] = MappingProxyType({})
ALL_GROUPS = frozenset(Group)


def findings_on(
    query: AlertQuery, silenced: Mapping[str, str] = NOBODY, groups: frozenset[Group] = ALL_GROUPS
) -> tuple[Finding, ...]:
    """Ordered as the rules are. silenced: rule → reason, for this alert. groups: asked at all. After an error only the rest of its
    group is asked, since what follows would repeat it. Raises LakehouseUnavailable."""
    found: list[Finding] = []
    group: Group | None = None
    blocked = stopped = False
    deadline = time.monotonic() + QUERY_SECONDS
    for rule in RULES:
        if rule.group is not group:
            if blocked:
                break
            group = rule.group
        if time.monotonic() > deadline:
            message = f"judging the query took longer than {QUERY_SECONDS:.0f} seconds"
            late = Finding(rule.name, rule.group, Severity.UNSUPPORTED, message, suggestion=SHORTER)
            found.append(late)
            break
        severity = query.policy.severities.get(rule.name)
        if (
            stopped
            or rule.group not in groups
            or severity is Severity.OFF
            or (rule.name in silenced and not rule.fixed)
        ):
            continue
        news = [replace(finding, severity=severity) if severity else finding for finding in _ask(rule, query)]
        found += news
        if any(finding.severity in BLOCKING for finding in news):
            blocked = True
            stopped = rule.stops
    return tuple(found)


def _ask(rule: Rule, query: AlertQuery) -> list[Finding]:
    """The findings of one rule. A rule that fails on a text costs that text its verdict, and no other text."""
    try:
        return list(rule.check(query))
    except AlertingError:
        raise
    except Exception as error:  # noqa: BLE001 — reported as a finding and in the log
        _log.exception("rule %s failed", rule.name)
        message = f"the rule failed on this query ({type(error).__name__}), so it cannot be judged; please report it with the log"
        return [Finding(rule.name, rule.group, Severity.UNSUPPORTED, message, transient=True)]


def findings_without_engine(sql: str, policy: Policy) -> tuple[Finding, ...]:
    """The findings of the groups syntax and safety, for which no engine is asked."""
    return findings_on(AlertQuery(sql, Origin(sql), None, policy), groups=frozenset({Group.SYNTAX, Group.SAFETY}))
