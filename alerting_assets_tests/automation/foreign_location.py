"""A code location of other people, as small as they are: none of our tables, no workspace, and one line for the alerts.

What goes wrong in it, a file says: FOREIGN_TROUBLES names a JSON document of reasons, by what fails."""

import json
import os
import time
from pathlib import Path

import dagster as dg

from alerting_assets import check_failure_alerts


def trouble(name: str) -> str | None:
    reason: str | None = json.loads(Path(os.environ["FOREIGN_TROUBLES"]).read_text()).get(name)
    return reason


@dg.asset(owners=["orders@example.com"])
def orders() -> None:
    if reason := trouble("orders"):
        raise ValueError(reason)
    while trouble("endless"):
        time.sleep(0.1)


@dg.asset_check(asset=orders)
def no_negative_amounts() -> dg.AssetCheckResult:
    reason = trouble("no_negative_amounts")
    return dg.AssetCheckResult(
        passed=reason is None,
        description=reason,
        metadata={"query": "SELECT COUNT(*) FROM orders WHERE amount < 0"},
    )


@dg.asset_check(asset=orders)
def is_fresh() -> dg.AssetCheckResult:
    reason = trouble("is_fresh")
    return dg.AssetCheckResult(passed=reason is None, description=reason, severity=dg.AssetCheckSeverity.WARN)


nightly = dg.define_asset_job("nightly", selection="*")


@dg.sensor(job=nightly, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def new_files() -> dg.RunRequest | dg.SkipReason:
    if reason := trouble("new_files"):
        raise RuntimeError(reason)
    if arrived := trouble("arrived"):
        return dg.RunRequest(run_key=arrived)
    return dg.SkipReason("no new files")


defs = dg.Definitions(
    assets=[orders],
    asset_checks=[no_negative_amounts, is_fresh],
    jobs=[nightly],
    sensors=[new_files, check_failure_alerts("webhook+env:OPS_URL")],
    executor=dg.in_process_executor,
)
