"""Alert definitions that tests start from; each test changes what it is about."""

from __future__ import annotations

from typing import Any

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import AlertConfiguration, parse_configuration

TARGET = Target(catalog="health_monitor", schema="gold", environment="test", warehouse_id="w")


def values(**changes: Any) -> dict[str, Any]:
    """The fields of a sound alert, with changes."""
    return {
        "alert_id": "COST-001",
        "alert_name": "Daily cost",
        "agent_domain": "COST",
        "severity": "WARNING",
        "alert_query_template": "SELECT list_cost AS cost FROM ${catalog}.${gold_schema}.fact_usage",
        "aggregation_column": "cost",
        "aggregation_type": "SUM",
        "operator": "GREATER_THAN",
        "threshold_value_double": 100.0,
        "schedule_cron": "0 0 8 * * ?",
        "owner": "finops@example.com",
        **changes,
    }


def configuration(**changes: Any) -> AlertConfiguration:
    return parse_configuration(values(**changes))


def compiled(target: Target = TARGET, **changes: Any) -> CompiledAlert:
    return compile_alert(configuration(**changes), target)
