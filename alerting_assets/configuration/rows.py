"""Rows of `alert_configurations` as dicts, and as configurations that were checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.configuration import OWNED_COLUMNS, AlertConfiguration, parse_configuration
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS

Row = dict[str, Any]


@dataclass(frozen=True)
class ConfiguredAlert:
    """A row read back. configuration is None when the row itself is wrong (somebody wrote it by other means than ours)."""

    alert_id: str
    configuration: AlertConfiguration | None
    problems: tuple[Problem, ...] = ()


def read_rows(lakehouse: Lakehouse) -> list[Row]:
    """All rows, ordered by alert_id; maps as dicts."""
    table = lakehouse.read(ALERT_CONFIGURATIONS.name)
    maps = [name for name in table.column_names if pa.types.is_map(table.schema.field(name).type)]
    rows: list[Row] = table.to_pylist()
    for row in rows:
        for name in maps:
            row[name] = None if row[name] is None else dict(row[name])
    return sorted(rows, key=lambda row: str(row["alert_id"]))


def owned(row: Mapping[str, Any]) -> Row:
    """The part of a row that people own."""
    return {name: row[name] for name in OWNED_COLUMNS}


def to_alerts(rows: Iterable[Mapping[str, Any]]) -> list[ConfiguredAlert]:
    """A row that is wrong costs its own alert only. So does an alert_id that two rows share: all of them are wrong."""
    alerts = []
    seen: dict[str, int] = {}
    rows = list(rows)
    for row in rows:
        seen[row["alert_id"]] = seen.get(row["alert_id"], 0) + 1
    for row in {row["alert_id"]: row for row in rows}.values():
        alert_id = row["alert_id"]
        if seen[alert_id] > 1:
            problem = Problem(f"{seen[alert_id]} rows of alert_configurations share it; keep one", "alert_id", alert_id)
            alerts.append(ConfiguredAlert(alert_id, None, (problem,)))
            continue
        try:
            alerts.append(ConfiguredAlert(alert_id, parse_configuration(owned(row))))
        except DefinitionError as error:
            alerts.append(ConfiguredAlert(alert_id, None, error.problems))
    return alerts


def as_table(configurations: Iterable[AlertConfiguration], now: datetime) -> pa.Table:
    """For a merge: owned columns, created_at and updated_at."""
    names = [*OWNED_COLUMNS, "created_at", "updated_at"]
    whole = arrow_schema(ALERT_CONFIGURATIONS)
    schema = pa.schema([whole.field(name) for name in names])
    rows = [{**configuration.row(), "created_at": now, "updated_at": now} for configuration in configurations]
    for row in rows:
        for name in ("template_params", "tags"):
            row[name] = None if row[name] is None else sorted(row[name].items())
    return pa.Table.from_pylist(rows, schema=schema)
