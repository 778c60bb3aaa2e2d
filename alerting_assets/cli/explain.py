"""`alerting explain`: why an alert fired, or did not."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alerting_assets.cli.context import STYLES, Json, console, existing_lakehouse, now, print_json, settings
from alerting_assets.cli.moments import moment_of
from alerting_assets.errors import SettingsError
from alerting_assets.explanation import Chart, Explanation, chart_of, explain, sections_of, to_markdown

_CELL_STYLES = {
    "firing": "bold red",
    "ok": "green",
    "suppressed": "magenta",
    "error": "bold yellow",
    "none": "dim",
    "line": "red",
    "recovery": "cyan",
    "frame": "dim",
}
_LABEL_WIDTH = 13


def explain_(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", show_default=False)],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Explain that moment: ISO 8601 (UTC, unless it says otherwise), or how long ago: 2h, 3d.",
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown, for a ticket or a chat.")] = False,
    as_json: Json = False,
) -> None:
    """Why an alert fired, or did not: its last evaluations, its condition, what held it back, and whom it tells."""
    if markdown and as_json:
        raise SettingsError("--markdown and --json exclude each other")
    chosen, moment = settings(), now()
    wanted = None if at is None else past(at, moment)
    with existing_lakehouse(chosen) as tables:
        found = explain(tables, chosen, alert_id, moment, at=wanted)
    if as_json:
        print_json(found.json())
    elif markdown:
        sys.stdout.write(to_markdown(found))
    else:
        _print(found)


def past(text: str, now: datetime) -> datetime:
    """The moment that `--at` names. Raises SettingsError, also for one that is still to come."""
    found = moment_of("--at", text, now)
    if found > now:
        raise SettingsError(f"--at {text!r} is still to come; without --at the present is explained")
    return found


def _print(found: Explanation) -> None:
    title = Text.assemble(
        (found.alert_id, "bold"), "  ", found.name, "  ", (found.severity, STYLES.get(found.severity, ""))
    )
    title.append(f"  {found.domain}" if found.domain else "", "dim")
    title.append(f"  as of {found.at:%Y-%m-%d %H:%M} UTC" if found.is_past else "", "bold")
    console.print(title)
    style = STYLES.get(found.status.status, "") if found.status else ""
    console.print(Text(found.headline, style))
    for reason in found.reasons:
        grid = Table.grid(padding=(0, 1))
        grid.add_row("-", Text(reason))
        console.print(grid)
    chart = chart_of(
        found.evaluations, found.lines, width=min(console.width - 1, 100), ascii_only=console.options.ascii_only
    )
    if chart is not None:
        console.print()
        _print_chart(chart)
    for section in sections_of(found):
        console.print(f"\n[bold]{escape(section.title)}[/bold]")
        table = Table.grid(padding=(0, 1))
        table.add_column(style="dim", width=_LABEL_WIDTH)
        table.add_column(overflow="fold")
        for label, text in section.rows:
            table.add_row(label, Text(text))
        console.print(Padding(table, (0, 0, 0, 2)))


def _print_chart(chart: Chart) -> None:
    for line in chart.lines:
        console.print(Text.assemble(*((cell.text, _CELL_STYLES[cell.kind]) for cell in line)), no_wrap=True, crop=True)
