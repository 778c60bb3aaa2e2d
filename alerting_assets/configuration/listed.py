"""Definitions that are no alerts: notification destinations, silences, routes. YAML files into their table, rows out as checked models.

A kind of them lies in a folder of its own below that of the definitions, or in a list beside alerts. YAML owns what it defined, and
nothing else; a definition that cannot be used costs itself only: its row stays as it was last right. Where the order of the definitions
counts, all are in one file, which is used whole or not at all: without one of them the others would mean something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from alerting_assets.alerts.definitions import LISTED
from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_entries
from alerting_assets.configuration.files import Folder, read_folder, read_single
from alerting_assets.configuration.rows import Row
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets.lakehouse.arrow import arrow_schema, as_rows
from alerting_assets.lakehouse.port import Lakehouse, TableSpec

YAML = "yaml:"


class Model(Protocol):
    """A checked definition. row: its columns that people own."""

    def row(self) -> Row: ...


Defined = TypeVar("Defined", bound=Model)


@dataclass(frozen=True)
class InOrder:
    """file: the one that holds all of them, beside the definitions' first files. column: the definition's place in it, which is first,
    first + step, and so on."""

    file: str
    column: str
    first: int
    step: int


@dataclass(frozen=True)
class Kind(Generic[Defined]):
    """A kind of definitions.

    key: the name of its list in YAML, and of its folder. what: one of them is, in messages. id_column: its key, in the table, in YAML
    and of a `Problem`. owned: the columns that people own. parse: checks values; raises DefinitionError, and takes the file and what
    tells the line of a field. in_order: of those of which the order counts."""

    table: TableSpec
    key: str
    what: str
    id_column: str
    owned: tuple[str, ...]
    parse: Callable[..., Defined]
    in_order: InOrder | None = None

    def problem(self, message: str, field: str | None, identity: str | None, **place: Any) -> Problem:
        named: dict[str, Any] = {self.id_column: identity, **place}
        return Problem(message, field, **named)

    def id_of(self, problem: Problem) -> str | None:
        found: str | None = getattr(problem, self.id_column)
        return found

    @cached_property
    def may_be_in(self) -> re.Pattern[str]:
        """What a text has that may hold a list of them."""
        return re.compile(rf"{self.key}[\"']?\s*:")


@dataclass(frozen=True)
class Configured(Generic[Defined]):
    """A row, checked. With problems there is no definition, and nothing is done for it."""

    identity: str
    definition: Defined | None
    row: Row
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Load(Generic[Defined]):
    """What a load does, or did, to the rows.

    definitions: what the files say. added, changed, removed: ids, by what happens to their rows.
    kept: id → why its row stays as it is, although the files do not say it any more in a way that can be used."""

    kind: Kind[Defined]
    definitions: Mapping[str, Defined]
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def writes(self) -> dict[str, Defined]:
        return {name: self.definitions[name] for name in sorted({*self.added, *self.changed})}

    def rows_after(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that the table will hold once that is loaded, for a plan that writes nothing."""
        by_id = {row[self.kind.id_column]: row for row in rows if row[self.kind.id_column] not in self.removed}
        empty = dict.fromkeys(self.kind.table.column_names)
        written = {name: {**by_id.get(name, empty), **one.row()} for name, one in self.writes.items()}
        return [row for _, row in sorted({**by_id, **written}.items())]


def read_listed(lakehouse: Lakehouse, kind: Kind[Any]) -> list[Row]:
    """All rows of the kind's table, ordered by id, with maps as dicts."""
    table = lakehouse.read(kind.table.name)
    maps = [name for name in table.column_names if pa.types.is_map(table.schema.field(name).type)]
    rows: list[Row] = as_rows(table)
    for row in rows:
        for name in maps:
            row[name] = None if row[name] is None else dict(row[name])
    return sorted(rows, key=lambda row: str(row[kind.id_column]))


def to_configured(kind: Kind[Defined], rows: Iterable[Row]) -> list[Configured[Defined]]:
    """One for each id. Rows that share one become one, which has that as its problem."""
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        by_id.setdefault(row[kind.id_column], []).append(row)
    return [_to_configured(kind, identity, same) for identity, same in by_id.items()]


def _to_configured(kind: Kind[Defined], identity: str, rows: Sequence[Row]) -> Configured[Defined]:
    row = rows[0]
    if len(rows) > 1:
        message = f"{len(rows)} rows of {kind.table.name} share it; keep one"
        return Configured(identity, None, row, (kind.problem(message, kind.id_column, identity),))
    try:
        return Configured(identity, kind.parse({name: row[name] for name in kind.owned}), row)
    except DefinitionError as error:
        return Configured(identity, None, row, tuple(error.problems))


def plan_listed(kind: Kind[Defined], directory: Path, rows: Sequence[Row], *, strict: bool = False) -> Load[Defined]:
    """What loading the files of a folder of definitions would do; reads the files and writes nothing. A folder that is missing, or holds
    no file at all, removes nothing: it is the wrong one.

    rows: the table as it is. strict: one problem, and nothing is loaded: raises DefinitionError."""
    if kind.in_order:
        own, beside = read_single(directory, kind.in_order.file), Folder({})
        if not (own.texts or own.problems):
            return _without_file(kind, kind.in_order.file, rows, strict=strict)
    else:
        own, beside = read_folder(directory / kind.key), read_folder(directory)
        if not (own.texts or beside.texts):
            return Load(kind, {})
    defined: dict[str, Defined] = {}
    places: dict[str, str] = {}
    held: set[str] = set()
    unclear: set[str] = set()
    problems: list[Problem] = []
    for file, entries, wrong in _entries(kind, own, beside):
        problems += wrong
        if wrong:
            unclear.add(file)
        for index, entry in enumerate(entries):
            one, faults = _parse(kind, entry, file, index)
            problems += faults
            identity = entry.get(kind.id_column)
            if not isinstance(identity, str):
                unclear.add(file)
                continue
            if identity in places:
                message = f"is used at {places[identity]} as well; neither is taken until one of them is gone"
                line = line_of(entry, kind.id_column)
                problems.append(kind.problem(message, kind.id_column, identity, file=file, line=line))
                held.add(identity)
            places.setdefault(identity, f"{file}:{line_of(entry)}")
            if one is None:
                held.add(identity)
            else:
                defined[identity] = one
    for row in rows:
        identity = row[kind.id_column]
        if identity in defined and not _is_from_yaml(row):
            message = f"is a row that {row['managed_by']} manages; delete that row, or take another id"
            file = places[identity].rpartition(":")[0]
            problems.append(kind.problem(message, kind.id_column, identity, file=file))
            held.add(identity)
    if strict and problems:
        raise DefinitionError(problems)
    if kind.in_order and problems:
        held |= defined.keys()
        unclear.add(kind.in_order.file)
    usable = {name: one for name, one in sorted(defined.items()) if name not in held}
    return _difference(kind, rows, usable, held, unclear, problems)


def load_listed(
    kind: Kind[Defined], lakehouse: Lakehouse, directory: Path, now: datetime, *, strict: bool = False
) -> Load[Defined]:
    """Load the files of a folder into the table, as `plan_listed` says."""
    rows = read_listed(lakehouse, kind)
    result = plan_listed(kind, directory, rows, strict=strict)
    key, name = kind.id_column, kind.table.name
    written = [
        {**one.row(), "created_at": now, "updated_at": now, "definition_error": None} for one in result.writes.values()
    ]
    noted = [
        {key: row[key], "definition_error": result.kept.get(row[key])}
        for row in rows
        if row[key] not in result.removed and row["definition_error"] != result.kept.get(row[key])
    ]
    if written:
        names = [*kind.owned, "created_at", "updated_at", "definition_error"]
        update = [column for column in names if column not in (key, "created_at")]
        lakehouse.merge(name, table_of(kind, names, written), on=[key], update=update)
    if noted:
        names = [key, "definition_error"]
        lakehouse.merge(name, table_of(kind, names, noted), on=[key], update=["definition_error"], insert=False)
    if result.removed:
        lakehouse.delete(name, pa.table({key: list(result.removed)}))
    return result


def table_of(kind: Kind[Any], names: Sequence[str], rows: Iterable[Row]) -> pa.Table:
    """Rows as a table of these columns of the kind's; dicts as maps."""
    schema = arrow_schema(kind.table)
    given = [
        {name: sorted(value.items()) if isinstance(value, dict) else value for name, value in row.items()}
        for row in rows
    ]
    return pa.Table.from_pylist(given, schema=pa.schema([schema.field(column) for column in names]))


def _entries(kind: Kind[Any], own: Folder, beside: Folder) -> Iterable[tuple[str, list[YamlMap], list[Problem]]]:
    """(file, entries, problems) of each file that may hold some. own: their folder, or their file; beside: that of the alerts."""
    if kind.in_order:
        for file, text in own.texts.items():
            yield file, *read_entries(file, text, key=kind.key, what=kind.what, may_be_empty=True)
        for problem in own.problems:
            yield kind.in_order.file, [], [problem]
        return
    for problem in own.problems:
        file = f"{kind.key}/{problem.file}"
        yield file, [], [replace(problem, file=file)]
    for name, text in own.texts.items():
        file = f"{kind.key}/{name}"
        yield file, *read_entries(file, text, key=kind.key, what=kind.what)
    others = frozenset({"alerts", *LISTED}) - {kind.key}
    for file, text in beside.texts.items():
        if not kind.may_be_in.search(text):
            continue
        entries, wrong = read_entries(file, text, key=kind.key, what=kind.what, beside=others)
        if any(entry.keys() & {"alert_id", "alert_query_template"} for entry in entries):
            continue  # a list of alerts without a key, one of which has the word in its text
        yield file, entries, wrong


def _without_file(kind: Kind[Any], file: str, rows: Sequence[Row], *, strict: bool) -> Load[Any]:
    """Its absence says nothing: it may be the wrong folder."""
    gone = sorted(row[kind.id_column] for row in rows if _is_from_yaml(row))
    if not gone:
        return Load(kind, {})
    message = (
        f"is gone, and {len(gone)} {kind.what}s came from it, which stay as they are. If they are to go, write "
        f"`{kind.key}: []` into it"
    )
    problem = Problem(message, file=file)
    if strict:
        raise DefinitionError([problem])
    return Load(kind, {}, kept=dict.fromkeys(gone, str(problem)), problems=(problem,))


def _parse(kind: Kind[Defined], entry: YamlMap, file: str, index: int) -> tuple[Defined | None, Sequence[Problem]]:
    """index: its place in the file, from 0."""
    given = entry.get(kind.id_column)
    order = kind.in_order
    loaded: dict[str, tuple[Any, str]] = {"managed_by": (f"{YAML}{file}", "is set by the loader; remove it")}
    if order:
        reason = "is set by the loader, from the order of the file; remove it"
        loaded[order.column] = (order.first + order.step * index, reason)
    identity = given if isinstance(given, str) else None
    if wrong := [name for name in loaded if name in entry]:
        return None, [
            kind.problem(loaded[name][1], name, identity, file=file, line=line_of(entry, name)) for name in wrong
        ]
    try:
        made = kind.parse(
            {**entry, **{name: value for name, (value, _) in loaded.items()}},
            file=file,
            line_of=lambda field: line_of(entry, field) if field in entry else line_of(entry),
        )
    except DefinitionError as error:
        return None, error.problems
    return made, ()


def _difference(
    kind: Kind[Defined],
    rows: Sequence[Row],
    defined: Mapping[str, Defined],
    held: set[str],
    unclear: set[str],
    problems: Sequence[Problem],
) -> Load[Defined]:
    before = {row[kind.id_column]: row for row in rows}
    gone = {name for name, row in before.items() if _is_from_yaml(row) and name not in defined}
    kept = {name: _why_kept(kind, name, problems) for name in gone if name in held or unclear}
    return Load(
        kind,
        defined,
        added=tuple(sorted(defined.keys() - before.keys())),
        changed=tuple(
            sorted(
                name
                for name in defined.keys() & before.keys()
                if {column: before[name][column] for column in kind.owned} != _stored(kind, defined[name])
            )
        ),
        removed=tuple(sorted(gone - kept.keys())),
        kept=kept,
        problems=tuple(problems),
    )


def _stored(kind: Kind[Defined], one: Defined) -> Row:
    """Its owned columns as they are read back from the table."""
    row = one.row()
    return {name: row[name] for name in kind.owned}


def _why_kept(kind: Kind[Any], identity: str, problems: Sequence[Problem]) -> str:
    own = [problem for problem in problems if kind.id_of(problem) == identity]
    others = [problem for problem in problems if kind.id_of(problem) is None]
    return "; ".join(str(problem) for problem in own or others or problems)


def _is_from_yaml(row: Row) -> bool:
    return str(row["managed_by"]).startswith(YAML)
