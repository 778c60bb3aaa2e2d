"""A courier in a process of its own, which a test kills: `python -m … <outbox> <log> <url> [before|after]`.

With the last argument it dies by itself before, or after, it writes to its log for the first time.

Its log is a SQLite table that takes each delivery once, as the Delta table alert_deliveries does."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from alerting_assets.delivery import Courier, DeliveryRecord, Destination, DestinationType, Limits, Outbox, Sender

LEASE = timedelta(seconds=1)


def log_to(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, timeout=60)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE IF NOT EXISTS log (delivery_id TEXT PRIMARY KEY, outcome TEXT, attempts INTEGER)")
    return db


def main(outbox: Path, log: Path, url: str, dies: str = "") -> None:
    db = log_to(log)

    def write(records: Sequence[DeliveryRecord]) -> None:
        if dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        with db:
            db.executemany(
                "INSERT INTO log VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(record.delivery_id, record.outcome, record.attempts) for record in records],
            )
        if dies == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    def look_up(destination_id: str) -> Destination:
        return Destination(destination_id, "dying", DestinationType.WEBHOOK, secret=f"{url}/{destination_id}")

    limits = Limits(first_pause=0.05, longest_pause=0.2, lease=LEASE, poll=0.02)
    with Outbox(outbox) as box:
        Courier(box, Sender(), look_up, log=write, limits=limits).run_until_idle(600)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
