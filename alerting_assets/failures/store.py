"""What is remembered of failures, and how far was read: a SQLite file beside the outbox.

What was decided and what is to be told are stored in one transaction; the events are then put into the outbox, which takes each of them
once, and forgotten here. So a process may die anywhere: nothing is told twice by it, and nothing is left out."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alerting_assets.delivery import Event, Severity
from alerting_assets.errors import FailureStoreUnavailable
from alerting_assets.failures.decide import Failing, Memory, Standing
from alerting_assets.failures.failure import Kind, Subject

FOLDER = "failures"
"""Below the home; in it a folder a code location."""
STORE, OUTBOX = "failures.sqlite", "outbox.sqlite"
_VERSION = 1
_BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS standings (key TEXT PRIMARY KEY, at TEXT NOT NULL, failing TEXT);
CREATE TABLE IF NOT EXISTS to_put (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, destinations TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (name TEXT PRIMARY KEY, body TEXT NOT NULL);
"""

Addressed = tuple[Event, tuple[str, ...]]


class FailureStore:
    """path: created if it is not there, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
            self._db.execute("PRAGMA synchronous = FULL")
            self._create()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def memory(self) -> dict[str, Standing]:
        with self._translated():
            rows = self._db.execute("SELECT key, at, failing FROM standings ORDER BY key").fetchall()
        return {key: Standing(datetime.fromisoformat(at), _failing(body)) for key, at, body in rows}

    def position(self, name: str) -> Any:
        """What was stored under this name, as JSON has it; None where nothing was. name: of who reads."""
        with self._translated():
            row = self._db.execute("SELECT body FROM positions WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def save(self, before: Memory, after: Memory, events: Sequence[Addressed], name: str, position: Any) -> None:
        """All of it, or none. before: the memory as it was read."""
        changed = [(key, one) for key, one in after.items() if before.get(key) != one]
        with self._transaction() as db:
            db.executemany("DELETE FROM standings WHERE key = ?", [(key,) for key in before.keys() - after.keys()])
            db.executemany(
                "INSERT OR REPLACE INTO standings VALUES (?, ?, ?)",
                [(key, one.at.isoformat(), _body(one.failing)) for key, one in changed],
            )
            db.executemany(
                "INSERT INTO to_put (event, destinations) VALUES (?, ?)",
                [(event.to_json(), json.dumps(destinations)) for event, destinations in events],
            )
            db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (name, json.dumps(position)))

    def hand_over(self, put: Callable[[list[Addressed]], None]) -> int:
        """Have the events put that were saved, and forget them once that is done; how many they were."""
        with self._translated():
            rows = self._db.execute("SELECT seq, event, destinations FROM to_put ORDER BY seq").fetchall()
        if rows:
            put([(Event.from_json(event), tuple(json.loads(names))) for _, event, names in rows])
            with self._transaction() as db:
                db.executemany("DELETE FROM to_put WHERE seq = ?", [(row[0],) for row in rows])
        return len(rows)

    def _create(self) -> None:
        with self._transaction() as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version > _VERSION:
                raise FailureStoreUnavailable(f"{self.path} was written by a newer release")
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise FailureStoreUnavailable(
                f"{self.path}, where failures are remembered, cannot be used: {error}"
            ) from error


def _body(failing: Failing | None) -> str | None:
    return None if failing is None else json.dumps(asdict(failing), default=datetime.isoformat)


def _failing(body: str | None) -> Failing | None:
    if body is None:
        return None
    stored = json.loads(body)
    subject = stored["subject"]
    return Failing(
        **{
            **stored,
            "subject": Subject(**{**subject, "kind": Kind(subject["kind"]), "owners": tuple(subject["owners"])}),
            "severity": Severity(stored["severity"]),
            "details": tuple(stored["details"]),
            "destinations": tuple(stored["destinations"]),
            "since": datetime.fromisoformat(stored["since"]),
            "told_at": datetime.fromisoformat(stored["told_at"]),
        }
    )
