"""Alert definitions in YAML: text in, configurations or problems with file, line and field out."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from alerting_assets.alerts.configuration import ALERT_ID, AlertConfiguration, parse_configuration
from alerting_assets.alerts.templates import AlertTemplate, instantiate
from alerting_assets.alerts.thresholds import NUMBER, FieldError, is_quoted
from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_entries
from alerting_assets.errors import DefinitionError, Problem, TemplateError, did_you_mean

_log = logging.getLogger(__name__)

DESTINATIONS = "destinations"
SILENCES = "silences"
EXPECTED_EVENTS = "expected_events"
LISTED = (DESTINATIONS, SILENCES, EXPECTED_EVENTS)
"""Definitions that are no alerts. Each kind lies in a folder of this name below that of the definitions, or in a list beside alerts."""
_MANAGED = "is set by the loader; remove it"


@dataclass(frozen=True)
class Place:
    """Where an alert is defined. line: of its entry. query_line: where the first line of its query stands, and whether the lines
    behind it follow one by one, as they do in a block (`|`)."""

    file: str
    line: int
    query_line: int
    is_block: bool = False

    def of_query(self, line: int | None) -> str:
        """`file:line` of a line of the query, counted from 1; of the query where the line cannot be told."""
        return f"{self.file}:{self.query_line + (line - 1 if line and self.is_block else 0)}"


@dataclass(frozen=True)
class Definitions:
    """What a folder of files says; a mistake costs the alert that it is in, and no other.

    alerts: those that can be used, ordered by alert_id, `managed_by` set to `yaml:<file>`.
    places: of these, by alert_id.
    problems: all that is wrong; each costs one alert, or one file.
    held: alert_ids that are defined in a way that cannot be used: a wrong field, or the same id twice.
    unclear: the texts, by file, of files that hold something of which not even the alert_id can be told; None where not even the
        text is known. Any alert may be meant."""

    alerts: tuple[AlertConfiguration, ...]
    places: Mapping[str, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    held: frozenset[str] = frozenset()
    unclear: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def mentioned(self) -> set[str]:
        """The ids that are taken, and those that may be."""
        words = (word for text in self.unclear.values() for word in ALERT_ID.findall(text or ""))
        return {*(alert.alert_id for alert in self.alerts), *self.held, *words}

    def may_define(self, alert_id: str, file: str) -> bool:
        """Whether an alert that is not among `alerts` may be meant all the same, so that it is not to be removed. file: that it came
        from."""
        if alert_id in self.held or file in self.unclear:
            return True
        word = re.compile(rf"(?<![A-Z0-9_-]){re.escape(alert_id)}(?![A-Z0-9_-])")
        return any(text is None or word.search(text) for text in self.unclear.values())


def parse_definitions(
    files: Mapping[str, str], templates: Mapping[str, AlertTemplate] = MappingProxyType({})
) -> list[AlertConfiguration]:
    """The alerts of files that have to be right as a whole, as `read_definitions` orders them. Raises DefinitionError with every
    problem of every file."""
    found = read_definitions(files, templates)
    if found.problems:
        raise DefinitionError(found.problems)
    return list(found.alerts)


def read_definitions(
    files: Mapping[str, str], templates: Mapping[str, AlertTemplate] = MappingProxyType({})
) -> Definitions:
    """files: name → text. templates: by id. Raises nothing: whatever is wrong is a problem of what it is in."""
    alerts: dict[str, AlertConfiguration] = {}
    places: dict[str, Place] = {}
    twice: set[str] = set()
    held: set[str] = set()
    unclear: dict[str, str | None] = {}
    problems: list[Problem] = []
    for file in sorted(files):
        entries, wrong = read_entries(file, files[file], key="alerts", what="alert", beside=frozenset(LISTED))
        problems += wrong
        if wrong:
            unclear[file] = files[file]
        for entry in entries:
            alert, faults = _one(entry, file, templates)
            problems += faults
            alert_id = entry.get("alert_id")
            if not isinstance(alert_id, str) or not ALERT_ID.fullmatch(alert_id):
                unclear[file] = files[file]
                continue
            if alert_id in places:
                twice.add(alert_id)
                first = places[alert_id]
                message = f"is used at {first.file}:{first.line} as well; neither is taken until one of them is gone"
                problems.append(Problem(message, "alert_id", alert_id, file, line_of(entry, "alert_id")))
            else:
                places[alert_id] = _place(entry, file)
            if alert is None:
                held.add(alert_id)
            else:
                alerts[alert_id] = alert
    held |= twice
    return Definitions(
        tuple(alerts[alert_id] for alert_id in sorted(alerts.keys() - held)),
        {alert_id: place for alert_id, place in places.items() if alert_id not in held},
        tuple(problems),
        frozenset(held),
        unclear,
    )


def _one(
    entry: YamlMap, file: str, templates: Mapping[str, AlertTemplate]
) -> tuple[AlertConfiguration | None, Sequence[Problem]]:
    try:
        return _parse(entry, file, templates), ()
    except DefinitionError as error:
        return None, error.problems
    except Exception as error:  # noqa: BLE001 — told as a problem and in the log: a fault of ours costs one alert, too
        _log.exception("the entry at %s:%s cannot be read", file, line_of(entry))
        alert_id = entry.get("alert_id")
        message = (
            f"cannot be read ({type(error).__name__}: {error}), which is a fault of alerting_assets; please report it"
        )
        return None, [Problem(message, None, alert_id if isinstance(alert_id, str) else None, file, line_of(entry))]


def _place(entry: YamlMap, file: str) -> Place:
    block = entry.blocks.get("alert_query_template")
    return Place(file, line_of(entry), block or line_of(entry, "alert_query_template"), block is not None)


def _parse(entry: YamlMap, file: str, templates: Mapping[str, AlertTemplate]) -> AlertConfiguration:
    values: dict[str, Any] = dict(entry)

    def problem(field: str | None, message: str) -> Problem:
        alert_id = values.get("alert_id")
        line = line_of(entry, field)
        return Problem(message, field, alert_id if isinstance(alert_id, str) else None, file, line)

    problems = [problem("managed_by", _MANAGED)] if "managed_by" in values else []
    try:
        if values.get("template_id") is not None:
            values = _from_template(values, templates)
        values["template_params"] = _encoded(values.get("template_params"))
        if isinstance(values.get("threshold_value_list"), list):
            values["threshold_value_list"] = list_texts(values["threshold_value_list"])
    except FieldError as error:
        raise DefinitionError([*problems, problem(error.field, error.message)]) from None
    except TemplateError as error:
        raise DefinitionError([*problems, problem("template_params", str(error))]) from None
    try:
        alert = parse_configuration(
            {**values, "managed_by": f"yaml:{file}"},
            file=file,
            line_of=lambda field: line_of(entry, field) if field in entry else None,
        )
    except DefinitionError as error:
        template = templates.get(str(values.get("template_id")))
        problems += [_placed(problem, template, file, line_of(entry)) for problem in error.problems]
    if problems:
        raise DefinitionError(problems)
    return alert


def _placed(problem: Problem, template: AlertTemplate | None, file: str, line: int) -> Problem:
    """With the parameter that set the field, where it was one; at the entry's line where it has none of its own."""
    parameter = template.bound_to(problem.field) if template and problem.field else None
    source = f" (set by parameter {parameter} of template {template.template_id})" if template and parameter else ""
    return Problem(problem.message + source, problem.field, problem.alert_id, file, problem.line or line)


def _from_template(values: Mapping[str, Any], templates: Mapping[str, AlertTemplate]) -> dict[str, Any]:
    template_id = values["template_id"]
    if not isinstance(template_id, str) or template_id not in templates:
        near = did_you_mean(str(template_id), list(templates))
        raise FieldError(
            "template_id", f"there is no template {template_id!r}{near}; `alerting templates list` shows all"
        )
    given = values.get("template_params") or {}
    if not isinstance(given, dict):
        raise FieldError("template_params", "is a mapping of parameters to values")
    own = {name: value for name, value in values.items() if name not in ("template_id", "template_params")}
    fields = instantiate(templates[template_id], own, given)
    return {**fields, "template_id": template_id, "template_params": given}


def _encoded(parameters: Any) -> Any:
    """Values as JSON, as the table holds them."""
    if not isinstance(parameters, dict):
        return parameters
    try:
        return {str(name): json.dumps(value, ensure_ascii=False) for name, value in parameters.items()}
    except TypeError:
        raise FieldError(
            "template_params", "holds a value that is no string, number, boolean or list; put dates in quotes"
        ) from None


def list_texts(items: list[Any]) -> list[Any]:
    """Elements of threshold_value_list as the table holds them, texts. What is a string in YAML stays one: `"404"` is not 404.

    Raises FieldError."""
    if any(isinstance(item, bool) for item in items) and not all(isinstance(item, bool) for item in items):
        raise FieldError("threshold_value_list", "mixes true and false with other values")
    if any(isinstance(item, str) for item in items) and not all(isinstance(item, str) for item in items):
        raise FieldError("threshold_value_list", "mixes strings with other values; put all of them in quotes, or none")
    return [str(item).lower() if isinstance(item, bool) else _list_item(item) for item in items]


def _list_item(item: Any) -> Any:
    if isinstance(item, int | float):
        if item - item != 0:
            raise FieldError("threshold_value_list", f"{item!r} is not allowed; use finite numbers")
        return repr(item)
    if not isinstance(item, str):
        return item  # the field's own check says what is wrong
    looks_typed = NUMBER.fullmatch(item) or item in ("true", "false") or is_quoted(item)
    return f"'{item}'" if looks_typed else item
