"""Schemas of the demo tables; names follow Databricks' system tables (billing.usage, lakeflow.job_run_timeline, access.audit)."""

from __future__ import annotations

from alerting_assets.lakehouse.port import Column, TableSpec

FACT_USAGE = TableSpec(
    name="fact_usage",
    comment="Billed usage, one row a record.",
    key=("record_id",),
    columns=(
        Column("record_id", "string", nullable=False),
        Column("workspace_id", "bigint", nullable=False),
        Column("sku_name", "string", nullable=False),
        Column("billing_origin_product", "string", nullable=False),
        Column("usage_start_time", "timestamp", nullable=False),
        Column("usage_end_time", "timestamp", nullable=False),
        Column("usage_date", "date", nullable=False),
        Column("usage_unit", "string", nullable=False),
        Column("usage_quantity", "double", nullable=False),
        Column("list_price", "double", nullable=False, comment="USD a unit"),
        Column("list_cost", "double", nullable=False, comment="USD: usage_quantity x list_price"),
        Column("run_as", "string", nullable=False),
        Column("custom_tags", "map<string,string>", comment="team and cost_center; NULL where nobody tagged"),
    ),
)

FACT_JOB_RUN_TIMELINE = TableSpec(
    name="fact_job_run_timeline",
    comment="Finished job runs.",
    key=("run_id",),
    columns=(
        Column("run_id", "string", nullable=False),
        Column("workspace_id", "bigint", nullable=False),
        Column("job_id", "bigint", nullable=False),
        Column("job_name", "string", nullable=False),
        Column("start_time", "timestamp", nullable=False),
        Column("end_time", "timestamp", nullable=False),
        Column("duration_seconds", "double", nullable=False),
        Column("result_state", "string", nullable=False, comment="SUCCEEDED, FAILED"),
        Column("trigger_type", "string", nullable=False),
        Column("run_as", "string", nullable=False),
    ),
)

FACT_AUDIT_LOGS = TableSpec(
    name="fact_audit_logs",
    comment="Who did what.",
    key=("event_id",),
    columns=(
        Column("event_id", "string", nullable=False),
        Column("workspace_id", "bigint", nullable=False),
        Column("event_time", "timestamp", nullable=False),
        Column("event_date", "date", nullable=False),
        Column("user_name", "string", nullable=False),
        Column("source_ip_address", "string", nullable=False),
        Column("service_name", "string", nullable=False),
        Column("action_name", "string", nullable=False),
        Column("action_result", "string", nullable=False, comment="SUCCESS, FAILURE"),
    ),
)

FACT_TABLE_FRESHNESS = TableSpec(
    name="fact_table_freshness",
    comment="Every hour, how old each watched table is.",
    key=("observed_at", "table_name"),
    columns=(
        Column("observed_at", "timestamp", nullable=False),
        Column("table_name", "string", nullable=False),
        Column("data_domain", "string", nullable=False),
        Column("record_updated_timestamp", "timestamp", nullable=False),
        Column("hours_since_update", "double", nullable=False),
        Column("freshness_sla_hours", "double", nullable=False),
        Column("row_count", "bigint", nullable=False),
    ),
)

DEMO_INCIDENTS = TableSpec(
    name="demo_incidents",
    comment="The truth: which stretches of the demo tables are anomalous, and why.",
    key=("incident_id",),
    columns=(
        Column("incident_id", "string", nullable=False),
        Column("kind", "string", nullable=False),
        Column("domain", "string", nullable=False),
        Column("table_name", "string", nullable=False),
        Column("starts_at", "timestamp", nullable=False),
        Column("ends_at", "timestamp", nullable=False),
        Column("magnitude", "double", nullable=False),
        Column("description", "string", nullable=False),
    ),
)

DEMO_TABLES = (FACT_USAGE, FACT_JOB_RUN_TIMELINE, FACT_AUDIT_LOGS, FACT_TABLE_FRESHNESS, DEMO_INCIDENTS)
