"""Alert definitions in YAML: text in, configurations or problems with file, line and field out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from alerting_assets.alerts.configuration import AlertConfiguration, did_you_mean, parse_configuration
from alerting_assets.alerts.templates import AlertTemplate, instantiate
from alerting_assets.alerts.thresholds import NUMBER, FieldError, is_quoted
from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_entries
from alerting_assets.errors import DefinitionError, Problem, TemplateError

_MANAGED = "is set by the loader; remove it"


def parse_definitions(
    files: Mapping[str, str], templates: Mapping[str, AlertTemplate] = MappingProxyType({})
) -> list[AlertConfiguration]:
    """files: name → text. templates: by id. Returns the alerts ordered by alert_id, `managed_by` set to `yaml:<file>`.

    Raises DefinitionError with every problem of every file; then none of them is to be used."""
    alerts: list[AlertConfiguration] = []
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for file in sorted(files):
        try:
            entries = list(read_entries(file, files[file], key="alerts", what="alert"))
        except DefinitionError as error:
            problems += error.problems
            continue
        for entry in entries:
            try:
                alert = _parse(entry, file, templates)
            except DefinitionError as error:
                problems += error.problems
                continue
            place = f"{file}:{line_of(entry)}"
            if alert.alert_id in places:
                problems.append(
                    Problem(
                        f"is already used at {places[alert.alert_id]}",
                        "alert_id",
                        alert.alert_id,
                        file,
                        line_of(entry, "alert_id"),
                    )
                )
                continue
            places[alert.alert_id] = place
            alerts.append(alert)
    if problems:
        raise DefinitionError(problems)
    return sorted(alerts, key=lambda alert: alert.alert_id)


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
    if template_id not in templates:
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
