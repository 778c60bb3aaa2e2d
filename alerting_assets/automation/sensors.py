"""The sensor that starts a sync when people changed something. What there is to do, `deployment.find_work` says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import dagster as dg

from alerting_assets.automation.looks import lakehouse_of_looks, run_under_way
from alerting_assets.automation.partitions import ALERTS, known_partitions
from alerting_assets.automation.schedules import sync_changed
from alerting_assets.deployment import Work, find_work, with_destinations, with_routes, with_silences
from alerting_assets.deployment.work import pause_after
from alerting_assets.errors import WorkspaceUnavailable
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets.resource import AlertingResource
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace

SENSOR = "sync_on_change"
DEPLOYED_DESTINATIONS = dg.AssetKey("deployed_destinations")
CHANGE = "alerting/change"
"""The tag of the runs for one change, which are the attempts at it; its value is `Work.change`."""


@dataclass(frozen=True)
class Cursor:
    """The sensor's cursor. It is for the record only; losing it loses nothing. avoided: looks since the last run that found nothing
    to do."""

    avoided: int = 0

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        try:
            avoided = json.loads(text or "{}")["avoided"]
        except (ValueError, KeyError, TypeError):
            return cls()
        return cls(avoided) if isinstance(avoided, int) else cls()

    def text(self) -> str:
        return json.dumps(asdict(self))


def change_sensor(*, seconds: int, running: bool) -> dg.SensorDefinition:
    """The sensor. seconds: between two looks. running: whether it is on from the start; people can switch it in the UI."""

    @dg.sensor(
        name=SENSOR,
        job=sync_changed,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=(
            "Looks at the change feed of alert_configurations, at notification_destinations, notification_routes and alert_silences, and "
            "deploys what people changed, in one run for any number of alerts: those that use a destination or a route that changed, or "
            "that a silence is about, too. "
            "Alerts that failed are tried again, with growing pauses. What a sync writes back starts nothing."
        ),
    )
    def sync_on_change(context: dg.SensorEvaluationContext, alerting: AlertingResource) -> dg.SensorResult:
        return look(context, alerting.settings, alerting.now())

    return sync_on_change


def look(context: dg.SensorEvaluationContext, settings: Settings, now: datetime) -> dg.SensorResult:
    cursor = Cursor.read(context.cursor)
    try:
        host = open_workspace(settings).host
    except WorkspaceUnavailable as error:
        return dg.SensorResult(skip_reason=str(error), cursor=cursor.text())
    with lakehouse_of_looks(settings) as lakehouse:
        work = with_routes(find_work(lakehouse, settings.environment, host, now), lakehouse)
        work = with_destinations(work, lakehouse, settings, host, now)
        work = with_silences(work, lakehouse, host, now)
        configured = set(lakehouse.read(ALERT_CONFIGURATIONS.name, ["alert_id"])["alert_id"].to_pylist())
    partitions = _partition_requests(context.instance, configured, work)
    if work.is_nothing or (work.alert_ids is None and not configured):
        avoided = Cursor(cursor.avoided + 1)
        return dg.SensorResult(skip_reason=work.reason, cursor=avoided.text(), dynamic_partitions_requests=partitions)
    only_destinations = work.alert_ids is not None and not work.alert_ids
    attempts = context.instance.get_run_records(dg.RunsFilter(tags={CHANGE: work.change}))
    if wait := _reason_to_wait(context.instance, attempts, now):
        return dg.SensorResult(skip_reason=wait, cursor=cursor.text(), dynamic_partitions_requests=partitions)
    request = dg.RunRequest(
        run_key=f"{work.change}:{len(attempts) + 1}",
        run_config=None if only_destinations else _run_config(work, cursor.avoided),
        asset_selection=[DEPLOYED_DESTINATIONS] if only_destinations else None,
        tags={CHANGE: work.change, "alerting/reason": work.reason[:200]},
    )
    return dg.SensorResult(run_requests=[request], cursor=Cursor().text(), dynamic_partitions_requests=partitions)


def _reason_to_wait(instance: dg.DagsterInstance, attempts: Sequence[dg.RunRecord], now: datetime) -> str | None:
    if run := run_under_way(instance, now, tags={"dagster/sensor_name": SENSOR}):
        return f"run {run} is under way; what changed meanwhile is looked at after it"
    if attempts:
        newest = max(record.create_timestamp.replace(tzinfo=UTC) for record in attempts)
        due = newest + pause_after(len(attempts))
        if now < due:
            return f"attempt {len(attempts)} at this change did not succeed; the next is due at {due:%H:%M:%S} UTC"
    return None


def _run_config(work: Work, avoided: int) -> dict[str, object]:
    ids = sorted(work.alert_ids or ())
    deploy: dict[str, object] = {"alert_ids": ids, "syncs_avoided": avoided}
    if work.alert_ids is not None:
        deploy |= {"table_id": work.up_to.table_id, "version": work.up_to.version}
    return {"ops": {"validate": {"config": {"alert_ids": ids}}, "deploy": {"config": deploy}}}


def _partition_requests(
    instance: dg.DagsterInstance, configured: set[str], work: Work
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    """The changes of partition keys: those of new alerts are added before their run; those of removed alerts go here only if no run
    will see to it."""
    known = known_partitions(instance)
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if new := sorted(configured - known):
        requests.append(ALERTS.build_add_request(new))
    if work.alert_ids is not None and (gone := sorted(known - configured - work.alert_ids)):
        requests.append(ALERTS.build_delete_request(gone))
    return requests
