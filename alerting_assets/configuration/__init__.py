"""Configured alerts: YAML files into `alert_configurations`, rows out as checked configurations, edits by hand."""

from alerting_assets.configuration.destinations import (
    DestinationLoad,
    destinations_in_words,
    load_destinations,
    plan_destination_load,
    read_destination_rows,
    rows_after_destination_load,
    target_in,
)
from alerting_assets.configuration.edit import delete_alert, set_fields
from alerting_assets.configuration.load import LoadResult, defined_alerts, load_definitions, plan_load, rows_after_load
from alerting_assets.configuration.rows import (
    ConfiguredAlert,
    Row,
    channel_notes,
    channel_problems,
    notes_on,
    read_rows,
    row_hash,
    target_of,
    to_alerts,
)
from alerting_assets.configuration.seed import seed_template_alerts
from alerting_assets.configuration.templates import get_template, list_templates, render_template, templates_of

__all__ = [
    "ConfiguredAlert",
    "DestinationLoad",
    "LoadResult",
    "Row",
    "channel_notes",
    "channel_problems",
    "defined_alerts",
    "delete_alert",
    "destinations_in_words",
    "get_template",
    "list_templates",
    "load_definitions",
    "load_destinations",
    "notes_on",
    "plan_destination_load",
    "plan_load",
    "read_destination_rows",
    "read_rows",
    "render_template",
    "row_hash",
    "rows_after_destination_load",
    "rows_after_load",
    "seed_template_alerts",
    "set_fields",
    "target_in",
    "target_of",
    "templates_of",
    "to_alerts",
]
