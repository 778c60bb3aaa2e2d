"""`alerting maintain`: tables kept fast to read."""

from __future__ import annotations

from dataclasses import asdict

import typer

from alerting_assets.cli.context import FINDINGS, Json, lakehouse, now, print_json, print_table, progress, settings
from alerting_assets.lakehouse.maintenance import maintain_tables


def maintain(as_json: Json = False) -> None:
    """Delete evaluations and ranges that are too old, compact the small files of every table, and remove those that are needed no more.

    Too old are evaluations of more than ALERTING_HISTORY_DAYS, and ranges that have been over for 7 days. Needed are the files of the
    versions of the last ALERTING_RETENTION_DAYS; of tables that every evaluation writes, of the last two days.

    Exit code 1: a table could not be maintained; the others were."""
    chosen = settings()
    with lakehouse(chosen) as tables, progress("maintain", as_json) as advance:
        found = maintain_tables(tables, chosen.retention_days, chosen.history_days, now(), advance)
    if as_json:
        print_json({"tables": [asdict(one) for one in found]})
    else:
        columns = ("table", "rows deleted", "files compacted", "files removed", "days kept", "seconds", "")
        rows = [
            (one.table, one.deleted, one.compacted, one.removed, one.kept_days, f"{one.seconds:.1f}", one.told)
            for one in found
        ]
        print_table("Maintained", columns, rows)
    if any(one.error for one in found):
        raise typer.Exit(FINDINGS)
