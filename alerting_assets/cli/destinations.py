"""`alerting destinations list`: whom alerts can tell."""

from __future__ import annotations

from collections import defaultdict

import typer

from alerting_assets.cli.context import (
    FINDINGS,
    Json,
    console,
    existing_lakehouse,
    print_json,
    print_problems,
    print_table,
    settings,
)
from alerting_assets.configuration import (
    plan_destination_load,
    plan_load,
    read_destination_rows,
    read_rows,
    rows_after_destination_load,
    rows_after_load,
)
from alerting_assets.configuration.destinations import to_destinations

app = typer.Typer(
    no_args_is_help=True, help="Notification destinations: whom alerts tell, and by which way.", rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """A group, also while it has a single command."""


@app.command("list")
def list_destinations(as_json: Json = False) -> None:
    """Every destination: its type, where it leads, which alerts use it, and what the last sync did. No secret is shown, or read."""
    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        stored = read_destination_rows(tables)
        loaded = plan_destination_load(chosen.definitions, stored)
        rows = rows_after_destination_load(stored, loaded)
        users: dict[str, list[str]] = defaultdict(list)
        alerts = read_rows(tables)
        for row in rows_after_load(alerts, plan_load(chosen.definitions, alerts)):
            for channel in row["notification_channels"] or ():
                users[channel].append(row["alert_id"])
    wrong = {one.destination_id: "; ".join(map(str, one.problems)) for one in to_destinations(rows)}
    found = [
        {
            "destination_id": row["destination_id"],
            "name": row["destination_name"],
            "type": row["destination_type"],
            "email_addresses": row["email_addresses"],
            "secret_ref": None if wrong[row["destination_id"]] else row["secret_ref"],
            "is_enabled": row["is_enabled"],
            "owner": row["owner"],
            "managed_by": row["managed_by"],
            "alerts": sorted(users[row["destination_id"]]),
            "databricks_destination_id": row["databricks_destination_id"],
            "last_synced_at": row["last_synced_at"],
            "last_sync_status": row["last_sync_status"],
            "problem": wrong[row["destination_id"]] or row["last_sync_error"] or row["definition_error"] or None,
        }
        for row in rows
    ]
    if as_json:
        print_json({"destinations": found, "problems": [str(problem) for problem in loaded.problems]})
    else:
        print_table(
            f"{len(found)} destinations",
            ("destination", "name", "type", "leads to", "alerts", "enabled", "last sync"),
            [
                (
                    one["destination_id"],
                    one["name"],
                    one["type"],
                    ", ".join(one["email_addresses"] or ()) or one["secret_ref"],
                    len(one["alerts"]),
                    "yes" if one["is_enabled"] else "no",
                    one["last_sync_status"] or "not yet",
                )
                for one in found
            ],
        )
        print_problems(loaded.problems)
        for one in found:
            if one["problem"]:
                console.print(f"{one['destination_id']}: {one['problem']}", markup=False, soft_wrap=True)
    if loaded.problems or any(one["problem"] for one in found):
        raise typer.Exit(FINDINGS)
