"""`alerting backtest`: a rule on a history in files, with and without suppression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from alerting_assets.cli.context import Json, console, print_json, print_table, progress
from alerting_assets.errors import EvaluationsError, Problem, SettingsError, did_you_mean

if TYPE_CHECKING:
    from alerting_assets.alerts.operators import Operator
    from alerting_assets.anomaly import Summary


def backtest(
    csv: Annotated[
        list[Path],
        typer.Option("--csv", metavar="FILE…", help="Columns timestamp (UTC, unless it says otherwise) and value."),
    ],
    operator: Annotated[
        str, typer.Option(metavar="OP", help="GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN or LESS_THAN_OR_EQUAL.")
    ],
    output_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Gets one file of the same name for each, and a chart with --ml.")
    ],
    more: Annotated[list[Path] | None, typer.Argument(metavar="", hidden=True)] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="X", help="The threshold of all rows.", show_default=False)
    ] = None,
    threshold_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column with the threshold of each row.")
    ] = None,
    ml: Annotated[bool, typer.Option("--ml", help="Hold back what the history before it lets expect.")] = False,
    ml_threshold: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE", help="Hold back below this score: scales beyond the range. Default: 0.", show_default=False
        ),
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Whose hours of the day and weekends count.")] = "UTC",
    charts: Annotated[bool, typer.Option("--charts/--no-charts", help="A PNG image for each file, with --ml.")] = True,
    as_json: Json = False,
) -> None:
    """Replay evaluations from CSV files: which of them would have notified, and which would suppression have held back.

    Each file is one alert, one row an evaluation, in order of time; several files may follow --csv. Each decision uses only what came
    before its hour."""
    from alerting_assets.anomaly import ML_THRESHOLD, nothing_held, summary_of, walk_forward
    from alerting_assets.anomaly.chart import chart_png
    from alerting_assets.anomaly.evaluations_csv import read_evaluations, write_decisions

    limit = _threshold(threshold, threshold_column)
    compared, zone = _operator(operator), _zone(timezone)
    if ml_threshold is not None and not ml:
        raise SettingsError("--ml-threshold needs --ml")
    score = ML_THRESHOLD if ml_threshold is None else ml_threshold
    if not math.isfinite(score):
        raise SettingsError(f"--ml-threshold {score} is no finite number")
    files = _files([*csv, *(more or [])], output_dir)
    results = []
    with progress("backtest", quiet=as_json) as tell:
        for number, (file, target) in enumerate(files):
            found = read_evaluations(_read(file), str(file), compared, limit, zone)
            decisions = walk_forward(found.series, ml_threshold=score) if ml else nothing_held(found.series)
            _write(target, write_decisions(found, decisions).encode())
            result: dict[str, Any] = {"file": str(file), "output": str(target)}
            if ml and charts:
                chart = target.with_suffix(".png")
                _write(chart, chart_png(file.stem, found.series, found.threshold, decisions))
                result["chart"] = str(chart)
            results.append((result, summary_of(found.series, decisions)))
            tell(number + 1, len(files))
    if as_json:
        print_json({"ml": ml, "files": [{**result, **asdict(summary)} for result, summary in results]})
        return
    _print([(Path(result["file"]).name, summary) for result, summary in results], ml, output_dir)


def _threshold(value: float | None, column: str | None) -> float | str:
    if value is not None and column is not None:
        raise SettingsError("--threshold and --threshold-column exclude each other")
    if value is not None and not math.isfinite(value):
        raise SettingsError(f"--threshold {value} is no finite number")
    if value is None and not column:
        raise SettingsError("a threshold is missing: give --threshold X, or --threshold-column NAME")
    return column or value or 0.0


def _operator(text: str) -> Operator:
    from alerting_assets.alerts.operators import Operator
    from alerting_assets.anomaly.evaluations_csv import OPERATORS

    name = text.upper()
    if name in OPERATORS:
        return Operator(name)
    reason = (
        "is not compared with one threshold, or has no side to which a value could be further away than expected"
        if name in Operator.__members__
        else "is no operator"
    )
    raise SettingsError(
        f"--operator {text!r} {reason}; give one of {', '.join(OPERATORS)}{did_you_mean(name, OPERATORS)}"
    )


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(f"--timezone {name!r} is no time zone; write it as Europe/Berlin or UTC") from None


def _files(given: Sequence[Path], folder: Path) -> list[tuple[Path, Path]]:
    """Each file, and where its output goes. Raises SettingsError where an output would replace another one, or its input."""
    found: dict[Path, Path] = {}
    for file in given:
        target = folder / file.name
        if target in found:
            raise SettingsError(f"{found[target]} and {file} have the same name, and so the same output {target}")
        if target.resolve() == file.resolve():
            raise SettingsError(
                f"--output-dir {folder} is where {file} lies: the output would replace it; give another folder"
            )
        found[target] = file
    return [(file, target) for target, file in found.items()]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"is no UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        raise EvaluationsError([Problem(message, file=str(file))]) from None
    except OSError as error:
        raise EvaluationsError([Problem(f"cannot be read: {error.strerror}", file=str(file))]) from None


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from None


def _print(summaries: Sequence[tuple[str, Summary]], ml: bool, folder: Path) -> None:
    columns: tuple[str, ...] = ("file", "evaluations", "over threshold", "notified")
    if ml:
        columns += (
            "held back",
            "usual",
            "seen before",
            "told lately",
            "episodes",
            "of them told",
            "longest hold h",
            "with a range",
        )
    rows = []
    for name, one in summaries:
        cells: tuple[Any, ...] = (name, f"{one.evaluations:,}", f"{one.over_threshold:,}", f"{one.notified:,}")
        if ml:
            cells += (f"{one.suppressed:,}", *(f"{count:,}" for count in one.held_by.values()))
            cells += (one.episodes, one.episodes_told, f"{one.longest_hold_hours:.0f}", f"{one.with_range:.0%}")
        rows.append(cells)
    print_table("Backtest", columns, rows)
    before, after = sum(one.episodes for _, one in summaries), sum(one.episodes_told for _, one in summaries)
    if ml and before:
        console.print(
            f"{before:,} episodes over the threshold, {after:,} of them told: {1 - after / before:.0%} fewer.",
            highlight=False,
        )
    console.print(f"A row for each evaluation is in {folder}.", soft_wrap=True)
