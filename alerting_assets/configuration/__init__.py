"""Configured alerts: YAML files into `alert_configurations`, rows out as checked configurations, edits by hand."""

from alerting_assets.configuration.edit import delete_alert, set_fields
from alerting_assets.configuration.load import LoadResult, definitions_from, load_definitions, rows_after_load
from alerting_assets.configuration.rows import ConfiguredAlert, Row, read_rows, target_of, to_alerts

__all__ = [
    "ConfiguredAlert",
    "LoadResult",
    "Row",
    "definitions_from",
    "delete_alert",
    "load_definitions",
    "read_rows",
    "rows_after_load",
    "set_fields",
    "target_of",
    "to_alerts",
]
