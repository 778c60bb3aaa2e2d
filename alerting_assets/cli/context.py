"""What commands share: settings, the two ports, and output for people or machines."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from alerting_assets.errors import Problem, SettingsError
from alerting_assets.settings import Settings

if TYPE_CHECKING:
    from alerting_assets.lakehouse.port import Lakehouse

Json = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
AlertIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ALERT_ID]…", help="These alerts only; none: all.", show_default=False)
]

FINDINGS = 1
"""Exit code: the command did its work and found something; 2 is a wrong call or setting."""

STYLES = {
    "VALID": "green",
    "OK": "green",
    "CREATED": "green",
    "UPDATED": "yellow",
    "TRIGGERED": "bold red",
    "INVALID": "red",
    "NOT_VALIDATED": "yellow",
    "UNSUPPORTED": "yellow",
    "ERROR": "bold yellow",
    "CRITICAL": "bold red",
    "WARNING": "yellow",
}

UNBROKEN = ("remote id",)
"""Columns whose cells are copied: they never wrap."""

PIPED_WIDTH = 160
"""Columns where there is no terminal to ask."""


def _console(*, stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=None if terminal or "COLUMNS" in os.environ else PIPED_WIDTH)


console = _console(stderr=False)
"""Results. Progress and errors go to stderr, so that stdout can be piped."""

errors = _console(stderr=True)


def now() -> datetime:
    return datetime.now(UTC)


def settings() -> Settings:
    return Settings.from_environment()


def who(by: str | None) -> str:
    """Who says something: the name given by `--by`, or the user of this process. Raises SettingsError."""
    try:
        name = (getpass.getuser() if by is None else by).strip()
    except (OSError, KeyError):
        name = ""
    if not name:
        raise SettingsError("--by: who says so? this process has no user with a name; give --by NAME")
    return name


@contextmanager
def lakehouse(chosen: Settings) -> Iterator[Lakehouse]:
    """With our tables created."""
    from alerting_assets.lakehouse import open_lakehouse
    from alerting_assets.lakehouse.tables import create_tables

    with open_lakehouse(chosen) as opened:
        create_tables(opened)
        yield opened


@contextmanager
def existing_lakehouse(chosen: Settings) -> Iterator[Lakehouse]:
    """For commands that only look: in a folder where there is nothing to look at they say so, and create nothing. Raises
    SettingsError."""
    if chosen.has_own_lakehouse and not chosen.lakehouse_root.exists():
        from alerting_assets.configuration.files import read_folder

        folder = read_folder(chosen.definitions)
        if not folder.texts and not folder.problems:
            raise SettingsError(
                f"there is nothing here: neither tables in {chosen.lakehouse_root} nor definitions in {chosen.definitions.absolute()}. "
                "Go to the project's folder, or set ALERTING_HOME and ALERTING_DEFINITIONS; to begin, write alerts/*.yml, or run "
                "`alerting demo refresh` or `alerting templates add`"
            )
    with lakehouse(chosen) as opened:
        yield opened


def print_json(value: Any) -> None:
    """Flushed, since a command that goes on, like `workspace serve`, may write to a pipe that somebody reads."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Cells that are states or severities get their colour; None is shown as –."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in UNBROKEN)
    for row in rows:
        table.add_row(*("–" if cell is None else _styled(str(cell)) for cell in row))
    console.print(table)


def print_problems(problems: Iterable[Problem]) -> None:
    """What is wrong with files, a line each, so that an editor finds the place."""
    for problem in problems:
        console.print(f"[bold red]error:[/bold red] {escape(str(problem))}", soft_wrap=True)


def print_counts(counts: Mapping[str, int]) -> None:
    console.print("  ".join(f"[bold]{number}[/bold] {name}" for name, number in counts.items()))


@contextmanager
def progress(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, for (done, all); nothing when quiet or when nobody watches."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _styled(text: str) -> str:
    style = STYLES.get(text)
    return f"[{style}]{text}[/{style}]" if style else escape(text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form here")
