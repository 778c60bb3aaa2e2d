"""All of our tables kept fast to read: one failure costs one table.

Evaluations that are too old are deleted. Then the files of each table are compacted, and those that nobody needs any more are removed,
with the log and the change feed from before. What a reader of a change feed has not read yet is kept for it, up to the retention."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerting_assets.errors import LakehouseError, TableNotFound
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import (
    ALERT_CONFIGURATIONS,
    ALERT_HISTORY,
    ALERT_INCIDENTS,
    ALERT_STATE,
    EXPECTED_RANGES,
    SYNC_LEASES,
    TABLES,
)
from alerting_assets.sql_literal import moment_literal

BUSY_TABLES = frozenset(
    spec.name
    for spec in (ALERT_HISTORY, ALERT_STATE, ALERT_INCIDENTS, SYNC_LEASES, ALERT_EVALUATION_HISTORY, EXPECTED_RANGES)
)
"""Evaluations and syncs commit to them every minute: the log of 30 days would be 43,200 files, which every query lists. Ranges are
written anew every hour, and deployed queries read them."""
BUSY_DAYS = 2
"""How long the files and the change feed of a busy table are kept when no reader is behind. The only one to follow is that of
alert_history, by every evaluation."""
AGES = {
    ALERT_HISTORY.name: "evaluated_at",
    ALERT_EVALUATION_HISTORY.name: "start_time",
    EXPECTED_RANGES.name: "valid_until",
}
"""The tables whose old rows are deleted, and the column that says how old a row is."""
RANGE_DAYS = 7
"""How long ranges are kept that are over; the history says of each evaluation which range decided."""


@dataclass(frozen=True)
class Maintained:
    """What became of one table.

    deleted: rows that were older than the history is kept; None: rows of this table do not grow old.
    compacted, removed: how many files became fewer, and how many were removed; None: the engine does not tell, or it failed.
    kept_days: of how many days the files and the change feed are kept at least.
    behind: what a reader lost that is further behind than the change feed is kept, and what it does instead; None: none is.
    error: why the table was not maintained."""

    table: str
    seconds: float
    deleted: int | None = None
    compacted: int | None = None
    removed: int | None = None
    kept_days: int | None = None
    behind: str | None = None
    error: str | None = None

    @property
    def told(self) -> str | None:
        """What somebody should read."""
        return self.error or self.behind


@dataclass(frozen=True)
class _Reader:
    """Who follows the change feed of a table. version: all changes up to it were read. instead: what it does when the feed does not
    reach back to there."""

    name: str
    version: int
    instead: str


def maintain_tables(
    lakehouse: Lakehouse,
    retention_days: int,
    history_days: int,
    now: datetime,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Maintained]:
    """retention_days: how long files and change feeds are kept. history_days: how long evaluations are kept; ranges that are over are kept
    for RANGE_DAYS.

    on_progress: called with (tables done, tables in all)."""
    names, found = [spec.name for spec in TABLES], list[Maintained]()
    if _is_there(lakehouse, ALERT_EVALUATION_HISTORY.name):
        names.append(ALERT_EVALUATION_HISTORY.name)
    for name in names:
        started, known = time.monotonic(), dict[str, Any]()
        try:
            kept = min(history_days, RANGE_DAYS) if name == EXPECTED_RANGES.name else history_days
            _maintain(lakehouse, name, retention_days, now - timedelta(days=kept), now, known)
        except LakehouseError as failure:
            known["error"] = str(failure)
        found.append(Maintained(name, time.monotonic() - started, **known))
        on_progress(len(found), len(names))
    return found


def _maintain(
    lakehouse: Lakehouse, table: str, retention_days: int, oldest: datetime, now: datetime, known: dict[str, Any]
) -> None:
    """known: the fields of Maintained, as far as it gets."""
    if column := AGES.get(table):
        known["deleted"] = lakehouse.delete_where(table, f"{column} < {moment_literal(oldest)}")
    days, known["behind"] = _kept_days(lakehouse, table, retention_days, now)
    result = lakehouse.maintain(table, days)
    known |= {"compacted": result.compacted, "removed": result.removed, "kept_days": days}


def _kept_days(lakehouse: Lakehouse, table: str, retention_days: int, now: datetime) -> tuple[int, str | None]:
    """How long the change feed of a table is kept: always back to where each of its readers is, up to the retention. And what is to be
    told of the readers that are further behind."""
    days, behind = min(retention_days, BUSY_DAYS) if table in BUSY_TABLES else retention_days, list[str]()
    head = lakehouse.version(table).version
    for reader in _readers(lakehouse, table):
        if reader.version >= head:
            continue
        # The version itself is looked at as well: by its commit the reader knows that the table is still the same.
        at = lakehouse.committed_at(table, reader.version)
        age = math.inf if at is None else (now - at) / timedelta(days=1)
        if age < retention_days:
            days = max(days, min(retention_days, math.floor(age) + 2))
        else:
            behind.append(
                f"{reader.name} read {table} up to version {reader.version} of {head}, and the changes since then are kept no longer "
                f"(ALERTING_RETENTION_DAYS={retention_days}): {reader.instead}"
            )
    return days, "; ".join(behind) or None


def _readers(lakehouse: Lakehouse, table: str) -> list[_Reader]:
    if table not in (ALERT_HISTORY.name, ALERT_CONFIGURATIONS.name):
        return []
    table_id = lakehouse.version(table).table_id
    if table == ALERT_HISTORY.name:
        rows = lakehouse.read(ALERT_STATE.name, ["history_table_id", "history_version"]).to_pylist()
        versions = [row["history_version"] for row in rows if row["history_table_id"] == table_id]
        instead = "they are made anew from all evaluations"
        return [_Reader("states and incidents", max(versions), instead)] if versions else []
    leases = lakehouse.read(SYNC_LEASES.name, ["environment", "synced_table_id", "synced_version"]).to_pylist()
    return [
        _Reader(f"the sync of {lease['environment']}", lease["synced_version"], "the next one looks at every alert")
        for lease in leases
        if lease["synced_table_id"] == table_id and lease["synced_version"] is not None
    ]


def _is_there(lakehouse: Lakehouse, name: str) -> bool:
    """Only where a local workspace was served there is a table of its evaluations."""
    try:
        lakehouse.version(name)
    except TableNotFound:
        return False
    except LakehouseError:  # its maintenance will say so
        return True
    return True
