"""1,000 alerts made from all shipped templates with parameters that vary, over the demo's facts; some fail when they run."""

from __future__ import annotations

import random
from typing import Any

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import parse_configuration
from alerting_assets.alerts.operators import ChangeDirection
from alerting_assets.alerts.sides import watched_sides
from alerting_assets.alerts.template_parameters import Parameter, ParameterType
from alerting_assets.alerts.templates import AlertTemplate, instantiate
from alerting_assets.configuration import list_templates
from alerting_assets.configuration.templates import encoded

TARGET = Target("health_monitor", "gold", "dev", "local")
FAILS_EVERY = 50
GIVEN = {
    "table_name": ["fact_audit_logs", "fact_usage"],
    "job_name": ["daily_report", "hourly_sync", "nightly_load"],
    "column": ["customer_id", "email", "amount"],
    "table": ["ledger", "events", "orders"],
}
FAILING = """\
SELECT CAST(CONCAT(MAX({column}), ' at most') AS DOUBLE) AS found FROM ${{catalog}}.${{gold_schema}}.{table} WHERE {time} > '{day}'"""
"""Its analysis finds nothing; the cast fails when it runs."""
FAILING_TABLES = [("job_name", "fact_job_run_timeline", "end_time"), ("user_name", "fact_audit_logs", "event_time")]


def thousand_alerts(count: int = 1_000, seed: int = 1, *, with_models: bool = False) -> list[CompiledAlert]:
    """The alerts take turns at the templates, and every fiftieth fails when it runs. with_models: those that may have a model have one
    that holds them back."""
    draw, templates = random.Random(seed), list_templates()
    return [_alert(draw, templates[number % len(templates)], number, with_models) for number in range(count)]


def _alert(draw: random.Random, template: AlertTemplate, number: int, with_models: bool) -> CompiledAlert:
    params = {name: _value(draw, parameter) for name, parameter in template.parameters.items()}
    if "table_name" in params and "timestamp_column" in params:
        params["timestamp_column"] = "event_time" if params["table_name"] == "fact_audit_logs" else "usage_end_time"
    if "loaded_column" in params:
        params["table_name"] = "fact_audit_logs"
        del params["event_column"], params["loaded_column"]
    if {"min_pct", "max_pct"} <= params.keys():
        params["min_pct"], params["max_pct"] = sorted((params["min_pct"], params["max_pct"] + 1))
    if {"recovered_pct", "threshold_pct"} <= params.keys():
        params["recovered_pct"], params["threshold_pct"] = sorted(
            (params["recovered_pct"], params["threshold_pct"] + 1)
        )
    fields = instantiate(template, {}, params)
    own = {"alert_id": f"BENCH-{number:04}", "owner": "bench@example.com"}
    if number % FAILS_EVERY == FAILS_EVERY - 1:
        column, table, time = draw.choice(FAILING_TABLES)
        query = FAILING.format(column=column, table=table, time=time, day=f"2020-01-{draw.randint(1, 28):02}")
        more = {
            "alert_query_template": query,
            "aggregation_column": "found",
            "operator": "GREATER_THAN",
            "threshold_value_double": 1.0,
        }
        plain = ("alert_name", "agent_domain", "severity", "schedule_cron")
        return compile_alert(parse_configuration({**{name: fields[name] for name in plain}, **own, **more}), TARGET)
    made_from = {"template_id": template.template_id, "template_params": encoded(params)}
    values = {**fields, **own, **made_from}
    plain_alert = parse_configuration(values, file=template.file)
    sides = watched_sides(plain_alert.operator, plain_alert.change_direction)
    if with_models and sides and plain_alert.change_direction != ChangeDirection.EITHER:
        model = {"ml_model_enabled": True, "ml_shadow": False, "ml_allow_critical": True}
        return compile_alert(parse_configuration({**values, **model}, file=template.file), TARGET)
    return compile_alert(plain_alert, TARGET)


def _value(draw: random.Random, parameter: Parameter) -> Any:
    if parameter.choices:
        return draw.choice(parameter.choices)
    if parameter.type in (ParameterType.NUMBER, ParameterType.INTEGER):
        usual = parameter.default or 100
        low = usual / 2 if parameter.minimum is None else max(parameter.minimum, usual / 2)
        high = usual * 2 if parameter.maximum is None else min(parameter.maximum, usual * 2)
        return (
            round(draw.uniform(low, high))
            if parameter.type is ParameterType.INTEGER
            else round(draw.uniform(low, high), 2)
        )
    return draw.choice(GIVEN[parameter.name]) if parameter.name in GIVEN else parameter.default
