"""Messages that have not arrived yet, and what came of the others: a SQLite file that survives the death of any process at any point.

Several processes may use one file. A delivery that one of them attempts is leased to it; a lease that is not renewed ends, and another
process takes the delivery over, with the same delivery id. No secret and no URL of a destination is ever stored.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alerting_assets.delivery import grouping
from alerting_assets.delivery.event import Event, EventKind, delivery_id
from alerting_assets.delivery.record import WAITING, Attempt, Claim, Delivery, DeliveryRecord, Lane, Outcome
from alerting_assets.errors import OutboxUnavailable

KEPT = timedelta(days=30)
"""How long a delivery is kept once it is over."""
_VERSION = 2
_BUSY_SECONDS = 30.0

# A lane is a destination: it fails, pauses and recovers as a whole.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, delivery_id TEXT NOT NULL UNIQUE, event_id TEXT NOT NULL, destination_id TEXT NOT NULL,
    incident TEXT NOT NULL, kind TEXT NOT NULL, alert_id TEXT, created_at REAL NOT NULL, state TEXT NOT NULL DEFAULT 'WAITING',
    next_at REAL NOT NULL DEFAULT 0, holder TEXT, lease_until REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    first_attempt_at REAL, attempted_at REAL, response TEXT NOT NULL DEFAULT '', delivered TEXT NOT NULL DEFAULT '[]', shown TEXT,
    logged INTEGER NOT NULL DEFAULT 0, log_lease_until REAL NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS not_logged ON deliveries (seq) WHERE logged = 0 AND state <> 'WAITING';
CREATE INDEX IF NOT EXISTS over_since ON deliveries (attempted_at) WHERE state <> 'WAITING';
CREATE INDEX IF NOT EXISTS by_event ON deliveries (event_id);
CREATE TABLE IF NOT EXISTS lanes (
    destination_id TEXT PRIMARY KEY, proven INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, failing_since REAL,
    next_at REAL NOT NULL DEFAULT 0);
DROP INDEX IF EXISTS waiting_by_lane;
DROP INDEX IF EXISTS waiting_by_incident;
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS messages_by_lane ON deliveries (destination_id, next_at, seq) WHERE state = 'WAITING' AND message = seq;
CREATE INDEX IF NOT EXISTS messages_by_incident ON deliveries (destination_id, incident, message) WHERE state = 'WAITING';
"""

_DUE = """
SELECT destination_id, failures, proven FROM lanes WHERE next_at <= :now AND EXISTS (
    SELECT 1 FROM deliveries WHERE state = 'WAITING' AND message = seq AND destination_id = lanes.destination_id
        AND next_at <= :now AND lease_until <= :now)
"""
# What was never tried goes first: one message that always fails must not hold up the others, but for those of an incident that it tells.
_NEXT = """
SELECT seq, delivery_id, destination_id, attempts, delivered, body FROM deliveries AS d JOIN events USING (event_id)
WHERE state = 'WAITING' AND message = seq AND destination_id = :lane AND next_at <= :now AND lease_until <= :now AND NOT EXISTS (
    SELECT 1 FROM deliveries AS told JOIN deliveries AS earlier ON earlier.state = 'WAITING'
        AND earlier.destination_id = told.destination_id AND earlier.incident = told.incident AND earlier.message < told.message
    WHERE told.message = d.seq)
ORDER BY next_at, seq LIMIT 1
"""
_SHOWN = """
SELECT delivery_id, kind, event_id, json_extract(body, '$.subject') AS subject, destination_id, alert_id, incident, state, attempts,
    created_at, attempted_at, response, message IS NULL AS waits_for_others,
    CASE WHEN state <> 'WAITING' THEN NULL WHEN message IS NULL THEN closes_at
        ELSE nullif(max(d.next_at, coalesce(lanes.next_at, 0)), 0) END AS next_at
FROM deliveries AS d JOIN events USING (event_id) LEFT JOIN lanes USING (destination_id)
WHERE coalesce(message, seq) = seq
"""


class Outbox:
    """path: created if it is not there, readable by its owner only. clock: tells when something was put. group_wait: how long an event
    waits for others of its group. Safe from several threads."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        group_wait: timedelta = grouping.GROUP_WAIT,
    ) -> None:
        self.path = path
        self._clock, self._group_wait = clock, group_wait
        self._lock = threading.RLock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.fchmod(descriptor, 0o600)  # SQLite gives its other files the same mode
            finally:
                os.close(descriptor)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)
            self._db.row_factory = sqlite3.Row
            self._use_wal()
            # What was put survives a loss of power, too. That something was sent need not: it is sent again then.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._create()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- putting

    def put(self, event: Event, destination_ids: Iterable[str]) -> None:
        """Have the event sent to each destination. What was put already is not put again, whatever became of it."""
        self.put_all([(event, tuple(destination_ids))])

    def put_all(self, events: Iterable[tuple[Event, Iterable[str]]], groups: grouping.Groups = lambda *_: None) -> None:
        """All of them or, where it fails, none. groups: which of them wait for others (grouping.py); asked before anything is put."""
        wanted = [(event, to, groups(event, to)) for event, all_of_them in events for to in dict.fromkeys(all_of_them)]
        now = self._clock()
        with self._transaction(durable=True) as db:
            for event, destination_id, group in wanted:
                db.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (event.event_id, event.to_json()))
                db.execute("INSERT OR IGNORE INTO lanes (destination_id) VALUES (?)", (destination_id,))
                put = db.execute(
                    """INSERT OR IGNORE INTO deliveries (delivery_id, event_id, destination_id, incident, kind, alert_id, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)""",
                    (
                        delivery_id(event.event_id, destination_id),
                        event.event_id,
                        destination_id,
                        event.key,
                        event.kind.value,
                        event.alert_id,
                        now.timestamp(),
                    ),
                )
                if put.rowcount and put.lastrowid:
                    grouping.place(db, put.lastrowid, group, (now + self._group_wait).timestamp())

    # -- attempting

    def lanes_due(self, now: datetime) -> dict[str, Lane]:
        """The destinations that something can be sent to now; groups whose time is over are closed for that."""
        with self._lock, self._translated():
            is_any_due = grouping.is_any_due(self._db, now.timestamp())
        if is_any_due:
            with self._transaction(durable=True) as db:
                grouping.close_due(db, now.timestamp())
        with self._lock, self._translated():
            return self._lanes_due(now)

    def _lanes_due(self, now: datetime) -> dict[str, Lane]:
        rows = self._db.execute(_DUE, {"now": now.timestamp()}).fetchall()
        return {row["destination_id"]: Lane(row["failures"], bool(row["proven"])) for row in rows}

    def claim(
        self,
        now: datetime,
        holder: str,
        lease: timedelta,
        next_lane: Callable[[Mapping[str, Lane], Sequence[Claim]], str | None],
    ) -> list[Claim]:
        """Lease deliveries to `holder`. next_lane: of the lanes that are due and what has been taken so far, the destination to take one
        more delivery of, or None for no more."""
        time = now.timestamp()
        taken: list[Claim] = []
        with self._transaction() as db:
            due = self._lanes_due(now)
            while due and (lane := next_lane(due, taken)) is not None:
                row = db.execute(_NEXT, {"lane": lane, "now": time}).fetchone()
                if row is None:
                    del due[lane]
                    continue
                db.execute(
                    """UPDATE deliveries SET holder = ?, lease_until = ?, attempts = attempts + 1, attempted_at = ?,
                        first_attempt_at = coalesce(first_attempt_at, ?) WHERE seq = ?""",
                    (holder, time + lease.total_seconds(), time, time, row["seq"]),
                )
                event, delivered = Event.from_json(row["body"]), tuple(json.loads(row["delivered"]))
                taken.append(Claim(row["delivery_id"], event, lane, row["attempts"] + 1, now, delivered))
        return taken

    def renew(self, now: datetime, holder: str, lease: timedelta, delivery_ids: Iterable[str]) -> None:
        """Hold leases for longer."""
        until = (now + lease).timestamp()
        with self._transaction() as db:
            db.executemany(
                "UPDATE deliveries SET lease_until = ? WHERE delivery_id = ? AND holder = ? AND state = 'WAITING'",
                [(until, identity, holder) for identity in delivery_ids],
            )

    def settle(
        self, attempts: Sequence[Attempt], holder: str, give_up_after: timedelta, lane_pause: Callable[[int], float]
    ) -> list[DeliveryRecord]:
        """Store what came of attempts, and return the deliveries that are over by it.

        lane_pause: seconds that a destination is left alone after so many failures in a row."""
        over: list[str] = []
        with self._transaction() as db:
            for attempt in attempts:
                if attempt.outcome is not None:
                    over += self._end(db, attempt, attempt.outcome, attempt.response)
                    db.execute(
                        """UPDATE lanes SET proven = max(proven, ?), failures = 0, failing_since = NULL, next_at = 0
                        WHERE destination_id = ?""",
                        (attempt.outcome is Outcome.SENT, attempt.claim.destination_id),
                    )
                    continue
                over += self._postpone(db, attempt, holder, give_up_after)
                over += self._lane_failed(db, attempt, give_up_after, lane_pause)
            grouping.pass_on(db, over)
            return [_record(row) for identity in over for row in _rows(db, "delivery_id = ?", identity)]

    @staticmethod
    def _end(db: sqlite3.Connection, attempt: Attempt, outcome: Outcome, response: str) -> list[str]:
        """Whoever held it: when somebody else took it over meanwhile, what came of it is still true."""
        ended = db.execute(
            """UPDATE deliveries SET state = ?, response = ?, attempted_at = ?, shown = coalesce(?, shown), holder = NULL, lease_until = 0
            WHERE delivery_id = ? AND state = 'WAITING'""",
            (outcome, response, attempt.ended_at.timestamp(), attempt.shown, attempt.claim.delivery_id),
        ).rowcount
        return [attempt.claim.delivery_id] if ended else []

    def _postpone(self, db: sqlite3.Connection, attempt: Attempt, holder: str, give_up_after: timedelta) -> list[str]:
        now = attempt.ended_at.timestamp()
        row = db.execute(
            "SELECT first_attempt_at FROM deliveries WHERE delivery_id = ? AND holder = ? AND state = 'WAITING'",
            (attempt.claim.delivery_id, holder),
        ).fetchone()
        if row is None:
            return []
        if now - row[0] >= give_up_after.total_seconds():
            return self._end(db, attempt, Outcome.DEAD, attempt.response)
        db.execute(
            """UPDATE deliveries SET next_at = ?, response = ?, attempted_at = ?, delivered = ?, shown = coalesce(?, shown), holder = NULL,
                lease_until = 0 WHERE delivery_id = ?""",
            (
                now + max(attempt.pause, attempt.retry_after or 0),
                attempt.response,
                now,
                json.dumps(list(attempt.delivered)),
                attempt.shown,
                attempt.claim.delivery_id,
            ),
        )
        return []

    @staticmethod
    def _lane_failed(
        db: sqlite3.Connection, attempt: Attempt, give_up_after: timedelta, lane_pause: Callable[[int], float]
    ) -> list[str]:
        """Attempts that ran at the same time are one failure of the lane. What has waited behind a lane that failed all the time that is
        worthwhile is over, too: there is no need to try each of a thousand messages in vain."""
        lane, now = attempt.claim.destination_id, attempt.ended_at.timestamp()
        failures, since, next_at = db.execute(
            "SELECT failures, failing_since, next_at FROM lanes WHERE destination_id = ?", (lane,)
        ).fetchone()
        if attempt.claim.claimed_at.timestamp() >= next_at:
            failures, next_at = failures + 1, now + lane_pause(failures + 1)
        next_at = max(next_at, now + (attempt.retry_after or 0))
        since = now if since is None else since
        db.execute(
            "UPDATE lanes SET failures = ?, failing_since = ?, next_at = ? WHERE destination_id = ?",
            (failures, since, next_at, lane),
        )
        limit = now - give_up_after.total_seconds()
        if since > limit:
            return []
        where = "state = 'WAITING' AND message = seq AND destination_id = ? AND created_at <= ? AND lease_until <= ?"
        over = [row["delivery_id"] for row in _rows(db, where, lane, limit, now)]
        db.executemany(
            "UPDATE deliveries SET state = 'DEAD', attempted_at = ?, response = ? WHERE delivery_id = ?",
            [(now, attempt.response, identity) for identity in over],
        )
        return over

    # -- the log

    def take_unlogged(self, now: datetime, lease: timedelta, limit: int) -> list[DeliveryRecord]:
        """Deliveries that are over and not in the log. They are another's to log when the lease has ended and `logged` was not called."""
        time = now.timestamp()
        with self._transaction() as db:
            rows = _rows(
                db,
                f"logged = 0 AND state <> '{WAITING}' AND log_lease_until <= ? ORDER BY seq LIMIT {int(limit)}",
                time,
            )
            db.executemany(
                "UPDATE deliveries SET log_lease_until = ? WHERE delivery_id = ?",
                [(time + lease.total_seconds(), row["delivery_id"]) for row in rows],
            )
            return [_record(row) for row in rows]

    def logged(self, records: Iterable[DeliveryRecord]) -> None:
        self._set_log("logged = 1", records)

    def not_logged(self, records: Iterable[DeliveryRecord]) -> None:
        """Give back what was taken, for the next attempt."""
        self._set_log("log_lease_until = 0", records)

    def _set_log(self, change: str, records: Iterable[DeliveryRecord]) -> None:
        with self._transaction() as db:
            db.executemany(
                f"UPDATE deliveries SET {change} WHERE delivery_id = ?", [(record.delivery_id,) for record in records]
            )

    def has_unlogged(self, now: datetime) -> bool:
        with self._lock, self._translated():
            found = self._db.execute(
                "SELECT 1 FROM deliveries WHERE logged = 0 AND state <> 'WAITING' AND log_lease_until <= ? LIMIT 1",
                (now.timestamp(),),
            ).fetchone()
            return found is not None

    def prune(self, now: datetime, kept: timedelta = KEPT) -> int:
        """Forget deliveries that have been over, and in the log, for longer than `kept`; how many that were."""
        with self._transaction() as db:
            gone = db.execute(
                "DELETE FROM deliveries WHERE state <> 'WAITING' AND logged = 1 AND attempted_at < ?",
                ((now - kept).timestamp(),),
            ).rowcount
            if gone:
                db.execute("DELETE FROM events WHERE event_id NOT IN (SELECT event_id FROM deliveries)")
                db.execute(
                    "DELETE FROM lanes WHERE failures = 0 AND destination_id NOT IN (SELECT destination_id FROM deliveries)"
                )
            return gone

    # -- looking

    def waiting(self) -> list[Delivery]:
        """What has not arrived yet, in the order in which it was put. A digest stands for the events in it, here and below."""
        return self._shown(f"AND state = '{WAITING}' ORDER BY seq")

    def dead(self) -> list[Delivery]:
        """What did not arrive and will not, the newest first: outcomes FAILED and DEAD."""
        return self._shown("AND state IN ('FAILED', 'DEAD') ORDER BY attempted_at DESC, seq DESC")

    def recent(self, limit: int) -> list[Delivery]:
        """The deliveries put last, the newest first."""
        return self._shown("ORDER BY seq DESC LIMIT ?", limit)

    def number_waiting(self) -> int:
        with self._lock, self._translated():
            return int(self._db.execute("SELECT count(*) FROM deliveries WHERE state = 'WAITING'").fetchone()[0])

    def message_as_sent(self, identity: str) -> str | None:
        """The message of a delivery's last attempt without its secrets: an e-mail with its headers, or a JSON document; where it went as
        a part of a digest, the digest. None before the first attempt, and where there is no such delivery."""
        with self._lock, self._translated():
            query = "SELECT shown FROM deliveries WHERE seq = (SELECT message FROM deliveries WHERE delivery_id = ?)"
            row = self._db.execute(query, (identity,)).fetchone()
            return row[0] if row else None

    def _shown(self, rest: str, *parameters: Any) -> list[Delivery]:
        with self._lock, self._translated():
            return [_delivery(row) for row in self._db.execute(f"{_SHOWN} {rest}", parameters).fetchall()]

    # -- SQLite

    def _use_wal(self) -> None:
        """SQLite does not wait by itself when another process is doing the same to a new file."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _create(self) -> None:
        with self._transaction() as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version > _VERSION:
                raise OutboxUnavailable(f"{self.path} was written by a newer release")
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            grouping.add_columns(db)
            for statement in _INDEXES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """durable: it is on the disk when it has ended."""
        with self._lock, self._translated():
            if durable:
                self._db.execute("PRAGMA synchronous = FULL")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                        self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            finally:
                if durable:
                    self._db.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise OutboxUnavailable(f"the outbox {self.path} cannot be used: {error}") from error


def _rows(db: sqlite3.Connection, where: str, *parameters: Any) -> list[sqlite3.Row]:
    found: list[sqlite3.Row] = db.execute(f"SELECT * FROM deliveries WHERE {where}", parameters).fetchall()
    return found


def _record(row: sqlite3.Row) -> DeliveryRecord:
    return DeliveryRecord(
        row["delivery_id"],
        EventKind(row["kind"]),
        row["event_id"],
        row["destination_id"],
        row["alert_id"],
        row["incident"],
        _moment(row["attempted_at"]),
        Outcome(row["state"]),
        row["attempts"],
        row["response"],
        row["sent_as"],
    )


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(
        row["delivery_id"],
        EventKind(row["kind"]),
        row["event_id"],
        row["subject"],
        row["destination_id"],
        row["alert_id"],
        row["incident"],
        row["state"],
        row["attempts"],
        _moment(row["created_at"]),
        _moment(row["attempted_at"]) if row["attempted_at"] is not None else None,
        _moment(row["next_at"]) if row["next_at"] is not None else None,
        row["response"],
        bool(row["waits_for_others"]),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
