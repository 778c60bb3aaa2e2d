"""A served workspace in a process of its own, which a test kills: `python -m … <folder>`.

Its alerts have another value at each evaluation. Messages to a destination whose id stands in the file `grouped` wait for others by
severity. Its log is the real table."""

from __future__ import annotations

import random
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from alerting_assets.delivery import Limits
from alerting_assets.lakehouse.deliveries import delivery_log
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_DELIVERIES
from alerting_assets.workspace.local.notifier import Delivering
from alerting_assets.workspace.local.server import LocalWorkspaceServer

LIMITS = Limits(
    first_pause=0.05,
    longest_pause=0.2,
    lease=timedelta(seconds=1),
    log_pause=timedelta(seconds=1),
    poll=0.02,
    group_wait=timedelta(seconds=0.3),
)
RESULTS = [pa.table({"n": [value]}) for value in (1.0, 7.0)]
"""Made before anybody listens: the first table of a process takes a third of a second."""


def tables_in(folder: Path) -> EmbeddedLakehouse:
    return EmbeddedLakehouse(folder / "lakehouse", "health_monitor", "gold")


def main(folder: Path) -> None:
    grouped = folder / "grouped"

    def group(destination_id: str, _alert_id: str, severity: str) -> str | None:
        return severity if grouped.exists() and grouped.read_text() == destination_id else None

    with tables_in(folder) as tables:
        tables.create_table(ALERT_DELIVERIES)
        delivers = Delivering(log=delivery_log(tables), limits=LIMITS, grouping=group)
        with LocalWorkspaceServer(
            folder / "workspace",
            lambda _: random.choice(RESULTS),
            port=None,
            delivers=delivers,
        ) as server:
            server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
