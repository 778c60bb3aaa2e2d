"""Schemas of the demo tables; names follow Databricks' system tables (billing.usage, lakeflow.job_run_timeline, access.audit, …)
and the profile metrics of Lakehouse Monitoring. What came later than its table is nullable: older demos hold rows without it."""

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
        Column("job_id", "bigint", comment="NULL where billing_origin_product is not JOBS"),
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
        Column("ingested_at", "timestamp", comment="when the event reached this table, minutes after event_time"),
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

FACT_NODE_TIMELINE = TableSpec(
    name="fact_node_timeline",
    comment="How busy each machine was, one row a node and hour.",
    key=("instance_id", "start_time"),
    columns=(
        Column("cluster_id", "string", nullable=False),
        Column("instance_id", "string", nullable=False),
        Column("node_type", "string", nullable=False),
        Column("driver", "boolean", nullable=False),
        Column("start_time", "timestamp", nullable=False),
        Column("end_time", "timestamp", nullable=False),
        Column("cpu_user_percent", "double", nullable=False, comment="mean of the hour, 0 to 100"),
        Column("mem_used_percent", "double", nullable=False, comment="mean of the hour, 0 to 100"),
    ),
)

FACT_PIPELINE_UPDATE_TIMELINE = TableSpec(
    name="fact_pipeline_update_timeline",
    comment="Finished updates of pipelines.",
    key=("update_id",),
    columns=(
        Column("update_id", "string", nullable=False),
        Column("workspace_id", "bigint", nullable=False),
        Column("pipeline_id", "string", nullable=False),
        Column("pipeline_name", "string", nullable=False),
        Column("period_start_time", "timestamp", nullable=False),
        Column("period_end_time", "timestamp", nullable=False),
        Column("result_state", "string", nullable=False, comment="COMPLETED, FAILED, CANCELED"),
        Column("trigger_type", "string", nullable=False),
    ),
)

FACT_QUERY_HISTORY = TableSpec(
    name="fact_query_history",
    comment="Statements that ended on SQL warehouses.",
    key=("statement_id",),
    columns=(
        Column("statement_id", "string", nullable=False),
        Column("workspace_id", "bigint", nullable=False),
        Column("warehouse_id", "string", nullable=False),
        Column("executed_by", "string", nullable=False),
        Column("start_time", "timestamp", nullable=False),
        Column("end_time", "timestamp", nullable=False),
        Column("execution_status", "string", nullable=False, comment="FINISHED, FAILED, CANCELED"),
        Column("total_duration_ms", "bigint", nullable=False, comment="end_time - start_time, waiting included"),
        Column("waiting_at_capacity_duration_ms", "bigint", nullable=False, comment="in the queue of a busy warehouse"),
        Column("read_bytes", "bigint", nullable=False),
    ),
)

FACT_ENDPOINT_USAGE = TableSpec(
    name="fact_endpoint_usage",
    comment="Calls of model serving endpoints.",
    key=("request_id",),
    columns=(
        Column("request_id", "string", nullable=False),
        Column("workspace_id", "bigint", nullable=False),
        Column("endpoint_name", "string", nullable=False),
        Column("requester", "string", nullable=False),
        Column("request_time", "timestamp", nullable=False),
        Column("status_code", "int", nullable=False, comment="200, 429 (too many requests), 500, 503"),
        Column("execution_duration_ms", "bigint", nullable=False),
    ),
)

FACT_COLUMN_PROFILE = TableSpec(
    name="fact_column_profile",
    comment="Every six hours, what is in three columns of each watched table.",
    key=("observed_at", "table_name", "column_name"),
    columns=(
        Column("observed_at", "timestamp", nullable=False),
        Column("table_name", "string", nullable=False),
        Column("column_name", "string", nullable=False),
        Column("row_count", "bigint", nullable=False),
        Column("null_count", "bigint", nullable=False),
        Column("distinct_count", "bigint", nullable=False, comment="without NULL"),
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

DEMO_TABLES = (
    FACT_USAGE,
    FACT_NODE_TIMELINE,
    FACT_JOB_RUN_TIMELINE,
    FACT_PIPELINE_UPDATE_TIMELINE,
    FACT_QUERY_HISTORY,
    FACT_AUDIT_LOGS,
    FACT_ENDPOINT_USAGE,
    FACT_TABLE_FRESHNESS,
    FACT_COLUMN_PROFILE,
    DEMO_INCIDENTS,
)
