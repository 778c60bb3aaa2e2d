"""The queries of many alerts in few statements, with the decisions that each alone would end in.

1. Measurements that scan the same table become one statement (`scans`); queries of every other form are put side by side by UNION ALL,
   where a value travels as text with the name of its type. Equal ones are run once.
2. Gated alerts then need what they look up in the history and among expected values, one statement a kind for all of them (`looks`), and
   their condition: their own text with what was measured and looked up in place of the queries.
3. A statement that fails is halved until one alert is left, whose own query then says what is wrong. Alerts that failed last time are
   run alone from the start.

"Now" is one moment for all of them: clock functions are replaced by it, in the text, before anything is put together."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.alerts import gated
from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.errors import AlertingError, LakehouseError, LakehouseUnavailable, QueryError
from alerting_assets.evaluation.decide import Decision, decide, failed
from alerting_assets.evaluation.gates import gate_row, is_for_us
from alerting_assets.evaluation.looks import as_sql, look_up, look_up_ranges
from alerting_assets.evaluation.scans import Scan, fused, scan_of
from alerting_assets.lakehouse.arrow import spark_type
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.sql_literal import identifier, text_literal

SCANS_IN_A_STATEMENT = 60
QUERIES_IN_A_STATEMENT = 30
GATES_IN_A_STATEMENT = 60
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
class _Item:
    """A part of a statement, and the alerts that it is for. text: what people wrote in it."""

    text: str
    alerts: tuple[CompiledAlert, ...]

    @cached_property
    def shape(self) -> str:
        """The text without its values."""
        return _VALUES.sub("?", self.text)


@dataclass(frozen=True)
class _Query(_Item):
    """One query of a UNION ALL, at the moment of the run. column: SQL of the name of what it measures."""

    column: str


@dataclass(frozen=True)
class _Scan(_Item):
    scan: Scan


@dataclass(frozen=True)
class _Measured:
    """What was measured. type_name: of the value, in Spark. text: by which it is known again in SQL; None for NULL."""

    has_row: bool
    value: Any
    type_name: str
    text: str | None
    statement_alerts: int

    @property
    def sql(self) -> str:
        value = "NULL" if self.text is None else text_literal(self.text)
        row = "" if self.has_row else " WHERE FALSE"
        return f"SELECT CAST({value} AS {self.type_name}) AS {gated.MEASURED}{row}"


@dataclass(frozen=True)
class _Gate(_Item):
    """The query of a gated alert, with nothing left in it but its condition. expected: what its model expects."""

    measured: _Measured
    expected: Mapping[str, Any]


_AnItem = TypeVar("_AnItem", bound=_Item)
_LookedUp = dict[str, dict[str, Any]]
_Look = Callable[[Callable[[str], pa.Table], Sequence[CompiledAlert], datetime], _LookedUp]


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
        scans, queries = self._sorted(alert for alert in alerts if alert.alert_id not in alone)
        with ThreadPoolExecutor(self._limits.statements_at_a_time, thread_name_prefix="evaluate") as pool:
            measuring: list[Future[list[tuple[CompiledAlert, _Measured | None]]]] = []
            for group in scans:
                measuring += [pool.submit(self._scan, chunk) for chunk in _chunks(group, SCANS_IN_A_STATEMENT)]
            measuring += [pool.submit(self._unite, chunk) for chunk in _chunks(queries, QUERIES_IN_A_STATEMENT)]
            to_gate: list[tuple[CompiledAlert, _Measured]] = []
            for future in measuring:
                for alert, measured in future.result():
                    if measured is None:
                        single.append(alert)
                    elif alert.is_gated:
                        to_gate.append((alert, measured))
                    else:
                        values = [measured.value] if measured.has_row else []
                        self._decide(alert, pa.table({alert.value_column: values}), measured.statement_alerts)
            gates = self._gates(to_gate, single)
            for failed_gates in pool.map(self._judge_gates, list(_chunks(gates, GATES_IN_A_STATEMENT))):
                single += failed_gates
            list(pool.map(self._judge_alone, single))
        if self._away is not None:
            raise self._away
        return {alert.alert_id: self._judged[alert.alert_id] for alert in alerts}

    # -- what is measured

    def _sorted(self, alerts: Iterable[CompiledAlert]) -> tuple[list[list[_Scan]], list[_Query]]:
        """Scans that can be one statement, group by group, and the other queries; equal ones once, and those that differ by values only
        side by side: what fails for the same reason is then found together."""
        by_scan = defaultdict[Scan, list[CompiledAlert]](list)
        by_sql = defaultdict[tuple[str, str], list[CompiledAlert]](list)
        for alert in alerts:
            scan = scan_of(self._at_moment(alert.source_sql), alert.value_column, alert.aggregation)
            if scan is not None:
                by_scan[scan].append(alert)
                continue
            column = gated.MEASURED if alert.is_gated else identifier(alert.value_column)
            by_sql[self._at_moment(alert.measured_sql), column].append(alert)
        groups = defaultdict[Any, list[_Scan]](list)
        for scan, found in by_scan.items():
            groups[scan.key].append(_Scan(scan.text, tuple(found), scan))
        queries = [_Query(sql, tuple(found), column) for (sql, column), found in by_sql.items()]
        return [sorted(group, key=lambda item: item.shape) for group in groups.values()], sorted(
            queries, key=lambda item: item.shape
        )

    def _scan(self, items: Sequence[_Scan]) -> list[tuple[CompiledAlert, _Measured | None]]:
        def read(result: pa.Table, number: int, statement_alerts: int) -> _Measured | None:
            column, has_row = result.column(f"v{number}"), bool(result.column(f"h{number}")[0].as_py())
            value = column[0].as_py() if has_row else None
            try:
                return _Measured(has_row, value, spark_type(column.type), _text(value), statement_alerts)
            except LakehouseError:  # of a type that has no name, such as an interval
                return None

        return self._measure(items, lambda some: fused([item.scan for item in some]), read)

    def _unite(self, items: Sequence[_Query]) -> list[tuple[CompiledAlert, _Measured | None]]:
        def sql(some: Sequence[_Query]) -> str:
            return "\nUNION ALL\n".join(
                f"SELECT {number} AS n, typeof({item.column}) AS value_type, CAST({item.column} AS STRING) AS value\n"
                f"FROM (\n{item.text}\n) AS q{number}"
                for number, item in enumerate(some)
            )

        def read(result: pa.Table, number: int, statement_alerts: int) -> _Measured | None:
            rows = result.filter(pc.equal(result.column("n"), number)).to_pylist()
            if not rows:
                return _Measured(False, None, "string", None, statement_alerts)
            (row,) = rows
            try:
                value = _typed(row["value_type"], row["value"])
            except ValueError:  # a value that has no text to travel by
                return None
            return _Measured(True, value, row["value_type"], row["value"], statement_alerts)

        return self._measure(items, sql, read)

    def _measure(
        self,
        items: Sequence[_AnItem],
        sql: Callable[[Sequence[_AnItem]], str],
        read: Callable[[pa.Table, int, int], _Measured | None],
    ) -> list[tuple[CompiledAlert, _Measured | None]]:
        found: list[tuple[CompiledAlert, _Measured | None]] = []
        for some, result in self._solve(items, sql):
            count = sum(len(item.alerts) for item in some)
            for number, item in enumerate(some):
                measured = None if result is None else read(result, number, count)
                found += [(alert, measured) for alert in item.alerts]
        return found

    # -- gated alerts

    def _gates(self, measured: Sequence[tuple[CompiledAlert, _Measured]], single: list[CompiledAlert]) -> list[_Gate]:
        """Decide what takes no engine, and return the conditions that are left. `single` gets those alerts whose history, or expected
        values, cannot be read."""
        looked_up = self._looked_up(look_up, [alert for alert, _ in measured], single)
        with_models = [alert for alert, _ in measured if alert.hold is not None and alert.alert_id in looked_up]
        ranges = self._looked_up(look_up_ranges, with_models, single)
        gates = []
        for alert, found in measured:
            if alert.alert_id not in looked_up or (alert.hold is not None and alert.alert_id not in ranges):
                continue
            looks = dict(looked_up[alert.alert_id])
            if alert.hold is not None:
                looks[holds.RANGE] = ranges[alert.alert_id]
            if is_for_us(alert.condition, found.value):
                row = gate_row(alert, found.has_row, found.value, looks)
                self._decide(alert, _result(alert, row), found.statement_alerts)
                continue
            text = gated.gate(
                found.sql, alert.value_column, alert.condition, alert.empty_result_state, as_sql(looks), hold=alert.hold
            )
            gates.append(_Gate(text, (alert,), found, looks.get(holds.RANGE, {})))
        return gates

    def _looked_up(self, look: _Look, alerts: Sequence[CompiledAlert], single: list[CompiledAlert]) -> _LookedUp:
        """alert_id → what was found. Where it cannot be read, none of these alerts is in it, and `single` gets them all."""
        if not alerts:
            return {}
        started = time.perf_counter()
        try:
            return look(self._query, alerts, self._now)
        except (QueryError, LakehouseUnavailable, _NoTimeLeft) as error:
            if isinstance(error, LakehouseUnavailable):
                self._check_engine(error)
            single += alerts
            return {}
        finally:
            self._charge(alerts, started)

    def _judge_gates(self, gates: Sequence[_Gate]) -> list[CompiledAlert]:
        """Decide; the alerts that have to be run alone are returned."""

        def sql(some: Sequence[_Gate]) -> str:
            return "\nUNION ALL\n".join(_gate_row(gate, number) for number, gate in enumerate(some))

        left = list[CompiledAlert]()
        for some, result in self._solve(gates, sql):
            if result is None:
                left += [gate.alerts[0] for gate in some]
                continue
            rows = {row["n"]: row for row in result.to_pylist()}
            for number, gate in enumerate(some):
                (alert,) = gate.alerts
                self._decide(alert, _result(alert, _decided(gate, rows.get(number))), gate.measured.statement_alerts)
        return left

    # -- statements

    def _solve(
        self, items: Sequence[_AnItem], sql: Callable[[Sequence[_AnItem]], str]
    ) -> list[tuple[Sequence[_AnItem], pa.Table | None]]:
        """The items in pieces, each with the outcome of its statement; None where that failed, and the piece is then one item."""
        result = self._answer(items, sql(items))
        if result is not None:
            return [(items, result)]
        found: list[tuple[Sequence[_AnItem], pa.Table | None]] = []
        if len(items) == 1 or self._is_over:
            found += [([item], None) for item in items]
        else:
            middle = _middle(items)
            found += self._solve(items[:middle], sql)
            found += self._solve(items[middle:], sql)
        return found

    def _answer(self, items: Sequence[_Item], sql: str) -> pa.Table | None:
        """The outcome of the statement of these items; None where it failed."""
        started = time.perf_counter()
        try:
            return self._query(sql)
        except (QueryError, _NoTimeLeft):
            return None
        except LakehouseUnavailable as error:
            self._check_engine(error)
            return None
        finally:
            self._charge([alert for item in items for alert in item.alerts], started)

    @property
    def _is_over(self) -> bool:
        return self._away is not None or time.monotonic() >= self._ends

    def _query(self, sql: str) -> pa.Table:
        """Raises _NoTimeLeft, and what a query raises."""
        if self._is_over:
            raise _NoTimeLeft
        return self._lakehouse.query(sql, seconds=self._limits.query_seconds)

    def _judge_alone(self, alert: CompiledAlert) -> None:
        """The decision by the alert's own query, as it is deployed."""
        started = time.perf_counter()
        # The isolation boundary: whatever one alert's query does, the others are judged.
        try:
            decision = decide(alert, self._query(self._at_moment(alert.sql)))
        except _NoTimeLeft:
            limit = f"{self._limits.run_seconds:g}"
            decision = failed(f"was not run: the {limit} seconds were over that all queries of a run may take together")
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


class _NoTimeLeft(Exception):
    """The run's time is over, or the engine is away."""


def _gate_row(gate: _Gate, number: int) -> str:
    """SELECT of the columns that every gate of a union has: its number, whether it fires, and as JSON what stands beside."""
    (alert,) = gate.alerts
    names = [name for name in _beside(alert) if name != gated.MEASURED]
    beside = ", ".join(f"{text_literal(name)}, {name}" for name in names)
    return (
        f"SELECT {number} AS n, {identifier(alert.value_column)} IS NOT NULL AS fires, to_json(named_struct({beside})) AS beside\n"
        f"FROM (\n{gate.text}\n) AS q{number}"
    )


def _decided(gate: _Gate, row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The row of the alert's own query, from the row of the union."""
    if row is None:
        return None
    (alert,) = gate.alerts
    beside = json.loads(row["beside"])
    fires = True if row["fires"] else None
    row = {name: beside.get(name) for name in _beside(alert)}
    if alert.hold is not None:
        row |= holds.columns(gate.expected)
    return row | {alert.value_column: fires, gated.MEASURED: gate.measured.value}


def _result(alert: CompiledAlert, row: Mapping[str, Any] | None) -> pa.Table:
    """The result of a gated alert's query."""
    if row is None:
        return pa.table({name: pa.array([], pa.string()) for name in (alert.value_column, *_beside(alert))})
    return pa.table({name: [value] for name, value in row.items()})


def _beside(alert: CompiledAlert) -> tuple[str, ...]:
    return gated.columns_of(alert.condition, alert.empty_result_state, alert.hold)


def _middle(items: Sequence[_Item]) -> int:
    """Where items are halved: between two shapes, if that is not far from the middle. What is alike fails alike."""
    half = len(items) // 2
    between = [number for number in range(1, len(items)) if items[number - 1].shape != items[number].shape]
    nearest = min(between, key=lambda number: abs(number - half), default=half)
    return nearest if len(items) // 4 <= nearest <= len(items) - len(items) // 4 else half


_VALUES = re.compile(r"'[^']*'|\b\d[\w.]*")


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


def _text(value: Any) -> str | None:
    """By which a value is known again in SQL, cast to its type."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Of about the same size."""
    count = -(-len(items) // size)
    for number in range(count):
        yield items[number * len(items) // count : (number + 1) * len(items) // count]
