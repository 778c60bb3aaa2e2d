"""Alert templates: what one holds, and the fields of an alert that come of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alerting_assets.alerts.configuration import OWNED_COLUMNS
from alerting_assets.alerts.query_text import QueryTextError, resolve_placeholders
from alerting_assets.alerts.template_parameters import (
    SETTINGS,
    Parameter,
    as_sql,
    as_words,
    checked,
    read_parameters,
)
from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_document
from alerting_assets.errors import DefinitionError, Problem, TemplateError, did_you_mean

_ID = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_RENAMED = {"alert_name": "template_name", "alert_description": "description", "alert_query_template": "query"}
_OWN_KEYS = ("template_id", *_RENAMED.values(), "parameters", "tests")
_PER_ALERT = (
    "alert_id",
    "owner",
    "managed_by",
    "template_id",
    "template_params",
    "is_enabled",
)
_FIELDS = tuple(name for name in OWNED_COLUMNS if name not in _PER_ALERT and name not in _RENAMED)
_REQUIRED = (
    *(key for key in _OWN_KEYS if key != "tests"),
    "agent_domain",
    "severity",
    "aggregation_column",
    "operator",
    "schedule_cron",
)
FIXED = ("alert_query_template", "aggregation_column", "aggregation_type", "operator", "agent_domain")
"""Fields that an alert cannot change about its template: with others it would be another template."""


@dataclass(frozen=True)
class AlertTemplate:
    """A template. fields: of AlertConfiguration, where a value that is exactly `${parameter}` becomes the parameter's value. tests:
    as they are written."""

    template_id: str
    template_name: str
    description: str
    parameters: Mapping[str, Parameter]
    query_template: str
    fields: Mapping[str, Any]
    file: str
    tests: Sequence[YamlMap] = field(default=(), repr=False, compare=False)

    @property
    def agent_domain(self) -> str:
        return str(self.fields["agent_domain"])

    @property
    def severity(self) -> str:
        return str(self.fields["severity"])

    @property
    def required_params(self) -> tuple[str, ...]:
        return tuple(name for name, parameter in self.parameters.items() if parameter.is_required)

    def bound_to(self, name: str) -> str | None:
        """The parameter that sets this field, if one does."""
        value = self.fields.get(name)
        found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        return found[1] if found else None


def parse_template(file: str, text: str) -> AlertTemplate:
    """Read the template of a file, which is named by the template's id in lower case. Raises DefinitionError with every problem."""
    document = read_document(file, text)
    if not isinstance(document, YamlMap):
        raise DefinitionError([Problem("a template is a mapping; it begins with template_id", file=file, line=1)])
    values = dict(document)
    problems: list[Problem] = []

    def problem(field: str, message: str) -> None:
        problems.append(Problem(message, field, file=file, line=line_of(document, field)))

    for name in values:
        if name not in _OWN_KEYS and name not in _FIELDS:
            hint = "belongs to the alert, not to its template" if name in _PER_ALERT else "is no field of a template"
            problem(name, hint + ("" if name in _PER_ALERT else did_you_mean(name, (*_OWN_KEYS, *_FIELDS))))
    for name in _REQUIRED:
        if name not in values:
            problem(name, "is missing")
    template_id = str(values.get("template_id", ""))
    if not _ID.fullmatch(template_id):
        problem("template_id", f"{template_id!r} is not allowed; use 1 to 64 of A-Z, 0-9 and _, a letter first")
    elif file.rpartition("/")[2].partition(".")[0] != template_id.lower():
        problem("template_id", f"the file of {template_id} is named {template_id.lower()}.yml")
    parameters = read_parameters(values.get("parameters") or {}, problem)
    if problems:
        raise DefinitionError(problems)
    template = AlertTemplate(
        template_id,
        str(values["template_name"]),
        str(values["description"]).strip(),
        parameters,
        str(values["query"]),
        {name: values[name] for name in _FIELDS if name in values},
        file,
        tuple(document.get("tests") or ()),
    )
    _check_references(template, problem)
    if problems:
        raise DefinitionError(problems)
    return template


def check_parameters(template: AlertTemplate, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every parameter, defaults filled in. Raises TemplateError for the first one that is missing, unknown or wrong."""
    for name in given:
        if name not in template.parameters:
            near = did_you_mean(name, template.parameters)
            known = ", ".join(template.parameters) or "none"
            raise TemplateError(template.template_id, name, f"is no parameter of this template{near} (it has: {known})")
    values = {}
    for name, parameter in template.parameters.items():
        if given.get(name) is None and parameter.is_required:
            raise TemplateError(template.template_id, name, f"is missing: {parameter.description} ({parameter.type})")
        try:
            values[name] = checked(parameter, parameter.default if given.get(name) is None else given[name])
        except ValueError as error:
            raise TemplateError(template.template_id, name, str(error)) from None
    return values


def render_fields(template: AlertTemplate, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an alert that the template gives, with these parameters. `${catalog}` and `${gold_schema}` stay in the query."""
    values = check_parameters(template, given)
    sql = {name: as_sql(template.parameters[name], value) for name, value in values.items()}
    try:
        query = resolve_placeholders(template.query_template, sql, keep=SETTINGS)
    except QueryTextError as error:
        raise TemplateError(template.template_id, None, f"query: {error}") from None
    return {
        "alert_name": _text(template.template_name, values),
        "alert_description": _text(template.description, values),
        "alert_query_template": query,
        **{name: _field(value, values) for name, value in template.fields.items()},
    }


def instantiate(template: AlertTemplate, alert: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one alert: the template's, then the alert's own. Raises TemplateError, or FieldError for a field that it
    cannot have of its own."""
    rendered = render_fields(template, given)
    for name in alert:
        if parameter := template.bound_to(name):
            raise FieldError(
                name, f"is set by {parameter} of template {template.template_id}; give that one under template_params"
            )
        if name in FIXED:
            raise FieldError(
                name,
                f"is what template {template.template_id} stands for; remove it, or write the alert without template_id",
            )
    return {**rendered, **alert}


def _check_references(template: AlertTemplate, problem: Callable[[str, str], None]) -> None:
    """Check that every `${…}` is a parameter, and that every parameter is used."""
    used: set[str] = set()
    texts = {
        "query": template.query_template,
        "template_name": template.template_name,
        "description": template.description,
    }
    for name, value in {**texts, **template.fields}.items():
        for reference in _REFERENCE.findall(value) if isinstance(value, str) else ():
            used.add(reference)
            if reference not in template.parameters and not (name == "query" and reference in SETTINGS):
                problem(name, f"${{{reference}}} is no parameter{did_you_mean(reference, template.parameters)}")
    for name in template.parameters:
        if name not in used:
            problem("parameters", f"{name}: is used nowhere")


def _field(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    if found := _REFERENCE.fullmatch(value):
        parameter = values[found[1]]
        return list(parameter) if isinstance(parameter, tuple) else parameter
    return _text(value, values)


def _text(text: str, values: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda found: as_words(values[found[1]]), text)
