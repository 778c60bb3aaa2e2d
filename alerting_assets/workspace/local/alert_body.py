"""What a body of the Alerts v2 API may hold: its fields and types, what belongs together, and update masks.

Unknown fields are refused, output-only ones ignored in bodies and refused in masks, as the service's JSON mapping does.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting_assets.quartz import QuartzError, parse_quartz, time_zones
from alerting_assets.workspace.local.api_error import invalid

Body = dict[str, Any]

OPERATORS_WITHOUT_THRESHOLD = ("IS_NULL", "IS_NOT_NULL")
OPERATORS = (
    "EQUAL",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUAL",
    "LESS_THAN",
    "LESS_THAN_OR_EQUAL",
    *OPERATORS_WITHOUT_THRESHOLD,
)
AGGREGATIONS = ("AVG", "COUNT", "COUNT_DISTINCT", "MAX", "MEDIAN", "MIN", "STDDEV", "SUM")
STATES = ("OK", "TRIGGERED", "ERROR", "UNKNOWN")


@dataclass(frozen=True)
class Scalar:
    """A field with one value. check: returns the value as it is stored, or raises ValueError with what is expected."""

    check: Callable[[Any], Any]


@dataclass(frozen=True)
class Repeated:
    item: Message


@dataclass(frozen=True)
class Message:
    """A field that holds fields.

    one_of: fields of which at most one can be set; setting another one clears it.
    output_only: fields that only the server sets."""

    fields: Mapping[str, Scalar | Repeated | Message]
    one_of: tuple[str, ...] = ()
    output_only: frozenset[str] = frozenset()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a string")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("expected a finite number")
    return float(value)


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("expected a whole number of seconds from 0")
    return value


def _one_of(*allowed: str) -> Scalar:
    def check(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return str(value)

    return Scalar(check)


TEXT, FLAG, NUMBER, SECONDS = Scalar(_text), Scalar(_flag), Scalar(_number), Scalar(_seconds)
_COLUMN = Message({"name": TEXT, "display": TEXT, "aggregation": _one_of(*AGGREGATIONS)})
_RUN_AS = Message({"user_name": TEXT, "service_principal_name": TEXT}, one_of=("user_name", "service_principal_name"))
_VALUES = ("double_value", "string_value", "bool_value")

ALERT = Message(
    {
        "display_name": TEXT,
        "query_text": TEXT,
        "warehouse_id": TEXT,
        "parent_path": TEXT,
        "custom_summary": TEXT,
        "custom_description": TEXT,
        "custom_template_format": _one_of("HTML", "MARKDOWN"),
        "run_as": _RUN_AS,
        "run_as_user_name": TEXT,
        "parameters": Repeated(Message({"name": TEXT, "type": TEXT, "value": TEXT})),
        "evaluation": Message(
            {
                "source": _COLUMN,
                "comparison_operator": _one_of(*OPERATORS),
                "threshold": Message(
                    {
                        "value": Message(
                            {"double_value": NUMBER, "string_value": TEXT, "bool_value": FLAG}, one_of=_VALUES
                        ),
                        "column": _COLUMN,
                    },
                    one_of=("value", "column"),
                ),
                "empty_result_state": _one_of(*STATES),
                "notification": Message(
                    {
                        "notify_on_ok": FLAG,
                        "retrigger_seconds": SECONDS,
                        "subscriptions": Repeated(
                            Message(
                                {"user_email": TEXT, "destination_id": TEXT}, one_of=("user_email", "destination_id")
                            )
                        ),
                    }
                ),
                "state": TEXT,
                "last_evaluated_at": TEXT,
            },
            output_only=frozenset({"state", "last_evaluated_at"}),
        ),
        "schedule": Message(
            {"quartz_cron_schedule": TEXT, "timezone_id": TEXT, "pause_status": _one_of("UNPAUSED", "PAUSED")}
        ),
        **dict.fromkeys(("id", "create_time", "update_time", "owner_user_name", "lifecycle_state"), TEXT),
        "effective_run_as": _RUN_AS,
    },
    output_only=frozenset(
        {"id", "create_time", "update_time", "owner_user_name", "lifecycle_state", "effective_run_as"}
    ),
)

REQUIRED = (
    "display_name",
    "query_text",
    "warehouse_id",
    "evaluation.source.name",
    "evaluation.comparison_operator",
    "schedule.quartz_cron_schedule",
    "schedule.timezone_id",
)


def read_body(value: Any) -> Body:
    """The fields of a body that a caller may set, checked one by one; null is the same as absent. Raises ApiError."""
    return _read(value, ALERT, "")


def check_complete(body: Body, *, warehouse_ids: Collection[str], destination_ids: Collection[str]) -> None:
    """Check that the alert as a whole can exist. Raises ApiError."""
    for path in REQUIRED:
        if not value_at(body, path):
            raise invalid(f"Missing required field: {path}")
    if body["warehouse_id"] not in warehouse_ids:
        raise invalid(f"warehouse_id: the SQL warehouse {body['warehouse_id']!r} does not exist")
    evaluation = body["evaluation"]
    operator, threshold = evaluation["comparison_operator"], evaluation.get("threshold", {})
    if (
        operator not in OPERATORS_WITHOUT_THRESHOLD
        and not threshold.get("value")
        and not value_at(threshold, "column.name")
    ):
        raise invalid(f"evaluation.threshold: {operator} needs a value or a column to compare with")
    _check_schedule(body["schedule"])
    for subscription in value_at(body, "evaluation.notification.subscriptions") or []:
        _check_subscription(subscription, destination_ids)


def apply_mask(stored: Body, changes: Body, update_mask: str) -> Body:
    """The stored body, in which the fields that the mask names are taken from `changes`; a field that `changes` lacks is cleared.
    Raises ApiError."""
    updated = copy.deepcopy(stored)
    paths = update_mask.split(",")
    if paths == ["*"]:
        paths = [name for name in ALERT.fields if name not in ALERT.output_only and name != "parent_path"]
    for path in paths:
        _check_path(path)
        _assign(updated, changes, path.split("."), ALERT)
    return updated


def value_at(body: Mapping[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _read(value: Any, message: Message, path: str) -> Body:
    if not isinstance(value, dict):
        raise invalid(f"{path or 'the request body'}: expected a JSON object")
    body: Body = {}
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        spec = message.fields.get(name)
        if spec is None:
            raise invalid(f"Unknown field: {where}")
        if item is not None and name not in message.output_only:
            body[name] = _read_field(item, spec, where)
    chosen = [name for name in message.one_of if name in body]
    if len(chosen) > 1:
        raise invalid(f"{path}: only one of {', '.join(message.one_of)} can be set, not {' and '.join(chosen)}")
    return body


def _read_field(value: Any, spec: Scalar | Repeated | Message, path: str) -> Any:
    if isinstance(spec, Message):
        return _read(value, spec, path)
    if isinstance(spec, Repeated):
        if not isinstance(value, list):
            raise invalid(f"{path}: expected a list")
        return [_read(item, spec.item, f"{path}[{index}]") for index, item in enumerate(value)]
    try:
        return spec.check(value)
    except ValueError as error:
        raise invalid(f"{path}: {error}, got {value!r}") from error


def _check_path(path: str) -> None:
    message: Scalar | Repeated | Message = ALERT
    for name in path.split("."):
        if not isinstance(message, Message) or name not in message.fields:
            raise invalid(f"update_mask: there is no field {path!r}")
        if name in message.output_only:
            raise invalid(f"update_mask: {path} is set by the service and cannot be updated")
        message = message.fields[name]
    if path == "parent_path":
        raise invalid("update_mask: parent_path can only be set on create")


def _assign(target: Body, source: Mapping[str, Any], names: Sequence[str], message: Message) -> None:
    name, *deeper = names
    if not deeper:
        kept = _output_only(target.get(name), message.fields[name])
        target.pop(name, None)
        if name in source:
            target[name] = {**copy.deepcopy(source[name]), **kept} if kept else copy.deepcopy(source[name])
    else:
        inner, spec = target.setdefault(name, {}), message.fields[name]
        assert isinstance(spec, Message)  # _check_path has seen the whole path
        _assign(inner, source.get(name) or {}, deeper, spec)
        if not inner:
            del target[name]
    if name in message.one_of and name in target:
        for other in message.one_of:
            if other != name:
                target.pop(other, None)


def _output_only(value: Any, spec: Scalar | Repeated | Message) -> Body:
    if not isinstance(spec, Message) or not isinstance(value, dict):
        return {}
    return {name: value[name] for name in spec.output_only if name in value}


def _check_schedule(schedule: Body) -> None:
    cron, zone = schedule["quartz_cron_schedule"], schedule["timezone_id"]
    try:
        parse_quartz(cron)
    except QuartzError as error:
        raise invalid(f"schedule.quartz_cron_schedule: {cron!r} is not a Quartz cron expression: {error}") from error
    if zone not in time_zones():
        raise invalid(f"schedule.timezone_id: {zone!r} is not a known time zone")


def _check_subscription(subscription: Body, destination_ids: Collection[str]) -> None:
    path = "evaluation.notification.subscriptions"
    email, destination = subscription.get("user_email"), subscription.get("destination_id")
    if email is None and destination is None:
        raise invalid(f"{path}: each needs a user_email or a destination_id")
    if email is not None and "@" not in email:
        raise invalid(f"{path}: {email!r} is not an e-mail address")
    if destination is not None and destination not in destination_ids:
        raise invalid(f"{path}: the notification destination {destination!r} does not exist")
