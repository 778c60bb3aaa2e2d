"""The queries of many alerts in few statements, with the decisions that each alone would end in.

1. Measurements that scan the same table become one statement (`scans`), equal ones are taken once.
2. What an alert looks up beside it (its history), and the queries of every other form, are put side by side by UNION ALL; a value
   travels as text with the name of its type.
3. A statement that fails is halved until one alert is left, whose own query then says what is wrong. Alerts that failed last time are
   run alone from the start.

"Now" is one moment for all of them: clock functions are replaced by it, in the text, before anything is put together."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.alerts import gated
from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.errors import AlertingError, LakehouseUnavailable, QueryError
from alerting_assets.evaluation.decide import Decision, decide, failed
from alerting_assets.evaluation.scans import Scan, fused, scan_of
from alerting_assets.lakehouse.arrow import spark_type
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.sql_literal import identifier, text_literal

SCANS_IN_A_STATEMENT = 60
QUERIES_IN_A_STATEMENT = 30
STATEMENTS_AT_A_TIME = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """query_seconds: how long one statement may run. run_seconds: how long all of them may take; what is not begun by then is not
    run. statements_at_a_time: how many run at once."""

    query_seconds: float = 120.0
    run_seconds: float = 1_800.0
    statements_at_a_time: int = STATEMENTS_AT_A_TIME


@dataclass(frozen=True)
class Judged:
    """A decision, and what it cost. duration_ms: of the statements, shared equally by the alerts that they judged. statement_alerts:
    how many alerts the (last) statement judged."""

    decision: Decision
    duration_ms: float
    statement_alerts: int


def judge_alerts(
    lakehouse: Lakehouse,
    alerts: Sequence[CompiledAlert],
    now: datetime,
    *,
    alone: Collection[str] = (),
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Judged]:
    """The decision on every alert, by alert_id. Whatever the query of one does, the others are judged.

    alone: ids of alerts whose queries are run by themselves, since they failed last time.
    on_progress: called with (alerts judged, alerts in all).

    Raises LakehouseUnavailable when the engine is away."""
    return _Run(lakehouse, now, limits or Limits(), len(alerts), on_progress).judge(alerts, alone)


@dataclass(frozen=True)
class _Branch:
    """One query of a UNION ALL, and the alerts whose query it is. sql: at the moment of the run."""

    sql: str
    alerts: tuple[CompiledAlert, ...]

    @property
    def alert(self) -> CompiledAlert:
        return self.alerts[0]


@dataclass(frozen=True)
class _Measured:
    """A scan, and the alerts that measure by it."""

    scan: Scan
    alerts: tuple[CompiledAlert, ...]


_Item = _Branch | _Measured


@dataclass(frozen=True)
class _Answer:
    """What the statements said of one item. rows: the one row of its query, or none; None where they failed."""

    item: _Item
    rows: pa.Table | None
    statement_alerts: int


class _Run:
    def __init__(
        self,
        lakehouse: Lakehouse,
        now: datetime,
        limits: Limits,
        total: int,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._lakehouse, self._now, self._limits = lakehouse, now, limits
        self._total, self._on_progress = total, on_progress
        self._ends = time.monotonic() + limits.run_seconds
        self._judged: dict[str, Judged] = {}
        self._milliseconds: defaultdict[str, float] = defaultdict(float)
        self._away: LakehouseUnavailable | None = None
        self._lock = threading.Lock()

    def judge(self, alerts: Sequence[CompiledAlert], alone: Collection[str]) -> dict[str, Judged]:
        single = [alert for alert in alerts if alert.alert_id in alone]
        scans, branches = self._sorted(alert for alert in alerts if alert.alert_id not in alone)
        with ThreadPoolExecutor(self._limits.statements_at_a_time, thread_name_prefix="evaluate") as pool:
            first = [
                pool.submit(self._scan, chunk) for group in scans for chunk in _chunks(group, SCANS_IN_A_STATEMENT)
            ]
            first += [pool.submit(self._unite, chunk) for chunk in _chunks(branches, QUERIES_IN_A_STATEMENT)]
            looked_up = list[_Branch]()
            for future in first:
                for answer in future.result():
                    looked_up += self._take(answer, single)
            second = [pool.submit(self._unite, chunk) for chunk in _chunks(looked_up, QUERIES_IN_A_STATEMENT)]
            for future in second:
                for answer in future.result():
                    self._take(answer, single)
            list(pool.map(self._judge_alone, single))
        if self._away is not None:
            raise self._away
        return {alert.alert_id: self._judged[alert.alert_id] for alert in alerts}

    def _sorted(self, alerts: Iterable[CompiledAlert]) -> tuple[list[list[_Measured]], list[_Branch]]:
        """Scans that can be one statement, group by group, and the other queries; equal ones once."""
        by_scan = defaultdict[Scan, list[CompiledAlert]](list)
        by_sql = defaultdict[str, list[CompiledAlert]](list)
        for alert in alerts:
            scan = scan_of(self._at_moment(alert.source_sql), alert.value_column, alert.aggregation)
            if scan is None:
                by_sql[self._at_moment(alert.sql)].append(alert)
            else:
                by_scan[scan].append(alert)
        groups = defaultdict[Any, list[_Measured]](list)
        for scan, found in by_scan.items():
            groups[scan.key].append(_Measured(scan, tuple(found)))
        return list(groups.values()), [_Branch(sql, tuple(found)) for sql, found in by_sql.items()]

    def _take(self, answer: _Answer, single: list[CompiledAlert]) -> list[_Branch]:
        """Decide by an answer. Returns the queries of gated alerts that are still to be run; `single` gets the alerts that are to be run
        alone."""
        looked_up = list[_Branch]()
        for alert in answer.item.alerts:
            if answer.rows is None:
                single.append(alert)
            elif isinstance(answer.item, _Branch):
                rows = _named(alert, answer.rows)
                if rows is None:
                    single.append(alert)
                else:
                    self._decide(alert, rows, answer.statement_alerts)
            elif alert.is_gated:
                looked_up.append(_Branch(self._gated(alert, answer.rows), (alert,)))
            else:
                self._decide(alert, answer.rows.rename_columns([alert.value_column]), answer.statement_alerts)
        return looked_up

    def _gated(self, alert: CompiledAlert, measured: pa.Table) -> str:
        """The alert's query with what it measures written into it."""
        literal = f"SELECT {_literal(measured)} AS {gated.MEASURED}"
        if not measured.num_rows:
            literal += " WHERE FALSE"
        return self._at_moment(alert.sql.replace(alert.measured_sql, literal, 1))

    def _scan(self, items: Sequence[_Measured]) -> list[_Answer]:
        def read(result: pa.Table, number: int) -> pa.Table:
            has_row = result.column(f"h{number}")[0].as_py()
            return result.select([f"v{number}"]).slice(0, 1 if has_row else 0)

        return self._solve(items, lambda some: fused([item.scan for item in some]), read)

    def _unite(self, items: Sequence[_Branch]) -> list[_Answer]:
        def sql(some: Sequence[_Branch]) -> str:
            return "\nUNION ALL\n".join(_selected(item, number) for number, item in enumerate(some))

        def read(result: pa.Table, number: int) -> pa.Table:
            return result.filter(pc.equal(result.column("n"), number))

        return self._solve(items, sql, read)

    def _solve(
        self, items: Sequence[Any], sql: Callable[[Sequence[Any]], str], read: Callable[[pa.Table, int], pa.Table]
    ) -> list[_Answer]:
        """The answers on these items by one statement, or by ever smaller ones where it fails."""
        alerts = [alert for item in items for alert in item.alerts]
        started = time.perf_counter()
        try:
            if self._away or time.monotonic() >= self._ends:
                return [_Answer(item, None, len(alerts)) for item in items]
            result: pa.Table | None = self._lakehouse.query(sql(items), seconds=self._limits.query_seconds)
        except QueryError:
            result = None
        except LakehouseUnavailable as error:
            result = None
            self._check_engine(error)
        finally:
            self._charge(alerts, started)
        if result is not None:
            return [_Answer(item, read(result, number), len(alerts)) for number, item in enumerate(items)]
        if len(items) == 1:
            return [_Answer(items[0], None, len(alerts))]
        half = len(items) // 2
        return [*self._solve(items[:half], sql, read), *self._solve(items[half:], sql, read)]

    def _judge_alone(self, alert: CompiledAlert) -> None:
        """The decision by the alert's own query, as it is deployed."""
        started = time.perf_counter()
        # The isolation boundary: whatever one alert's query does, the others are judged.
        try:
            if time.monotonic() >= self._ends:
                limit = f"{self._limits.run_seconds:g}"
                decision = failed(
                    f"was not run: the {limit} seconds were over that all queries of a run may take together"
                )
            elif self._away:
                decision = failed(str(self._away))
            else:
                sql = self._at_moment(alert.sql)
                decision = decide(alert, self._lakehouse.query(sql, seconds=self._limits.query_seconds))
        except AlertingError as error:
            if isinstance(error, LakehouseUnavailable):
                self._check_engine(error)
            decision = failed(str(error))
        except Exception as error:  # noqa: BLE001
            _log.exception("alert %s", alert.alert_id)
            decision = failed(f"{type(error).__name__}: {error}")
        self._charge([alert], started)
        self._decided(alert, decision, 1)

    def _check_engine(self, error: LakehouseUnavailable) -> None:
        """Whether the engine is away, or a query brought it down."""
        try:
            self._lakehouse.query("SELECT 1 AS one")
        except AlertingError:
            self._away = error

    def _decide(self, alert: CompiledAlert, rows: pa.Table, statement_alerts: int) -> None:
        try:
            decision = decide(alert, rows)
        except Exception as error:  # noqa: BLE001
            _log.exception("alert %s", alert.alert_id)
            decision = failed(f"{type(error).__name__}: {error}")
        self._decided(alert, decision, statement_alerts)

    def _decided(self, alert: CompiledAlert, decision: Decision, statement_alerts: int) -> None:
        with self._lock:
            judged = Judged(decision, self._milliseconds[alert.alert_id], statement_alerts)
            self._judged[alert.alert_id] = judged
            self._on_progress(len(self._judged), self._total)

    def _charge(self, alerts: Sequence[CompiledAlert], started: float) -> None:
        share = (time.perf_counter() - started) * 1000 / len(alerts)
        with self._lock:
            for alert in alerts:
                self._milliseconds[alert.alert_id] += share

    def _at_moment(self, sql: str) -> str:
        try:
            return at_moment(sql, self._now)
        except QueryTextError:  # the engine says what is wrong with it
            return sql


def _selected(branch: _Branch, number: int) -> str:
    """SELECT of the columns that every query of a union has: its number, the value as text with the name of its type, whether a gated
    alert fires, and as JSON what stands beside."""
    alert = branch.alert
    column = identifier(alert.value_column)
    fires, beside = "CAST(NULL AS BOOLEAN)", "CAST(NULL AS STRING)"
    if alert.is_gated:
        names = [name for name in _beside(alert) if name != gated.MEASURED]
        fires = f"{column} IS NOT NULL"
        beside = f"to_json(named_struct({', '.join(f'{text_literal(name)}, {name}' for name in names)}))"
        column = gated.MEASURED
    return (
        f"SELECT {number} AS n, typeof({column}) AS value_type, CAST({column} AS STRING) AS value, {fires} AS fires, {beside} AS beside\n"
        f"FROM (\n{branch.sql}\n) AS q{number}"
    )


def _beside(alert: CompiledAlert) -> tuple[str, ...]:
    return gated.columns_of(alert.condition, alert.empty_result_state)


def _named(alert: CompiledAlert, rows: pa.Table) -> pa.Table | None:
    """A row of a union as the alert's own query gives it; None where its value has no text to travel by."""
    if not rows.num_rows:
        return pa.table({name: pa.array([], pa.string()) for name in (alert.value_column, *_beside(alert))})
    row = rows.to_pylist()[0]
    try:
        value = _typed(row["value_type"], row["value"])
    except ValueError:
        return None
    if not alert.is_gated:
        return pa.table({alert.value_column: [value]})
    beside = json.loads(row["beside"])
    columns: dict[str, list[Any]] = {name: [beside.get(name)] for name in _beside(alert)}
    return pa.table({alert.value_column: [True if row["fires"] else None], **columns, gated.MEASURED: [value]})


def _typed(type_name: str, text: str | None) -> Any:
    """A value by its text and the name of its type in Spark. Raises ValueError for types that have no such text."""
    if text is None:
        return None
    name = type_name.partition("(")[0]
    if name in ("tinyint", "smallint", "int", "bigint"):
        return int(text)
    if name == "float":
        return pa.scalar(float(text), pa.float32()).as_py()
    read: dict[str, Callable[[str], Any]] = {
        "double": float,
        "decimal": Decimal,
        "boolean": lambda word: word == "true",
        "string": str,
        "varchar": str,
        "char": str,
        "date": date.fromisoformat,
        "timestamp": lambda moment: datetime.fromisoformat(moment).replace(tzinfo=UTC),
        "timestamp_ntz": datetime.fromisoformat,
    }
    if name not in read:
        raise ValueError(type_name)
    return read[name](text)


def _literal(measured: pa.Table) -> str:
    """SQL of the value of a measurement, with its type."""
    type_name = spark_type(measured.schema.field(0).type)
    value = measured.column(0)[0].as_py() if measured.num_rows else None
    if value is None:
        return f"CAST(NULL AS {type_name})"
    text = (
        value.isoformat(" ")
        if isinstance(value, datetime)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    return f"CAST({text_literal(text)} AS {type_name})"


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Of about the same size."""
    count = -(-len(items) // size)
    for number in range(count):
        yield items[number * len(items) // count : (number + 1) * len(items) // count]
