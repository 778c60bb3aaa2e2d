"""The job that keeps the tables fast to read."""

import dagster as dg

from alerting_assets.lakehouse.maintenance import maintain_tables
from alerting_assets.resource import AlertingResource

MAINTENANCE_CRON = "10 4 * * *"
"""Daily, when hardly anybody reads."""


@dg.op(name="maintain_tables")
def maintain_op(context: dg.OpExecutionContext, alerting: AlertingResource) -> None:
    found = maintain_tables(alerting.get_lakehouse(), alerting.retention_days)
    for one in found:
        context.log.info("%s: %.1f s", one.table, one.seconds)
    if failed := [one for one in found if one.error]:
        reasons = "; ".join(f"{one.table}: {one.error}" for one in failed)
        raise dg.Failure(
            f"{len(failed)} of {len(found)} tables could not be maintained: {reasons}", allow_retries=False
        )


@dg.job(name="maintain", description="Compact and vacuum every table; a failure costs one table.")
def maintain() -> None:
    maintain_op()


maintenance_schedule = dg.ScheduleDefinition(
    name="maintain_daily",
    job=maintain,
    cron_schedule=MAINTENANCE_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
