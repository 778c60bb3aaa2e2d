"""`alerting heartbeat`: whether alerting works, and a word of it to a service that waits for one."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from alerting_assets.cli.context import FINDINGS, Json, console, existing_lakehouse, now, print_json, settings
from alerting_assets.errors import SettingsError
from alerting_assets.heartbeat import beat, heartbeat_url, look


def heartbeat(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look only; send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send a heartbeat to ALERTING_HEARTBEAT_URL if evaluation and sync are healthy; for cron, where no Dagster daemon runs.

    Exit code 1: they are not, with the reasons, or the service did not take it."""
    chosen, moment = settings(), now()
    url = heartbeat_url(os.environ)
    if url is None and not dry_run:
        raise SettingsError(
            "ALERTING_HEARTBEAT_URL is not set: the address that the service gives for a check, as https://hc-ping.com/your-id; "
            "--dry-run looks without one"
        )
    facts = look(lambda: existing_lakehouse(chosen), chosen, moment)
    found = beat(facts, None if dry_run else url, chosen.environment, moment)
    if as_json:
        print_json({**asdict(found), "is_healthy": not found.reasons, "is_sent": found.is_sent})
    elif found.reasons:
        console.print("Not healthy, so no heartbeat is sent:", markup=False)
        for reason in found.reasons:
            console.print(f"  - {reason}", markup=False, soft_wrap=True)
    else:
        console.print(found.words[0].upper() + found.words[1:], markup=False, soft_wrap=True)
    if found.reasons or found.failure is not None:
        raise typer.Exit(FINDINGS)
