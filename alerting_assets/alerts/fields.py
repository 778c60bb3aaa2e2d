"""Fields of what people write, an alert or a notification destination: their types, and what is wrong with one, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.errors import DefinitionError, Problem, did_you_mean

Model = TypeVar("Model", bound=BaseModel)

_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")

OTHER_SPELLINGS = {
    ">": "GREATER_THAN",
    "GT": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "GTE": "GREATER_THAN_OR_EQUAL",
    "<": "LESS_THAN",
    "LT": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    "LTE": "LESS_THAN_OR_EQUAL",
    "=": "EQUAL",
    "==": "EQUAL",
    "EQ": "EQUAL",
    "!=": "NOT_EQUAL",
    "<>": "NOT_EQUAL",
    "NE": "NOT_EQUAL",
}
"""Of operators, in other languages."""


def _plain_text(value: str) -> str:
    found = _NOT_TEXT.search(value)
    if found and found[0] == "\0":
        raise ValueError(f"holds the character NUL (character {found.start() + 1}), which no text may; remove it")
    if found:
        raise ValueError(f"{value!r} holds half of a surrogate pair, which is no text; write the character itself")
    return value


def one_of(kind: type[StrEnum]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value is None or isinstance(value, kind):
            return value
        names = [member.value for member in kind]
        text = str(value).strip().upper()
        if not isinstance(value, str) or text not in names:
            near = (
                f"; did you mean {OTHER_SPELLINGS[text]!r}?" if text in OTHER_SPELLINGS else did_you_mean(text, names)
            )
            raise ValueError(f"{value!r} is not one of {', '.join(names)}{near}")
        return kind(text)

    return check


Text = Annotated[str, AfterValidator(_plain_text)]
NonEmpty = Annotated[Text, Field(min_length=1)]


def checked(
    model: type[Model],
    values: Mapping[str, Any],
    place: Problem,
    line_of: Callable[[str | None], int | None],
    *,
    what: str,
    patterns: Mapping[str, str],
) -> Model:
    """The values as a checked model. Raises DefinitionError with every problem found.

    place: a problem of the whole, whose message and line are yet to be set. line_of: the line of a field, or of the whole for None.
    what: it is, in messages. patterns: what fields with a pattern hold, in words."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        found = [_problem(detail, what, list(model.model_fields), patterns) for detail in error.errors()]
        raise DefinitionError(
            [
                replace(place, message=message, field=field, line=line_of(field) or line_of(None))
                for field, message in found
            ]
        ) from None


def _problem(detail: Any, what: str, names: list[str], patterns: Mapping[str, str]) -> tuple[str, str]:
    """(field, message) of one of pydantic's error details."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        return cause.field, cause.message
    field = str(detail["loc"][0]) if detail["loc"] else ""
    match detail["type"]:
        case "missing":
            return field, "is missing"
        case "extra_forbidden":
            return field, f"is no field of {what}{did_you_mean(field, names)}"
        case "value_error":
            return field, str(cause)
        case "string_pattern_mismatch" if field in patterns:
            return field, f"{detail['input']!r} is not allowed; use {patterns[field]}"
        case "finite_number":
            return field, f"{detail['input']} is not allowed; use a finite number"
        case _:
            shown = (
                detail["input"]
                if isinstance(detail["input"], str | int | float | bool)
                else type(detail["input"]).__name__
            )
            return field, f"{detail['msg'].removeprefix('Input ')} (got {shown!r})"
