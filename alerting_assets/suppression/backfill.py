"""What an alert's query would have measured at past moments, so that a new alert has a history to learn from.

The clock of the query is set back, one moment after the other: what it reads are the tables as they are now. So that is worth
something for queries that look at a window of time before now, and for them only; a query without a clock would measure the same at
every moment, and is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from alerting_assets.alerts import gated
from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.operators import EmptyResultState, Operator, State
from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.evaluation.batch import Limits, judge_alerts
from alerting_assets.evaluation.decide import Decision
from alerting_assets.evaluation.gates import is_met
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_BACKFILL
from alerting_assets.quartz import parse_quartz
from alerting_assets.sql_literal import identifier, text_literal
from alerting_assets.suppression.modelled import measured_hash, sides_of
from alerting_assets.suppression.open_windows import open_windows

DAYS = 56
"""What a training looks back at."""
MAX_DAYS = 366

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Backfilled:
    """What became of one alert.

    moments: how many are recorded. since: the first of them.
    failed: moments at which the query ended in an error; they are left out.
    empty: moments before the first one at which anything but 0, NULL or nothing was measured: the tables hold nothing from then.
    refused: why nothing was computed."""

    alert_id: str
    moments: int = 0
    since: datetime | None = None
    failed: int = 0
    empty: int = 0
    refused: str | None = None


def backfill(
    lakehouse: Lakehouse,
    alerts: Sequence[CompiledAlert],
    now: datetime,
    *,
    days: int = DAYS,
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Backfilled]:
    """Compute and record what these alerts would have measured in the last `days`, at the first fire time of each hour. What was
    recorded for such a moment before is replaced.

    alerts: whose queries were validated. on_progress: called with (alerts done, alerts in all).

    Raises LakehouseUnavailable when the engine is away; the alerts before are recorded then."""
    found = list[Backfilled]()
    for alert in alerts:
        found.append(_backfill(lakehouse, alert, now, days, limits))
        on_progress(len(found), len(alerts))
    return found


def moments_of(cron: str, timezone: str, since: datetime, until: datetime) -> list[datetime]:
    """The first fire time of each hour in (since, until]."""
    quartz, zone = parse_quartz(cron), ZoneInfo(timezone)
    found, after = list[datetime](), since
    while (moment := quartz.next_fire_time(after, zone)) is not None and moment <= until:
        found.append(moment)
        after = moment.replace(minute=59, second=59, microsecond=999_999)
    return found


def _backfill(
    lakehouse: Lakehouse, alert: CompiledAlert, now: datetime, days: int, limits: Limits | None
) -> Backfilled:
    moments = moments_of(alert.schedule_cron, alert.schedule_timezone, now - timedelta(days=days), now)
    if refused := _refusal(alert, moments):
        return Backfilled(alert.alert_id, refused=refused)
    asked = [*moments]
    if alert.condition.operator is Operator.CHANGES_BY:  # and what it compares with then
        lookback = timedelta(seconds=alert.condition.lookback)
        asked = sorted({*moments, *(moment - lookback for moment in moments)})
    # A query that fails at once fails at every moment, and each failure is looked for by halves.
    newest = _measure(lakehouse, alert, moments[-1:], limits)
    if (error := newest[moments[-1]].error) is not None:
        return Backfilled(alert.alert_id, failed=1, refused=f"its query failed: {error}")
    measured = newest | _measure(lakehouse, alert, asked[: asked.index(moments[-1])], limits)
    good = [moment for moment in moments if measured[moment].state is not State.ERROR]
    first = next((n for n, moment in enumerate(good) if measured[moment].number), len(good))
    rows = [_row(alert, moment, measured, now) for moment in good[first:]]
    if rows:
        among = f"target.alert_id = {text_literal(alert.alert_id)}"
        table = pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_BACKFILL))
        lakehouse.merge(ALERT_BACKFILL.name, table, on=ALERT_BACKFILL.key, among=among)
    since = good[first] if rows else None
    return Backfilled(alert.alert_id, len(rows), since, len(moments) - len(good), first)


def _refusal(alert: CompiledAlert, moments: Sequence[datetime]) -> str | None:
    """Why there is nothing to compute, in a sentence."""
    if not sides_of(alert.condition):
        return f"{alert.condition.operator} fires on no side of a number, so nothing can be expected of it"
    if not moments:
        return "its schedule did not fire in that time"
    try:
        has_clock = at_moment(alert.source_sql, moments[-1]) != alert.source_sql
    except QueryTextError as error:
        return f"its query {error}"
    if not has_clock:
        return (
            "its query has no clock function (CURRENT_TIMESTAMP(), CURRENT_DATE(), NOW(), …): it would measure the same at every moment. "
            "Its history grows with its evaluations"
        )
    if open_end := open_windows(alert.source_sql):
        names = ", ".join(open_end)
        return (
            f"its window has no end: set back, the query would also count what came later. Add to its WHERE: AND {open_end[0]} <= "
            f"CURRENT_TIMESTAMP(), which changes nothing now (columns: {names})"
        )
    return None


def _measure(
    lakehouse: Lakehouse, alert: CompiledAlert, moments: Sequence[datetime], limits: Limits | None
) -> dict[datetime, Decision]:
    """What the alert's query measures at each moment: one alert for each, and as few statements as so many alerts take."""
    alone = _measuring(alert)
    ids = {str(number): moment for number, moment in enumerate(moments)}
    set_back = [_set_back(alone, name, moment) for name, moment in ids.items()]
    # Every clock is replaced already, so that the moment of the run is none of the query.
    judged = judge_alerts(lakehouse, set_back, max(moments), limits=limits) if moments else {}
    return {moment: judged[name].decision for name, moment in ids.items()}


def _measuring(alert: CompiledAlert) -> CompiledAlert:
    """The alert without all that looks at its history or at ranges: what is left only measures."""
    sql = alert.measured_sql
    if alert.is_gated:
        sql = f"SELECT {gated.MEASURED} AS {identifier(alert.value_column)}\nFROM (\n{sql}\n) AS measured"
    condition = Condition(Operator.IS_NOT_NULL, frozenset())
    empty = EmptyResultState.OK if alert.empty_result_state is EmptyResultState.TRIGGERED else alert.empty_result_state
    return replace(
        alert,
        sql=sql,
        measured_sql=sql,
        condition=condition,
        operator=condition.operator,
        threshold=None,
        empty_result_state=empty,
        hold=None,
        windows=(),
    )


def _set_back(alert: CompiledAlert, name: str, moment: datetime) -> CompiledAlert:
    sql = at_moment(alert.sql, moment)
    return replace(alert, alert_id=name, sql=sql, measured_sql=sql, source_sql=at_moment(alert.source_sql, moment))


def _row(
    alert: CompiledAlert, moment: datetime, measured: Mapping[datetime, Decision], now: datetime
) -> dict[str, Any]:
    found, condition = measured[moment], alert.condition
    before = measured.get(moment - timedelta(seconds=condition.lookback))
    met = is_met(condition, found.number, before.number if before else None)
    if found.row_count == 0:
        met = alert.empty_result_state is EmptyResultState.TRIGGERED
    return {
        "alert_id": alert.alert_id,
        "evaluated_at": moment,
        "query_result_value": found.number,
        "threshold_met": met,
        "config_hash": measured_hash(alert),
        "backfilled_at": now,
    }
