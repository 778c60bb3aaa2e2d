"""Evaluations by themselves: a schedule that looks every minute which alerts are due."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from alerting_assets.automation.looks import lakehouse_of_looks, run_under_way
from alerting_assets.configuration import read_rows, target_of, to_alerts
from alerting_assets.errors import TableNotFound
from alerting_assets.evaluation.due import due_alerts
from alerting_assets.evaluation.imported import view_of
from alerting_assets.incidents.store import read_states
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY
from alerting_assets.lakehouse.port import Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_QUERY_VALIDATIONS
from alerting_assets.resource import AlertingResource
from alerting_assets.settings import Settings
from alerting_assets.validation import alert_verdicts, evaluable, policy_of

SCHEDULE = "evaluate_due"
IMPORT_MINUTES = 15
"""How often a view is asked for evaluations of the workspace when nothing else is to be done; a table of our own tells by itself."""
evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets("alert_history", "alert_incidents")
    | dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("deployed_alerts"), "last_evaluation_succeeded")),
    description=(
        "Evaluate every valid, enabled alert now, and keep its incidents. Run config: `alert_ids` for some of them only, `only_due` for "
        "those whose schedule fired, `now` for another moment."
    ),
)


def evaluation_schedule(*, running: bool) -> dg.ScheduleDefinition:
    """running: whether it is on from the start; people can switch it in the UI."""

    @dg.schedule(
        name=SCHEDULE,
        job=evaluate,
        cron_schedule="* * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
        description=(
            "Looks every minute which alerts are due by their own Quartz schedules, and starts one run for all of them. Alerts that the "
            "workspace evaluates are left to it. What a late or killed run left is made good by the next one."
        ),
    )
    def evaluate_due(
        context: dg.ScheduleEvaluationContext, alerting: AlertingResource
    ) -> dg.RunRequest | dg.SkipReason:
        return look(context.instance, alerting.settings, alerting.now())

    return evaluate_due


def look(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> dg.RunRequest | dg.SkipReason:
    if run := run_under_way(instance, now, job=evaluate.name):
        return dg.SkipReason(f"run {run} is under way; what is due meanwhile is looked at after it")
    with lakehouse_of_looks(settings) as lakehouse:
        due = _due(lakehouse, settings, now)
        news = _has_news(lakehouse, settings, now) or _was_left(instance)
    if not due and not news:
        return dg.SkipReason("no alert is due, and the workspace evaluated none")
    reason = f"{len(due)} alerts are due" if due else "the workspace evaluated alerts"
    return dg.RunRequest(
        run_config={"ops": {"alert_history": {"config": {"only_due": True}}}}, tags={"alerting/reason": reason}
    )


def _was_left(instance: dg.DagsterInstance) -> bool:
    """Whether the last run failed, and so left what it was to import."""
    last = instance.get_run_records(dg.RunsFilter(job_name=evaluate.name), limit=1)
    return bool(last) and last[0].dagster_run.status is dg.DagsterRunStatus.FAILURE


@dataclass(frozen=True)
class _Configured:
    """The rows of the alerts that can be evaluated, for these versions of the tables that say so."""

    versions: tuple[TableVersion, TableVersion]
    rows: tuple[Mapping[str, Any], ...]


_known: dict[Settings, _Configured] = {}
_imported: dict[Settings, TableVersion] = {}


def _due(lakehouse: Lakehouse, settings: Settings, now: datetime) -> list[str]:
    rows = _evaluable_rows(lakehouse, settings)
    if not rows:
        return []
    states = read_states(lakehouse, settings.reopen)
    return sorted(due_alerts(rows, states.by_id, now, timedelta(minutes=settings.evaluation_grace_minutes)))


def _evaluable_rows(lakehouse: Lakehouse, settings: Settings) -> tuple[Mapping[str, Any], ...]:
    """Compiling a thousand alerts takes a second, so it is done again only where the tables changed."""
    versions = (lakehouse.version(ALERT_CONFIGURATIONS.name), lakehouse.version(ALERT_QUERY_VALIDATIONS.name))
    known = _known.get(settings)
    if known is None or known.versions != versions:
        rows = read_rows(lakehouse)
        alerts = to_alerts(rows, target_of(settings))
        ids = {alert.alert_id for alert in evaluable(alerts, alert_verdicts(lakehouse, alerts, policy_of(settings)))}
        known = _known[settings] = _Configured(versions, tuple(row for row in rows if row["alert_id"] in ids))
    return known.rows


def _has_news(lakehouse: Lakehouse, settings: Settings, now: datetime) -> bool:
    """Whether there may be something to import."""
    view = view_of(settings)
    if view is None:
        return False
    if view != ".".join((*lakehouse.namespace, ALERT_EVALUATION_HISTORY.name)):
        return now.minute % IMPORT_MINUTES == 0
    try:
        version = lakehouse.version(ALERT_EVALUATION_HISTORY.name)
    except TableNotFound:  # no local workspace was served yet
        return False
    if _imported.get(settings) == version:
        return False
    _imported[settings] = version
    return version.version > 0
