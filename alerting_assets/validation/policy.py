"""What a project decides about validation: from settings what is about safety, from `validation.yml` what is about taste."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from alerting_assets.alerts.configuration import did_you_mean
from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_document
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets.settings import VALIDATION_FILE, Settings
from alerting_assets.validation.finding import FIXED, Group, Severity

FACT_TABLES = ("fact_*",)
Default = TypeVar("Default")
_KEYS = ("rules", "silences", "fact_tables")


@dataclass(frozen=True)
class Policy:
    """allowed_schemas: patterns `catalog` or `catalog.schema`; none: all. severities: by rule. silences: (alert_id, rule) → reason.
    fact_tables: patterns of table names that are large."""

    allowed_schemas: tuple[str, ...] = ()
    allowed_functions: tuple[str, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    silences: Mapping[tuple[str, str], str] = field(default_factory=dict)
    fact_tables: tuple[str, ...] = FACT_TABLES

    def allows_schema(self, catalog: str, schema: str) -> bool:
        names = (catalog.lower(), f"{catalog}.{schema}".lower())
        return not self.allowed_schemas or any(
            fnmatchcase(name, pattern.lower()) for pattern in self.allowed_schemas for name in names
        )

    def is_fact_table(self, name: str) -> bool:
        return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in self.fact_tables)

    def idle_silences(self, alert_ids: Iterable[str]) -> list[str]:
        """Sentences about silences of alerts that are not among these, which are all there are."""
        known = sorted(alert_ids)
        return [
            f"{VALIDATION_FILE} silences {rule} of {alert_id}, and no such alert is configured{did_you_mean(alert_id, known)}"
            for alert_id, rule in sorted(self.silences)
            if alert_id not in known
        ]

    def fingerprint(self, engine: str) -> str:
        """Verdicts given under another one say nothing: other rules, another engine, another version of this package."""
        parts = [
            version("alerting_assets"), engine, self.allowed_schemas, self.allowed_functions, self.fact_tables,
            sorted(self.severities.items()), sorted([*pair] for pair in self.silences),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


NO_POLICY = Policy()


def read_policy(settings: Settings, rules: Mapping[str, Group]) -> Policy:
    """rules: name → group, of all there are. Raises DefinitionError with file and line."""
    path = settings.definitions / VALIDATION_FILE
    policy = Policy(settings.allowed_schemas, settings.allowed_functions)
    if (other := path.with_suffix(".yaml")).exists():
        raise DefinitionError([Problem(f"is called {VALIDATION_FILE}; rename it", file=other.name)])
    if not path.exists() and not path.is_symlink():
        return policy
    return _read(policy, path, rules)


def _read(policy: Policy, path: Path, rules: Mapping[str, Group]) -> Policy:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DefinitionError([Problem(f"is not UTF-8 text (byte {error.start + 1})", file=path.name)]) from None
    except OSError as error:
        raise DefinitionError([Problem(f"cannot be read: {error.strerror}", file=path.name)]) from None
    document = read_document(path.name, text)
    if document is None:
        return policy
    if not isinstance(document, YamlMap):
        raise DefinitionError([Problem(f"is a mapping with the keys {', '.join(_KEYS)}", file=path.name, line=1)])
    reader = _Reader(path.name, document, rules)
    made = Policy(
        policy.allowed_schemas,
        policy.allowed_functions,
        reader.severities(),
        reader.silences(),
        reader.fact_tables(),
    )
    if reader.problems:
        raise DefinitionError(reader.problems)
    return made


class _Reader:
    def __init__(self, file: str, document: YamlMap, rules: Mapping[str, Group]) -> None:
        self._file, self._document, self._rules = file, document, rules
        self.problems = [
            self._problem(f"is not known; keys are {', '.join(_KEYS)}", str(key), line_of(document, key))
            for key in document
            if key not in _KEYS
        ]

    def severities(self) -> dict[str, Severity]:
        given = self._document.get("rules") or {}
        if not isinstance(given, YamlMap):
            return self._wrong({}, "rules", "is a mapping of rules to ERROR, WARNING or OFF") if given else {}
        found = {}
        for name, value in given.items():
            line = line_of(given, name)
            text = "OFF" if value is False else str(value).upper()  # YAML 1.1 readers take a bare off for false
            if text not in ("ERROR", "WARNING", "OFF"):
                self.problems.append(self._problem(f"{value!r} is not ERROR, WARNING or OFF", f"rules.{name}", line))
            elif self._may_be_set(str(name), f"rules.{name}", line):
                found[str(name)] = Severity(text)
        return found

    def silences(self) -> dict[tuple[str, str], str]:
        given = self._document.get("silences") or []
        if not isinstance(given, list):
            return self._wrong({}, "silences", "is a list of {alert_id, rule, reason}")
        found: dict[tuple[str, str], str] = {}
        for entry in given:
            values: Any = entry
            line = line_of(entry) if isinstance(entry, YamlMap) else line_of(self._document, "silences")
            if not isinstance(values, dict) or set(values) != {"alert_id", "rule", "reason"}:
                self.problems.append(self._problem("has exactly alert_id, rule and reason", "silences", line))
            elif not all(isinstance(value, str) and value.strip() for value in values.values()):
                self.problems.append(self._problem("alert_id, rule and reason are texts, none empty", "silences", line))
            elif self._may_be_set(values["rule"], "silences.rule", line):
                found[values["alert_id"], values["rule"]] = values["reason"]
        return found

    def fact_tables(self) -> tuple[str, ...]:
        given = self._document.get("fact_tables", list(FACT_TABLES))
        if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
            return self._wrong(FACT_TABLES, "fact_tables", "is a list of patterns of table names, as fact_*")
        return tuple(given)

    def _may_be_set(self, rule: str, what: str, line: int) -> bool:
        if rule not in self._rules:
            self.problems.append(
                self._problem(f"there is no rule {rule!r}{did_you_mean(rule, self._rules)}", what, line)
            )
            return False
        if self._rules[rule] in FIXED:
            message = f"{rule} is a rule of {self._rules[rule]}, which cannot be softened: what breaks it is dangerous or cannot run"
            self.problems.append(self._problem(message, what, line))
            return False
        return True

    def _wrong(self, default: Default, key: str, message: str) -> Default:
        self.problems.append(self._problem(message, key, line_of(self._document, key)))
        return default

    def _problem(self, message: str, what: str, line: int) -> Problem:
        return Problem(message, what, None, self._file, line)
