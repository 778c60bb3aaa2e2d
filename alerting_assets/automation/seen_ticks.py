"""Which sensors and schedules failed since the last look. It reads Dagster's instance, and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, InstigatorType, TickStatus

from alerting_assets.automation.own_location import OwnLocation
from alerting_assets.automation.reasons import error_in_words
from alerting_assets.delivery import Severity
from alerting_assets.failures.failure import Batch, Observation

_KINDS = {InstigatorType.SENSOR: "sensor", InstigatorType.SCHEDULE: "schedule"}
_UNDER_WAY_FOR = timedelta(hours=1)
"""A tick that has begun longer ago was left by a daemon that died."""

TickPosition = Mapping[str, float]
"""Of each sensor and schedule, the time of the last tick that was read, in seconds of the epoch."""


def look_at_ticks(
    instance: dg.DagsterInstance, location: OwnLocation, since: TickPosition, last_look: datetime, now: datetime
) -> tuple[list[Batch], dict[str, float], list[str]]:
    """What was seen, the position of the next look, and the keys of those that a person stopped. last_look: where to begin with what is
    new."""
    batches: list[Batch] = []
    position: dict[str, float] = {}
    stopped: list[str] = []
    # An instance in memory keeps no evaluations.
    for state in instance.all_instigator_state() if instance.schedule_storage is not None else ():
        kind = _KINDS.get(state.instigator_type)
        if kind is None or not _is_own(state, location):
            continue
        subject = location.tick(kind, state.name, _location(state))
        if not state.is_running or not (location.everything or location.has_tick(state.name)):
            stopped.append(subject.key)
        begin = since.get(state.selector_id, last_look.timestamp())
        ticks = _ended(instance.get_ticks(state.instigator_origin_id, state.selector_id, after=begin), now)
        position[state.selector_id] = ticks[-1].timestamp if ticks else begin
        observations = tuple(_observation(location, state, kind, tick) for tick in ticks)
        if observations:
            url = location.link("locations", _address(state), f"{kind}s", state.name)
            source = f"{kind} {state.selector_id} {ticks[-1].timestamp}"
            batches.append(Batch(source, "", f"{subject.location}|{kind}|{state.name}", observations, url))
    return batches, position, stopped


def _is_own(state: InstigatorState, location: OwnLocation) -> bool:
    if location.everything:
        return True
    repository = state.origin.repository_origin
    if location.name is None:
        return location.has_tick(state.name)
    return (repository.code_location_origin.location_name, repository.repository_name) == (
        location.name,
        location.repository_name,
    )


def _location(state: InstigatorState) -> str:
    return str(state.origin.repository_origin.code_location_origin.location_name)


def _address(state: InstigatorState) -> str:
    name = state.origin.repository_origin.repository_name
    return _location(state) if name == "__repository__" else f"{name}@{_location(state)}"


def _ended(ticks: Sequence[InstigatorTick], now: datetime) -> list[InstigatorTick]:
    """The oldest first, up to the first that is under way."""
    found = []
    for tick in sorted(ticks, key=lambda one: one.timestamp):
        if tick.status is TickStatus.STARTED:
            if now.timestamp() - tick.timestamp < _UNDER_WAY_FOR.total_seconds():
                break
            continue
        found.append(tick)
    return found


def _observation(location: OwnLocation, state: InstigatorState, kind: str, tick: InstigatorTick) -> Observation:
    subject = location.tick(kind, state.name, _location(state))
    at = datetime.fromtimestamp(tick.end_timestamp or tick.timestamp, UTC)
    if tick.status is not TickStatus.FAILURE:
        return Observation(subject, at, False)
    reason, details = error_in_words(tick.error) if tick.error else ("its evaluation failed", ())
    return Observation(subject, at, True, Severity.CRITICAL, reason, details)
