"""`alerting adopt`: alerts that were made by hand in the workspace, taken into the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from alerting_assets.alerts.operators import Domain, Severity
from alerting_assets.cli.context import (
    FINDINGS,
    Json,
    console,
    lakehouse,
    now,
    print_json,
    print_table,
    progress,
    settings,
)
from alerting_assets.configuration import target_of
from alerting_assets.configuration.files import appended, file_name
from alerting_assets.deployment.adopt import Adopter, Candidate
from alerting_assets.deployment.conversion import Terms
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.workspace import open_workspace

FILE = "adopted.yml"
Choice = TypeVar("Choice", bound=StrEnum)


def adopt(
    remote_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REMOTE_ID]…", help="Ids of alerts in the workspace; none: list them.", show_default=False
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every alert that can be adopted.")] = False,
    file: Annotated[
        str | None, typer.Option(help=f"The file of definitions that they are added to; default: {FILE}.")
    ] = None,
    domain: Annotated[str, typer.Option(help="COST, SECURITY, PERFORMANCE, RELIABILITY or QUALITY.")] = "RELIABILITY",
    severity: Annotated[
        str, typer.Option(help="Of those whose name does not begin with one, as in `[CRITICAL] Spend`.")
    ] = "WARNING",
    owner: Annotated[str | None, typer.Option(help="Default: the owner in the workspace.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the definitions; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Take alerts that were made by hand in the workspace into the configuration; without ids: list them.

    Writes their definitions; the next `apply` updates these same alerts. Exit code 1: some could not be adopted."""
    is_list = not remote_ids and not every
    if remote_ids and every:
        raise SettingsError("ids of alerts and --all exclude each other")
    if is_list and (dry_run or file is not None):
        raise SettingsError("which alerts? give their ids, or --all; `alerting adopt` alone lists them")
    chosen = settings()
    terms = Terms(
        target_of(chosen),
        file_name(chosen.definitions, file or FILE),
        _one_of(Domain, "--domain", domain),
        _one_of(Severity, "--severity", severity),
        owner,
        chosen.delete_disabled,
    )
    workspace = open_workspace(chosen)
    with lakehouse(chosen) as tables, progress("validate", as_json) as advance:
        adopter = Adopter(tables, workspace, chosen, terms, now, advance)
        found = (adopter.look if is_list or dry_run else adopter.adopt)(remote_ids or None)
    if is_list:
        _show_list(found, as_json)
        return
    written = chosen.definitions / terms.file
    if as_json:
        print_json({"file": str(written), "dry_run": dry_run, **_found_json(found)})
    else:
        _show_result(found, written, dry_run)
    if not all(candidate.can_be_adopted for candidate in found):
        raise typer.Exit(FINDINGS)


def _one_of(kind: type[Choice], option: str, value: str) -> Choice:
    names = [member.value for member in kind]
    if value not in names:
        raise SettingsError(f"{option} {value}: use one of {', '.join(names)}{did_you_mean(value.upper(), names)}")
    return kind(value)


def _show_list(found: Sequence[Candidate], as_json: bool) -> None:
    if as_json:
        print_json(_found_json(found))
        return
    rows = [(candidate.remote.id, candidate.name, _schedule(candidate), _verdict(candidate)) for candidate in found]
    print_table(f"{len(found)} alerts made by hand", ("remote id", "name", "schedule", "verdict"), rows)
    if any(candidate.can_be_adopted for candidate in found):
        console.print("`alerting adopt REMOTE_ID…` or `alerting adopt --all` takes them into the configuration.")


def _show_result(found: Sequence[Candidate], file: Path, dry_run: bool) -> None:
    adopted = [candidate for candidate in found if candidate.can_be_adopted]
    refused = [candidate for candidate in found if not candidate.can_be_adopted]
    if adopted:
        rows = [(_alert_id(item), item.remote.id, item.name, "\n".join(item.notes) or None) for item in adopted]
        title = "Would be adopted" if dry_run else "Adopted"
        print_table(title, ("alert", "remote id", "name", "what changes beside its query's form"), rows)
    if refused:
        print_table("Not adopted", ("remote id", "name", "why not"), [_row(item) for item in refused])
    entries = [candidate.entry for candidate in adopted if candidate.entry]
    if not adopted:
        console.print("Nothing was written: there is no alert that can be adopted.")
    elif dry_run:
        console.print(f"{file} would get:\n")
        console.print(appended(file.name, "", entries), markup=False, end="", soft_wrap=True)
    else:
        console.print(
            f"{len(adopted)} adopted, defined in {file}. `alerting plan` shows what comes of it; `alerting apply` updates these same "
            "alerts.",
            soft_wrap=True,
        )


def _found_json(found: Sequence[Candidate]) -> dict[str, Any]:
    return {
        "alerts": [
            {
                "databricks_alert_id": candidate.remote.id,
                "name": candidate.name,
                "schedule": _schedule(candidate),
                "can_be_adopted": candidate.can_be_adopted,
                "reasons": list(candidate.reasons),
                "notes": list(candidate.notes),
                "alert_id": _alert_id(candidate),
                "definition": dict(candidate.entry) or None,
            }
            for candidate in found
        ],
        "summary": {
            "can_be_adopted": sum(candidate.can_be_adopted for candidate in found),
            "cannot": sum(not candidate.can_be_adopted for candidate in found),
        },
    }


def _alert_id(candidate: Candidate) -> str | None:
    return candidate.configuration.alert_id if candidate.configuration and candidate.can_be_adopted else None


def _schedule(candidate: Candidate) -> str | None:
    schedule = candidate.remote.body.get("schedule") or {}
    parts = (
        schedule.get("quartz_cron_schedule"),
        schedule.get("timezone_id"),
        "paused" if schedule.get("pause_status") == "PAUSED" else None,
    )
    return ", ".join(str(part) for part in parts if part) or None


def _verdict(candidate: Candidate) -> str:
    return "can be adopted" if candidate.can_be_adopted else "\n".join(candidate.reasons)


def _row(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.remote.id, candidate.name, "\n".join(candidate.reasons)
