"""Parameters of alert templates: typed and bounded values that become SQL literals or checked names, never pasted text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from alerting_assets.alerts.parse import DIALECT
from alerting_assets.alerts.query_text import Identifier, Value
from alerting_assets.errors import did_you_mean
from alerting_assets.sql_literal import identifier

SETTINGS = frozenset({"catalog", "gold_schema"})
"""Placeholders that stay in a rendered query: the compiler fills them in for the target."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class ParameterType(StrEnum):
    NUMBER = "number"
    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"
    STRINGS = "strings"
    """A list of strings; `IN ${names}`."""
    TABLE = "table"
    """A name of one to three parts; what is missing is the target's catalog and schema."""
    COLUMN = "column"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a template. default: None where a value is required. minimum, maximum: inclusive. choices: the allowed values
    of a string."""

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
        """What a value is bounded by, for people: `0 … 100`, or the choices."""
        if self.choices:
            return ", ".join(self.choices)
        if self.minimum is None and self.maximum is None:
            return ""
        return f"{'' if self.minimum is None else f'{self.minimum:g}'} … {'' if self.maximum is None else f'{self.maximum:g}'}"


def read_parameters(values: Any, problem: Callable[[str, str], None]) -> dict[str, Parameter]:
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
        checked(parameter, parameter.default)
    return parameter


def checked(parameter: Parameter, value: Any) -> Any:
    """A value as the parameter's type. Raises ValueError for one that does not fit."""
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
    """The parts of a name, read by the SQL parser: a text with anything else in it is refused."""
    what = "a table name of 1 to 3 parts" if parts > 1 else "a column name"
    text = _string(value)
    try:
        tree = sqlglot.parse_one(text, into=exp.Table, dialect=DIALECT)
    except (SqlglotError, ValueError, RecursionError):
        tree = None
    found = tuple(part.name for part in tree.parts) if isinstance(tree, exp.Table) else ()
    as_written = r"\.".join(f"(?:{re.escape(name)}|{re.escape(identifier(name))})" for name in found)
    if not 0 < len(found) <= parts or not all(found) or not re.fullmatch(as_written, text.strip()):
        raise ValueError(f"{text!r} is not {what}")
    return found


def as_sql(parameter: Parameter, value: Any) -> Identifier | Value:
    match parameter.type:
        case ParameterType.NUMBER:
            text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
            return Identifier(text, f"{value!r}D" if value >= 0 else f"({value!r}D)")
        case ParameterType.TABLE:
            missing = ["${catalog}", "${gold_schema}"][: 3 - len(value)]
            return Identifier(".".join(value), ".".join([*missing, *(identifier(part) for part in value)]))
        case ParameterType.COLUMN:
            return Identifier(value[0], identifier(value[0]))
        case _:
            checked: Value = value
            return checked


def as_words(value: Any) -> str:
    if isinstance(value, tuple):
        return ".".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
