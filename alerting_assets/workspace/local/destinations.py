"""Notification destinations in the store of the server, with what is secret in them encrypted."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alerting_assets.errors import WorkspaceNotFound
from alerting_assets.workspace.local.alert_body import Body
from alerting_assets.workspace.local.destination_body import KINDS, Config
from alerting_assets.workspace.local.store import WRITES_KEPT, Store
from alerting_assets.workspace.local.vault import SecretLost, Vault

_USE = """
    SELECT json_extract(told.value, '$.destination_id') AS destination, count(DISTINCT alerts.id)
    FROM alerts, json_each(alerts.body, '$.evaluation.notification.subscriptions') AS told
    WHERE alerts.trashed_at IS NULL AND destination IS NOT NULL GROUP BY 1"""


@dataclass(frozen=True)
class Listed:
    """What a list says of a destination. seq: where it stands in the order of creation. kind: a key of KINDS."""

    seq: int
    id: str
    name: str
    kind: str

    @property
    def type(self) -> str:
        return KINDS[self.kind].type


@dataclass(frozen=True)
class Destination(Listed):
    """told: what is told of its configuration; addresses, and which of the others are set."""

    told: Body


@dataclass(frozen=True)
class Delivery:
    """What is needed to send to a destination. type: EMAIL, SLACK, WEBHOOK, PAGERDUTY, MICROSOFT_TEAMS. config: by field as it was
    sent: addresses; or url, username, password, integration_key, ..., secrets in clear."""

    id: str
    name: str
    type: str
    config: Mapping[str, Any] = field(repr=False)


class TypeChanged(Exception):
    """Attempted; the text is the type that the destination has."""


class TooManyDestinations(Exception):
    pass


class Destinations:
    """The notification destinations of one server. Every method is one transaction; safe from several threads."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault

    def create(self, name: str, config: Config, *, limit: int) -> Destination:
        """Raises TooManyDestinations, and SecretLost where nothing can be encrypted."""
        sealed, told = self._seal(config), json.dumps(config.told)
        with self._store.transaction() as db:
            if db.execute("SELECT count(*) FROM destinations").fetchone()[0] >= limit:
                raise TooManyDestinations
            new = str(uuid.uuid4())
            seq = db.execute(
                "INSERT INTO destinations (id, name, kind, told, sealed) VALUES (?, ?, ?, ?, ?)",
                (new, name, config.kind, told, sealed),
            ).lastrowid
            assert seq is not None
            _note_write(db, seq, None)
        return Destination(seq, new, name, config.kind, config.told)

    def get(self, destination_id: str) -> Destination | None:
        with self._store.transaction() as db:
            return _find(db, destination_id)

    def update(self, destination_id: str, name: str | None, config: Config | None) -> Destination | None:
        """Change the name, the whole configuration, or both, and return what it is now; None where there is no such destination. Raises
        TypeChanged, and SecretLost where nothing can be encrypted."""
        with self._store.transaction() as db:
            before = _find(db, destination_id)
            if before is None:
                return None
            if config is not None and config.kind != before.kind:
                raise TypeChanged(before.type)
            if config is not None:
                db.execute(
                    "UPDATE destinations SET told = ?, sealed = ? WHERE seq = ?",
                    (json.dumps(config.told), self._seal(config), before.seq),
                )
            if name is not None:
                db.execute("UPDATE destinations SET name = ? WHERE seq = ?", (name, before.seq))
            _note_write(db, before.seq, before)
            return _find(db, destination_id)

    def delete(self, destination_id: str) -> bool:
        """Whether there was one. Alerts that use it go on naming it."""
        with self._store.transaction() as db:
            before = _find(db, destination_id)
            if before is None:
                return False
            db.execute("DELETE FROM destinations WHERE seq = ?", (before.seq,))
            _note_write(db, before.seq, before)
        return True

    def page(self, after: int, size: int, *, before_writes: int = 0) -> list[Listed]:
        """Up to `size` destinations whose sequence number is above `after`, in order of creation.

        before_writes: as the destinations were before that many of the newest writes."""
        with self._store.transaction() as db:
            if not before_writes:
                query = "SELECT seq, id, name, kind FROM destinations WHERE seq > ? ORDER BY seq LIMIT ?"
                return [Listed(*row) for row in db.execute(query, (after, size))]
            known: dict[int, Listed | None] = {
                row[0]: Listed(*row) for row in db.execute("SELECT seq, id, name, kind FROM destinations")
            }
            undo = db.execute(
                "SELECT seq, id, name, kind FROM destination_writes ORDER BY no DESC LIMIT ?", (before_writes,)
            )
            for row in undo:
                known[row[0]] = None if row[1] is None else Listed(*row)
        found = [one for seq, one in sorted(known.items()) if one is not None and seq > after]
        return found[:size]

    def ids(self) -> frozenset[str]:
        with self._store.transaction() as db:
            return frozenset(row[0] for row in db.execute("SELECT id FROM destinations"))

    def all(self) -> list[Destination]:
        """In order of creation."""
        with self._store.transaction() as db:
            rows = db.execute("SELECT seq, id, name, kind, told FROM destinations ORDER BY seq").fetchall()
        return [_read(*row) for row in rows]

    def use(self) -> dict[str, int]:
        """How many active alerts notify each destination that is notified at all, by id; also of those that were deleted."""
        with self._store.transaction() as db:
            return dict(db.execute(_USE).fetchall())

    def for_delivery(self, destination_id: str) -> Delivery:
        """What is needed to send to a destination; it goes nowhere else, and never over HTTP. Raises WorkspaceNotFound, and SecretLost
        with the reason when the secrets cannot be decrypted any more."""
        with self._store.transaction() as db:
            found = _find(db, destination_id)
            row = db.execute("SELECT sealed FROM destinations WHERE id = ?", (destination_id,)).fetchone()
        if found is None:
            raise WorkspaceNotFound(
                f"the notification destination {destination_id!r} does not exist in the local workspace"
            )
        try:
            config = json.loads(self._vault.open(row[0])) if row[0] else found.told
        except SecretLost as error:
            raise SecretLost(f"notification destination {found.name!r} ({found.id}): {error}") from None
        return Delivery(found.id, found.name, found.type, config)

    def _seal(self, config: Config) -> str:
        """Empty where all of it is told, so that nothing of it can be lost."""
        return "" if config.told == config.values else self._vault.seal(json.dumps(config.values))

    def problem(self, destination_id: str) -> str | None:
        """Why nothing can be sent to a destination; None where nothing is known to be in the way."""
        try:
            self.for_delivery(destination_id)
        except (SecretLost, WorkspaceNotFound) as error:
            return str(error)
        return None


def _find(db: sqlite3.Connection, destination_id: str) -> Destination | None:
    query = "SELECT seq, id, name, kind, told FROM destinations WHERE id = ?"
    row = db.execute(query, (destination_id,)).fetchone()
    return _read(*row) if row else None


def _read(seq: int, destination_id: str, name: str, kind: str, told: str) -> Destination:
    return Destination(seq, destination_id, name, kind, json.loads(told))


def _note_write(db: sqlite3.Connection, seq: int, before: Listed | None) -> None:
    values = (before.id, before.name, before.kind) if before else (None, None, None)
    no = db.execute(
        "INSERT INTO destination_writes (seq, id, name, kind) VALUES (?, ?, ?, ?)", (seq, *values)
    ).lastrowid
    db.execute("DELETE FROM destination_writes WHERE no <= ?", ((no or 0) - WRITES_KEPT,))
