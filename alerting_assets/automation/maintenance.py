"""The job that keeps the tables fast to read."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from alerting_assets.lakehouse.maintenance import Maintained, maintain_tables
from alerting_assets.resource import AlertingResource

MAINTENANCE_CRON = "10 4 * * *"
"""Daily, when hardly anybody reads."""


@dg.op(name="maintain_tables")
def maintain_op(context: dg.OpExecutionContext, alerting: AlertingResource) -> None:
    lakehouse = alerting.get_lakehouse()
    found = maintain_tables(lakehouse, alerting.retention_days, alerting.history_days, alerting.now())
    for one in found:
        done = ", ".join(f"{name} {value}" for name, value in asdict(one).items() if isinstance(value, int))
        context.log.info("%s: %.1f s%s", one.table, one.seconds, f"; {done}" if done else "")
        if one.behind:
            context.log.warning("%s: %s", one.table, one.behind)
    metadata: dict[str, Any] = {
        "rows_deleted": sum(one.deleted or 0 for one in found),
        "files_removed": sum(one.removed or 0 for one in found),
        "tables": _table(found),
    }
    if failed := [one for one in found if one.error]:
        reasons = "; ".join(f"{one.table}: {one.error}" for one in failed)
        raise dg.Failure(
            f"{len(failed)} of {len(found)} tables could not be maintained: {reasons}", metadata, allow_retries=False
        )
    context.add_output_metadata(metadata)


def _table(found: Sequence[Maintained]) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord(
            {
                "table": one.table,
                "seconds": f"{one.seconds:.1f}",
                **{
                    name: _text(getattr(one, name)) for name in ("deleted", "compacted", "removed", "kept_days", "told")
                },
            }
        )
        for one in found
    ]
    return dg.MetadataValue.table(records)


def _text(value: object) -> str:
    return "" if value is None else str(value)


@dg.job(
    name="maintain",
    description="Delete evaluations and ranges that are too old, compact and vacuum every table; a failure costs one table.",
)
def maintain() -> None:
    maintain_op()


maintenance_schedule = dg.ScheduleDefinition(
    name="maintain_daily",
    job=maintain,
    cron_schedule=MAINTENANCE_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
