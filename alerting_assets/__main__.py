"""`python -m alerting_assets`, the main job of `make run`: demo lakehouse → the whole graph through Dagster → a summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.markup import escape

from alerting_assets.cli.app import show_error
from alerting_assets.cli.context import console, lakehouse, print_table, progress
from alerting_assets.cli.local import running_workspace
from alerting_assets.dagster_home import prepare_dagster_home
from alerting_assets.demo import build_demo, demo_ends_at
from alerting_assets.errors import AlertingError
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.settings import Settings

STALE_DEMO = timedelta(hours=12)
"""The demo's alerts look at the last 24 hours."""


def main() -> int:
    started = time.monotonic()
    try:
        settings = Settings.from_environment()
        prepare_dagster_home(settings)
        demo_end = None
        if settings.has_own_lakehouse:
            with _step("demo lakehouse"), lakehouse(settings) as tables, progress("generate") as advance:
                build_demo(tables, now=datetime.now(UTC), on_progress=advance)
                demo_end = demo_ends_at(tables)
        else:
            console.print(
                "The demo is not built in a shared metastore; `alerting demo refresh` builds it in your schema."
            )
        with (
            running_workspace(settings) as address,
            _step("configurations → validated queries → deployed alerts → history"),
        ):
            succeeded, reports = _materialize_everything(settings)
    except AlertingError as error:
        show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.print("Interrupted. Run it again: it goes on from what is there.")
        return 130
    if not succeeded:
        console.print("[bold red]The run failed.[/bold red] Its messages are above; `make dev` shows it in the UI.")
        return 1
    _print_summary(reports, address)
    if demo_end and datetime.now(UTC) - demo_end > STALE_DEMO:
        console.print(
            f"The demo data ends at {demo_end:%Y-%m-%d %H:%M} UTC; `.venv/bin/alerting demo refresh` moves it up to now."
        )
    console.print(f"Done in {time.monotonic() - started:.0f} s. `make dev` shows all of it in the browser.")
    return 0


def _has_ranges(settings: Settings) -> bool:
    with lakehouse(settings) as tables:
        return bool(tables.read(EXPECTED_RANGES.name, ["alert_id"], limit=1).num_rows)


def _materialize_everything(settings: Settings) -> tuple[bool, dict[str, Mapping[str, Any]]]:
    """(success, metadata of the unpartitioned assets by name)."""
    import dagster as dg

    from alerting_assets.definitions import defs

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    # The first time, what is expected is learned before anything is evaluated.
    jobs = ("everything",) if _has_ranges(settings) else ("learn", "everything")
    with dg.DagsterInstance.get() as instance:
        results = [
            defs.resolve_job_def(job).execute_in_process(instance=instance, run_config=quiet, raise_on_error=False)
            for job in jobs
        ]
    for event in (event for result in results for event in result.all_events):
        if event.is_step_failure and (failure := event.step_failure_data.error) is not None:
            console.print(
                f"[bold red]{event.step_key}:[/bold red] {escape((failure.cause or failure).message.strip())}"
            )
    last = results[-1]
    materializations = [event.materialization for event in last.all_events if event.is_step_materialization]
    return all(result.success for result in results), {
        item.asset_key.to_user_string(): {name: value.value for name, value in item.metadata.items()}
        for item in materializations
        if item.asset_key is not None and item.partition is None
    }


def _print_summary(reports: Mapping[str, Mapping[str, Any]], address: str) -> None:
    configured, validation, deployment, history = (
        reports[name] for name in ("alert_configurations", "validation_report", "deployment_report", "alert_history")
    )
    console.print()
    _print_records("Quarantined", validation["quarantined"], ("alert_id", "name", "rule", "finding", "suggestion"))
    firing = [record for record in _records(history["evaluations"]) if record["state"] != "OK"]
    print_table(
        "Firing",
        ("state", "alert", "value", "condition"),
        [[record[name] for name in ("state", "alert", "value", "condition")] for record in firing],
    )
    figures = {
        "destinations": reports["notification_destinations"]["dagster/row_count"],
        "configured": configured["dagster/row_count"],
        "valid": validation["valid"],
        "quarantined": validation["quarantined_count"],
        "warnings": validation["warnings_count"],
        "created": deployment["created"],
        "updated": deployment["updated"],
        "unchanged": deployment["unchanged"],
        "deleted": deployment["deleted"],
        "failed": deployment["error"],
        "write requests to the workspace": deployment["requests_that_write"],
        "evaluated": history["evaluated"],
        "triggered": history["triggered"],
        "held back by a model": history["suppressed"],
    }
    print_table("Summary", ("", f"workspace {address}"), list(figures.items()))


def _print_records(title: str, value: Any, columns: tuple[str, ...]) -> None:
    if records := _records(value):
        print_table(title, columns, [[record[column] for column in columns] for record in records])


def _records(value: Any) -> list[Mapping[str, Any]]:
    """Rows of a table in asset metadata; a text stands for an empty one."""
    return [] if isinstance(value, str) else [record.data for record in value.records]


@contextmanager
def _step(what: str) -> Iterator[None]:
    console.print(f"[bold]{what}[/bold]")
    started = time.monotonic()
    yield
    console.print(f"  {time.monotonic() - started:.1f} s", style="dim")


if __name__ == "__main__":
    sys.exit(main())
