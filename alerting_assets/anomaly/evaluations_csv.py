"""Evaluations as CSV text: read with every mistake named by line and column, and written back with the decisions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.sides import watched_sides
from alerting_assets.anomaly.series import Booleans, Floats, Integers, Series
from alerting_assets.anomaly.walk import Decisions
from alerting_assets.errors import EvaluationsError, Problem, did_you_mean

TIMESTAMP, VALUE = "timestamp", "value"
COLUMNS = ("evaluated_at", "query_result_value", "threshold_met", "ml_score", "ml_suppressed", "notified")
MAX_PROBLEMS = 20
"""Of a file that are told; the others are only counted."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(1900, 2200)
_COMPARE: dict[Operator, Callable[[Floats, Floats], Booleans]] = {
    Operator.GREATER_THAN: np.greater,
    Operator.GREATER_THAN_OR_EQUAL: np.greater_equal,
    Operator.LESS_THAN: np.less,
    Operator.LESS_THAN_OR_EQUAL: np.less_equal,
}
OPERATORS = tuple(_COMPARE)
"""Those that one threshold is enough for, and that watch a side."""


@dataclass(frozen=True)
class Evaluations:
    """What a file holds. at: of each row, in UTC. threshold: of each row."""

    at: tuple[datetime, ...]
    series: Series
    threshold: Floats


def read_evaluations(
    text: str, file: str, operator: Operator, threshold: float | str, zone: tzinfo = UTC
) -> Evaluations:
    """The evaluations of a CSV text with the columns `timestamp` and `value`. An empty value is an evaluation without a number.

    file: its name, for messages. threshold: one for all rows, or the name of the column that has each row's own.
    Raises EvaluationsError with all that is wrong."""
    lines, rows = _rows(text, file)
    header = rows.pop(0)
    first_line = lines.pop(0)
    wanted = [TIMESTAMP, VALUE, *([threshold] if isinstance(threshold, str) else [])]
    problems = [
        Problem(
            f"there is no such column; there are {_listed(header)}{did_you_mean(name, header)}",
            name,
            file=file,
            line=first_line,
        )
        if name not in header
        else Problem("there are two columns of this name", name, file=file, line=first_line)
        for name in wanted
        if header.count(name) != 1
    ]
    _stop(problems)
    places = [header.index(name) for name in wanted]
    problems += [
        Problem(f"has {len(row)} fields, the header has {len(header)}", file=file, line=line)
        for line, row in zip(lines, rows, strict=True)
        if len(row) != len(header)
    ]
    _stop(problems)
    columns = [[row[place] for row in rows] for place in places]
    at = _times(columns[0], lines, file, problems)
    values = _numbers(columns[1], VALUE, lines, file, problems, is_optional=True)
    limits = (
        _numbers(columns[2], threshold, lines, file, problems, is_optional=False)
        if isinstance(threshold, str)
        else np.full(len(rows), threshold)
    )
    _stop(problems)
    seconds: Integers = np.array([(moment - _EPOCH) // timedelta(seconds=1) for moment in at], dtype=np.int64)
    sides = watched_sides(operator)
    breach = np.where(_COMPARE[operator](values, limits), sides[0].sign, 0)
    return Evaluations(tuple(at), Series(seconds, values, breach, sides, zone), limits)


def write_decisions(evaluations: Evaluations, decisions: Decisions) -> str:
    """CSV text with one row an evaluation."""
    series = evaluations.series
    columns = (
        [moment.isoformat() for moment in evaluations.at],
        ["" if math.isnan(value) else repr(value) for value in series.value.tolist()],
        _words(series.met),
        ["" if math.isnan(score) else f"{score:.6g}" for score in decisions.score.tolist()],
        _words(decisions.suppressed),
        _words(decisions.notified),
    )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def _words(flags: Booleans) -> list[str]:
    return ["true" if flag else "false" for flag in flags.tolist()]


def _rows(text: str, file: str) -> tuple[list[int], list[list[str]]]:
    """The rows that are not blank, the header first, and the line on which each ends."""
    lines: list[int] = []
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        for row in reader:
            if row:
                lines.append(reader.line_num)
                rows.append(row)
    except csv.Error as error:
        raise EvaluationsError([Problem(f"is no CSV: {error}", file=file, line=reader.line_num)]) from None
    if not rows:
        message = f"is empty; it needs a header with {TIMESTAMP} and {VALUE}, and a row for each evaluation"
        raise EvaluationsError([Problem(message, file=file)])
    rows[0] = [name.strip() for name in rows[0]]
    return lines, rows


def _times(texts: Sequence[str], lines: Sequence[int], file: str, problems: list[Problem]) -> list[datetime]:
    found: list[datetime] = []
    for text, line in zip(texts, lines, strict=True):
        try:
            moment = datetime.fromisoformat(text.strip())
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            message = f"{text!r} is no time; write it as 2026-01-31 08:00:00 or 2026-01-31T08:00:00+01:00"
            problems.append(Problem(message, TIMESTAMP, file=file, line=line))
            continue
        if moment.year not in _YEARS:
            problems.append(Problem(f"{text!r} is no year of our time", TIMESTAMP, file=file, line=line))
        elif found and moment < found[-1]:
            message = f"{text!r} is before the row above; sort the rows by time"
            problems.append(Problem(message, TIMESTAMP, file=file, line=line))
        else:
            found.append(moment)
    return found


def _numbers(
    texts: Sequence[str], column: str, lines: Sequence[int], file: str, problems: list[Problem], *, is_optional: bool
) -> Floats:
    found = np.full(len(texts), np.nan)
    for index, (text, line) in enumerate(zip(texts, lines, strict=True)):
        if is_optional and not text.strip():
            continue
        try:
            found[index] = float(text)
        except ValueError:
            problems.append(Problem(f"{text!r} is no number", column, file=file, line=line))
            continue
        if not is_optional and not math.isfinite(found[index]):
            problems.append(Problem(f"{text!r} is no finite number", column, file=file, line=line))
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _stop(problems: list[Problem]) -> None:
    if not problems:
        return
    more = len(problems) - MAX_PROBLEMS
    told = sorted(problems[:MAX_PROBLEMS], key=lambda problem: problem.line or 0)
    if more > 0:
        told.append(Problem(f"{more} more such problems", file=problems[0].file))
    raise EvaluationsError(told)
