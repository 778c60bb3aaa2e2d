"""Alerts and their evaluations in SQLite. Every method is one transaction; safe from several threads. The other things that the
server keeps lie in the same file, in modules of their own: journal.py, destinations.py, secret_scopes.py.

The list of writes is kept so that a list can be answered as it was before the newest of them (fault `stale_list`).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from alerting_assets.errors import SettingsError
from alerting_assets.workspace.local.alert_body import Body, value_at
from alerting_assets.workspace.local.notify import Remembered, notifies
from alerting_assets.workspace.local.own_state import OwnState
from alerting_assets.workspace.local.rules import read_timestamp, timestamp

WRITES_KEPT = 1_000
EVALUATIONS_KEPT = 500
"""How many evaluations are kept of a single alert."""
TRASH_KEPT = timedelta(days=30)
NOTHING_OF_OURS: Mapping[str, OwnState] = MappingProxyType({})

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, parent TEXT NOT NULL,
    trashed_at TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS alerts_by_name ON alerts (parent, name);
CREATE TABLE IF NOT EXISTS writes (no INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, before TEXT);
CREATE TABLE IF NOT EXISTS evaluations (
    no INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, evaluated_at TEXT NOT NULL, state TEXT NOT NULL,
    value TEXT, row_count INTEGER, duration_ms REAL NOT NULL, error TEXT);
CREATE INDEX IF NOT EXISTS evaluations_by_alert ON evaluations (alert_id, no);
CREATE TABLE IF NOT EXISTS journal (
    no INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, query TEXT NOT NULL,
    status TEXT NOT NULL, duration_ms REAL NOT NULL, response_lost INTEGER NOT NULL, fault TEXT, alert_id TEXT);
CREATE TABLE IF NOT EXISTS destinations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, kind TEXT NOT NULL, told TEXT NOT NULL,
    sealed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS destination_writes (
    no INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, name TEXT, kind TEXT, id TEXT);
CREATE TABLE IF NOT EXISTS secret_scopes (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS secrets (
    scope TEXT NOT NULL, key TEXT NOT NULL, sealed TEXT NOT NULL, updated_at INTEGER NOT NULL, PRIMARY KEY (scope, key));
"""

_STATE = (
    "shown_state(id, json_extract(body, '$.evaluation.state'), json_extract(body, '$.evaluation.last_evaluated_at'))"
)
"""By what `_shown_states` says; before the first evaluation that is UNKNOWN."""

_LATER_COLUMNS = {
    "evaluations": {
        "run_id": "UPDATE evaluations SET run_id = new_run_id()",
        "notified": "UPDATE evaluations SET notified = '[]'",
        "threshold": "UPDATE evaluations SET threshold = 'null'",
    },
    "alerts": {
        # The first evaluation of the present run of the state.
        "since": """UPDATE alerts SET since = (
            SELECT evaluated_at FROM evaluations AS same WHERE same.alert_id = alerts.id AND same.no > coalesce((
                SELECT max(no) FROM evaluations AS other
                WHERE other.alert_id = alerts.id AND other.state <> json_extract(alerts.body, '$.evaluation.state')), 0)
            ORDER BY same.no LIMIT 1)""",
        # What notify.py remembers.
        "decided_state": """UPDATE alerts SET decided_state = (
            SELECT state FROM evaluations WHERE alert_id = alerts.id AND state <> 'ERROR' ORDER BY no DESC LIMIT 1)""",
        "notified_at": "",
    },
}
"""Columns that the tables had not from the start, all of them TEXT, and how rows that were there before get their values."""


_EVALUATION = "alert_id, evaluated_at, state, value, row_count, duration_ms, error, run_id, threshold, notified"


@dataclass(frozen=True)
class Evaluation:
    """One evaluation. value, threshold: what was compared, as JSON has it. state: OK, TRIGGERED, ERROR or UNKNOWN. notified: the
    subscriptions of the alert's body that it notified."""

    alert_id: str
    evaluated_at: str
    state: str
    value: Any
    row_count: int | None
    duration_ms: float
    error: str | None
    run_id: str
    threshold: Any = None
    notified: tuple[Body, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """When an alert is evaluated, and since when it is as it is."""

    cron: str
    zone: str
    update_time: str


class NameTaken(Exception):
    pass


class TooManyAlerts(Exception):
    pass


class Store:
    """The store of one server. folder: created if it is not there; None keeps everything in memory. One process at a time may use
    it: a second one gets SettingsError."""

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.RLock()
        self._hidden: dict[str, int] = {}
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(
                folder / "workspace.sqlite" if folder else ":memory:",
                isolation_level=None,
                check_same_thread=False,
                timeout=0.5,
            )
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # keeps a second server away from the same file
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(
                "PRAGMA synchronous = NORMAL"
            )  # survives a killed process; a power cut may cost the last writes
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            self._add_later_columns()
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise SettingsError(
                    f"another local workspace server uses {folder}: stop it, or set another ALERTING_HOME"
                ) from error
            raise SettingsError(f"the local workspace cannot keep its state in {folder}: {error}") from error
        except (OSError, sqlite3.DatabaseError) as error:
            raise SettingsError(f"the local workspace cannot keep its state in {folder}: {error}") from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def hide(self, alert_id: str, status: int | None) -> None:
        """Move an alert where the caller may not see it. status: what asking for it then answers; None: it is moved back."""
        with self._lock:
            if status is None:
                self._hidden.pop(alert_id, None)
            else:
                self._hidden[alert_id] = status

    def hidden(self) -> dict[str, int]:
        """The alerts that the caller may not see, and what asking for one answers."""
        with self._lock:
            return dict(self._hidden)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _add_later_columns(self) -> None:
        self._db.create_function("new_run_id", 0, lambda: str(uuid.uuid4()))
        with self.transaction() as db:
            for table, columns in _LATER_COLUMNS.items():
                there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
                for name, fill in columns.items():
                    if name not in there:
                        db.execute(f"ALTER TABLE {table} ADD COLUMN {name} TEXT")
                        db.execute(fill)

    # -- alerts

    def create(self, body: Body, *, limit: int, refuse_taken_name: bool, now: datetime) -> Body:
        """Add an alert and return its body. body: complete but for a free display_name. Raises NameTaken, or TooManyAlerts, for
        which trashed alerts count, too."""
        with self.transaction() as db:
            expired = (now - TRASH_KEPT).isoformat()
            if db.execute("DELETE FROM alerts WHERE trashed_at < ?", (expired,)).rowcount:
                db.execute("DELETE FROM evaluations WHERE alert_id NOT IN (SELECT id FROM alerts)")
            if db.execute("SELECT count(*) FROM alerts").fetchone()[0] >= limit:
                raise TooManyAlerts
            body = {**body, "display_name": self._free_name(db, body, refuse_taken_name, "")}
            seq = db.execute(
                "INSERT INTO alerts (id, name, parent, body) VALUES (?, ?, ?, ?)",
                (body["id"], body["display_name"], body["parent_path"], _dump(body)),
            ).lastrowid
            _note_write(db, seq, None)
        return body

    def update(self, alert_id: str, change: Callable[[Body], Body], *, refuse_taken_name: bool) -> Body | None:
        """Change an active alert and return its new body, or None where there is no such alert. change: makes the new body from the
        stored one; it may raise."""
        with self.transaction() as db:
            row = db.execute("SELECT seq, body FROM alerts WHERE id = ? AND trashed_at IS NULL", (alert_id,)).fetchone()
            if row is None:
                return None
            body = change(json.loads(row[1]))
            body["display_name"] = self._free_name(db, body, refuse_taken_name, alert_id)
            db.execute(
                "UPDATE alerts SET name = ?, body = ? WHERE seq = ?", (body["display_name"], _dump(body), row[0])
            )
            _note_write(db, row[0], row[1])
        return body

    def trash(self, alert_id: str, *, purge: bool, now: datetime) -> bool:
        """Trash an alert, and return whether there is one with this id. Trashing it twice changes nothing."""
        with self.transaction() as db:
            row = db.execute("SELECT seq, body, trashed_at FROM alerts WHERE id = ?", (alert_id,)).fetchone()
            if row is None:
                return False
            seq, text, trashed_at = row
            if purge:
                db.execute("DELETE FROM alerts WHERE seq = ?", (seq,))
                db.execute("DELETE FROM evaluations WHERE alert_id = ?", (alert_id,))
            elif trashed_at is None:
                body = {**json.loads(text), "lifecycle_state": "DELETED"}
                db.execute(
                    "UPDATE alerts SET trashed_at = ?, body = ? WHERE seq = ?", (now.isoformat(), _dump(body), seq)
                )
            else:
                return True
            _note_write(db, seq, text)
        return True

    def get(self, alert_id: str) -> Body | None:
        """The body of an alert, also of a trashed one; None where there is none."""
        with self._lock:
            row = self._db.execute("SELECT body FROM alerts WHERE id = ?", (alert_id,)).fetchone()
        return json.loads(row[0]) if row else None

    def page(self, after: int, size: int, *, before_writes: int = 0) -> list[tuple[int, Body]]:
        """Up to `size` active alerts whose sequence number is above `after`, in order of creation.

        before_writes: as the alerts were before that many of the newest writes."""
        if before_writes:
            return self._page_before_writes(after, size, before_writes)
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, body FROM alerts WHERE seq > ? AND trashed_at IS NULL ORDER BY seq LIMIT ?", (after, size)
            ).fetchall()
        return [(seq, json.loads(text)) for seq, text in rows]

    def _page_before_writes(self, after: int, size: int, writes: int) -> list[tuple[int, Body]]:
        with self._lock:
            alerts: dict[int, str | None] = dict(self._db.execute("SELECT seq, body FROM alerts").fetchall())
            undo = self._db.execute("SELECT seq, before FROM writes ORDER BY no DESC LIMIT ?", (writes,)).fetchall()
        for seq, before in undo:
            alerts[seq] = before
        bodies = [(seq, json.loads(text)) for seq, text in sorted(alerts.items()) if text is not None and seq > after]
        return [(seq, body) for seq, body in bodies if body["lifecycle_state"] == "ACTIVE"][:size]

    def count(self) -> int:
        """How many active alerts there are."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM alerts WHERE trashed_at IS NULL").fetchone()[0])

    def _shown_states(self, own: Mapping[str, OwnState]) -> None:
        """Have `_STATE` mean the state of an alert's last evaluation: of the workspace's own, or of the product's where that is newer."""

        def shown(alert_id: str, state: str | None, last_evaluated_at: str | None) -> str:
            known = own.get(alert_id)
            newer = known is not None and known.is_newer_than(last_evaluated_at)
            return known.state if known is not None and newer else state or "UNKNOWN"

        self._db.create_function("shown_state", 3, shown)

    def states(self, own: Mapping[str, OwnState] = NOTHING_OF_OURS) -> dict[str, int]:
        """How many active alerts there are in each state of their last evaluation; before the first one that is UNKNOWN.

        own: the product's evaluations, by the alert's id; they count where they are newer."""
        with self._lock:
            self._shown_states(own)
            return dict(
                self._db.execute(
                    f"SELECT {_STATE}, count(*) FROM alerts WHERE trashed_at IS NULL GROUP BY 1"
                ).fetchall()
            )

    def schedules(self) -> dict[str, Schedule]:
        """The schedules of the active alerts that are not paused, by id."""
        columns = ("$.schedule.quartz_cron_schedule", "$.schedule.timezone_id", "$.update_time")
        with self._lock:
            rows = self._db.execute(
                "SELECT id, json_extract(body, ?), json_extract(body, ?), json_extract(body, ?) FROM alerts"
                " WHERE trashed_at IS NULL AND json_extract(body, '$.schedule.pause_status') IS NOT 'PAUSED' ORDER BY seq",
                columns,
            ).fetchall()
        return {alert_id: Schedule(cron, zone, update_time) for alert_id, cron, zone, update_time in rows}

    def search(
        self,
        text: str,
        limit: int,
        offset: int,
        *,
        state: str | None = None,
        own: Mapping[str, OwnState] = NOTHING_OF_OURS,
    ) -> tuple[list[Body], int]:
        """The active alerts with this text in their names, and how many there are in all. Those that need somebody come first, and
        then it is the name that orders.

        state: of the last evaluation; UNKNOWN before the first one; None: any.
        own: the product's evaluations, by the alert's id; they count where they are newer."""
        condition = f"trashed_at IS NULL AND instr(lower(name), lower(?1)) AND (?2 IS NULL OR {_STATE} = ?2)"
        rank = f"CASE {_STATE} WHEN 'TRIGGERED' THEN 1 WHEN 'ERROR' THEN 2 WHEN 'UNKNOWN' THEN 3 ELSE 4 END"
        with self._lock:
            self._shown_states(own)
            total = self._db.execute(f"SELECT count(*) FROM alerts WHERE {condition}", (text, state)).fetchone()[0]
            rows = self._db.execute(
                f"SELECT body FROM alerts WHERE {condition} ORDER BY {rank}, name, seq LIMIT ?3 OFFSET ?4",
                (text, state, limit, offset),
            ).fetchall()
        return [json.loads(row[0]) for row in rows], int(total)

    def _free_name(self, db: sqlite3.Connection, body: Body, refuse: bool, own_id: str) -> str:
        name, number = str(body["display_name"]), 0
        query = "SELECT 1 FROM alerts WHERE parent = ? AND name = ? AND id <> ? AND trashed_at IS NULL"
        free = name
        while db.execute(query, (body["parent_path"], free, own_id)).fetchone():
            if refuse:
                raise NameTaken(name)
            number += 1
            free = f"{name} ({number})"
        return free

    # -- evaluations

    def record(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """Store evaluations and the states of their alerts together, and return them with whom they notified. Of an alert that
        vanished meanwhile only the history is stored."""
        with self.transaction() as db:
            return [self._record(db, entry) for entry in evaluations]

    def _record(self, db: sqlite3.Connection, entry: Evaluation) -> Evaluation:
        row = db.execute(
            "SELECT body, since, decided_state, notified_at FROM alerts WHERE id = ?", (entry.alert_id,)
        ).fetchone()
        if row is not None:
            entry = _with_state(db, entry, *row)
        db.execute(
            f"INSERT INTO evaluations ({_EVALUATION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.alert_id,
                entry.evaluated_at,
                entry.state,
                _dump(entry.value),
                entry.row_count,
                entry.duration_ms,
                entry.error,
                entry.run_id,
                _dump(entry.threshold),
                _dump(entry.notified),
            ),
        )
        db.execute(
            "DELETE FROM evaluations WHERE alert_id = ?1 AND no <="
            " (SELECT no FROM evaluations WHERE alert_id = ?1 ORDER BY no DESC LIMIT 1 OFFSET ?2)",
            (entry.alert_id, EVALUATIONS_KEPT),
        )
        return entry

    def evaluations(self, alert_id: str | None = None, limit: int = EVALUATIONS_KEPT) -> list[Evaluation]:
        """The evaluations of an alert, or of every alert when none is named; the newest come first."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_EVALUATION} FROM evaluations WHERE ?1 IS NULL OR alert_id = ?1 ORDER BY no DESC LIMIT ?2",
                (alert_id, limit),
            ).fetchall()
        return [
            Evaluation(
                alert, at, state, json.loads(value), count, duration, error, run, json.loads(threshold), _load(notified)
            )
            for alert, at, state, value, count, duration, error, run, threshold, notified in rows
        ]

    def since(self, alert_ids: Sequence[str]) -> dict[str, str]:
        """Since when each of these alerts that was evaluated at all is in its state, by id: the time of the first evaluation of the
        present run of that state."""
        with self._lock:
            rows = [
                self._db.execute("SELECT id, since FROM alerts WHERE id = ?", (alert_id,)).fetchone()
                for alert_id in alert_ids
            ]
        return {row[0]: row[1] for row in rows if row and row[1]}

    def last_values(self, alert_ids: Sequence[str]) -> dict[str, Any]:
        """The last value of each of these alerts that was evaluated at all, by id."""
        query = "SELECT value FROM evaluations WHERE alert_id = ? ORDER BY no DESC LIMIT 1"
        with self._lock:
            rows = {alert_id: self._db.execute(query, (alert_id,)).fetchone() for alert_id in alert_ids}
        return {alert_id: json.loads(row[0]) for alert_id, row in rows.items() if row}


def _with_state(
    db: sqlite3.Connection,
    entry: Evaluation,
    text: str,
    since: str | None,
    decided_state: str | None,
    notified_at: str | None,
) -> Evaluation:
    """Give an alert the state of this evaluation, and return the evaluation with whom it notifies.

    text: the alert's body. since, decided_state, notified_at: the alert's own columns."""
    body = json.loads(text)
    now = read_timestamp(entry.evaluated_at)
    remembered = Remembered(decided_state, read_timestamp(notified_at) if notified_at else None)
    notification = value_at(body, "evaluation.notification") or {}
    notified = body["lifecycle_state"] == "ACTIVE" and notifies(entry.state, now, remembered, notification)
    remembered = remembered.after(entry.state, now, notified)
    if since is None or value_at(body, "evaluation.state") != entry.state:
        since = entry.evaluated_at
    db.execute(
        "UPDATE alerts SET body = json_set(body, '$.evaluation.state', ?, '$.evaluation.last_evaluated_at', ?),"
        " since = ?, decided_state = ?, notified_at = ? WHERE id = ?",
        (
            entry.state,
            entry.evaluated_at,
            since,
            remembered.state,
            timestamp(remembered.notified_at) if remembered.notified_at else None,
            entry.alert_id,
        ),
    )
    return replace(entry, notified=tuple(notification.get("subscriptions", ())) if notified else ())


def _load(text: str) -> tuple[Body, ...]:
    return tuple(json.loads(text))


def _note_write(db: sqlite3.Connection, seq: int | None, before: str | None) -> None:
    no = db.execute("INSERT INTO writes (seq, before) VALUES (?, ?)", (seq, before)).lastrowid or 0
    db.execute("DELETE FROM writes WHERE no <= ?", (no - WRITES_KEPT,))


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
