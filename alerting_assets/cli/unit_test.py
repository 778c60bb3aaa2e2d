"""`alerting test`: unit tests of alerts, printed as a test runner does."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from alerting_assets.cli.context import (
    FINDINGS,
    Json,
    console,
    lakehouse,
    print_json,
    print_problems,
    progress,
    settings,
)
from alerting_assets.configuration import templates_of
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.evaluation.unit_test_files import collect_tests, open_runner
from alerting_assets.evaluation.unit_test_run import UnitTestOutcome


def run_tests(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ALERT_ID|TEMPLATE_ID]…", help="Tests of these only; none: all.", show_default=False),
    ] = None,
    templates: Annotated[
        bool, typer.Option("--templates", help="The tests of the package's templates as well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the unit tests of alerts/tests/*.yml and of your own templates: given rows in, a decision expected. Touches no table.

    Exit code 1: a test failed, or cannot be read."""
    chosen = settings()
    catalog = templates_of(chosen.definitions)
    wants_shipped = templates or any(name in catalog for name in names or ())
    tests, problems = collect_tests(chosen.definitions, catalog, shipped=wants_shipped)
    for name in names or ():
        if not problems and name not in {item.subject for item in tests}:
            near = did_you_mean(name, sorted({item.subject for item in tests}))
            raise SettingsError(f"{name!r} has no tests{near}")
    tests = [item for item in tests if not names or item.subject in names]
    started = time.perf_counter()
    with lakehouse(chosen) as tables, open_runner(chosen, tables) as runner, progress("test", as_json) as advance:
        outcomes = runner.run(tests, advance)
    seconds = time.perf_counter() - started
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        summary = {"passed": len(outcomes) - len(failed), "failed": len(failed), "seconds": round(seconds, 3)}
        wrong = [asdict(problem) for problem in problems]
        print_json({"tests": [_json(outcome) for outcome in outcomes], "problems": wrong, "summary": summary})
    else:
        _print(outcomes, failed, seconds)
        print_problems(problems)
    if failed or problems:
        raise typer.Exit(FINDINGS)


def _print(outcomes: list[UnitTestOutcome], failed: list[UnitTestOutcome], seconds: float) -> None:
    if not outcomes:
        console.print("No tests. Write some in alerts/tests/*.yml; docs/testing.md shows how.")
        return
    subject = None
    for outcome in outcomes:
        if outcome.test.subject != subject:
            subject = outcome.test.subject
            console.print(f"[bold]{subject}[/bold]  [dim]{outcome.test.file}[/dim]")
        mark = "[green]✓[/green]" if outcome.passed else "[bold red]✗[/bold red]"
        console.print(f"  {mark} {escape(outcome.test.name)}  [dim]{outcome.seconds * 1000:.0f} ms[/dim]")
    for outcome in failed:
        console.print(f"\n[bold red]FAILED[/bold red] {escape(outcome.test.title)}  [dim]{outcome.test.place}[/dim]")
        for failure in outcome.failures:
            console.print(f"  {escape(failure)}", soft_wrap=True)
    passed = len(outcomes) - len(failed)
    style = "bold red" if failed else "bold green"
    console.print(f"\n[{style}]{passed} passed, {len(failed)} failed[/{style}] in {seconds:.1f} s")


def _json(outcome: UnitTestOutcome) -> dict[str, Any]:
    decision = outcome.decision
    return {
        "subject": outcome.test.subject,
        "name": outcome.test.name,
        "file": outcome.test.file,
        "line": outcome.test.line,
        "passed": outcome.passed,
        "failures": list(outcome.failures),
        "state": decision.state.value if decision else None,
        "value": (decision.number if decision.number is not None else decision.text) if decision else None,
        "seconds": round(outcome.seconds, 3),
    }
