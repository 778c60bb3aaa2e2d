"""Alert templates: typed parameters in, the fields of an alert out. Values become SQL literals or checked names, never pasted text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlglot
from ruamel.yaml.comments import CommentedMap
from sqlglot import exp
from sqlglot.errors import SqlglotError

from alerting_assets.alerts.configuration import OWNED_COLUMNS, did_you_mean
from alerting_assets.alerts.query_text import (
    DIALECT,
    Identifier,
    QueryTextError,
    Value,
    quote_identifier,
    resolve_placeholders,
)
from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.alerts.yaml_text import line_of, plain, read_document
from alerting_assets.errors import DefinitionError, Problem, TemplateError

SETTINGS = frozenset({"catalog", "gold_schema"})
"""Placeholders that stay in a rendered query: the compiler fills them in for the target."""

_ID = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_RENAMED = {"alert_name": "template_name", "alert_description": "description", "alert_query_template": "query"}
_OWN_KEYS = ("template_id", *_RENAMED.values(), "parameters", "tests")
_PER_ALERT = (
    "alert_id",
    "owner",
    "managed_by",
    "template_id",
    "template_params",
    "notification_channels",
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
"""What an alert cannot change about its template: it would be another template."""


class ParameterType(StrEnum):
    NUMBER = "number"
    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"
    STRINGS = "strings"
    """A list of strings; `IN ${names}`."""
    TABLE = "table"
    """1 to 3 parts; what is missing is the target's catalog and schema."""
    COLUMN = "column"


@dataclass(frozen=True)
class Parameter:
    """default: None for a required one. minimum, maximum: inclusive. choices: of a string."""

    name: str
    type: ParameterType
    description: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def is_required(self) -> bool:
        return self.default is None

    @property
    def bounds(self) -> str:
        """For people: `0 … 100`, or the choices."""
        if self.choices:
            return ", ".join(self.choices)
        if self.minimum is None and self.maximum is None:
            return ""
        return f"{'' if self.minimum is None else f'{self.minimum:g}'} … {'' if self.maximum is None else f'{self.maximum:g}'}"


@dataclass(frozen=True)
class AlertTemplate:
    """fields: of AlertConfiguration; a value that is exactly `${parameter}` becomes the parameter's value. tests: as written."""

    template_id: str
    template_name: str
    description: str
    parameters: Mapping[str, Parameter]
    query_template: str
    fields: Mapping[str, Any]
    file: str
    tests: Sequence[CommentedMap] = field(default=(), repr=False, compare=False)

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
    """One template a file, named by its id in lower case. Raises DefinitionError with every problem."""
    document = read_document(file, text)
    if not isinstance(document, CommentedMap):
        raise DefinitionError([Problem("a template is a mapping; it begins with template_id", file=file, line=1)])
    values = plain(document)
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
    parameters = _parameters(values.get("parameters") or {}, problem)
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
    """Every parameter's value, defaults filled in. Raises TemplateError for the first that is missing, unknown or wrong."""
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
            values[name] = _checked(parameter, parameter.default if given.get(name) is None else given[name])
        except ValueError as error:
            raise TemplateError(template.template_id, name, str(error)) from None
    return values


def render_fields(template: AlertTemplate, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an alert that the template gives, with these parameters. `${catalog}` and `${gold_schema}` stay in the query."""
    values = check_parameters(template, given)
    sql = {name: _sql(template.parameters[name], value) for name, value in values.items()}
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


def _parameters(values: Any, problem: Callable[[str, str], None]) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    if not isinstance(values, dict):
        problem("parameters", "is a mapping of names to {type, description, default, min, max, choices}")
        return parameters
    for name, spec in values.items():
        try:
            parameters[name] = _parameter(name, spec)
        except ValueError as error:
            problem("parameters", f"{name}: {error}")
    return parameters


def _parameter(name: str, spec: Any) -> Parameter:
    if not _NAME.fullmatch(name) or name in SETTINGS:
        raise ValueError("is no name for a parameter; use a-z, 0-9 and _, and neither catalog nor gold_schema")
    if not isinstance(spec, dict):
        raise ValueError("is a mapping of type, description, default, min, max, choices")
    known = ("type", "description", "default", "min", "max", "choices")
    for key in spec:
        if key not in known:
            raise ValueError(f"{key!r} is not known{did_you_mean(key, known)}")
    kinds = [kind.value for kind in ParameterType]
    if spec.get("type") not in kinds:
        raise ValueError(f"type is one of {', '.join(kinds)}, not {spec.get('type')!r}")
    if not spec.get("description"):
        raise ValueError("has no description")
    kind = ParameterType(spec["type"])
    if ("min" in spec or "max" in spec) and kind not in (ParameterType.NUMBER, ParameterType.INTEGER):
        raise ValueError(f"min and max bound numbers, not a {kind}")
    parameter = Parameter(
        name,
        kind,
        str(spec["description"]),
        spec.get("default"),
        spec.get("min"),
        spec.get("max"),
        tuple(spec.get("choices") or ()),
    )
    if not parameter.is_required:
        _checked(parameter, parameter.default)
    return parameter


def _check_references(template: AlertTemplate, problem: Callable[[str, str], None]) -> None:
    """Every `${…}` is a parameter, and every parameter does something."""
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


def _checked(parameter: Parameter, value: Any) -> Any:
    """The value as its type. Raises ValueError."""
    kind = parameter.type
    match kind:
        case ParameterType.NUMBER | ParameterType.INTEGER:
            return _number(parameter, value)
        case ParameterType.BOOLEAN:
            if not isinstance(value, bool):
                raise ValueError(f"expected true or false, got {value!r}")
            return value
        case ParameterType.STRINGS:
            if not isinstance(value, list | tuple) or not value:
                raise ValueError(f"expected a list of strings, got {value!r}")
            return tuple(_string(item) for item in value)
        case ParameterType.TABLE:
            return _identifier(value, 3)
        case ParameterType.COLUMN:
            return _identifier(value, 1)
        case _:
            text = _string(value)
            if parameter.choices and text not in parameter.choices:
                near = did_you_mean(text, parameter.choices)
                raise ValueError(f"{text!r} is not one of {', '.join(parameter.choices)}{near}")
            return text


def _number(parameter: Parameter, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a number, got {value!r}")
    if parameter.type is ParameterType.INTEGER and value != int(value):
        raise ValueError(f"expected a whole number, got {value!r}")
    if parameter.minimum is not None and value < parameter.minimum:
        raise ValueError(f"{value:g} is below the minimum of {parameter.minimum:g}")
    if parameter.maximum is not None and value > parameter.maximum:
        raise ValueError(f"{value:g} is above the maximum of {parameter.maximum:g}")
    return int(value) if parameter.type is ParameterType.INTEGER else float(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got {value!r}")
    if "${" in value:
        raise ValueError(f"{value!r} holds ${{, which would be taken for a placeholder")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{value!r} holds half of a surrogate pair, which is no text")
    return value


def _identifier(value: Any, parts: int) -> tuple[str, ...]:
    """The parts of a name, through the SQL parser: whatever else is in the text is refused."""
    what = "a table name of 1 to 3 parts" if parts > 1 else "a column name"
    text = _string(value)
    try:
        tree = sqlglot.parse_one(text, into=exp.Table, dialect=DIALECT)
    except (SqlglotError, ValueError, RecursionError):
        tree = None
    found = tuple(part.name for part in tree.parts) if isinstance(tree, exp.Table) else ()
    as_written = r"\.".join(f"(?:{re.escape(name)}|{re.escape(quote_identifier(name))})" for name in found)
    if not 0 < len(found) <= parts or not all(found) or not re.fullmatch(as_written, text.strip()):
        raise ValueError(f"{text!r} is not {what}")
    return found


def _sql(parameter: Parameter, value: Any) -> Identifier | Value:
    match parameter.type:
        case ParameterType.NUMBER:
            text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
            return Identifier(text, f"{value!r}D" if value >= 0 else f"({value!r}D)")
        case ParameterType.TABLE:
            missing = ["${catalog}", "${gold_schema}"][: 3 - len(value)]
            return Identifier(".".join(value), ".".join([*missing, *(quote_identifier(part) for part in value)]))
        case ParameterType.COLUMN:
            return Identifier(value[0], quote_identifier(value[0]))
        case _:
            checked: Value = value
            return checked


def _field(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    if found := _REFERENCE.fullmatch(value):
        parameter = values[found[1]]
        return list(parameter) if isinstance(parameter, tuple) else parameter
    return _text(value, values)


def _text(text: str, values: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda found: _words(values[found[1]]), text)


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return ".".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
