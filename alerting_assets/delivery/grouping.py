"""Events that wait for others, to reach a destination as one message.

The first event of a group waits for a while, and those that follow meanwhile wait with it. When that time is over the group closes: one
event goes as it is, several go as a digest, which is a delivery like any other. All of it is kept in the outbox, and each step is one
transaction, so an event is in exactly one message, whatever dies at whatever moment.

A delivery's `message` is the one that it goes as: itself, or a digest; NULL while its group is open. An event joins the open group that
holds its incident already, whatever group it would be in otherwise: so no recovery overtakes its alert.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from datetime import timedelta

from alerting_assets.delivery.digest import digest
from alerting_assets.delivery.event import Event, delivery_id

GROUP_WAIT = timedelta(minutes=1)
"""How long an event waits for others of its group."""

Groups = Callable[[Event, str], str | None]
"""Of an event and a destination_id: the name of the event's group there. None: it goes by itself, and at once."""

_OPEN = "state = 'WAITING' AND message IS NULL"

_COLUMNS = {"message": "INTEGER", "group_name": "TEXT", "closes_at": "REAL", "sent_as": "TEXT"}
_INDEXES = f"""
CREATE INDEX IF NOT EXISTS by_message ON deliveries (message);
CREATE INDEX IF NOT EXISTS open_groups ON deliveries (closes_at) WHERE {_OPEN};
CREATE INDEX IF NOT EXISTS open_by_group ON deliveries (destination_id, group_name) WHERE {_OPEN};
CREATE INDEX IF NOT EXISTS open_by_incident ON deliveries (destination_id, incident) WHERE {_OPEN};
"""


def add_columns(db: sqlite3.Connection) -> None:
    """Bring a file of an earlier release up to date: what it holds goes by itself."""
    there = {row["name"] for row in db.execute("PRAGMA table_info(deliveries)")}
    for name, kind in _COLUMNS.items():
        if name not in there:
            db.execute(f"ALTER TABLE deliveries ADD COLUMN {name} {kind}")
            if name == "message":
                db.execute("UPDATE deliveries SET message = seq")
    for statement in _INDEXES.split(";"):
        db.execute(statement)


def place(db: sqlite3.Connection, seq: int, group: str | None, closes_at: float) -> None:
    """Give a delivery that was just put its group, or let it go by itself. closes_at: when a new group closes."""
    row = db.execute("SELECT destination_id, incident FROM deliveries WHERE seq = ?", (seq,)).fetchone()
    found = f"SELECT group_name, closes_at FROM deliveries WHERE {_OPEN} AND seq <> ? AND destination_id = ?"
    opened = (
        db.execute(f"{found} AND incident = ? LIMIT 1", (seq, row["destination_id"], row["incident"])).fetchone()
        or db.execute(f"{found} AND group_name = ? LIMIT 1", (seq, row["destination_id"], group)).fetchone()
    )
    if opened is not None:
        values = (opened["group_name"], opened["closes_at"], seq)
        db.execute("UPDATE deliveries SET group_name = ?, closes_at = ? WHERE seq = ?", values)
    elif group is not None:
        db.execute("UPDATE deliveries SET group_name = ?, closes_at = ? WHERE seq = ?", (group, closes_at, seq))
    else:
        db.execute("UPDATE deliveries SET message = seq WHERE seq = ?", (seq,))


def is_any_due(db: sqlite3.Connection, now: float) -> bool:
    return (
        db.execute(f"SELECT 1 FROM deliveries WHERE {_OPEN} AND closes_at <= ? LIMIT 1", (now,)).fetchone() is not None
    )


def close_due(db: sqlite3.Connection, now: float) -> None:
    """Close the groups whose time is over. In a transaction that is on the disk before anything of it is sent."""
    groups = f"SELECT DISTINCT destination_id, group_name FROM deliveries WHERE {_OPEN} AND closes_at <= ?"
    for destination_id, name in db.execute(groups, (now,)).fetchall():
        members = db.execute(
            f"""SELECT seq, body FROM deliveries JOIN events USING (event_id)
            WHERE {_OPEN} AND destination_id = ? AND group_name = ? ORDER BY seq""",
            (destination_id, name),
        ).fetchall()
        if len(members) == 1:
            db.execute("UPDATE deliveries SET message = seq WHERE seq = ?", (members[0]["seq"],))
        else:
            whole = digest([Event.from_json(member["body"]) for member in members])
            message, identity = _add(db, whole, destination_id, now)
            db.executemany(
                "UPDATE deliveries SET message = ?, sent_as = ? WHERE seq = ?",
                [(message, identity, member["seq"]) for member in members],
            )


def _add(db: sqlite3.Connection, whole: Event, destination_id: str, now: float) -> tuple[int, str]:
    """The delivery of a digest: its seq and its delivery_id. It is not logged; the events in it are."""
    identity = delivery_id(whole.event_id, destination_id)
    db.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (whole.event_id, whole.to_json()))
    seq = db.execute(
        """INSERT INTO deliveries (delivery_id, event_id, destination_id, incident, kind, created_at, logged)
        VALUES (?, ?, ?, ?, ?, ?, 1)""",
        (identity, whole.event_id, destination_id, whole.key, whole.kind.value, now),
    ).lastrowid
    assert seq is not None
    db.execute("UPDATE deliveries SET message = seq WHERE seq = ?", (seq,))
    return seq, identity


def pass_on(db: sqlite3.Connection, delivery_ids: Iterable[str]) -> None:
    """Let the parts of these digests, which are over, have the outcome of their message."""
    db.executemany(
        """UPDATE deliveries SET (state, response, attempts, attempted_at) = (
            SELECT state, response, attempts, attempted_at FROM deliveries WHERE delivery_id = ?1)
        WHERE sent_as = ?1 AND message = (SELECT seq FROM deliveries WHERE delivery_id = ?1)""",
        [(identity,) for identity in delivery_ids],
    )
