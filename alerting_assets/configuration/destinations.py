"""Notification destinations: YAML files into the table, rows out as checked destinations.

They lie in the folder `destinations` below that of the definitions, or in a list `destinations:` beside alerts. YAML owns what it
defined, and nothing else; a definition that cannot be used costs its own destination, whose row stays as it was last right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.destinations import (
    OWNED_DESTINATION_COLUMNS,
    DestinationConfiguration,
    parse_destination,
)
from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_entries
from alerting_assets.configuration.files import DESTINATIONS, Folder, read_folder
from alerting_assets.configuration.rows import Row, target_of
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets.lakehouse.arrow import arrow_schema, as_rows
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import NOTIFICATION_DESTINATIONS
from alerting_assets.settings import Settings

YAML = "yaml:"
_MAY_HOLD_SOME = re.compile(rf"{DESTINATIONS}[\"']?\s*:")


@dataclass(frozen=True)
class ConfiguredDestination:
    """A row, checked. With problems there is no configuration, and nothing is sent anywhere for it."""

    destination_id: str
    configuration: DestinationConfiguration | None
    problems: tuple[Problem, ...] = ()
    is_enabled: bool = True


@dataclass(frozen=True)
class DestinationLoad:
    """What a load does, or did, to the rows.

    destinations: what the files say. added, changed, removed: destination_ids, by what happens to their rows.
    kept: destination_id → why its row stays as it is, although the files do not say it any more in a way that can be used."""

    destinations: tuple[DestinationConfiguration, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    kept: Mapping[str, str]
    problems: tuple[Problem, ...]

    @property
    def writes(self) -> list[DestinationConfiguration]:
        wanted = {*self.added, *self.changed}
        return [one for one in self.destinations if one.destination_id in wanted]


def read_destination_rows(lakehouse: Lakehouse) -> list[Row]:
    """All rows of notification_destinations, ordered by destination_id."""
    rows: list[Row] = as_rows(lakehouse.read(NOTIFICATION_DESTINATIONS.name))
    return sorted(rows, key=lambda row: str(row["destination_id"]))


def to_destinations(rows: Iterable[Row]) -> list[ConfiguredDestination]:
    """One for each destination_id. Rows that share one become one destination, which has that as its problem."""
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        by_id.setdefault(row["destination_id"], []).append(row)
    return [_to_destination(destination_id, same) for destination_id, same in by_id.items()]


def _to_destination(destination_id: str, rows: Sequence[Row]) -> ConfiguredDestination:
    row = rows[0]
    is_enabled = row["is_enabled"] is not False
    if len(rows) > 1:
        message = f"{len(rows)} rows of notification_destinations share it; keep one"
        problem = Problem(message, "destination_id", destination_id=destination_id)
        return ConfiguredDestination(destination_id, None, (problem,), is_enabled)
    try:
        return ConfiguredDestination(destination_id, parse_destination(_owned(row)), is_enabled=is_enabled)
    except DefinitionError as error:
        return ConfiguredDestination(destination_id, None, tuple(error.problems), is_enabled)


def plan_destination_load(directory: Path, rows: Sequence[Row], *, strict: bool = False) -> DestinationLoad:
    """What loading the files of a folder of definitions would do; reads the files and writes nothing. A folder that is missing, or holds
    no file at all, removes nothing: it is the wrong one.

    rows: the table as it is. strict: one problem, and nothing is loaded: raises DefinitionError."""
    own, beside = read_folder(directory / DESTINATIONS), read_folder(directory)
    if not (own.texts or beside.texts):
        return DestinationLoad((), (), (), (), {}, ())
    defined: dict[str, DestinationConfiguration] = {}
    places: dict[str, str] = {}
    held: set[str] = set()
    unclear: set[str] = set()
    problems: list[Problem] = []
    for file, entries, wrong in _entries(own, beside):
        problems += wrong
        if wrong:
            unclear.add(file)
        for entry in entries:
            one, faults = _parse(entry, file)
            problems += faults
            destination_id = entry.get("destination_id")
            if not isinstance(destination_id, str):
                unclear.add(file)
                continue
            if destination_id in places:
                message = f"is used at {places[destination_id]} as well; neither is taken until one of them is gone"
                line = line_of(entry, "destination_id")
                problems.append(Problem(message, "destination_id", file=file, line=line, destination_id=destination_id))
                held.add(destination_id)
            places.setdefault(destination_id, f"{file}:{line_of(entry)}")
            if one is None:
                held.add(destination_id)
            else:
                defined[destination_id] = one
    for row in rows:
        destination_id = row["destination_id"]
        if destination_id in defined and not _is_from_yaml(row):
            message = f"is a row that {row['managed_by']} manages; delete that row, or take another id"
            problems.append(
                Problem(
                    message,
                    "destination_id",
                    file=places[destination_id].rpartition(":")[0],
                    destination_id=destination_id,
                )
            )
            held.add(destination_id)
    if strict and problems:
        raise DefinitionError(problems)
    return _difference(rows, {name: one for name, one in defined.items() if name not in held}, held, unclear, problems)


def load_destinations(lakehouse: Lakehouse, directory: Path, now: datetime, *, strict: bool = False) -> DestinationLoad:
    """Load the files of a folder into the table, as `plan_destination_load` says."""
    rows = read_destination_rows(lakehouse)
    result = plan_destination_load(directory, rows, strict=strict)
    before = {row["destination_id"]: row for row in rows}
    written = [{**one.row(), "created_at": now, "updated_at": now, "definition_error": None} for one in result.writes]
    noted = [
        {"destination_id": name, "definition_error": result.kept.get(name)}
        for name, row in before.items()
        if name not in result.removed and row["definition_error"] != result.kept.get(name)
    ]
    name, schema = NOTIFICATION_DESTINATIONS.name, arrow_schema(NOTIFICATION_DESTINATIONS)
    if written:
        names = [*OWNED_DESTINATION_COLUMNS, "created_at", "updated_at", "definition_error"]
        table = pa.Table.from_pylist(written, schema=pa.schema([schema.field(column) for column in names]))
        update = [column for column in names if column not in ("destination_id", "created_at")]
        lakehouse.merge(name, table, on=["destination_id"], update=update)
    if noted:
        names = ["destination_id", "definition_error"]
        table = pa.Table.from_pylist(noted, schema=pa.schema([schema.field(column) for column in names]))
        lakehouse.merge(name, table, on=["destination_id"], update=["definition_error"], insert=False)
    if result.removed:
        lakehouse.delete(name, pa.table({"destination_id": list(result.removed)}))
    return result


def target_in(
    lakehouse: Lakehouse, settings: Settings, host: str | None = None, rows: Sequence[Row] | None = None
) -> Target:
    """The target of an environment with its channels: destinations, and the names that ALERTING_CHANNELS sets.

    host: of the workspace that alerts are about to be deployed to; there a destination without an id is closed. None: for a look ahead,
        in which a destination that is yet to be created counts as there.
    rows: of notification_destinations, where not those of the table."""
    addresses: dict[str, tuple[str, ...]] = dict(settings.addresses)
    closed: dict[str, str] = {}
    for one, row in _with_rows(read_destination_rows(lakehouse) if rows is None else rows):
        name = one.destination_id
        addresses.pop(name, None)
        remote_id = row["databricks_destination_id"] if host in (None, row["databricks_host"]) else None
        if one.configuration is None:
            closed[name] = f"cannot be used: {'; '.join(str(problem) for problem in one.problems)}"
        elif not one.is_enabled:
            closed[name] = "is disabled"
        elif remote_id is not None or host is None:
            addresses[name] = (remote_id or f"new:{name}",)
        else:
            closed[name] = f"is not in the workspace: {row['last_sync_error'] or 'run `alerting apply`'}"
    return replace(target_of(settings), addresses=addresses, closed=closed)


def destinations_in_words(lakehouse: Lakehouse) -> dict[str, str]:
    """destination_id → its name, and by which way it is reached."""
    return {
        row[
            "destination_id"
        ]: f"{row['destination_name']}: {', '.join(row['email_addresses'] or ()) or row['destination_type']}"
        for row in read_destination_rows(lakehouse)
    }


def grouping_notes(rows: Iterable[Row], workspace: str) -> list[str]:
    """What people should know about group_by. workspace: as ALERTING_WORKSPACE has it."""
    grouped = sorted(row["destination_id"] for row in rows if row["group_by"])
    if workspace == "local" or not grouped:
        return []
    return [f"group_by has no effect on what Databricks sends by itself (destinations: {', '.join(grouped)})"]


def _with_rows(rows: Sequence[Row]) -> Iterable[tuple[ConfiguredDestination, Row]]:
    by_id = {row["destination_id"]: row for row in rows}
    return [(one, by_id[one.destination_id]) for one in to_destinations(rows)]


def rows_after_destination_load(rows: Sequence[Row], result: DestinationLoad) -> list[Row]:
    """The rows that the table will hold once that is loaded, for a plan that writes nothing."""
    by_id = {row["destination_id"]: row for row in rows if row["destination_id"] not in result.removed}
    empty = dict.fromkeys(NOTIFICATION_DESTINATIONS.column_names)
    written = {one.destination_id: {**by_id.get(one.destination_id, empty), **one.row()} for one in result.writes}
    return [row for _, row in sorted({**by_id, **written}.items())]


def _entries(own: Folder, beside: Folder) -> Iterable[tuple[str, list[YamlMap], list[Problem]]]:
    """(file, entries, problems) of each file that may hold destinations. own: their folder; beside: that of the alerts."""
    for problem in own.problems:
        file = f"{DESTINATIONS}/{problem.file}"
        yield file, [], [replace(problem, file=file)]
    for name, text in own.texts.items():
        file = f"{DESTINATIONS}/{name}"
        yield file, *read_entries(file, text, key=DESTINATIONS, what="destination")
    for file, text in beside.texts.items():
        if not _MAY_HOLD_SOME.search(text):
            continue
        entries, wrong = read_entries(file, text, key=DESTINATIONS, what="destination", beside=frozenset({"alerts"}))
        if any(entry.keys() & {"alert_id", "alert_query_template"} for entry in entries):
            continue  # a list of alerts without a key, one of which has the word in its text
        yield file, entries, wrong


def _parse(entry: YamlMap, file: str) -> tuple[DestinationConfiguration | None, Sequence[Problem]]:
    given = entry.get("destination_id")
    destination_id = given if isinstance(given, str) else None
    if "managed_by" in entry:
        line = line_of(entry, "managed_by")
        message = "is set by the loader; remove it"
        return None, [Problem(message, "managed_by", file=file, line=line, destination_id=destination_id)]
    try:
        made = parse_destination(
            {**entry, "managed_by": f"{YAML}{file}"},
            file=file,
            line_of=lambda field: line_of(entry, field) if field in entry else line_of(entry),
        )
    except DefinitionError as error:
        return None, error.problems
    return made, ()


def _difference(
    rows: Sequence[Row],
    defined: Mapping[str, DestinationConfiguration],
    held: set[str],
    unclear: set[str],
    problems: Sequence[Problem],
) -> DestinationLoad:
    before = {row["destination_id"]: row for row in rows}
    gone = {name for name, row in before.items() if _is_from_yaml(row) and name not in defined}
    kept = {name: _why_kept(name, problems) for name in gone if name in held or unclear}
    return DestinationLoad(
        tuple(defined[name] for name in sorted(defined)),
        added=tuple(sorted(defined.keys() - before.keys())),
        changed=tuple(
            sorted(name for name in defined.keys() & before.keys() if _owned(before[name]) != defined[name].row())
        ),
        removed=tuple(sorted(gone - kept.keys())),
        kept=kept,
        problems=tuple(problems),
    )


def _why_kept(destination_id: str, problems: Sequence[Problem]) -> str:
    own = [problem for problem in problems if problem.destination_id == destination_id]
    others = [problem for problem in problems if problem.destination_id is None]
    return "; ".join(str(problem) for problem in own or others)


def _owned(row: Row) -> Row:
    return {name: row[name] for name in OWNED_DESTINATION_COLUMNS}


def _is_from_yaml(row: Row) -> bool:
    return str(row["managed_by"]).startswith(YAML)
