"""Jobs, and when they run by themselves."""

from __future__ import annotations

import dagster as dg

REVALIDATION_CRON = "30 5 * * *"
"""Daily, before people come to work."""
RECONCILIATION_CRON = "50 5 * * *"
"""Daily, after the revalidation."""
DRIFT_CRON = "20 * * * *"
"""Hourly: one list of the workspace's alerts."""

NO_DRIFT = dg.AssetCheckKey(dg.AssetKey("deployed_alerts"), "no_drift")

TABLE_TO_WORKSPACE = dg.AssetSelection.assets(
    "validated_queries",
    "validation_report",
    "deployed_destinations",
    "deployed_alerts",
    "deployment_report",
    "alert_sync_metrics",
) - dg.AssetSelection.checks(NO_DRIFT)
"""What brings the rows of the tables to the workspace; it reads no files."""

sync = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.assets(
        "alert_configurations",
        "notification_destinations",
        "notification_routes",
        "alert_silences",
        "validated_queries",
        "validation_report",
        "deployed_destinations",
        "deployed_alerts",
        "deployment_report",
        "alert_sync_metrics",
    ),
    description="Configurations → verdicts → deployed alerts. Run config `alert_ids` makes it about some alerts only.",
)

sync_changed = dg.define_asset_job(
    "sync_changed",
    selection=TABLE_TO_WORKSPACE,
    description="What the sensor starts: verdicts → deployed alerts, for the alerts that changed in the table.",
)

reconcile = dg.define_asset_job(
    "reconcile",
    selection=TABLE_TO_WORKSPACE,
    description="Every row of the table → the workspace, whatever the change feed says. Reads no files.",
)

check_drift = dg.define_asset_job(
    "check_drift",
    selection=dg.AssetSelection.checks(NO_DRIFT),
    description="Compare the workspace with what was deployed; changes nothing.",
)

revalidate = dg.define_asset_job(
    "revalidate",
    selection=dg.AssetSelection.assets("validated_queries", "validation_report"),
    config={"ops": {"validate": {"config": {"fresh": True}}}},
    description="Analyse every query again, also those that were valid: tables change under them. Deploys and removes nothing.",
)

everything = dg.define_asset_job("everything", selection=dg.AssetSelection.all(), description="sync, then evaluate.")


drift_schedule = dg.ScheduleDefinition(
    name="check_drift_hourly",
    job=check_drift,
    cron_schedule=DRIFT_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

revalidation_schedule = dg.ScheduleDefinition(
    name="revalidate_daily",
    job=revalidate,
    cron_schedule=REVALIDATION_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

reconciliation_schedule = dg.ScheduleDefinition(
    name="reconcile_daily",
    job=reconcile,
    cron_schedule=RECONCILIATION_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
