"""Delta tables in folders, through delta-rs: find, create, migrate, read, and read the change feed. Writes: `delta_writes`,
`delta_maintenance`.

A table lies at `<root>/<catalog>/<schema>/<table>/`. Every function opens the table anew, so it sees the newest version.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from alerting_assets.errors import (
    ChangesUnavailable,
    ConcurrentWriteError,
    LakehouseError,
    LakehouseUnavailable,
    TableNotFound,
)
from alerting_assets.lakehouse import required_columns as required
from alerting_assets.lakehouse.arrow import arrow_schema, column_of
from alerting_assets.lakehouse.port import Changes, Column, TableName, TableSpec, TableVersion

RETRY_SECONDS = 120.0
"""How long a writer goes on against others before it gives up."""
CHANGE_FEED = {"delta.enableChangeDataFeed": "true"}
FOLDER_NAME = re.compile(r"(?!_views$|_delta_log$)[A-Za-z0-9_][A-Za-z0-9_-]*")
"""Folders with other names are not tables: Sail cannot read paths that need URL encoding, and `_views` is ours."""
NAME_LENGTH = 250
"""File systems take 255 bytes, and a view's file adds `.sql`; Unity Catalog takes 255 characters."""

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class DeltaStore:
    """All Delta tables under `root` (absolute)."""

    def __init__(self, root: Path) -> None:
        if "%" in str(root):
            raise LakehouseUnavailable(
                f"lakehouse folder {root}: delta-rs cannot use a path with a percent sign; choose another"
            )
        self.root = root

    def path(self, name: TableName) -> Path:
        """The folder of a table. Raises TableNotFound for a name that no folder can have, so that no name leads out of the root."""
        for part in (name.catalog, name.schema, name.table):
            if not FOLDER_NAME.fullmatch(part):
                raise TableNotFound(f"table {name}: {part!r} cannot be part of a name; use letters, digits, _ and -")
            if len(part) > NAME_LENGTH:
                raise TableNotFound(
                    f"table {part[:40]}…: a name has {NAME_LENGTH} characters at most, not {len(part):,}"
                )
        return self.root / name.catalog / name.schema / name.table

    def tables(self) -> list[TableName]:
        """All tables, sorted: every folder that holds a Delta log with something in it. A root that does not exist holds none."""
        found = []
        for schema in self.schemas():
            for table in _folders(schema):
                log_folder = table / "_delta_log"
                if not log_folder.is_dir():
                    continue
                if any(log_folder.iterdir()):
                    found.append(TableName(schema.parent.name, schema.name, table.name))
                else:
                    log.warning("not a Delta table, its _delta_log is empty: %s", table)
        return sorted(found)

    def schemas(self) -> Iterator[Path]:
        """The folders <root>/<catalog>/<schema>, one after the other."""
        for catalog in _folders(self.root):
            yield from _folders(catalog)

    def open(self, name: TableName) -> DeltaTable:
        path = self.path(name)
        try:
            if not (path / "_delta_log").is_dir():
                raise TableNotFound(f"table {name} does not exist: there is no Delta table at {path}")
            return DeltaTable(path)
        except TableNotFoundError as error:
            raise TableNotFound(
                f"table {name} is broken: {path / '_delta_log'} holds no commit; restore the folder or remove it"
            ) from error
        except (DeltaError, OSError) as error:
            raise failure(name, path, "cannot be opened", error) from error

    def create(self, name: TableName, spec: TableSpec) -> None:
        path = self.path(name)
        make_folder(path)
        if not _has_commits(path):
            try:
                DeltaTable.create(
                    path,
                    required.as_invariants(arrow_schema(spec)),
                    mode="ignore",
                    description=spec.comment or None,
                    configuration={**CHANGE_FEED, **spec.properties},
                    raise_if_key_not_exists=False,
                )
            except CommitFailedError:
                log.debug("table %s was created by another process at the same moment", name)
            except (DeltaError, OSError) as error:
                if not _has_commits(path):
                    raise failure(name, path, "cannot be created", error) from error
        self._migrate(name, spec)

    def _migrate(self, name: TableName, spec: TableSpec) -> None:
        existing = {column.name: column for column in self.columns(name)}
        for column in spec.columns:
            if column.name in existing and existing[column.name].type != column.type:
                raise LakehouseError(
                    f"table {name}, column {column.name}: is {existing[column.name].type}, must be {column.type}; "
                    f"columns are never retyped: move the data into a new table at {self.path(name)}"
                )

        def add_columns(table: DeltaTable) -> None:
            present = {field.name for field in table.schema().fields}
            wanted = pa.schema([field.with_nullable(True) for field in arrow_schema(spec) if field.name not in present])
            if len(wanted):
                table.alter.add_columns(Schema.from_arrow(wanted).fields)
            present_properties = table.metadata().configuration
            wanted_properties = {**({} if has_change_feed(table) else CHANGE_FEED), **spec.properties}
            missing = {key: value for key, value in wanted_properties.items() if present_properties.get(key) != value}
            if missing:
                table.alter.set_table_properties(missing, raise_if_not_exists=False)

        self.write(name, add_columns)
        if not all(field.nullable for field in self.open(name).schema().fields):
            self.write(name, required.relax)

    def write(self, name: TableName, attempt: Callable[[DeltaTable], Result]) -> Result:
        """Run `attempt` on the newest version of the table, and again, after a random pause, each time that another writer was
        faster.

        Threads of one process take turns: when fifty threads only tried again, some found others in their way for minutes. Raises
        ConcurrentWriteError after RETRY_SECONDS."""
        retrying = Retrying(
            retry=retry_if_exception_type(CommitFailedError),
            wait=wait_random_exponential(multiplier=0.02, max=1.0),
            stop=stop_after_delay(RETRY_SECONDS),
            reraise=True,
        )
        try:
            with self.turn(name):
                return retrying(lambda: attempt(self.open(name)))
        except CommitFailedError as error:
            raise ConcurrentWriteError(
                f"table {name}: other writers won for {RETRY_SECONDS:.0f} seconds; nothing was written, try again later"
            ) from error
        except (DeltaError, OSError) as error:
            raise failure(name, self.path(name), "cannot be written", error) from error

    def turn(self, name: TableName) -> threading.Lock:
        """Held by a thread of this process while it writes the table."""
        return _turns.setdefault(self.path(name), threading.Lock())

    def columns(self, name: TableName) -> tuple[Column, ...]:
        return tuple(column_of(field) for field in table_schema(self.open(name)))

    def version(self, name: TableName) -> TableVersion:
        return version_of(self.open(name))

    def commit(self, name: TableName, version: int) -> str | None:
        """A hash of the commit's own file. Raises TableNotFound."""
        content = self._of_commit(name, version, Path.read_bytes)
        return None if content is None else hashlib.sha256(content).hexdigest()[:32]

    def committed_at(self, name: TableName, version: int) -> datetime | None:
        """When the commit's own file was written, which is what the clean-up of the log goes by. Raises TableNotFound."""
        status = self._of_commit(name, version, Path.stat)
        return None if status is None else datetime.fromtimestamp(status.st_mtime, UTC)

    def _of_commit(self, name: TableName, version: int, look: Callable[[Path], Result]) -> Result | None:
        if not 0 <= version <= self.open(name).version():
            return None
        try:
            return look(self.path(name) / "_delta_log" / f"{version:020}.json")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure(name, self.path(name), "cannot be read", error) from error

    def read(self, name: TableName, columns: Sequence[str] | None = None, rest: str = "") -> pa.Table:
        """rest: what follows FROM, in SQL of DataFusion; our own text."""
        table = self.open(name)
        schema = table_schema(table)
        unknown = [column for column in columns or () if column not in schema.names]
        if unknown:
            raise LakehouseError(f"table {name} has no column {unknown[0]}; it has: {', '.join(schema.names)}")
        try:
            return _scan(table, schema.names if columns is None else columns, rest)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise failure(name, self.path(name), "cannot be read", error) from error

    def changes(self, name: TableName, since: int) -> Changes:
        table = self.open(name)
        head = version_of(table)
        fields = [*(field.with_nullable(True) for field in table_schema(table)), *_CHANGE_FIELDS]
        schema = pa.schema(fields)
        if not has_change_feed(table):
            raise ChangesUnavailable(f"table {name} has no change feed: set delta.enableChangeDataFeed=true on it")
        if since > head.version:
            raise ChangesUnavailable(f"table {name} is at version {head.version}: there are no changes since {since}")
        if since == head.version:
            return Changes(schema.empty_table(), head)
        try:
            feed = table.load_cdf(starting_version=max(since + 1, 0), ending_version=head.version)
            rows = _as_pyarrow(feed).select(schema.names).cast(schema)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ChangesUnavailable(
                f"table {name}: the change feed does not reach back to version {since}: {reason(error)}"
            ) from error
        return Changes(rows.sort_by("_commit_version"), head)


_turns: dict[Path, threading.Lock] = {}


def _scan(table: DeltaTable, columns: Sequence[str], rest: str) -> pa.Table:
    """Rows in no order, unless `rest`, which follows FROM, gives one.

    `to_pyarrow_table` is not used: the threads that pyarrow starts for it are sometimes still there when the process ends, which
    aborts it (one in seven short commands on a busy machine, pyarrow 25)."""
    names = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
    batches = QueryBuilder().register("scanned", table).execute(f"SELECT {names} FROM scanned{rest}").read_all()
    schema = table_schema(table)
    return _as_pyarrow(batches).cast(pa.schema([schema.field(column) for column in columns]))


def _as_pyarrow(data: Any) -> pa.Table:
    """data: of delta-rs. Not by `pa.table`, which imports pandas to ask whether it got one of its frames."""
    return pa.RecordBatchReader.from_stream(data).read_all()


_CHANGE_FIELDS = (
    pa.field("_change_type", pa.string()),
    pa.field("_commit_version", pa.int64()),
    pa.field("_commit_timestamp", pa.timestamp("us", tz="UTC")),
)


def table_schema(table: DeltaTable) -> pa.Schema:
    """The table's schema in Arrow, with the columns' comments as field metadata."""
    return required.from_invariants(pa.schema(table.schema().to_arrow()))


def version_of(table: DeltaTable) -> TableVersion:
    return TableVersion(str(table.metadata().id), table.version())


def has_change_feed(table: DeltaTable) -> bool:
    return str(table.metadata().configuration.get("delta.enableChangeDataFeed")).lower() == "true"


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LakehouseUnavailable(
            f"lakehouse folder {path} cannot be written ({error.strerror}); make it writable or set ALERTING_HOME to another folder"
        ) from error


def failure(name: TableName, path: Path, what: str, error: Exception) -> LakehouseError:
    text = f"table {name} {what}: {reason(error)} ({path})"
    if isinstance(error, OSError) or re.search(
        r"permission denied|read-only file system|no space left", str(error), re.I
    ):
        return LakehouseUnavailable(text)
    return LakehouseError(text)


def reason(error: Exception) -> str:
    """The message of an error as one line, without the colours, stack traces and previews of data that delta-rs adds."""
    text = re.split(r"\n\s*0: |\nPreview of|\nstack backtrace|\nDebug source", str(error), maxsplit=1)[0]
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m|[↳╰├─▶]", "", text).split())
    return text[:300] or type(error).__name__


def _has_commits(path: Path) -> bool:
    return any((path / "_delta_log").glob("*.json"))


def _folders(parent: Path) -> list[Path]:
    if not parent.exists():
        return []
    try:
        entries = sorted(parent.iterdir())
    except OSError as error:
        raise LakehouseUnavailable(f"lakehouse folder {parent} cannot be listed ({error.strerror})") from error
    return [entry for entry in entries if FOLDER_NAME.fullmatch(entry.name) and entry.is_dir()]
