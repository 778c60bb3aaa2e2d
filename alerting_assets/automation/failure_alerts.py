"""The sensor that tells people what failed in Dagster: asset checks, runs, and the evaluations of sensors and schedules.

Dagster itself tells nobody of a failed check: it fails no run. This works in any code location with a daemon, without the rest of this
package: no table, no workspace. What is told, and what is not, `failures.decide` says."""

import json
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from alerting_assets.automation.own_location import OwnLocation
from alerting_assets.automation.seen_runs import Patience, RunPosition, Runs
from alerting_assets.automation.seen_ticks import look_at_ticks
from alerting_assets.delivery import Severity
from alerting_assets.delivery.own import OwnDelivery, Worked
from alerting_assets.errors import AlertingError, Problem
from alerting_assets.failures.decide import Memory, Policy, decide
from alerting_assets.failures.failure import Batch, Kind, Observation, Subject
from alerting_assets.failures.messages import events_of
from alerting_assets.failures.routes import Routes
from alerting_assets.failures.store import STORE, FailureStore

SENSOR = "check_failure_alerts"
READ_SECONDS, SEND_SECONDS = 20.0, 15.0
"""Together well below the minute after which Dagster gives up on an evaluation."""


@dataclass(frozen=True)
class Telling:
    """How failures are told. Asked at each look, since files and settings change while the code location runs.

    folder: of what is remembered. routes: who is told what. single: receivers that get each failure by itself.
    url: of the Dagster UI. everything: whether other code locations of the instance are told of, too."""

    folder: Path
    routes: Routes
    delivery: OwnDelivery
    single: Collection[str] = ()
    url: str | None = None
    everything: bool = False
    patience: Patience = field(default_factory=Patience)


def sensor_of(
    telling: Callable[[dg.SensorEvaluationContext], Telling],
    *,
    name: str,
    seconds: int,
    running: bool,
    clock: Callable[[], datetime],
) -> dg.SensorDefinition:
    """telling: raises AlertingError where it cannot be said who is told; the look then is skipped, with that reason."""

    @dg.sensor(
        name=name,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=(
            "Tells people of failed asset checks, failed, killed and stuck runs, and failed evaluations of sensors and schedules: once, "
            "again after a day, and when it is well again. It starts no runs."
        ),
    )
    def check_failure_alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            return look(context, telling(context), clock())
        except AlertingError as error:
            context.log.error("%s", error)
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)

    return check_failure_alerts


def look(context: dg.SensorEvaluationContext, telling: Telling, now: datetime) -> dg.SensorResult:
    """One look. Raises AlertingError where nothing could be remembered; what receivers do raises nothing."""
    if not telling.routes.receivers and not telling.routes.problems:
        reason = "nobody is to be told: set ALERTING_NOTIFY, or write routes in notify.yml"
        return dg.SensorResult(skip_reason=reason, cursor=context.cursor)
    location = OwnLocation.of(context, everything=telling.everything, url=telling.url)
    for problem in telling.routes.problems:
        context.log.warning("%s", problem)
    with FailureStore(telling.folder / STORE) as store, telling.delivery.opened() as post:
        store.hand_over(post.put)
        position = store.position(SENSOR) or _read(context.cursor)
        told, said = 0, ""
        if position is None:
            position = _begin(context.instance, location, telling.patience, now)
            store.save(store.memory(), store.memory(), [], SENSOR, position)
            said = f"it begins now: what failed before is not told; {len(position['runs']['watched'])} runs under way are watched"
        else:
            position, told = _look(context.instance, location, telling, store, position, now)
            store.hand_over(post.put)
        worked = post.work(SEND_SECONDS)
    for lost in worked.lost:
        context.log.error("a message to %s is lost: %s", lost.destination_id, lost.response)
    said = said or _words(told, worked, telling.routes.problems)
    return dg.SensorResult(skip_reason=said, cursor=json.dumps(position))


def _look(
    instance: dg.DagsterInstance,
    location: OwnLocation,
    telling: Telling,
    store: FailureStore,
    position: dict[str, Any],
    now: datetime,
) -> tuple[dict[str, Any], int]:
    """The position of the next look, and how many messages came of this one."""
    started = time.monotonic()
    runs = Runs(instance, location, now, telling.patience, lambda: time.monotonic() - started > READ_SECONDS)
    batches, after = runs.look(RunPosition.from_json(position["runs"]))
    last_look = datetime.fromisoformat(position["at"])
    ticks, tick_position, stopped = look_at_ticks(instance, location, position["ticks"], last_look, now)
    memory = store.memory()
    failing = [one.failing for one in memory.values() if one.failing]
    gone = {one.subject.key for one in failing if location.is_gone(one, instance)}
    configured = _configuration(telling.routes, location, memory, now)
    messages, remembered = decide(
        memory,
        [*batches, *ticks, *configured],
        now,
        Policy(telling.routes, telling.routes.reminder, telling.routes.recoveries),
        gone=gone | {key for key in stopped if key in memory},
    )
    events = [addressed for message in messages for addressed in events_of(message, telling.single)]
    position = {"runs": after.to_json(), "ticks": tick_position, "at": now.isoformat()}
    store.save(memory, remembered, events, SENSOR, position)
    return position, len(events)


def _begin(instance: dg.DagsterInstance, location: OwnLocation, patience: Patience, now: datetime) -> dict[str, Any]:
    runs = Runs(instance, location, now, patience).begin()
    return {"runs": runs.to_json(), "ticks": {}, "at": now.isoformat()}


def _read(cursor: str | None) -> dict[str, Any] | None:
    """The position in Dagster's own storage, which outlives our file: where that was lost, no failure is left out."""
    try:
        position = json.loads(cursor or "null")
        RunPosition.from_json(position["runs"])
        datetime.fromisoformat(position["at"])
        dict(position["ticks"])
    except (ValueError, KeyError, TypeError):
        return None
    return dict(position)


def _configuration(routes: Routes, location: OwnLocation, memory: Memory, now: datetime) -> list[Batch]:
    """That who is told is not as somebody wrote it, is told like any other failure."""
    name = location.name or ""
    subject = Subject(Kind.CONFIGURATION, f"{Kind.CONFIGURATION}|{name}", "who is told of failures", location=name)
    if not routes.problems and subject.key not in memory:
        return []
    problems = tuple(str(problem) for problem in routes.problems)
    reason = f"{len(problems)} mistakes; what they are in is not used"
    seen = Observation(subject, now, bool(problems), Severity.WARNING, reason, problems)
    return [Batch(f"configuration {now.isoformat()}", "", f"{name}|configuration", (seen,))]


def _words(told: int, worked: Worked, problems: Iterable[Problem]) -> str:
    parts = [
        f"{told} new messages" if told else "nothing new",
        f"{worked.sent} sent" if worked.sent else "",
        f"{worked.waiting} wait for their receiver" if worked.waiting else "",
        f"{len(worked.lost)} lost, see the log" if worked.lost else "",
        *(str(problem) for problem in problems),
    ]
    return "; ".join(part for part in parts if part)
