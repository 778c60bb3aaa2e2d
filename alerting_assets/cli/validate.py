"""`alerting validate`: configured alerts, one query of a file, or many of a JSON Lines file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.definitions import Place
from alerting_assets.cli.context import (
    FINDINGS,
    AlertIds,
    Json,
    console,
    existing_lakehouse,
    now,
    print_counts,
    print_json,
    print_problems,
    print_table,
    progress,
    settings,
)
from alerting_assets.cli.sync import wanted_alerts
from alerting_assets.configuration import (
    DESTINATION,
    ROUTE,
    SILENCE,
    ConfiguredAlert,
    channel_notes,
    defined_alerts,
    notes_on,
    plan_listed,
    plan_load,
    read_listed,
    read_rows,
    route_notes,
    silence_problems,
    target_in,
)
from alerting_assets.errors import Problem, SettingsError
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.validation import (
    CONFIGURATION,
    AlertVerdict,
    Finding,
    QueryVerdict,
    Severity,
    ValidationReport,
    Verdict,
    input_finding,
    policy_of,
    validate_all_alert_queries,
    validate_lines,
)

_STYLES = {Severity.ERROR: "red", Severity.UNSUPPORTED: "yellow", Severity.WARNING: "yellow"}


def validate(
    alert_ids: AlertIds = None,
    sql_file: Annotated[Path | None, typer.Option(help="One query of this file instead of the alerts.")] = None,
    jsonl: Annotated[
        Path | None,
        typer.Option(
            help='Many: a line {"id", "sql"} each, and if you like aggregation_column, operator, threshold_value_double.'
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Analyse every alert again, also where nothing changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give a verdict on every alert: the files', and the rows' that people made. Executes no query, writes no configuration.

    Exit code 1: an alert or query is INVALID or UNSUPPORTED."""
    if sum((bool(alert_ids), sql_file is not None, jsonl is not None)) > 1:
        raise SettingsError("alert ids, --sql-file and --jsonl exclude each other")
    chosen = settings()
    if sql_file is not None:
        sound = _one_text(chosen, sql_file, as_json)
    elif jsonl is not None:
        sound = _many_texts(chosen, jsonl, as_json)
    else:
        sound = _configured(chosen, alert_ids, fresh, as_json)
    if not sound:
        raise typer.Exit(FINDINGS)


def _configured(chosen: Settings, alert_ids: Sequence[str] | None, fresh: bool, as_json: bool) -> bool:
    policy = policy_of(chosen)
    with existing_lakehouse(chosen) as tables, progress("validate", as_json) as advance:
        rows = read_rows(tables)
        loaded = plan_load(chosen.definitions, rows, max_delete_percent=chosen.max_delete_percent)
        target, wrong_others = _target(tables, chosen)
        wrong_others = (*wrong_others, *_wrong_silences(tables, chosen))
        alerts = wanted_alerts(defined_alerts(rows, loaded, target), alert_ids)
        report = validate_all_alert_queries(tables, alerts, now(), policy, fresh=fresh, on_progress=advance)
    notes = [*notes_on(alerts, now()), *channel_notes(alerts)]
    if not alert_ids:
        notes += route_notes(target)
        notes += policy.idle_silences(alert.alert_id for alert in alerts)
    problems = [problem for problem in loaded.problems if not alert_ids or problem.alert_id in alert_ids]
    problems += () if alert_ids else wrong_others
    places = loaded.definitions.places
    if as_json:
        print_json(
            {**_report_json(report, places), "problems": [asdict(problem) for problem in problems], "notes": notes}
        )
    else:
        judged = {verdict.alert_id for verdict in report.quarantined}
        print_problems(problem for problem in problems if problem.alert_id not in judged)
        _print_report(report, alerts, places)
        for note in notes:
            console.print(f"[yellow]note[/] {escape(note)}", soft_wrap=True)
    return not report.quarantined and not problems


def _target(tables: Lakehouse, chosen: Settings) -> tuple[Target, tuple[Problem, ...]]:
    """With the destinations and routes that the files define, and what is wrong with these."""
    rows, routes = read_listed(tables, DESTINATION), read_listed(tables, ROUTE)
    loaded = plan_listed(DESTINATION, chosen.definitions, rows)
    loaded_routes = plan_listed(ROUTE, chosen.definitions, routes)
    target = target_in(tables, chosen, rows=loaded.rows_after(rows), routes=loaded_routes.rows_after(routes))
    return target, (*loaded.problems, *loaded_routes.problems)


def _wrong_silences(tables: Lakehouse, chosen: Settings) -> tuple[Problem, ...]:
    """What is wrong with the silences of the files, and with the rows that people made."""
    rows = read_listed(tables, SILENCE)
    loaded = plan_listed(SILENCE, chosen.definitions, rows)
    return (*loaded.problems, *silence_problems(loaded.rows_after(rows)))


def _one_text(chosen: Settings, path: Path, as_json: bool) -> bool:
    with open_lakehouse(chosen) as tables:
        sql = _read(path)
        item: Mapping[str, Any] | Finding = sql if isinstance(sql, Finding) else {"id": path.name, "sql": sql}
        (verdict,) = validate_lines(tables, [item], policy_of(chosen))
    if as_json:
        print_json({**verdict.json(), "id": path.name})
    else:
        console.print(f"[bold]{escape(path.name)}[/bold] is {verdict.verdict.value}")
        _print_findings(verdict.findings)
    return verdict.verdict is Verdict.VALID


def _many_texts(chosen: Settings, path: Path, as_json: bool) -> bool:
    policy = policy_of(chosen)
    counts = dict.fromkeys(Verdict, 0)
    rows: list[tuple[Any, ...]] = []
    total = _count_lines(path)
    with open_lakehouse(chosen) as tables, progress("validate", as_json) as advance:
        for done, verdict in enumerate(validate_lines(tables, _lines(path), policy), start=1):
            counts[verdict.verdict] += 1
            advance(done, total)
            if as_json:
                sys.stdout.write(json.dumps(verdict.json()) + "\n")
            elif verdict.findings:
                rows.append(_row(verdict))
    if not as_json:
        if rows:
            print_table("Findings", ("id", "verdict", "findings"), rows)
        print_counts({verdict.value: number for verdict, number in counts.items()})
    return counts[Verdict.VALID] == sum(counts.values())


def _row(verdict: QueryVerdict) -> tuple[Any, ...]:
    return verdict.id, verdict.verdict.value, "\n".join(finding.text for finding in verdict.findings)


def _read(path: Path) -> str | Finding:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return input_finding(f"the file is not UTF-8 text (byte {error.start + 1})")
    except OSError as error:
        raise SettingsError(f"--sql-file {path}: cannot be read: {error.strerror}") from None


def _count_lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError as error:
        raise SettingsError(f"--jsonl {path}: cannot be read: {error.strerror}") from None


def _lines(path: Path) -> Iterator[Mapping[str, Any] | Finding]:
    """Lines end at a line feed and nowhere else: JSON may hold other separators as they are. Empty ones are left out."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                item = json.loads(line.rstrip(b"\r\n").decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                yield input_finding(f"line {number} is not UTF-8 text (byte {error.start + 1})")
                continue
            except json.JSONDecodeError as error:
                yield input_finding(f"line {number} is not JSON: {error.msg} at character {error.pos + 1}")
                continue
            except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 5,000 brackets
                yield input_finding(f"line {number} cannot be read: {error}")
                continue
            yield item if isinstance(item, dict) else input_finding(f"line {number} is no JSON object")


def _report_json(report: ValidationReport, places: Mapping[str, Place]) -> dict[str, Any]:
    return {
        "alerts": [_verdict_json(verdict, places.get(verdict.alert_id)) for verdict in report.verdicts],
        "summary": {
            "valid": len(report.valid),
            "quarantined": len(report.quarantined),
            "warnings": len(report.warnings),
            "reused": sum(verdict.reused for verdict in report.verdicts),
        },
    }


def _verdict_json(verdict: AlertVerdict, place: Place | None) -> dict[str, Any]:
    finding = verdict.finding
    return {
        "alert_id": verdict.alert_id,
        "place": _place(finding, place),
        "verdict": verdict.verdict.value,
        "rule": finding.rule if finding else None,
        "message": finding.message if finding else None,
        "line": finding.line if finding else None,
        "column": finding.column if finding else None,
        "findings": [item.json() for item in verdict.findings],
        "reused": verdict.reused,
    }


def _place(finding: Finding | None, place: Place | None) -> str | None:
    """Where in a file the query is wrong: `cost.yml:12`."""
    return place.of_query(finding.line) if finding and place and finding.rule != CONFIGURATION else None


def _print_report(report: ValidationReport, alerts: Sequence[ConfiguredAlert], places: Mapping[str, Place]) -> None:
    names = {alert.alert_id: alert.name for alert in alerts}

    def told(alert_id: str, finding: Finding) -> str:
        place = _place(finding, places.get(alert_id))
        return f"{place}: {finding.text}" if place else finding.text

    rows = [
        (item.verdict.value, item.alert_id, names[item.alert_id], item.finding and told(item.alert_id, item.finding))
        for item in report.verdicts
    ]
    print_table("Verdicts", ("verdict", "alert", "name", "reason"), rows)
    if report.warnings:
        warnings = [(alert_id, told(alert_id, finding)) for alert_id, finding in report.warnings]
        print_table("Warnings", ("alert", "warning"), warnings)
    print_counts({"valid": len(report.valid), "quarantined": len(report.quarantined), "warnings": len(report.warnings)})


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        console.print(
            f"[{_STYLES[finding.severity]}]{finding.severity.value}[/] {escape(finding.text)}", soft_wrap=True
        )
