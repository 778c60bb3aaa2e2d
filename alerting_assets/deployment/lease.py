"""One sync at a time an environment, whoever starts it: a row of `sync_leases`, taken by a conditional MERGE; it expires."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import pyarrow as pa

from alerting_assets.errors import AnotherSync, LakehouseError, SyncStopped
from alerting_assets.lakehouse.port import Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_LEASES

DURATION = timedelta(minutes=1)
ASK_AGAIN_SECONDS = 0.5
"""Every how many seconds a sync that waits for another one looks whether that has ended."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """A version of alert_configurations up to which the workspace `host` is as the table says, or a row tells why not. commit: that
    made the version, by which it is known again (`Lakehouse.commit`); None where it was not stored."""

    host: str
    version: TableVersion
    commit: str | None = None

    def fits(self, lakehouse: Lakehouse) -> bool:
        """Whether the table still has that commit: it was neither restored from a copy nor made anew."""
        name, version = ALERT_CONFIGURATIONS.name, self.version
        return (
            self.commit is not None
            and lakehouse.version(name).table_id == version.table_id
            and lakehouse.commit(name, version.version) == self.commit
        )


def read_position(lakehouse: Lakehouse, environment: str) -> Position | None:
    """The position of an environment, or None before its first complete sync."""
    for row in lakehouse.read(SYNC_LEASES.name).to_pylist():
        if row["environment"] == environment and row["synced_table_id"] is not None:
            version = TableVersion(row["synced_table_id"], row["synced_version"])
            return Position(row["synced_host"], version, row["synced_commit"])
    return None


class Lease:
    """The right to sync an environment. `check` is called before every write, and raises once the lease is no longer surely ours."""

    def __init__(
        self, lakehouse: Lakehouse, environment: str, now: Callable[[], datetime], duration: timedelta = DURATION
    ) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._lakehouse = lakehouse
        self._environment = environment
        self._now = now
        self._duration = duration
        self._expires_at: datetime | None = None
        self._position: Position | None = None

    def acquire(self) -> None:
        """Take the lease. Raises AnotherSync when another sync holds it."""
        if self._take("target.expires_at <= source.now"):
            return
        rows = self._lakehouse.read(SYNC_LEASES.name).to_pylist()
        other = next((row for row in rows if row["environment"] == self._environment), None)
        if (
            other is not None
            and _died_here(other["holder"])
            and self._take("target.holder = source.dead_holder", other["holder"])
        ):
            _log.warning("the sync that held the lease (%s) was killed; its lease is taken over", other["holder"])
            return
        until = (
            f" ({other['holder']}); should that have died, its lease ends by itself at {other['expires_at']:%H:%M:%S} UTC"
            if other
            else ""
        )
        raise AnotherSync(
            f"another sync of environment {self._environment!r} is running{until}. Try again later; nothing was written"
        )

    def remember(self, position: Position) -> None:
        """Note the position that is stored when the lease is released."""
        self._position = position

    def renew(self) -> None:
        """Extend the lease. Raises SyncStopped when somebody else has it by now."""
        if not self._take("target.holder = source.holder"):
            self._expires_at = None
            raise SyncStopped(f"the sync lease of environment {self._environment!r} was taken over; this sync stops")

    def check(self) -> None:
        if self._expires_at is None or self._now() >= self._expires_at:
            raise SyncStopped(
                f"the sync lease of environment {self._environment!r} ran out before it was renewed; this sync stops"
            )

    def release(self) -> None:
        self._expires_at = None
        self._merge(self._now(), "target.holder = source.holder", insert=False, position=self._position)

    def _take(self, condition: str, dead_holder: str = "") -> bool:
        until = self._now() + self._duration
        taken = self._merge(until, condition, dead_holder, insert=True)
        if taken:
            self._expires_at = until
        return taken

    def _merge(
        self,
        expires_at: datetime,
        condition: str,
        dead_holder: str = "",
        *,
        insert: bool,
        position: Position | None = None,
    ) -> bool:
        news = {} if position is None else _columns(position)
        timestamp = pa.timestamp("us", tz="UTC")
        rows = pa.table(
            {
                "environment": [self._environment],
                "holder": [self.holder],
                "expires_at": pa.array([expires_at], timestamp),
                "now": pa.array([self._now()], timestamp),
                "dead_holder": [dead_holder],
                **{name: [value] for name, value in news.items()},
            }
        )
        result = self._lakehouse.merge(
            SYNC_LEASES.name,
            rows,
            on=["environment"],
            update=["holder", "expires_at", *news],
            insert=insert,
            matched_if=condition,
        )
        return bool(result.inserted + result.updated)


def _columns(position: Position) -> dict[str, str | int | None]:
    version = position.version
    return {
        "synced_host": position.host,
        "synced_table_id": version.table_id,
        "synced_version": version.version,
        "synced_commit": position.commit,
    }


def _died_here(holder: str) -> bool:
    """Whether the holder was a process of this machine that no longer runs. Of processes elsewhere only the expiry tells."""
    machine, _, process = holder.rpartition(":")[0].rpartition(":")
    if machine != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is there, and another user's
    return False


@contextmanager
def held_lease(
    lakehouse: Lakehouse,
    environment: str,
    now: Callable[[], datetime],
    duration: timedelta = DURATION,
    *,
    wait_seconds: float = 0.0,
) -> Iterator[Lease]:
    """Hold the lease until the block ends; it is renewed in the background.

    wait_seconds: how long another sync is waited for before AnotherSync is raised."""
    lease = Lease(lakehouse, environment, now, duration)
    _acquire(lease, wait_seconds)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(duration.total_seconds() / 3):
            try:
                lease.renew()
            except SyncStopped:
                return
            except LakehouseError as error:
                _log.warning("the sync lease could not be renewed, trying again: %s", error)

    renewal = threading.Thread(target=renew, name="sync-lease", daemon=True)
    renewal.start()
    try:
        yield lease
    finally:
        ended.set()
        renewal.join()
        lease.release()


def _acquire(lease: Lease, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    said = False
    while True:
        try:
            lease.acquire()
            return
        except AnotherSync as error:
            if time.monotonic() >= deadline:
                raise
            if not said:
                _log.warning("waiting up to %.0f s: %s", wait_seconds, error)
                said = True
        time.sleep(ASK_AGAIN_SECONDS)
