"""`alerting silence add|end`: single rows of alert_silences."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.silences import OWNED_SILENCE_COLUMNS, SilenceConfiguration
from alerting_assets.configuration.listed import YAML, read_listed, table_of
from alerting_assets.configuration.silences import SILENCE
from alerting_assets.errors import DefinitionError, did_you_mean
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_SILENCES


def add_silence(lakehouse: Lakehouse, silence: SilenceConfiguration, now: datetime) -> None:
    """Store a new silence. Raises DefinitionError where there is one of that id."""
    row = {**silence.row(), "created_at": now, "updated_at": now}
    table = table_of(SILENCE, [*OWNED_SILENCE_COLUMNS, "created_at", "updated_at"], [row])
    if not lakehouse.merge(ALERT_SILENCES.name, table, on=["silence_id"], update=()).inserted:
        message = "is there already; end it, or take another id"
        raise DefinitionError([SILENCE.problem(message, "silence_id", silence.silence_id)])


def end_silence(lakehouse: Lakehouse, silence_id: str, now: datetime) -> str:
    """Let a silence end now, and return what became of it in words. One that has not begun, or cannot be used, is removed.

    Raises DefinitionError for one that there is not, and for one that a file defines."""
    rows: dict[str, dict[str, Any]] = {row["silence_id"]: row for row in read_listed(lakehouse, SILENCE)}

    def refused(message: str) -> DefinitionError:
        return DefinitionError([SILENCE.problem(message, None, silence_id)])

    if silence_id not in rows:
        near = did_you_mean(silence_id, rows)
        raise refused(f"there is no such silence{near}; `alerting silence list --all` shows all")
    row, end = rows[silence_id], now.replace(microsecond=0)
    if row["managed_by"].startswith(YAML):
        file = row["managed_by"].removeprefix(YAML)
        raise refused(f"is defined in {file}, which would undo this; set its ends_at there, or remove it")
    if row["ends_at"] is not None and row["ends_at"] <= now:
        return f"had ended already, at {row['ends_at']:%Y-%m-%d %H:%M} UTC"
    is_wrong = row["schedule_cron"] is None and row["starts_at"] is None
    if is_wrong or (row["starts_at"] is not None and row["starts_at"] >= end):
        lakehouse.delete(ALERT_SILENCES.name, pa.table({"silence_id": [silence_id]}))
        return "had not begun, and is removed"
    ended = table_of(
        SILENCE,
        ["silence_id", "ends_at", "updated_at"],
        [{"silence_id": silence_id, "ends_at": end, "updated_at": now}],
    )
    lakehouse.merge(ALERT_SILENCES.name, ended, on=["silence_id"], insert=False)
    return f"ends now, at {end:%Y-%m-%d %H:%M} UTC"
