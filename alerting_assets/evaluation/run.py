"""One evaluation run: what the workspace evaluated is imported, the other alerts are judged, and all outcomes become one commit.

An evaluation has an id that follows from the alert, the environment and the fire time that it answers to. Recording it twice is
impossible, whoever tries: a run that was killed is made good by the next one, and two runs at once count once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.operators import State
from alerting_assets.alerts.silencing import Silences
from alerting_assets.alerts.thresholds import number_text
from alerting_assets.alerts.windows import Windows, read_windows
from alerting_assets.configuration import silences_in, traits_of
from alerting_assets.evaluation.batch import Judged, Limits, judge_alerts
from alerting_assets.evaluation.decide import Decision
from alerting_assets.evaluation.due import Due, due_alerts, evaluation_id
from alerting_assets.evaluation.imported import Imported, import_evaluations, view_of
from alerting_assets.incidents.fold import Folded, Row, Seen, fold
from alerting_assets.incidents.news import States
from alerting_assets.incidents.store import advance, catch_up, read_states
from alerting_assets.incidents.writing import write_states
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.settings import Settings
from alerting_assets.sql_literal import moment_literal

Progress = Callable[[int, int], None]
"""Called with (alerts done, alerts in all)."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one alert. seen: the status before it, and how long the incident took that it ends. due: None where somebody asked
    for it. duration_ms: what it took of the statements that judged it, shared equally by their alerts. statement_alerts: how many there
    were."""

    alert: CompiledAlert
    decision: Decision
    evaluated_at: datetime
    seen: Seen
    duration_ms: float
    statement_alerts: int
    due: Due | None = None

    @property
    def value_text(self) -> str | None:
        """The measured value as people read it; None for NULL, and where there is no value."""
        decision = self.decision
        return decision.text if decision.text is not None or decision.number is None else number_text(decision.number)

    @property
    def condition_text(self) -> str:
        """The condition in words, as in `cost is greater than 100`."""
        return f"{self.alert.value_column} {self.alert.condition.words}"

    @property
    def held_text(self) -> str | None:
        """What holds it back, or would if its model were not only tried out; None where nothing does."""
        if self.decision.silence_id is not None:
            return f"silenced by {self.decision.silence_id}"
        model, hold = self.decision.expectation, self.alert.hold
        if model is None or hold is None or not model.is_held:
            return None
        held = "held back" if hold.is_live else "would be held back, were its model not in shadow"
        return f"{held}: {model.reason}, by version {model.model_version} of {hold.model_name}"

    @property
    def evaluation_id(self) -> str:
        moment = self.due.due_at if self.due else self.evaluated_at
        return evaluation_id(self.alert.target.environment, self.alert.alert_id, moment)

    def row(self) -> dict[str, Any]:
        """A row of alert_history; columns that it leaves out are NULL."""
        threshold = self.alert.condition.threshold
        hold, model = self.alert.hold, self.decision.expectation
        is_live = hold is not None and hold.is_live
        return {
            "evaluation_id": self.evaluation_id,
            "alert_id": self.alert.alert_id,
            "evaluated_at": self.evaluated_at,
            "due_at": self.due.due_at if self.due else None,
            "missed": self.due.missed if self.due else None,
            "evaluated_by": "own",
            "evaluation_status": self.decision.state.value,
            "previous_status": self.seen.previous_status,
            "query_result_value": self.decision.number,
            "query_result_string": self.decision.text,
            "row_count": self.decision.row_count,
            "operator": self.alert.condition.operator.value,
            "threshold_value": threshold if isinstance(threshold, float) else None,
            "threshold_met": self.decision.threshold_met,
            "ml_score": model and model.score,
            "ml_suppressed": model is not None and model.is_held and is_live,
            "ml_shadow": model and model.is_held and not is_live,
            "expected": model and model.expected,
            "lower": model and model.lower,
            "upper": model and model.upper,
            "model_version": model and model.model_version,
            "ml_reason": model and model.reason,
            "silence_id": self.decision.silence_id,
            "resolution_time_seconds": self.seen.resolution_time_seconds,
            "query_duration_ms": self.duration_ms,
            "statement_alerts": self.statement_alerts,
            "error_message": self.decision.error,
            "note": self.decision.note,
            "config_hash": self.alert.config_hash,
        }


@dataclass(frozen=True)
class EvaluationRun:
    """What a run did. evaluations: in the order of the alerts."""

    evaluations: list[Evaluation]
    imported: Imported


def run_evaluations(
    lakehouse: Lakehouse,
    rows: Sequence[Mapping[str, Any]],
    alerts: Sequence[CompiledAlert],
    settings: Settings,
    now: datetime,
    *,
    only_due: bool = False,
    on_progress: Progress = lambda _done, _all: None,
) -> EvaluationRun:
    """Import what the workspace evaluated, then evaluate these alerts, or those of them that are due.

    rows: of alert_configurations. alerts: those of them that can be evaluated.

    Raises LakehouseUnavailable when the engine is away; nothing of ours is recorded then."""
    reopen = settings.reopen
    states = read_states(lakehouse, reopen)
    by_id = {alert.alert_id: alert for alert in alerts}
    newest = max(filter(None, (state.workspace_evaluated_at for state in states.by_id.values())), default=None)
    silences = silences_in(lakehouse, now)
    known = {row["alert_id"]: row for row in rows} if silences.all else {}
    imported = import_evaluations(
        lakehouse,
        view_of(settings),
        by_id,
        newest,
        now,
        settings.environment,
        settings.history_days,
        windows=_windows_since(silences, rows),
    )
    if imported.rows:
        states = read_states(lakehouse, reopen)
    due = None
    if only_due:
        grace = timedelta(minutes=settings.evaluation_grace_minutes)
        due = due_alerts((row for row in rows if row["alert_id"] in by_id), states.by_id, now, grace)
        alerts = [alert for alert in alerts if alert.alert_id in due]
    under = {
        alert.alert_id: silence_id
        for alert in alerts
        if alert.alert_id in known and (silence_id := silences.active(traits_of(known[alert.alert_id])))
    }
    limits = Limits(settings.query_seconds, settings.evaluation_seconds)
    evaluations = evaluate_alerts(
        lakehouse,
        alerts,
        now,
        due=due,
        states=states,
        under=under,
        reopen=reopen,
        limits=limits,
        on_progress=on_progress,
    )
    return EvaluationRun(evaluations, imported)


def _windows_since(silences: Silences, rows: Sequence[Mapping[str, Any]]) -> Callable[[str, datetime], Windows]:
    """(alert_id, a moment) → the windows of silence of that alert from then to now: those that are configured, and those that it was
    deployed with, whose silence may be gone by now. rows: of alert_configurations."""
    known = {row["alert_id"]: row for row in rows}

    def since(alert_id: str, moment: datetime) -> Windows:
        row = known.get(alert_id)
        if row is None:
            return ()
        applied = read_windows(row.get("applied_silences"))
        return (*(silences.since(traits_of(row), moment) if silences.all else ()), *applied)

    return since


def evaluate_alerts(
    lakehouse: Lakehouse,
    alerts: Sequence[CompiledAlert],
    now: datetime,
    *,
    due: Mapping[str, Due] | None = None,
    states: States | None = None,
    under: Mapping[str, str] = MappingProxyType({}),
    reopen: timedelta = Settings().reopen,
    limits: Limits | None = None,
    on_progress: Progress = lambda _done, _all: None,
) -> list[Evaluation]:
    """Evaluate alerts and record all of it in one commit; evaluations are returned in the order of `alerts`.

    due: by alert_id, the fire time that an evaluation answers to; without, somebody asked for it.
    states: what is true of the alerts so far; None: it is read.
    under: alert_id → the silence_id of the silence that it is under.

    Raises LakehouseUnavailable, with nothing recorded, when the engine is away."""
    states = read_states(lakehouse, reopen) if states is None else states
    if not alerts:
        write_states(lakehouse, states, reopen)
        return []
    failed_before = {
        alert.alert_id for alert in alerts if (state := states.get(alert.alert_id)) and state.status == State.ERROR
    }
    judged = judge_alerts(lakehouse, alerts, now, alone=failed_before, limits=limits, on_progress=on_progress)
    evaluations, folded = list[Evaluation](), dict[str, Folded]()
    for alert in alerts:
        own = judged[alert.alert_id]
        own = replace(own, decision=own.decision.under(under.get(alert.alert_id)))
        evaluation, outcome = _folded(alert, own, now, states, due.get(alert.alert_id) if due else None, reopen)
        evaluations.append(evaluation)
        folded[alert.alert_id] = outcome
    recorded = record(lakehouse, [evaluation.row() for evaluation in evaluations])
    if any(state.newest.evaluated_at >= now for state in map(states.get, folded) if state is not None):
        catch_up(lakehouse, reopen)  # a clock that was set back: an evaluation that is older than what is known
    else:
        advance(lakehouse, states, folded, reopen, recorded)
    return evaluations


def _folded(
    alert: CompiledAlert, judged: Judged, now: datetime, states: States, due: Due | None, reopen: timedelta
) -> tuple[Evaluation, Folded]:
    """The evaluation, and what it makes of the alert's state."""
    unseen = Evaluation(alert, judged.decision, now, Seen(None, None), judged.duration_ms, judged.statement_alerts, due)
    row = unseen.row()
    values: dict[str, Any] = {name: row.get(name) for name in Row._fields}
    outcome = fold(states.get(alert.alert_id), [Row(**values)], reopen)
    (seen,) = outcome.seen
    return Evaluation(alert, judged.decision, now, seen, judged.duration_ms, judged.statement_alerts, due), outcome


def record(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add rows to alert_history in one commit, those that are there already left out; return how many are new. Columns that they leave
    out are NULL.

    An evaluation is never recorded before the fire time that it answers to, so that only what is newer needs to be looked at."""
    if not rows:
        return 0
    oldest = min(row.get("due_at") or row["evaluated_at"] for row in rows)
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(ALERT_HISTORY))
    among = f"target.evaluated_at >= {moment_literal(oldest)}"
    return lakehouse.merge(ALERT_HISTORY.name, table, on=["evaluation_id"], update=(), among=among).inserted
