"""Configured alerts: YAML files into `alert_configurations`, rows out as checked configurations, edits by hand."""

from alerting_assets.configuration.edit import delete_alert, set_fields
from alerting_assets.configuration.load import LoadResult, definitions_from, load_definitions, rows_after_load
from alerting_assets.configuration.rows import ConfiguredAlert, read_rows, to_alerts

__all__ = [
    "ConfiguredAlert",
    "LoadResult",
    "definitions_from",
    "delete_alert",
    "load_definitions",
    "read_rows",
    "rows_after_load",
    "set_fields",
    "to_alerts",
]
