"""A journal of the requests that the server got, in the store's database. Holds no headers and no bodies, so no token either."""

from __future__ import annotations

from dataclasses import dataclass

from alerting_assets.workspace.local.store import Store

ENTRIES_KEPT = 10_000

_COLUMNS = "no, time, method, path, query, status, duration_ms, response_lost, fault, alert_id"
_NO_WRITES = ("/api/2.0/sql/statements%", "/api/local/%")  # POSTs that change nothing in the workspace


@dataclass(frozen=True)
class Entry:
    """One request. no: its number, counted from 1. status: the HTTP status, or `lost` where the work was done and no answer was
    given."""

    no: int
    time: str
    method: str
    path: str
    query: str
    status: str
    duration_ms: float
    response_lost: bool
    fault: str | None
    alert_id: str | None


class Journal:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        *,
        time: str,
        method: str,
        path: str,
        query: str,
        status: int | None,
        duration_ms: float,
        fault: str | None,
        alert_id: str | None,
    ) -> None:
        """Add a request. status: None for one whose answer was lost."""
        with self._store.transaction() as db:
            values = (
                time,
                method,
                path,
                query,
                "lost" if status is None else str(status),
                round(duration_ms, 3),
                status is None,
                fault,
                alert_id,
            )
            no = db.execute(
                f"INSERT INTO journal ({_COLUMNS.removeprefix('no, ')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            ).lastrowid
            db.execute("DELETE FROM journal WHERE no <= ?", ((no or 0) - ENTRIES_KEPT,))

    def entries(self, *, since: int = 0, writes_only: bool = False, newest: int = ENTRIES_KEPT) -> list[Entry]:
        """The entries after number `since`, oldest first. Of more than `newest` entries, the newest are returned."""
        condition = "no > ?" + (" AND method <> 'GET' AND path NOT LIKE ? AND path NOT LIKE ?" if writes_only else "")
        values = (since, *(_NO_WRITES if writes_only else ()), newest)
        with self._store.transaction() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM journal WHERE {condition} ORDER BY no DESC LIMIT ?", values
            ).fetchall()
        names = _COLUMNS.split(", ")
        found = [dict(zip(names, row, strict=True)) for row in reversed(rows)]
        return [Entry(**{**values, "response_lost": bool(values["response_lost"])}) for values in found]
