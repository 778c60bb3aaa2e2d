"""Keeping one Delta table fast, through delta-rs: compaction, vacuum, checkpoint and clean-up of the log.

What reading costs on the embedded engine, measured on a busy machine with two cores: each query reads the log from its newest checkpoint
on, lists all of it, and opens every file that may hold what it looks for. A look at the last two hours of alert_history took 0.02 s CPU
where all of that is little, 0.2 s with 150 files of a run each, and as much with 10,000 commits in the log and as many removed files in
the checkpoint; without a checkpoint, opening a table of 1,500 commits took a second. An evaluation looks tens of times. Therefore

1. a writer compacts small files after a few commits, and writes a checkpoint (`compact_if_needed`);
2. the daily maintenance makes large files of them, and lets the log and the removed files go when they are old enough, and their
   mention in the checkpoint of a table that is written all the time before that.

delta-rs puts files together in the order in which they were written, so those of a table that grows in time keep apart in time, and
queries find by the statistics of files and of row groups the few that they need. A deletion by age cuts through one file, and what is
left of it is put together with the newest: one file of FILE_BYTES then spans all times, until its old rows are deleted, too."""

from __future__ import annotations

import logging

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import DeltaError

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.delta import DeltaStore, reason
from alerting_assets.lakehouse.port import MaintenanceResult, TableName

LOOKS_EVERY = 20
"""So many versions lie between two looks at the small files of a table by its writers, and between two checkpoints."""
SMALL_FILES = 10
"""So many of them are compacted by the writer that finds them."""
SMALL_FILE_BYTES = 1_000_000
"""A file below this is small. A writer makes files of this size: what it costs depends on what is new, not on what is there."""
FILE_BYTES = 16_000_000
"""What the daily maintenance makes of them: it writes the newest file again at most."""
ROWS_OF_A_GROUP = 8_192
"""Of a compacted file: what a query reads at least. Of the rows of two hours, most of a file of a million would be read for nothing."""

WEEK = 7
MENTIONED_HOURS = 6
"""How long the checkpoint mentions a removed file of a table that is kept for less than a WEEK, since it is written all the time: 10,000
of them make a query 0.13 s slower. The file itself stays until it is as old as what is kept: the change feed needs it. Only what was old
already when it was removed goes with the next maintenance, and a look at an older version of the table then may fail."""

log = logging.getLogger(__name__)


def compact_if_needed(store: DeltaStore, name: TableName, version: int) -> None:
    """Compact the small files of a table when there are SMALL_FILES or more; looked at every LOOKS_EVERY versions, so that most calls
    cost nothing. It adds nothing to the change feed. What is in its way is left to a later call: the rows are written already.

    version: the table's, after a write of the caller."""
    if version % LOOKS_EVERY:
        return
    try:
        with store.turn(name):
            table = store.open(name)
            sizes = pa.table(table.get_add_actions()).column("size_bytes").to_pylist()
            if sum(size < SMALL_FILE_BYTES for size in sizes) >= SMALL_FILES:
                table.optimize.compact(target_size=SMALL_FILE_BYTES, writer_properties=_writer())
                table.create_checkpoint()
    except (LakehouseError, DeltaError, OSError) as error:
        log.debug("table %s is not compacted now: %s", name, reason(error))


def maintain(
    store: DeltaStore, name: TableName, retention_days: int, *, file_bytes: int = FILE_BYTES
) -> MaintenanceResult:
    """The contract is `Lakehouse.maintain`. Where nothing was written since the last time, it makes no commit."""
    store.write(name, lambda table: _set_properties(table, retention_days))
    compaction = store.write(
        name, lambda table: table.optimize.compact(target_size=file_bytes, writer_properties=_writer())
    )
    removed = store.write(name, lambda table: _vacuum(store, name, table, retention_days))
    store.write(name, _clean_log)
    return MaintenanceResult(int(compaction["numFilesRemoved"]), removed)


def _writer() -> WriterProperties:
    return WriterProperties(compression="ZSTD", max_row_group_size=ROWS_OF_A_GROUP)


def _set_properties(table: DeltaTable, retention_days: int) -> None:
    """The log is cleaned up by the maintenance alone, which knows the readers of the change feed; a writer would do it otherwise."""
    hours = retention_days * 24 if retention_days >= WEEK else MENTIONED_HOURS
    wanted = {
        "delta.checkpointInterval": str(LOOKS_EVERY),
        "delta.enableExpiredLogCleanup": "false",
        "delta.logRetentionDuration": f"interval {retention_days} days",
        "delta.deletedFileRetentionDuration": f"interval {hours} hours",
    }
    present = table.metadata().configuration
    if missing := {key: value for key, value in wanted.items() if present.get(key) != value}:
        table.alter.set_table_properties(missing, raise_if_not_exists=False)


def _vacuum(store: DeltaStore, name: TableName, table: DeltaTable, retention_days: int) -> int:
    """How many files were removed. A full vacuum: it also finds what killed writers left, and files that the checkpoint has forgotten.

    delta-rs names files that are gone already as well, and would commit twice even for those."""
    hours = retention_days * 24

    def run(*, dry_run: bool) -> list[str]:
        return list(table.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False, full=True))

    present = [file for file in run(dry_run=True) if (store.path(name) / file).exists()]
    if present:
        run(dry_run=False)
    return len(present)


def _clean_log(table: DeltaTable) -> None:
    table.create_checkpoint()
    table.cleanup_metadata()
