"""All of our tables kept fast to read: one failure costs one table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from alerting_assets.errors import LakehouseError, TableNotFound
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import TABLES


@dataclass(frozen=True)
class Maintained:
    """What became of one table. error: why it was not maintained."""

    table: str
    seconds: float
    error: str | None = None


def maintain_tables(
    lakehouse: Lakehouse,
    retention_days: int,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Maintained]:
    """on_progress: called with (tables done, tables in all)."""
    names, found = [spec.name for spec in TABLES], list[Maintained]()
    if _is_there(lakehouse, ALERT_EVALUATION_HISTORY.name):
        names.append(ALERT_EVALUATION_HISTORY.name)
    for name in names:
        started, error = time.monotonic(), None
        try:
            lakehouse.maintain(name, retention_days)
        except LakehouseError as failure:
            error = str(failure)
        found.append(Maintained(name, time.monotonic() - started, error))
        on_progress(len(found), len(names))
    return found


def _is_there(lakehouse: Lakehouse, name: str) -> bool:
    """Only where a local workspace was served there is a table of its evaluations."""
    try:
        lakehouse.version(name)
    except TableNotFound:
        return False
    except LakehouseError:  # its maintenance will say so
        return True
    return True
