"""`alerting failures list`: what fails now in Dagster, as the sensor check_failure_alerts remembers it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from alerting_assets.cli.context import FINDINGS, Json, console, print_json, print_table, settings
from alerting_assets.failures.decide import Failing
from alerting_assets.failures.store import FOLDER, STORE, FailureStore

app = typer.Typer(
    no_args_is_help=True,
    help="What fails now in Dagster: checks, runs, sensors, schedules; since when, and who was told.",
)


@app.callback()
def failures() -> None:
    """What fails now in Dagster: checks, runs, sensors, schedules; since when, and who was told."""


@app.command("list")
def list_failures(as_json: Json = False) -> None:
    """What fails and is not well again: since when, why, and who was told. Exit code 1: something does."""
    chosen = settings()
    found = sorted(_failing(chosen.home / FOLDER), key=lambda one: (one.since, one.subject.key))
    if as_json:
        print_json({"failures": [_json(one) for one in found]})
    elif found:
        print_table(
            f"{len(found)} failures",
            ("severity", "what", "since (UTC)", "reason", "told"),
            [
                (
                    one.severity.value,
                    one.subject.title,
                    f"{one.since:%Y-%m-%d %H:%M}",
                    "\n".join([one.reason, *one.details[:1]]),
                    ", ".join(one.destinations) or "nobody",
                )
                for one in found
            ],
        )
    else:
        console.print("Nothing that the sensor check_failure_alerts has seen fails.")
    if found:
        raise typer.Exit(FINDINGS)


def _failing(folder: Path) -> Iterator[Failing]:
    for path in sorted(folder.glob(f"*/{STORE}")):
        with FailureStore(path) as store:
            yield from (one.failing for one in store.memory().values() if one.failing)


def _json(one: Failing) -> dict[str, Any]:
    subject = one.subject
    return {
        "kind": subject.kind.value,
        "what": subject.title,
        "location": subject.location,
        "asset": subject.asset,
        "check": subject.check,
        "partition": subject.partition,
        "alert_id": subject.alert_id,
        "job": subject.job,
        "owners": list(subject.owners),
        "severity": one.severity.value,
        "reason": one.reason,
        "details": list(one.details),
        "since": one.since,
        "told_at": one.told_at,
        "told": list(one.destinations),
        "url": one.url,
    }
