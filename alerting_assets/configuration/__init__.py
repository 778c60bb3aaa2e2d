"""Configured alerts: YAML files into `alert_configurations`, rows out as checked configurations, edits by hand."""

from alerting_assets.configuration.destinations import (
    DESTINATION,
    ConfiguredDestination,
    destinations_in_words,
    target_in,
)
from alerting_assets.configuration.edit import delete_alert, set_fields
from alerting_assets.configuration.expected_events import (
    EXPECTED_EVENT,
    declare_event,
    end_event,
    event_notes,
    events_in,
)
from alerting_assets.configuration.listed import (
    Configured,
    Kind,
    Load,
    load_listed,
    plan_listed,
    read_listed,
    to_configured,
)
from alerting_assets.configuration.load import LoadResult, defined_alerts, load_definitions, plan_load, rows_after_load
from alerting_assets.configuration.places import places_of
from alerting_assets.configuration.routes import ROUTE, route_notes, routed_alerts, routing_of
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
from alerting_assets.configuration.silences import (
    SILENCE,
    ConfiguredSilence,
    silence_notes,
    silence_problems,
    silences_in,
    traits_of,
)
from alerting_assets.configuration.templates import get_template, list_templates, render_template, templates_of

__all__ = [
    "DESTINATION",
    "EXPECTED_EVENT",
    "ROUTE",
    "SILENCE",
    "Configured",
    "ConfiguredAlert",
    "ConfiguredDestination",
    "ConfiguredSilence",
    "Kind",
    "Load",
    "LoadResult",
    "Row",
    "channel_notes",
    "channel_problems",
    "declare_event",
    "defined_alerts",
    "delete_alert",
    "destinations_in_words",
    "end_event",
    "event_notes",
    "events_in",
    "get_template",
    "list_templates",
    "load_definitions",
    "load_listed",
    "notes_on",
    "places_of",
    "plan_listed",
    "plan_load",
    "read_listed",
    "read_rows",
    "render_template",
    "route_notes",
    "routed_alerts",
    "routing_of",
    "row_hash",
    "rows_after_load",
    "seed_template_alerts",
    "set_fields",
    "silence_notes",
    "silence_problems",
    "silences_in",
    "target_in",
    "target_of",
    "templates_of",
    "to_alerts",
    "to_configured",
    "traits_of",
]
