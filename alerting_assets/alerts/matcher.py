"""Which alerts something is about: a silence, a route. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from alerting_assets.alerts.fields import Text, one_of
from alerting_assets.alerts.operators import Domain, Severity


def _listed(value: Any, check: Any = None) -> Any:
    """One value is a list of one; an empty list says nothing."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        return items
    return [item if check is None else check(item) for item in items] or None


def _patterns(values: list[str] | None) -> list[str] | None:
    if "" in (values or ()):
        raise ValueError("holds an empty pattern, which fits no alert; remove it, or write * for any")
    return values


def _without_none(value: dict[str, str] | None) -> dict[str, str] | None:
    return value or None


class Matchable(Protocol):
    """What of an alert is looked at: a configuration has it, and so has a row."""

    @property
    def alert_id(self) -> str: ...
    @property
    def agent_domain(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def tags(self) -> Mapping[str, str] | None: ...


class Matcher(BaseModel):
    """The columns that say which alerts are meant. An alert is meant when it fits each of those that are set; where none is, all are.

    match_alert_ids: patterns, one of which fits its alert_id. match_domains, match_severities: its own is one of them.
    match_tags: it has each of these tags, with a value that fits the pattern. In patterns `*` is any text and `?` any character;
    upper and lower case differ."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    match_alert_ids: Annotated[list[Text] | None, BeforeValidator(_listed), AfterValidator(_patterns)] = None
    match_domains: Annotated[list[Domain] | None, BeforeValidator(partial(_listed, check=one_of(Domain)))] = None
    match_severities: Annotated[list[Severity] | None, BeforeValidator(partial(_listed, check=one_of(Severity)))] = None
    match_tags: Annotated[dict[Text, Text] | None, AfterValidator(_without_none)] = None

    @property
    def is_everything(self) -> bool:
        """Whether it means all alerts there can be."""
        return all(getattr(self, name) is None for name in MATCHER_COLUMNS)

    def matches(self, alert: Matchable) -> bool:
        return (
            (self.match_alert_ids is None or any(fnmatchcase(alert.alert_id, one) for one in self.match_alert_ids))
            and (self.match_domains is None or alert.agent_domain in self.match_domains)
            and (self.match_severities is None or alert.severity in self.match_severities)
            and all(_fits(alert.tags or {}, name, pattern) for name, pattern in (self.match_tags or {}).items())
        )

    def in_words(self) -> str:
        """As `domain COST or SECURITY, severity INFO, tag team=finops`."""
        parts = [
            ("alert", self.match_alert_ids),
            ("domain", self.match_domains),
            ("severity", self.match_severities),
            ("tag", [f"{name}={value}" for name, value in sorted((self.match_tags or {}).items())]),
        ]
        found = [
            f"{word} {(' and ' if word == 'tag' else ' or ').join(str(one) for one in values)}"
            for word, values in parts
            if values
        ]
        return ", ".join(found) or "every alert"


MATCHER_COLUMNS = tuple(Matcher.model_fields)


def _fits(tags: Mapping[str, str], name: str, pattern: str) -> bool:
    return name in tags and fnmatchcase(tags[name], pattern)
