"""The command tree, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import logging
import sys

import typer
from rich.markup import escape

from alerting_assets.cli import config, evaluate, local, metrics, notification, sync, templates, unit_test, validate
from alerting_assets.cli.context import errors, print_json
from alerting_assets.errors import AlertingError, DefinitionError

app = typer.Typer(
    name="alerting",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Alerts as data: validate them, deploy them to the workspace, evaluate them.\n\n"
    "Exit codes: 0 fine, 1 findings (invalid alerts, drift, firing with --fail-on), 2 a wrong call or setting.",
)
app.command()(validate.validate)
app.command()(sync.plan)
app.command()(sync.apply)
app.command()(evaluate.evaluate)
app.command()(evaluate.status)
app.command()(metrics.metrics)
app.command("test")(unit_test.run_tests)
app.add_typer(config.app, name="config")
app.add_typer(templates.app, name="templates")
app.add_typer(notification.app, name="notification")
app.add_typer(local.workspace, name="workspace", help="The local workspace: everything with no account.")
app.add_typer(local.demo, name="demo", help="The demo lakehouse.")
app.command()(local.dev)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        app(standalone_mode=True)
    except AlertingError as error:
        show_error(error)
        if "--json" in sys.argv:
            print_json({"error": {"type": type(error).__name__, "message": str(error), "exit_code": error.exit_code}})
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(130)


def show_error(error: AlertingError) -> None:
    problems = [str(problem) for problem in error.problems] if isinstance(error, DefinitionError) else [str(error)]
    for problem in problems:
        errors.print(f"[bold red]error:[/bold red] {escape(problem)}", soft_wrap=True)
