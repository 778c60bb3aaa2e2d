"""Partitions of a batch run (docs/architecture.md, "Partitions", and what was measured under "Dagster").

A native run covers one partition or one contiguous range; a batch covers any set of alerts in one run. Such a run records a
materialization and a check evaluation a partition by itself. Everything that this takes from inside Dagster is here:
`AssetCheckEvaluationTargetMaterializationData`, `get_latest_storage_id_by_partition`, `get_asset_check_partition_info`, the cache of
versions and the tags of data_version are not public. The pin of dagster in pyproject.toml says so, and
alerting_assets_tests/integration/test_graph.py fails when they change.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from pydantic import Field

from alerting_assets.automation.reasons import NOT_RUN
from alerting_assets.errors import did_you_mean

# Partitioned check specs: in preview, and pinned (pyproject.toml). Users can do nothing about the warning.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

ALERTS = dg.DynamicPartitionsDefinition(name="alert_id")
"""The partitions of alerts: one for each alert, by its alert_id."""


WHOLE = dg.DataVersion("whole")
"""The version of an unpartitioned asset that partitions are made from: always the same. Dagster compares each partition with the
version of the whole. Were it new at every run, or at every edit of any alert, each run that leaves an alert as it is would mark this
alert's partition as unsynced."""

SMALL_BATCH = 50
"""The largest batch of which every check result is recorded: an event takes 10 to 20 ms, and a thousand alerts have six results
each."""


class Batch(dg.Config):
    """What a batch run is about. alert_ids: these alerts; empty: those of the run's partitions, or all."""

    alert_ids: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class CheckOutcome:
    """was_run: False where nobody knows; Dagster has no word for that, so it is shown as failed, a warning."""

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_warning: bool = False
    was_run: bool = True


def requested_ids(context: dg.AssetExecutionContext, batch: Batch) -> frozenset[str] | None:
    """The alerts that a run is about; None means all of them."""
    if batch.alert_ids:
        return frozenset(batch.alert_ids)
    # A backfill started in the UI sends partitions and no config.
    return frozenset(context.partition_keys) if context.run.is_partitioned else None


def refuse_unknown(wanted: frozenset[str] | None, known: Iterable[str]) -> None:
    """Raises Failure for ids that name no alert. known: the ids of all that there are, or that have a partition still."""
    names = set(known)
    for alert_id in sorted((wanted or frozenset()) - names):
        raise dg.Failure(f"there is no alert {alert_id!r}{did_you_mean(alert_id, names)}", allow_retries=False)


def add_partitions(instance: dg.DagsterInstance, alert_ids: Iterable[str]) -> None:
    known = known_partitions(instance)
    if missing := [alert_id for alert_id in alert_ids if alert_id not in known]:
        instance.add_dynamic_partitions(str(ALERTS.name), missing)


def known_partitions(instance: dg.DagsterInstance) -> frozenset[str]:
    return frozenset(instance.get_dynamic_partitions(str(ALERTS.name)))


def drop_partitions(
    instance: dg.DagsterInstance, keep: Iterable[str], *, of: frozenset[str] | None = None
) -> list[str]:
    """Delete the partitions of alerts that are neither configured nor deployed any more, among `of` (None: among all), and return
    their keys."""
    known = known_partitions(instance)
    gone = sorted((known if of is None else known & of) - set(keep))
    for alert_id in gone:
        instance.delete_dynamic_partition(str(ALERTS.name), alert_id)
    return gone


def materialized(instance: dg.DagsterInstance, asset: dg.AssetKey) -> set[str]:
    return instance.get_materialized_partitions(asset)


def checked(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> set[str]:
    """The partitions for which one of these checks was recorded."""
    found = instance.event_log_storage.get_asset_check_partition_info(list(checks))
    return {item.partition_key for item in found if item.partition_key is not None}


def record_materializations(
    context: dg.AssetExecutionContext,
    asset: dg.AssetKey,
    partitions: Mapping[str, Mapping[str, Any]],
    *,
    made_from: Sequence[dg.AssetKey],
) -> None:
    """Record one materialization for each partition. partitions: alert_id → metadata. made_from: what the asset depends on, whose
    versions are WHOLE. The op must not also yield the asset's output, which would record a partition None."""
    # As Dagster does for outputs. Without them it compares times, and takes for unsynced whatever is older than what it was made from.
    tags = {CODE_VERSION_TAG: context.run_id}
    for one in made_from:
        tags |= {get_input_data_version_tag(one): WHOLE.value, get_input_event_pointer_tag(one): NULL_EVENT_POINTER}
    for alert_id, metadata in partitions.items():
        context.log_event(dg.AssetMaterialization(asset, partition=alert_id, metadata=dict(metadata), tags=tags))


def has_no_version(context: dg.AssetExecutionContext | dg.OpExecutionContext, asset: dg.AssetKey) -> None:
    """Tell Dagster that there is no version of this partitioned asset, which other assets of the same op depend on. It would look for
    the version of the run's partition, which a batch lacks."""
    context.get_step_execution_context()._data_version_cache.input_asset_version_info[asset] = None


def record_observations(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, partitions: Mapping[str, Mapping[str, Any]]
) -> None:
    """Record what is true of a partition now, where that is nothing that was made. partitions: alert_id → metadata."""
    for alert_id, metadata in partitions.items():
        context.log_event(dg.AssetObservation(asset, partition=alert_id, metadata=dict(metadata)))


def is_in_run(context: dg.AssetExecutionContext, asset: dg.AssetKey) -> bool:
    """Whether the run is about this asset, too, in whatever step."""
    return asset in context.job_def.asset_layer.executable_asset_keys


def record_checks(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    check: dg.AssetCheckKey,
    outcomes: Mapping[str, CheckOutcome],
    *,
    only_changes: bool = False,
) -> None:
    """Record one evaluation of the check for each alert, tied to the newest materialization of its partition if it has one. The op
    must also yield one result for the whole check.

    Of large batches only failures are recorded, passes that follow one, and what was not run where that follows a pass.

    only_changes: record only what passed before and fails now, or the other way round, and what is recorded for the first time."""
    if only_changes:
        before = latest_passes(context.instance, check)
        outcomes = {
            alert_id: outcome for alert_id, outcome in outcomes.items() if before.get(alert_id) is not outcome.passed
        }
    elif len(outcomes) > SMALL_BATCH:
        before = latest_passes(context.instance, check)
        outcomes = {
            alert_id: outcome
            for alert_id, outcome in outcomes.items()
            if (not outcome.passed and outcome.was_run) or before.get(alert_id, outcome.passed) is not outcome.passed
        }
    if not outcomes:
        return
    storage_ids = _latest_storage_ids(context.instance, check.asset_key, list(outcomes))
    for alert_id, outcome in outcomes.items():
        event: Any = dg.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=outcome.passed,
            description=outcome.description,
            metadata={**outcome.metadata, **({} if outcome.was_run else {NOT_RUN: True})},
            severity=dg.AssetCheckSeverity.WARN if outcome.is_warning else dg.AssetCheckSeverity.ERROR,
            partition=alert_id,
            target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
                run_id=context.run_id, storage_id=storage_ids[alert_id], timestamp=time.time()
            )
            if alert_id in storage_ids
            else None,
        )
        context.log_event(event)


def latest_passes(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> dict[str, bool]:
    """partition → whether it passed when it was last recorded."""
    found = instance.event_log_storage.get_asset_check_partition_info([check])
    return {
        item.partition_key: item.latest_execution_status is not AssetCheckExecutionRecordStatus.FAILED
        for item in found
        if item.partition_key is not None
    }


def _latest_storage_ids(
    instance: dg.DagsterInstance, asset: dg.AssetKey, alert_ids: Sequence[str]
) -> Mapping[str, int]:
    return instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION, set(alert_ids)
    )
