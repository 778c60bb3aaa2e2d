"""What has become of runs since the last look, and which checks failed in them. It reads Dagster's instance, and does nothing else.

A look goes on where the last one ended, by the storage ids of runs and events, and not by time: what happened while nobody looked is
seen at the next look, whenever that is. Runs under way are remembered and looked at until they have ended."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from alerting_assets.automation.own_location import SEVERITIES, OwnLocation
from alerting_assets.automation.reasons import OWNER, error_in_words, reason_of, text_in, was_run
from alerting_assets.delivery import Severity
from alerting_assets.failures.failure import Batch, Observation

_PAGE = 100
_EVENTS = 1_000
_STEPS = 5
LONG_RUN = timedelta(minutes=10)
"""What a run finds is told when it has ended; of one that takes longer, so often."""
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_WAITING = UNDER_WAY[:3]
_WILL_RETRY = "dagster/will_retry"
_PROCESS = re.compile(r"Started process for run \(pid: (\d+)\)")
_CRASH = re.compile(r"terminated|exited|exit code|signal|crash")
_FROM_OUTSIDE = "marked as failed from outside the execution context"
"""In Dagster's words for a run that somebody else ended; who and why, the event before it says, if anything does."""
_REPORTED = "reported without a run"
_RUNLESS = ""
"""The run id under which Dagster keeps events that belong to no run."""


@dataclass(frozen=True)
class Watched:
    """A run that has not ended. read_at: when its events were read, in seconds of the epoch, and cursor: how far.
    asked_at: when it was last asked whether it still does something; is_stuck: whether that was told."""

    read_at: float
    cursor: str | None = None
    asked_at: float = 0.0
    is_stuck: bool = False


@dataclass(frozen=True)
class RunPosition:
    """How far runs were read.

    mark: the newest run of the look before the last one: its id and storage id. A database may show a run later than one with a higher
    storage id, so each look begins there, and leaves out what it knows.
    newest: the newest run of the last look. known: storage ids of the runs between.
    runless: how far the check results that belong to no run were read."""

    mark: tuple[str, int] | None = None
    newest: tuple[str, int] | None = None
    known: tuple[int, ...] = ()
    watched: Mapping[str, Watched] = field(default_factory=dict)
    runless: str | None = None

    def to_json(self) -> Any:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RunPosition:
        return cls(
            tuple(stored["mark"]) if stored["mark"] else None,
            tuple(stored["newest"]) if stored["newest"] else None,
            tuple(stored["known"]),
            {run_id: Watched(**one) for run_id, one in stored["watched"].items()},
            stored["runless"],
        )


@dataclass(frozen=True)
class Patience:
    """start: how long a run may wait before it starts. silence: how long one that started may record nothing."""

    start: timedelta = timedelta(hours=1)
    silence: timedelta = timedelta(hours=1)


class Runs:
    """is_late: whether to stop; what was not read then is read at the next look."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        location: OwnLocation,
        now: datetime,
        patience: Patience,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        self._instance, self._location, self._now, self._patience = instance, location, now, patience
        self._is_late = is_late

    def begin(self) -> RunPosition:
        """The position of somebody who looks for the first time: what has ended is past, what is under way is watched."""
        newest = self._instance.get_run_records(limit=1)
        last = _place(newest[0]) if newest else None
        under_way = self._instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY))
        watched = {
            one.dagster_run.run_id: Watched(self._now.timestamp(), self._end_of(one.dagster_run.run_id))
            for one in under_way
            if self._location.has_run(one.dagster_run)
        }
        return RunPosition(last, last, (), watched, self._end_of(_RUNLESS))

    def look(self, position: RunPosition) -> tuple[list[Batch], RunPosition]:
        """What was seen, in the order in which it ended, and the position of the next look."""
        found: list[tuple[float, Batch]] = []
        watched: dict[str, Watched] = {}
        for run_id, record in self._records(position.watched):
            batch, left = self._seen(record, position.watched[run_id])
            found += [(_ended(record, self._now), batch)] if batch else []
            watched |= {run_id: left} if left else {}
        passed: list[tuple[str, int]] = []
        for record in self._newer(position):
            passed.append(_place(record))
            if record.storage_id in position.known or not self._location.has_run(record.dagster_run):
                continue
            if record.dagster_run.run_id in position.watched:
                continue
            batch, left = self._seen(record, Watched(record.create_timestamp.timestamp()))
            found += [(_ended(record, self._now), batch)] if batch else []
            watched |= {record.dagster_run.run_id: left} if left else {}
        reported, runless = self._runless(position.runless)
        found += [(batch.observations[0].at.timestamp(), batch) for batch in reported]
        ordered = [batch for _, batch in sorted(found, key=lambda pair: pair[0])]
        return _reported_together(ordered), _moved(position, passed, watched, runless)

    # -- which runs

    def _newer(self, position: RunPosition) -> Iterator[dg.RunRecord]:
        """Runs after the mark, the oldest first."""
        cursor = position.mark[0] if position.mark else None
        if cursor is not None and not self._instance.has_run(cursor):
            yield from self._newer_by_number(position)  # somebody deleted it
            return
        while True:
            page = self._instance.get_run_records(cursor=cursor, limit=_PAGE, ascending=True)
            yield from page
            if len(page) < _PAGE or self._is_late():
                return
            cursor = page[-1].dagster_run.run_id

    def _newer_by_number(self, position: RunPosition) -> Iterator[dg.RunRecord]:
        assert position.mark is not None
        limit, found = _PAGE, list[dg.RunRecord]()
        while True:
            page = self._instance.get_run_records(limit=limit)
            found = [one for one in page if one.storage_id > position.mark[1]]
            if len(found) < len(page) or len(page) < limit:
                break
            limit *= 4
        yield from sorted(found, key=lambda one: one.storage_id)

    def _records(self, run_ids: Iterable[str]) -> Iterator[tuple[str, dg.RunRecord]]:
        """Those that are still there."""
        wanted = list(run_ids)
        for start in range(0, len(wanted), _PAGE):
            some = wanted[start : start + _PAGE]
            for record in self._instance.get_run_records(dg.RunsFilter(run_ids=some)):
                yield record.dagster_run.run_id, record

    # -- what became of one

    def _seen(self, record: dg.RunRecord, before: Watched) -> tuple[Batch | None, Watched | None]:
        """What is to be told of a run now, and how it is to be watched on."""
        run = record.dagster_run
        if run.is_finished:
            observations, _ = self._checks(run, before.cursor)
            return self._batch(run, [*observations, *self._end(record, before)]), None
        now, after, stuck = self._now.timestamp(), before, list[Observation]()
        if now - before.asked_at >= _GRACE.total_seconds():
            stuck = self._stuck(record)
            after = replace(after, asked_at=now, is_stuck=before.is_stuck or bool(stuck))
        if not stuck and now - before.read_at < LONG_RUN.total_seconds():
            return None, after
        observations, cursor = self._checks(run, before.cursor)
        return self._batch(run, [*observations, *stuck]), replace(after, cursor=cursor, read_at=now)

    def _batch(self, run: dg.DagsterRun, observations: Sequence[Observation]) -> Batch | None:
        if not observations:
            return None
        subject = self._location.job(run)
        return Batch(
            run.run_id,
            f"{run.run_id[:8]} ({subject.title})",
            f"{self._location.of_run(run)}|{run.job_name}",
            tuple(observations),
            self._location.link("runs", run.run_id),
        )

    def _end(self, record: dg.RunRecord, before: Watched) -> list[Observation]:
        run, at = record.dagster_run, datetime.fromtimestamp(_ended(record, self._now), UTC)
        succeeded = run.status is dg.DagsterRunStatus.SUCCESS
        found = []
        if before.is_stuck:
            found.append(Observation(self._location.one_run(run), at, False, is_over=not succeeded))
        if succeeded:
            return [*found, Observation(self._location.job(run), at, False)]
        if run.status is not dg.DagsterRunStatus.FAILURE or run.tags.get(_WILL_RETRY) == "true":
            return found  # a person ended it; or another attempt tells how it went
        reason, details = self._why(run)
        return [*found, Observation(self._location.job(run), at, True, Severity.CRITICAL, reason, details)]

    def _why(self, run: dg.DagsterRun) -> tuple[str, tuple[str, ...]]:
        kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
        events = self._events(run.run_id, kinds)
        steps = [one for one in events if one.event_type is dg.DagsterEventType.STEP_FAILURE]
        causes = []
        for step in steps:
            error = step.step_failure_data.error
            reason, place = error_in_words(error) if error else (step.message or "it failed", ())
            causes.append((f"step {step.step_key}: {reason}", place))
        own = [cause for cause in causes if "DagsterExecutionHandleFailure" not in cause[0]] or causes
        if own:
            more = [f"and {len(own) - _STEPS} more steps"] if len(own) > _STEPS else []
            return "; ".join([reason for reason, _ in own[:_STEPS]] + more), tuple(
                place for _, places in own[:_STEPS] for place in places
            )
        told = [one.message for one in events if one.message and _FROM_OUTSIDE not in one.message]
        engine = self._instance.get_records_for_run(
            run.run_id, of_type={dg.DagsterEventType.ENGINE_EVENT}, limit=1, ascending=False
        ).records
        last = engine[0].event_log_entry.dagster_event if engine else None
        if last is not None and _CRASH.search(last.message or ""):
            told.insert(0, str(last.message))
        return " ".join(" ".join(told).split())[:1_000] or "it was marked as failed from outside", ()

    # -- runs that do not end

    def _stuck(self, record: dg.RunRecord) -> list[Observation]:
        run = record.dagster_run
        if run.status in _WAITING:
            since = record.create_timestamp.astimezone(UTC)
            if self._now - since < self._patience.start:
                return []
            reason = f"it was not started for {_minutes(self._now - since)} minutes; it is {run.status.value}"
        else:
            since, gone = self._last_event(record), self._process_is_gone(run)
            if self._now - since < (min(self._patience.silence, _GRACE) if gone else self._patience.silence):
                return []
            what = f"its process {gone} is gone" if gone else "its process may be gone"
            reason = f"it has recorded nothing for {_minutes(self._now - since)} minutes; {what}"
        return [Observation(self._location.one_run(run), since, True, Severity.CRITICAL, reason)]

    def _last_event(self, record: dg.RunRecord) -> datetime:
        found = self._instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False).records
        if found:
            return datetime.fromtimestamp(found[0].event_log_entry.timestamp, UTC)
        return record.create_timestamp.astimezone(UTC)

    def _process_is_gone(self, run: dg.DagsterRun) -> int | None:
        """Its number, where the run was started on this machine, as a socket tells, and there is no such process any more."""
        try:
            on_this_machine = "socket" in json.loads(run.tags.get(".dagster/grpc_info") or "{}")
        except ValueError:
            return None
        if not on_this_machine:
            return None
        for event in self._events(run.run_id, {dg.DagsterEventType.ENGINE_EVENT}):
            if found := _PROCESS.search(event.message or ""):
                try:
                    os.kill(int(found[1]), 0)
                except ProcessLookupError:
                    return int(found[1])
                except OSError:
                    return None
        return None

    # -- check results

    def _checks(self, run: dg.DagsterRun, cursor: str | None) -> tuple[list[Observation], str | None]:
        found, after = self._evaluations(run.run_id, cursor)
        return [self._check(one, at, self._location.of_run(run)) for one, at in found], after

    def _runless(self, cursor: str | None) -> tuple[list[Batch], str | None]:
        """Each result by itself."""
        results, after = self._evaluations(_RUNLESS, cursor)
        name, found = self._location.name or "", []
        for one, at in results:
            if self._location.everything or self._location.has_check(one.asset_check_key):
                seen = self._check(one, at, name)
                found.append(Batch(f"{_REPORTED} {at.isoformat()}", _REPORTED, f"{name}|", (seen,)))
        return found, after

    def _check(self, evaluation: dg.AssetCheckEvaluation, at: datetime, location: str) -> Observation:
        owner = text_in(evaluation.metadata, OWNER)
        subject, is_summary = self._location.check(evaluation.asset_check_key, evaluation.partition, location, owner)
        if evaluation.passed:
            return Observation(subject, at, False, is_summary=is_summary)
        reason, details = reason_of(evaluation)
        failed = True if was_run(evaluation) else None
        return Observation(subject, at, failed, SEVERITIES[evaluation.severity], reason, details, is_summary=is_summary)

    def _evaluations(
        self, run_id: str, cursor: str | None
    ) -> tuple[list[tuple[dg.AssetCheckEvaluation, datetime]], str | None]:
        found = []
        while True:
            page = self._instance.get_records_for_run(
                run_id, cursor, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, limit=_EVENTS
            )
            for record in page.records:
                event = record.event_log_entry.dagster_event
                if event is not None:
                    at = datetime.fromtimestamp(record.event_log_entry.timestamp, UTC)
                    found.append((event.asset_check_evaluation_data, at))
            cursor = page.cursor if page.records else cursor
            if not page.has_more:
                return found, cursor

    def _end_of(self, run_id: str) -> str | None:
        """The cursor behind the last check result of a run."""
        return self._evaluations(run_id, None)[1]

    def _events(self, run_id: str, kinds: set[dg.DagsterEventType]) -> list[dg.DagsterEvent]:
        records = self._instance.get_records_for_run(run_id, of_type=kinds, limit=_EVENTS).records
        events = [record.event_log_entry.dagster_event for record in records]
        return [event for event in events if event is not None]


_GRACE = timedelta(seconds=30)
"""A process that ended records its end a moment later; another one may do it for it."""


def _reported_together(batches: Sequence[Batch]) -> list[Batch]:
    """Results without a run that follow each other are one batch, as if a run had had them."""
    found: list[Batch] = []
    for batch in batches:
        if found and found[-1].title == batch.title == _REPORTED:
            found[-1] = replace(found[-1], observations=(*found[-1].observations, *batch.observations))
        else:
            found.append(batch)
    return found


def _moved(
    position: RunPosition, passed: Sequence[tuple[str, int]], watched: Mapping[str, Watched], runless: str | None
) -> RunPosition:
    if not passed:
        return RunPosition(position.newest, position.newest, (), watched, runless)
    mark = position.newest
    known = tuple(number for _, number in passed if mark is None or number > mark[1])
    return RunPosition(mark, passed[-1], known, watched, runless)


def _place(record: dg.RunRecord) -> tuple[str, int]:
    return record.dagster_run.run_id, record.storage_id


def _ended(record: dg.RunRecord, now: datetime) -> float:
    if not record.dagster_run.is_finished:
        return now.timestamp()
    return record.end_time or record.update_timestamp.timestamp()


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)
