"""The command tree, and the one place where errors become messages and exit codes.

A command's module is imported when that command is chosen, and no sooner: most of them need libraries that take a second."""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from typer import rich_utils
from typer._click.exceptions import ClickException  # typer has its own copy of click, and no public name for this
from typer.core import TyperGroup

from alerting_assets.cli.context import errors, print_json
from alerting_assets.errors import AlertingError, DefinitionError

COMMANDS = {
    "validate": (
        "validate:validate",
        "Give a verdict on every alert: the files', and the rows' that people made. Executes no query, writes no configuration.",
    ),
    "plan": (
        "sync:plan",
        "Show what `apply` would do and why, edits made in the workspace included; write nothing.",
    ),
    "apply": (
        "sync:apply",
        "Load the files, validate, and bring the workspace to what is configured: also what was changed there by hand.",
    ),
    "adopt": (
        "adopt:adopt",
        "Take alerts that were made by hand in the workspace into the configuration; without ids: list them.",
    ),
    "evaluate": (
        "evaluate:evaluate",
        "Run the queries of all valid, enabled alerts as the table holds them, decide, and record one row each.",
    ),
    "status": (
        "status:status",
        "Every alert at a glance: verdict, deployment, state and since when. Asks neither engine nor workspace to do anything new.",
    ),
    "explain": (
        "explain:explain_",
        "Why an alert fired, or did not: its last evaluations, its condition, what held it back, and whom it tells.",
    ),
    "history": (
        "history:history",
        "The newest evaluations of an alert, or of all: when, state, value, how long the query took, errors and notes.",
    ),
    "incidents": (
        "incidents:app",
        "What fired from when until when: look at incidents, acknowledge and label them.",
    ),
    "failures": (
        "failures:app",
        "What fails now in Dagster: checks, runs, sensors, schedules; since when, and who was told.",
    ),
    "metrics": (
        "metrics:metrics",
        "The newest syncs: what they did, their requests and latencies, and why one failed.",
    ),
    "heartbeat": (
        "heartbeat:heartbeat",
        "Send a heartbeat to ALERTING_HEARTBEAT_URL if evaluation and sync are healthy; for cron, where no Dagster daemon runs.",
    ),
    "maintain": (
        "maintain:maintain",
        "Delete evaluations and ranges that are too old, compact the small files of every table, and remove those that are needed no more.",
    ),
    "test": (
        "unit_test:run_tests",
        "Run the unit tests of alerts/tests/*.yml and of your own templates: given rows in, a decision expected. Touches no table.",
    ),
    "backtest": (
        "backtest:backtest",
        "Replay evaluations from CSV files: which of them would have notified, and which would suppression have held back.",
    ),
    "anomaly": (
        "anomaly:app",
        "Models of alerts: what is expected of their values, and what is held back for it.",
    ),
    "dev": ("local:dev", "Local workspace, Dagster UI and daemon in one; Ctrl-C stops them all."),
    "config": ("config:app", "Look at and edit rows of alert_configurations."),
    "destinations": ("destinations:app", "Notification destinations: whom alerts tell, and by which way."),
    "routes": ("routes:app", "Routes: whom alerts tell that name no channels themselves, and why."),
    "silence": ("silence:app", "Silences: alerts that tell nobody for a while, as during maintenance."),
    "templates": ("templates:app", "The library of templates: alerts that need only parameters."),
    "notification": ("notification:app", "Custom texts of notifications."),
    "workspace": ("local:workspace", "The local workspace: everything with no account."),
    "demo": ("local:demo", "The demo lakehouse."),
}
"""name → (module of this folder and what in it is the command, or the group of commands; the first paragraph of its help)."""


def command_of(name: str) -> Any:
    """The command itself, in typer's terms. Imports its module."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(f"alerting_assets.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


class LazyGroup(TyperGroup):
    """A group whose commands stand for the real ones, with their line of help, until one is chosen."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and command_of(str(name)), rest


app = typer.Typer(
    name="alerting",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Alerts as data: validate them, deploy them to the workspace, evaluate them.\n\n"
    "Exit codes: 0 fine, 1 findings (invalid alerts, drift, firing with --fail-on), 2 a wrong call or setting.",
)
for _name, (_, _help) in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"alerting-assets {version('alerting-assets')}\n")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    # Imports and rows make many objects that stay, and little garbage: looking for some less often, and not at the end, saves 0.4 s.
    gc.set_threshold(50_000, 20, 20)
    atexit.register(gc.freeze)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        code = app(standalone_mode=False)
    except AlertingError as error:
        show_error(error)
        _end(type(error).__name__, str(error), error.exit_code)
    except ClickException as error:
        rich_utils.rich_format_error(error)
        _end(type(error).__name__, error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("interrupted")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _end(kind: str, message: str, exit_code: int) -> NoReturn:
    """With --json a machine gets the error as well, as the only thing on standard output."""
    if "--json" in sys.argv:
        print_json({"error": {"type": kind, "message": message, "exit_code": exit_code}})
    sys.exit(exit_code)


def show_error(error: AlertingError) -> None:
    problems = [str(problem) for problem in error.problems] if isinstance(error, DefinitionError) else [str(error)]
    for problem in problems:
        errors.print(f"[bold red]error:[/bold red] {escape(problem)}", soft_wrap=True)
