"""Rows of `alert_configurations` as dicts, and as configurations that were checked."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import OWNED_COLUMNS, AlertConfiguration, parse_configuration
from alerting_assets.alerts.routes import RouteSubject
from alerting_assets.alerts.schedule import schedule_notes
from alerting_assets.errors import CompileError, DefinitionError, Problem, did_you_mean
from alerting_assets.lakehouse.arrow import arrow_schema, as_rows
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets.settings import Settings

_log = logging.getLogger(__name__)

Row = dict[str, Any]

SHOWN = 5
"""How many alerts a note names."""


@dataclass(frozen=True)
class ConfiguredAlert:
    """A row, checked and compiled. With problems there is no compiled alert; no other alert is touched by that. routed_to: what routes
    do to it (`Routed.effect`)."""

    alert_id: str
    name: str
    severity: str
    configuration: AlertConfiguration | None
    compiled: CompiledAlert | None
    problems: tuple[Problem, ...] = ()
    is_enabled: bool = True
    row_hash: str = ""
    routed_to: str | None = None


def target_of(settings: Settings) -> Target:
    return Target(
        settings.catalog,
        settings.schema,
        settings.environment,
        settings.warehouse_id,
        settings.parent_path,
        history_is_readable=settings.workspace == "local" or not settings.has_own_lakehouse,
        addresses=settings.addresses,
    )


def read_rows(lakehouse: Lakehouse) -> list[Row]:
    """All rows of alert_configurations, ordered by alert_id, with maps as dicts."""
    table = lakehouse.read(ALERT_CONFIGURATIONS.name)
    maps = [name for name in table.column_names if pa.types.is_map(table.schema.field(name).type)]
    rows: list[Row] = as_rows(table)
    for row in rows:
        for name in maps:
            row[name] = None if row[name] is None else dict(row[name])
    return sorted(rows, key=lambda row: str(row["alert_id"]))


def owned(row: Mapping[str, Any]) -> Row:
    """The part of a row that people own."""
    return {name: row[name] for name in OWNED_COLUMNS}


def row_hash(row: Mapping[str, Any], target: Target) -> str:
    """What an alert's query and condition are compiled from, as a hash: the part of its row that people own, and the target without its
    channels. Where it is the same, the same code makes the same of it."""
    there = replace(target, addresses={}, closed={})
    parts = [owned(row), {name: getattr(there, name) for name in there.__dataclass_fields__ if name != "routing"}]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def to_alerts(rows: Iterable[Row], target: Target, known: Iterable[ConfiguredAlert] = ()) -> list[ConfiguredAlert]:
    """One alert for each row. Rows that share an alert_id become one alert, which has that as its problem. known: alerts that were
    made for this target before; one whose row still says the same is taken over."""
    before = {alert.alert_id: alert for alert in known}
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        by_id.setdefault(row["alert_id"], []).append(row)
    return [_to_alert(same_id, target, before.get(alert_id)) for alert_id, same_id in by_id.items()]


def _to_alert(rows: Sequence[Row], target: Target, before: ConfiguredAlert | None) -> ConfiguredAlert:
    row = rows[0]
    alert_id = row["alert_id"]
    routed_to = target.routing.decide(RouteSubject.of_row(row)).effect
    is_of_target = before is not None and before.compiled is not None and before.compiled.target == target
    if before and is_of_target and before.configuration and [before.configuration.row()] == [*map(owned, rows)]:
        return before
    configuration = None
    problems: tuple[Problem, ...]
    try:
        if len(rows) > 1:
            raise DefinitionError(
                [Problem(f"{len(rows)} rows of alert_configurations share it; keep one", "alert_id", alert_id)]
            )
        configuration = parse_configuration(owned(row))
        compiled = compile_alert(configuration, target)
    except DefinitionError as error:
        problems = error.problems
    except CompileError as error:
        problems = (Problem(error.message, error.field, alert_id),)
    except Exception as error:  # noqa: BLE001 — told as a problem and in the log: a fault of ours costs one alert, too
        _log.exception("the row of alert %s cannot be read", alert_id)
        message = (
            f"cannot be read ({type(error).__name__}: {error}), which is a fault of alerting_assets; please report it"
        )
        problems = (Problem(message, None, alert_id),)
    else:
        return ConfiguredAlert(
            alert_id,
            row["alert_name"],
            row["severity"],
            configuration,
            compiled,
            is_enabled=compiled.is_enabled,
            row_hash=row_hash(row, target),
            routed_to=routed_to,
        )
    is_enabled = row["is_enabled"] is not False
    return ConfiguredAlert(
        alert_id, row["alert_name"], row["severity"], configuration, None, problems, is_enabled, routed_to=routed_to
    )


def notes_on(alerts: Iterable[ConfiguredAlert], now: datetime) -> list[str]:
    """Sentences about enabled alerts that are right and may still surprise."""
    notes = []
    for alert in alerts:
        if alert.configuration is None or alert.compiled is None or not alert.is_enabled:
            continue
        configuration = alert.configuration
        notes += schedule_notes(alert.alert_id, configuration.schedule_cron, configuration.schedule_timezone, now)
    return notes


def channel_notes(alerts: Iterable[ConfiguredAlert]) -> list[str]:
    """Sentences about enabled alerts that are right and cannot reach everybody whom they are to tell, or are to tell nobody."""
    enabled = [(alert.alert_id, alert.compiled) for alert in alerts if alert.compiled and alert.is_enabled]
    found = [
        f"{alert_id}: {problem}. Until then it is not deployed"
        for alert_id, compiled in enabled
        if (problem := channel_problems(compiled))
    ]
    if quiet := [name for name, one in enabled if not one.routed.channels and one.routed.route is None]:
        more = f" and {len(quiet) - SHOWN} more" if len(quiet) > SHOWN else ""
        told = "names no notification_channels" if len(quiet) == 1 else "name no notification_channels"
        found.append(
            f"{', '.join(quiet[:SHOWN])}{more} {told}, and no route means {'it' if len(quiet) == 1 else 'them'}: nobody is told"
        )
    return found


def channel_problems(compiled: CompiledAlert) -> str:
    """Why an alert cannot reach everybody that it is to tell, as one sentence; empty where it can."""
    routed = compiled.routed
    if routed.problem:
        return routed.problem
    source = f"route {routed.route.route_id}" if routed.route else "notification_channels"
    return f"{source}: {'; '.join(unreachable(compiled.unmapped, compiled.target))}" if compiled.unmapped else ""


def unreachable(names: Iterable[str], target: Target) -> list[str]:
    """Why nobody is reached by these names of channels, which stand for nobody."""
    found = []
    for name in names:
        near = did_you_mean(name, [*target.addresses, *target.closed])
        found.append(
            f"the destination {name} {target.closed[name]}"
            if name in target.closed
            else f"{name} is no destination{near}; define it under `destinations:`, or set ALERTING_CHANNELS={name}=you@example.com"
        )
    return found


def as_table(configurations: Iterable[AlertConfiguration], now: datetime) -> pa.Table:
    """Configurations as rows for a merge: the columns that people own, created_at and updated_at."""
    names = [*OWNED_COLUMNS, "created_at", "updated_at"]
    whole = arrow_schema(ALERT_CONFIGURATIONS)
    schema = pa.schema([whole.field(name) for name in names])
    rows = [{**configuration.row(), "created_at": now, "updated_at": now} for configuration in configurations]
    for row in rows:
        for name in ("template_params", "tags"):
            row[name] = None if row[name] is None else sorted(row[name].items())
    return pa.Table.from_pylist(rows, schema=schema)
