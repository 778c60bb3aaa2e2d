"""`alerting destinations list | test`: whom alerts can tell, and whether they would be reached."""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import Annotated

import typer

from alerting_assets.cli.context import (
    FINDINGS,
    Json,
    console,
    existing_lakehouse,
    now,
    print_json,
    print_problems,
    print_table,
    settings,
)
from alerting_assets.configuration import (
    DESTINATION,
    ROUTE,
    plan_listed,
    plan_load,
    read_listed,
    read_rows,
    routed_alerts,
    routing_of,
    rows_after_load,
    to_configured,
)
from alerting_assets.configuration.destinations import grouping_notes
from alerting_assets.delivery import Event, EventKind, Http, Sender, Severity, Smtp, delivery_id
from alerting_assets.delivery.mail_server import allowed_hosts, mail_server
from alerting_assets.deployment.reached import configured_destinations, destination_of
from alerting_assets.errors import DeliveryError
from alerting_assets.workspace.local.inbox import inbox_mail_server

app = typer.Typer(
    no_args_is_help=True, help="Notification destinations: whom alerts tell, and by which way.", rich_markup_mode=None
)


@app.command("list")
def list_destinations(as_json: Json = False) -> None:
    """Every destination: its type, where it leads, which alerts use it, and what the last sync did. No secret is shown, or read."""
    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        stored = read_listed(tables, DESTINATION)
        loaded = plan_listed(DESTINATION, chosen.definitions, stored)
        rows = loaded.rows_after(stored)
        users: dict[str, list[str]] = defaultdict(list)
        alerts = read_rows(tables)
        routes = read_listed(tables, ROUTE)
        routing = routing_of(plan_listed(ROUTE, chosen.definitions, routes).rows_after(routes))
        after = rows_after_load(alerts, plan_load(chosen.definitions, alerts))
        for alert_id, routed in routed_alerts(after, routing).items():
            for channel in routed.channels:
                users[channel].append(alert_id)
    wrong = {one.identity: "; ".join(map(str, one.problems)) for one in to_configured(DESTINATION, rows)}
    found = [
        {
            "destination_id": row["destination_id"],
            "name": row["destination_name"],
            "type": row["destination_type"],
            "email_addresses": row["email_addresses"],
            "secret_ref": None if wrong[row["destination_id"]] else row["secret_ref"],
            "group_by": row["group_by"],
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
    notes = grouping_notes(rows, chosen.workspace)
    if as_json:
        problems = [str(problem) for problem in loaded.problems]
        print_json({"destinations": found, "problems": problems, "notes": notes})
    else:
        print_table(
            f"{len(found)} destinations",
            ("destination", "name", "type", "leads to", "grouped by", "alerts", "enabled", "last sync"),
            [
                (
                    one["destination_id"],
                    one["name"],
                    one["type"],
                    ", ".join(one["email_addresses"] or ()) or one["secret_ref"],
                    one["group_by"],
                    len(one["alerts"]),
                    "yes" if one["is_enabled"] else "no",
                    one["last_sync_status"] or "not yet",
                )
                for one in found
            ],
        )
        print_problems(loaded.problems)
        for note in notes:
            console.print(note, markup=False, soft_wrap=True)
        for one in found:
            if one["problem"]:
                console.print(f"{one['destination_id']}: {one['problem']}", markup=False, soft_wrap=True)
    if loaded.problems or any(one["problem"] for one in found):
        raise typer.Exit(FINDINGS)


@app.command("test")
def try_out(
    destination_id: Annotated[str, typer.Argument(help="As in `alerting destinations list`.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Send a message that says that it is a test, from this machine and not by way of the workspace, and tell what was answered.

    E-mails go by ALERTING_SMTP_URL, or to `alerting workspace inbox` where one runs. Exit code 1: it was not accepted."""
    chosen, moment = settings(), now()
    with existing_lakehouse(chosen) as tables:
        destination = destination_of(destination_id, configured_destinations(tables, chosen), chosen)
    mail = mail_server() or inbox_mail_server(chosen.workspace_root)
    event = Event(
        event_id=f"test-{uuid.uuid4()}",
        kind=EventKind.TEST,
        key=f"test-{destination_id}",
        subject=f"Test of the destination {destination.name}",
        occurred_at=moment,
        body_text="This is a test, sent by `alerting destinations test`. Nothing is wrong.",
        severity=Severity.INFO,
    )
    identity = delivery_id(event.event_id, destination_id)
    sender = Sender(Http(allowed_hosts=allowed_hosts()), Smtp(mail) if mail else None)
    try:
        answer = sender.send(sender.render(event, destination, identity), destination, identity, moment)
        sent = True
    except DeliveryError as error:
        answer, sent = str(error), False
    if as_json:
        print_json({"destination_id": destination_id, "sent": sent, "answer": answer, "delivery_id": identity})
    else:
        console.print(f"{'Sent' if sent else 'Not sent'}: {answer}", markup=False, soft_wrap=True)
    if not sent:
        raise typer.Exit(FINDINGS)
