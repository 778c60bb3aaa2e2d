"""The schemas of our own tables, in one place. Adding a column here is the whole migration; docs/architecture.md, "Tables", says
what each column means."""

from __future__ import annotations

from dataclasses import replace

from alerting_assets.lakehouse.port import Column, Lakehouse, TableSpec

STRING, DOUBLE, BOOLEAN, BIGINT, INT = "string", "double", "boolean", "bigint", "int"
TIMESTAMP = "timestamp"
STRINGS = "array<string>"
STRING_MAP = "map<string,string>"


def _required(name: str, type: str = STRING, comment: str = "") -> Column:
    return Column(name, type, nullable=False, comment=comment)


def _optional(name: str, type: str = STRING, comment: str = "") -> Column:
    return Column(name, type, nullable=True, comment=comment)


_DEFINED = (
    _required("managed_by", comment="yaml:<file>, sql: who may change the row"),
    _required("created_at", TIMESTAMP),
    _optional("updated_at", TIMESTAMP),
    _optional("definition_error", comment="written by the load: why its file's present definition is not used"),
)
"""Of what files define and people write."""

ALERT_CONFIGURATIONS = TableSpec(
    name="alert_configurations",
    comment="One row an alert: what to measure, when it is wrong, whom to tell; and what the sync did with it.",
    key=("alert_id",),
    columns=(
        _required("alert_id", comment="[A-Z0-9_-]{1,64}"),
        _required("alert_name"),
        _optional("alert_description"),
        _required("agent_domain", comment="COST, SECURITY, PERFORMANCE, RELIABILITY, QUALITY"),
        _required("severity", comment="CRITICAL, WARNING, INFO"),
        _required(
            "alert_query_template",
            comment="one read-only query; ${catalog}, ${gold_schema} and parameters are resolved",
        ),
        _required("aggregation_column", comment="the column of the query that is measured"),
        _optional("aggregation_type", comment="null takes the first row"),
        _required("operator"),
        _optional("threshold_value_double", DOUBLE),
        _optional("threshold_value_string"),
        _optional("threshold_value_bool", BOOLEAN),
        _optional("threshold_value_min", DOUBLE),
        _optional("threshold_value_max", DOUBLE),
        _optional("threshold_value_list", STRINGS),
        _optional("change_direction", comment="INCREASE, DECREASE, EITHER"),
        _optional("change_lookback_seconds", BIGINT),
        _optional("for_evaluations", INT),
        _optional("recovery_threshold_double", DOUBLE),
        _required("empty_result_state", comment="OK, TRIGGERED, ERROR"),
        _required("schedule_cron", comment="Quartz"),
        _required("schedule_timezone"),
        _required("is_enabled", BOOLEAN),
        _required("notification_channels", STRINGS),
        _required("notify_on_ok", BOOLEAN),
        _optional("retrigger_seconds", BIGINT, comment="null or 0: once; 1: at every evaluation"),
        _optional("custom_subject_template"),
        _optional("custom_body_template"),
        _optional("template_id"),
        _optional("template_params", STRING_MAP, comment="values as JSON"),
        _required("ml_model_enabled", BOOLEAN),
        _optional("ml_model_name"),
        _optional("ml_threshold", DOUBLE),
        _required("ml_shadow", BOOLEAN),
        _optional("ml_max_hold_minutes", INT),
        _optional("ml_suppression_budget", DOUBLE),
        _required("ml_allow_critical", BOOLEAN),
        _required("owner"),
        _required("managed_by", comment="yaml:<file>, template, sql: who may change the row"),
        _optional("tags", STRING_MAP),
        _required("created_at", TIMESTAMP),
        _optional("updated_at", TIMESTAMP),
        _optional(
            "definition_error",
            comment="written by the load: why its file's present definition is not used; the row is as it was last right",
        ),
        _optional("databricks_alert_id", comment="written by the sync only, as all that follow"),
        _optional("databricks_host", comment="the workspace that databricks_alert_id belongs to"),
        _optional("databricks_display_name"),
        _optional("deployment_nonce"),
        _optional("applied_hash"),
        _optional("last_synced_at", TIMESTAMP),
        _optional("last_sync_status", comment="CREATED, UPDATED, UNCHANGED, DELETED, INVALID, NOT_VALIDATED, ERROR"),
        _optional("last_sync_error"),
        _optional("failed_syncs", INT, comment="in a row; the pauses between them grow"),
        _optional(
            "routed_to", comment="whom a route told at the last sync, by name, or why nobody can tell; NULL: none"
        ),
        _optional(
            "applied_silences",
            comment="the windows in which what is deployed is silent, as JSON: [start, end, silence_id]",
        ),
    ),
)

SYNC_COLUMNS = (
    "databricks_alert_id",
    "databricks_host",
    "databricks_display_name",
    "deployment_nonce",
    "applied_hash",
    "last_synced_at",
    "last_sync_status",
    "last_sync_error",
    "failed_syncs",
    "routed_to",
    "applied_silences",
)
"""Columns of alert_configurations that only the sync writes; a change in them wakes nothing."""

ALERT_HISTORY = TableSpec(
    name="alert_history",
    comment="One row an evaluation. Append only.",
    key=("evaluation_id",),
    columns=(
        _required("evaluation_id"),
        _required("alert_id"),
        _required("evaluated_at", TIMESTAMP, comment="what the clock said to the query: one moment for all of a run"),
        _optional("due_at", TIMESTAMP, comment="the fire time that it answers to; NULL: somebody asked for it"),
        _optional("missed", INT, comment="fire times before that one that passed without an evaluation"),
        _required("evaluated_by", comment="own, workspace"),
        _required("evaluation_status", comment="OK, TRIGGERED, SUPPRESSED, ERROR"),
        _optional("previous_status"),
        _optional("query_result_value", DOUBLE),
        _optional("query_result_string"),
        _optional("row_count", BIGINT),
        _optional("operator", comment="of the condition as it was then"),
        _optional("threshold_value", DOUBLE, comment="of the condition as it was then, where it is a number"),
        _optional("threshold_met", BOOLEAN),
        _optional("ml_score", DOUBLE),
        _required("ml_suppressed", BOOLEAN),
        _optional("ml_shadow", BOOLEAN, comment="it would have been held back, but the alert only tries that out"),
        _optional("expected", DOUBLE),
        _optional("lower", DOUBLE),
        _optional("upper", DOUBLE),
        _optional("model_version"),
        _optional("ml_reason", comment="what held it back, or why nothing could, where the condition was met"),
        _optional("silence_id", comment="where it is SUPPRESSED: by which silence"),
        _optional("notified", BOOLEAN),
        _optional("resolution_time_seconds", DOUBLE, comment="on the evaluation that observed the recovery"),
        _optional("query_duration_ms", DOUBLE, comment="of the statement, shared equally by the alerts that it judged"),
        _optional("statement_alerts", INT, comment="how many alerts the statement judged"),
        _optional("error_message"),
        _optional("note", comment="what stood in for history that a condition on time did not find"),
        _required("config_hash"),
    ),
)

ALERT_STATE = TableSpec(
    name="alert_state",
    comment="One row an alert that was ever evaluated: what is true now. Made from alert_history, and can be made again at any time.",
    key=("alert_id",),
    columns=(
        _required("alert_id"),
        _required("evaluation_id", comment="of the newest evaluation"),
        _required("evaluated_at", TIMESTAMP),
        _required("evaluated_by", comment="own, workspace"),
        _required("evaluation_status", comment="OK, TRIGGERED, SUPPRESSED, ERROR"),
        _required("status_since", TIMESTAMP, comment="the first of the evaluations in a row that said so"),
        _optional("query_result_value", DOUBLE),
        _optional("query_result_string"),
        _optional("error_message"),
        _optional("note"),
        _optional("due_at", TIMESTAMP, comment="the newest fire time that was answered"),
        _optional(
            "workspace_evaluated_at", TIMESTAMP, comment="the newest evaluation that the workspace made by itself"
        ),
        _optional("incident_id", comment="of the newest incident, open or not"),
        _optional("incident_opened_at", TIMESTAMP),
        _optional("incident_resolved_at", TIMESTAMP, comment="NULL: it is open"),
        _optional("incident_last_evaluated_at", TIMESTAMP),
        _optional("incident_evaluations", BIGINT),
        _optional("incident_peak_value", DOUBLE),
        _optional("incident_reopened", BIGINT),
        _required("history_table_id", comment="Delta's id of the alert_history that it was made from"),
        _required("history_version", BIGINT, comment="everything up to this version of it is in this table"),
        _optional(
            "history_commit", comment="of that version: a restored table reaches the same version by another commit"
        ),
    ),
)

ALERT_INCIDENTS = TableSpec(
    name="alert_incidents",
    comment="One row an incident: from the first TRIGGERED to the recovery. Acknowledgement and label are people's.",
    key=("incident_id",),
    columns=(
        _required("incident_id"),
        _required("alert_id"),
        _required("opened_at", TIMESTAMP),
        _optional("resolved_at", TIMESTAMP, comment="NULL: it is open"),
        _optional("resolution_time_seconds", DOUBLE),
        _required("last_evaluated_at", TIMESTAMP, comment="the newest evaluation that belongs to it"),
        _required("evaluations", BIGINT, comment="that said TRIGGERED or SUPPRESSED"),
        _optional("peak_value", DOUBLE, comment="the largest value; of a condition that fires below, the smallest"),
        _required("reopened", BIGINT, comment="how often it fired again within ALERTING_REOPEN_MINUTES of a recovery"),
        _optional("acknowledged_by"),
        _optional("acknowledged_at", TIMESTAMP),
        _optional("label", comment="TRUE_POSITIVE, FALSE_POSITIVE"),
        _optional("label_source", comment="who says so"),
        _optional("labelled_at", TIMESTAMP),
        _required("history_table_id", comment="Delta's id of the alert_history that it was made from"),
        _required("history_version", BIGINT, comment="the version of it that it was made from: a newer one wins"),
    ),
)

ALERT_QUERY_VALIDATIONS = TableSpec(
    name="alert_query_validations",
    comment="The verdict on each compiled query, for the schemas of the tables that it reads.",
    key=("alert_id", "compiled_hash", "schema_hash"),
    columns=(
        _required("alert_id"),
        _required("compiled_hash"),
        _optional("schema_hash"),
        _required("validated_at", TIMESTAMP),
        _required("verdict", comment="VALID, INVALID, UNSUPPORTED"),
        _optional("rule"),
        _optional("message"),
        _optional("line", INT),
        _optional("column", INT),
        _optional("rule_group", comment="syntax, safety, references, analysis, contract, quality"),
        _optional(
            "findings",
            comment="JSON: all findings, warnings too; rule, message, line, column are those of the one that decides",
        ),
        _optional("policy_hash", comment="of the rules, settings and engine that the verdict was given under"),
        _optional("row_hash", comment="of the configuration and the target that the query was compiled from"),
        _optional("tables_read", comment="JSON: catalog, schema and name of each table that schema_hash is about"),
    ),
)

ALERT_SYNC_METRICS = TableSpec(
    name="alert_sync_metrics",
    comment="One row a sync: what it did, how long it took, what it asked of the workspace. Also failed, empty and dry ones. Append only.",
    key=("sync_run_id",),
    columns=(
        _required("sync_run_id"),
        _required("sync_started_at", TIMESTAMP),
        _required("sync_ended_at", TIMESTAMP),
        _required(
            "total_alerts",
            INT,
            comment="all configured alerts, and those removed: success_count, error_count, invalid_count",
        ),
        _required("success_count", INT, comment="true in the workspace: created, updated, deleted and unchanged"),
        _required("error_count", INT, comment="a request failed, or nobody can say what is deployed"),
        _required("created_count", INT),
        _required("updated_count", INT),
        _required("deleted_count", INT),
        _optional("avg_api_latency_ms", DOUBLE, comment="of one request; NULL, never 0, when none was sent"),
        _optional("max_api_latency_ms", DOUBLE, comment="NULL, never 0, when no request was sent"),
        _required("total_duration_seconds", DOUBLE),
        _required("unchanged_count", INT, comment="true already: no write was sent"),
        _required(
            "invalid_count",
            INT,
            comment="not true, and no request is sent: quarantined, not validated, left as changed by hand, a removal that waits",
        ),
        _optional("p95_api_latency_ms", DOUBLE, comment="nearest rank; NULL, never 0, when no request was sent"),
        _required("api_calls", INT, comment="requests sent to the workspace, repetitions included"),
        _required("retries", INT, comment="repetitions among api_calls"),
        _required("dry_run", BOOLEAN, comment="a plan: nothing was written"),
        _required("environment"),
        _required("started_by", comment="command, dagster run <id>"),
        _required(
            "syncs_avoided", INT, comment="looks at the change feed since the last sync that found nothing to do"
        ),
        _optional("error_message", comment="why the sync failed as a whole"),
    ),
)

SYNC_LEASES = TableSpec(
    name="sync_leases",
    comment="One sync at a time an environment, whoever starts it.",
    key=("environment",),
    columns=(
        _required("environment"),
        _required("holder"),
        _required("expires_at", TIMESTAMP),
        _optional("synced_host", comment="the workspace that the last complete sync made true"),
        _optional("synced_table_id", comment="Delta's id of the alert_configurations that it read"),
        _optional(
            "synced_version",
            BIGINT,
            comment="all changes up to this version of it are deployed, or their failure recorded",
        ),
        _optional(
            "synced_commit", comment="of that version: a restored table reaches the same version by another commit"
        ),
    ),
)

ALERT_DEPLOYMENTS = TableSpec(
    name="alert_deployments",
    comment="One row a deployment that was begun: by which nonce, and under which id, an alert is ours. Outlives the configuration.",
    key=("environment", "databricks_host", "deployment_nonce"),
    columns=(
        _required("environment"),
        _required("databricks_host"),
        _required("deployment_nonce", comment="of the marker, drawn before the creation is sent"),
        _required("alert_id"),
        _optional("databricks_alert_id", comment="NULL until the workspace answered to the creation"),
        _required("recorded_at", TIMESTAMP),
        _optional(
            "trashed_at", TIMESTAMP, comment="when a sync trashed it; the row stays, since copies of the alert may"
        ),
    ),
)

NOTIFICATION_DESTINATIONS = TableSpec(
    name="notification_destinations",
    comment="One row a destination: whom messages reach, and by which way; and what the sync did with it. No secret stands here.",
    key=("destination_id",),
    columns=(
        _required("destination_id", comment="what alerts name in notification_channels"),
        _required("destination_name", comment="in the workspace"),
        _required("destination_type", comment="EMAIL, SLACK, WEBHOOK, PAGERDUTY, MICROSOFT_TEAMS"),
        _optional("email_addresses", STRINGS),
        _optional(
            "secret_ref", comment="where its URL or key is read from: env:NAME, {{secrets/scope/key}}; never the secret"
        ),
        _optional("group_by", comment="SEVERITY, DOMAIN, OWNER: what alerts have in common that may be one message"),
        _required("is_enabled", BOOLEAN),
        _required("owner"),
        *_DEFINED,
        _optional("databricks_destination_id", comment="written by the sync only, as all that follow"),
        _optional("databricks_host", comment="the workspace that databricks_destination_id belongs to"),
        _optional(
            "secret_fingerprint", comment="of the secret that was last sent, with a salt: tells whether it changed"
        ),
        _optional("applied_hash", comment="of the configuration that the last sync applied, or tried to"),
        _optional("last_synced_at", TIMESTAMP),
        _optional("last_sync_status", comment="CREATED, UPDATED, UNCHANGED, INVALID, ERROR"),
        _optional("last_sync_error"),
        _optional("failed_syncs", INT, comment="in a row; the pauses between them grow"),
    ),
)

DESTINATION_SYNC_COLUMNS = (
    "databricks_destination_id",
    "databricks_host",
    "secret_fingerprint",
    "applied_hash",
    "last_synced_at",
    "last_sync_status",
    "last_sync_error",
    "failed_syncs",
)
"""Columns of notification_destinations that only the sync writes."""

DESTINATION_DEPLOYMENTS = TableSpec(
    name="destination_deployments",
    comment="One row a destination in a workspace that is, or was, deployed from notification_destinations. Outlives the configuration.",
    key=("environment", "databricks_host", "databricks_destination_id"),
    columns=(
        _required("environment"),
        _required("databricks_host"),
        _required("databricks_destination_id"),
        _required("destination_id"),
        _required("was_created", BOOLEAN, comment="by us; what was found by its name is never deleted"),
        _required("recorded_at", TIMESTAMP),
        _optional(
            "found_in_use_at", TIMESTAMP, comment="when a sync last wanted to delete it and alerts still used it"
        ),
        _optional("removed_at", TIMESTAMP, comment="when a sync deleted it, or found that it is not ours to delete"),
    ),
)

_MATCHER = (
    _optional("match_alert_ids", STRINGS, comment="patterns with * and ?; NULL in all four: every alert"),
    _optional("match_domains", STRINGS),
    _optional("match_severities", STRINGS),
    _optional("match_tags", STRING_MAP, comment="tag, pattern of its value"),
)
"""The columns that say which alerts are meant (alerts/matcher.py)."""

NOTIFICATION_ROUTES = TableSpec(
    name="notification_routes",
    comment="One row a route: whom those alerts tell that name no channels. The first, by position, that means an alert counts.",
    key=("route_id",),
    columns=(
        _required("route_id"),
        _required("position", INT, comment="the smallest is asked first"),
        *_MATCHER,
        _required("channels", STRINGS, comment="as notification_channels of an alert; owner: that of the alert"),
        _required("owner"),
        *_DEFINED,
    ),
)

ALERT_SILENCES = TableSpec(
    name="alert_silences",
    comment="One row a silence: which alerts are silent, and when. One that has ended stays, for the record.",
    key=("silence_id",),
    columns=(
        _required("silence_id"),
        *_MATCHER,
        _optional("starts_at", TIMESTAMP, comment="of a recurring silence: NULL where it has no beginning"),
        _optional("ends_at", TIMESTAMP, comment="of a recurring silence: NULL where it has no end"),
        _optional("schedule_cron", comment="Quartz: when a recurring silence begins"),
        _optional("schedule_timezone"),
        _optional("duration_minutes", INT, comment="of each window of a recurring silence, on the clock on the wall"),
        _optional("is_forced", BOOLEAN, comment="what lasts longer than 30 days needs it"),
        _required("reason"),
        _required("created_by"),
        *_DEFINED,
    ),
)

ALERT_DELIVERIES = TableSpec(
    name="alert_deliveries",
    comment="One row a message to one destination, once it is over. Append only. No secret and no address's key stands here.",
    key=("delivery_id",),
    columns=(
        _required("delivery_id", comment="the same at each attempt; receivers get it as idempotency key"),
        _required("event", comment="ALERT, RECOVERY, CHECK_FAILURE, CHECK_RECOVERY, TEST"),
        _required("event_id"),
        _required("destination_id", comment="of the workspace, or an e-mail address"),
        _optional("alert_id"),
        _optional("incident_id", comment="what order is kept by, and what PagerDuty takes for one incident"),
        _required("attempted_at", TIMESTAMP),
        _required("outcome", comment="SENT; FAILED: refused for good; DEAD: tried for a day in vain"),
        _optional("attempts", INT),
        _optional("response", comment="in short, without secrets"),
        _optional("sent_as", comment="the delivery_id of the message that it went in with others; NULL: it went alone"),
    ),
)

EXPECTED_RANGES = TableSpec(
    name="expected_ranges",
    comment="One row an alert, model and hour, written before the hour begins: which values are expected. Deployed queries read it.",
    key=("alert_id", "model_name", "valid_from"),
    columns=(
        _required("alert_id"),
        _required("model_name", comment="<registered model>@<alias>, as the alert names it"),
        _required("valid_from", TIMESTAMP),
        _required("valid_until", TIMESTAMP, comment="without this moment itself"),
        _optional("expected", DOUBLE),
        _optional("lower", DOUBLE, comment="values below are told; NULL: nothing is held on that side"),
        _optional("upper", DOUBLE, comment="values above are told; NULL: nothing is held on that side"),
        _optional("scale", DOUBLE, comment="the unit of ml_score, in units of the value; greater than zero"),
        _optional("closed", comment="why less is held than could be, or nothing"),
        _optional("levels", comment="JSON: side -> up to where each reason expects values"),
        _required("model_version"),
        _required("created_at", TIMESTAMP),
    ),
)

ALERT_BACKFILL = TableSpec(
    name="alert_backfill",
    comment="One row an alert and moment: what its query would have measured then. Models learn from it where there is no evaluation.",
    key=("alert_id", "evaluated_at"),
    columns=(
        _required("alert_id"),
        _required("evaluated_at", TIMESTAMP, comment="what the clock said to the query"),
        _optional("query_result_value", DOUBLE),
        _optional("threshold_met", BOOLEAN),
        _required("config_hash", comment="of what the alert measured when this was computed"),
        _required("backfilled_at", TIMESTAMP),
    ),
)

EXPECTED_EVENTS = TableSpec(
    name="expected_events",
    comment="One row a planned event: which alerts it is about, when it is, and how much more is expected then.",
    key=("event_id",),
    columns=(
        _required("event_id"),
        *_MATCHER,
        _required("starts_at", TIMESTAMP),
        _required("ends_at", TIMESTAMP),
        _optional("expected_value", DOUBLE, comment="up to which value is expected (down to, where low values fire)"),
        _optional("expected_factor", DOUBLE, comment="or: up to how many times what else is expected at that hour"),
        _required("reason"),
        _required("created_by"),
        *_DEFINED,
    ),
)

TABLES = (
    ALERT_DELIVERIES,
    ALERT_CONFIGURATIONS,
    NOTIFICATION_DESTINATIONS,
    DESTINATION_DEPLOYMENTS,
    NOTIFICATION_ROUTES,
    ALERT_SILENCES,
    ALERT_HISTORY,
    ALERT_STATE,
    ALERT_INCIDENTS,
    ALERT_QUERY_VALIDATIONS,
    ALERT_SYNC_METRICS,
    SYNC_LEASES,
    ALERT_DEPLOYMENTS,
    EXPECTED_RANGES,
    ALERT_BACKFILL,
    EXPECTED_EVENTS,
)


PROPERTIES = {"layer": "gold", "domain": "alerting"}
"""Of every table, for those who look after all tables of a metastore."""


def create_tables(lakehouse: Lakehouse) -> None:
    """Create the tables that are missing and add the columns and properties that came later. Calling this again changes nothing."""
    for spec in TABLES:
        lakehouse.create_table(replace(spec, properties=PROPERTIES))
