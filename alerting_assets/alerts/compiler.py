"""One configuration in, what Databricks gets out: the only place that decides what an alert means.

See docs/architecture.md, "The compiler" and "What is deployed"."""

from __future__ import annotations

import json

from sqlglot import exp
from sqlglot.errors import SqlglotError

from alerting_assets.alerts import gated, notification
from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.alerts.configuration import AlertConfiguration, channel_problem
from alerting_assets.alerts.hold import Hold, hold_of
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.parse import parse_statements
from alerting_assets.alerts.query_text import (
    Identifier,
    PlaceholderNotResolved,
    QueryTextError,
    Value,
    resolve,
    trim_query,
)
from alerting_assets.errors import CompileError
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.settings import is_address
from alerting_assets.sql_literal import identifier

MAX_DISPLAY_NAME = 255


def compile_alert(configuration: AlertConfiguration, target: Target) -> CompiledAlert:
    """The one meaning of a configuration. Raises CompileError, which names the alert and the field."""
    for channel in configuration.notification_channels:
        if problem := channel_problem(channel):
            raise CompileError(configuration.alert_id, "notification_channels", problem)
    try:
        resolved, origin = resolve(configuration.alert_query_template, _values(configuration, target))
        source_sql = trim_query(resolved)
    except QueryTextError as error:
        hint = ". Add it under template_params" if isinstance(error, PlaceholderNotResolved) else ""
        raise CompileError(configuration.alert_id, "alert_query_template", f"{error}{hint}") from None
    condition = configuration.condition
    hold = hold_of(configuration, target.catalog, target.schema)
    is_gated = not condition.is_native or hold is not None
    routed = target.routing.decide(configuration)
    _check_gate(configuration, target, hold)
    measured = _measured(
        configuration,
        source_sql,
        gated.MEASURED if is_gated else identifier(configuration.aggregation_column),
    )
    return CompiledAlert(
        alert_id=configuration.alert_id,
        severity=configuration.severity,
        display_name=f"[{configuration.severity}] {configuration.alert_name}"[:MAX_DISPLAY_NAME],
        sql=_gated_sql(configuration, measured, target, hold) if is_gated else measured,
        measured_sql=measured,
        source_sql=source_sql,
        aggregation=configuration.aggregation_type,
        origin=origin.without_head(len(resolved) - len(resolved.lstrip())),
        value_column=configuration.aggregation_column,
        operator=Operator.IS_NOT_NULL if is_gated else condition.operator,
        threshold=None if is_gated else condition.threshold,
        condition=condition,
        empty_result_state=configuration.empty_result_state,
        schedule_cron=configuration.schedule_cron,
        schedule_timezone=configuration.schedule_timezone,
        is_enabled=configuration.is_enabled,
        channels=tuple(
            address
            for name in routed.channels
            for address in target.addresses.get(name, (name,) if is_address(name) else ())
        ),
        unmapped=tuple(name for name in routed.channels if not is_address(name) and name not in target.addresses),
        routed=routed,
        notify_on_ok=configuration.notify_on_ok,
        retrigger_seconds=configuration.retrigger_seconds,
        custom_summary=_text(configuration, "custom_subject_template", is_gated=is_gated),
        custom_description=_text(configuration, "custom_body_template", is_gated=is_gated),
        silenced_summary=_silenced_text(configuration, "custom_subject_template", is_gated=is_gated),
        silenced_description=_silenced_text(configuration, "custom_body_template", is_gated=is_gated),
        target=target,
        template_id=configuration.template_id,
        hold=hold,
    )


def _values(configuration: AlertConfiguration, target: Target) -> dict[str, Identifier | Value]:
    values: dict[str, Identifier | Value] = {
        "catalog": Identifier(target.catalog),
        "gold_schema": Identifier(target.schema),
    }
    if configuration.template_id is not None:
        return values  # the template has been rendered with them
    for name, text in (configuration.template_params or {}).items():
        if name in ("catalog", "gold_schema"):
            raise CompileError(
                configuration.alert_id, "template_params", f"{name} is a setting and cannot be a parameter"
            )
        try:
            value = json.loads(text)
        except ValueError:
            raise CompileError(
                configuration.alert_id, "template_params", f"{name}: {text!r} is not JSON; write a string as '\"text\"'"
            ) from None
        if not isinstance(value, str | int | float) or value != value or value in (float("inf"), float("-inf")):
            raise CompileError(
                configuration.alert_id, "template_params", f"{name} must be a string, a finite number, true or false"
            )
        values[name] = value
    return values


def static_values(configuration: AlertConfiguration) -> dict[str, str]:
    """The values of those placeholders in notification texts that are known when the alert is compiled, by name."""
    return {
        "ALERT_ID": configuration.alert_id,
        "ALERT_NAME": configuration.alert_name,
        "SEVERITY": configuration.severity.value,
        "THRESHOLD_VALUE": configuration.condition.threshold_words,
        "OPERATOR": configuration.operator.value,
    }


def _text(configuration: AlertConfiguration, field: notification.Field, *, is_gated: bool) -> str | None:
    text: str | None = getattr(configuration, field)
    if text is None:
        return None
    if wrong := notification.problems(text, field=field):
        raise CompileError(configuration.alert_id, field, "; ".join(wrong))
    compiled = _compiled_text(configuration, field, text, is_gated=is_gated)
    if len(compiled) > (limit := notification.MAX_LENGTH[field]):
        message = f"has {len(compiled):,} characters once its placeholders are filled in, and may have {limit:,}"
        raise CompileError(configuration.alert_id, field, message)
    return compiled


def _silenced_text(configuration: AlertConfiguration, field: notification.Field, *, is_gated: bool) -> str | None:
    """The text of the alert as it is deployed with windows of silence, where every alert is gated. Where the words of the condition
    make it too long, it is the plain one: the workspace then says IS_NOT_NULL in their place."""
    text: str | None = getattr(configuration, field)
    if text is None:
        return None
    compiled = _compiled_text(configuration, field, text, is_gated=True)
    return (
        compiled if len(compiled) <= notification.MAX_LENGTH[field] else _text(configuration, field, is_gated=is_gated)
    )


def _compiled_text(configuration: AlertConfiguration, field: notification.Field, text: str, *, is_gated: bool) -> str:
    return notification.compile_text(
        text,
        static_values(configuration),
        condition=configuration.condition.words if is_gated else None,
        html=field == "custom_body_template",
    )


def _check_gate(configuration: AlertConfiguration, target: Target, hold: Hold | None) -> None:
    condition, column = configuration.condition, configuration.aggregation_column
    taken = (*(() if condition.is_native and hold is None else gated.COLUMNS), *(() if hold is None else holds.COLUMNS))
    if column.lower() in taken:
        what = "this condition" if hold is None else "an alert with a model"
        raise CompileError(
            configuration.alert_id,
            "aggregation_column",
            f"{column} is a column of the deployed form of {what}; give it another alias",
        )
    if target.history_is_readable or not (condition.looks_at_time or hold):
        return
    field = "operator"
    if hold is not None:
        field = "ml_model_enabled"
    elif condition.evaluations > 1:
        field = "for_evaluations"
    elif condition.recovery is not None:
        field = "recovery_threshold_double"
    needs = ("the alert's history", "alert_history")
    if hold is not None:
        needs = ("the values that its model expects", EXPECTED_RANGES.name)
    raise CompileError(
        configuration.alert_id,
        field,
        f"needs {needs[0]} inside the deployed query, and {needs[1]} lies in a lakehouse that the workspace cannot read; set "
        "ALERTING_LAKEHOUSE=warehouse",
    )


def _gated_sql(configuration: AlertConfiguration, measured: str, target: Target, hold: Hold | None) -> str:
    """The deployed query without its marker. It returns at most one row, and none where the user's query returns none."""
    condition = configuration.condition
    return gated.gate(
        measured,
        configuration.aggregation_column,
        condition,
        configuration.empty_result_state,
        gated.looks_sql(condition, hold, configuration.alert_id, target.catalog, target.schema),
        hold=hold,
    )


def _measured(configuration: AlertConfiguration, source_sql: str, name: str) -> str:
    """name: SQL of the name that the measured value gets."""
    column = identifier(configuration.aggregation_column)
    if configuration.aggregation_type is not None:
        value = configuration.aggregation_type.sql(column)
        return f"SELECT {value} AS {name}\nFROM (\n{source_sql}\n) AS alert_query\nHAVING COUNT(*) > 0"
    # Not wrapped without need: engines may drop the ORDER BY of a subquery without LIMIT, and with it which row is the first.
    whole = f"SELECT *\nFROM (\n{source_sql}\n) AS alert_query" if _limits_itself(source_sql) else source_sql
    first = f"{whole}\nLIMIT 1"
    return first if name == column else f"SELECT {column} AS {name}\nFROM (\n{first}\n) AS first_row"


def _limits_itself(source_sql: str) -> bool:
    """Whether the outermost query already has LIMIT, OFFSET or FETCH. What cannot be parsed is wrapped; validation judges it."""
    try:
        (tree,) = parse_statements(source_sql)
    except (SqlglotError, ValueError):
        return True
    return any(tree.args.get(part) for part in ("limit", "offset", "fetch")) or isinstance(tree, exp.Subquery)
