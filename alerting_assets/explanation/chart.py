"""The last evaluations of an alert as a chart made of characters; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alerting_assets.alerts.thresholds import number_text
from alerting_assets.explanation.facts import Evaluated, Line

HEIGHT = 9
WIDTH = 72
"""Characters that a chart takes at most, its labels included."""


class Cell(NamedTuple):
    """Some characters of one kind: `firing`, `ok`, `suppressed`, `error`, `none` (an evaluation without a number), `line`, `recovery`, or
    `frame`."""

    text: str
    kind: str


@dataclass(frozen=True)
class Chart:
    """lines: from top to bottom, each as its cells from left to right."""

    lines: tuple[tuple[Cell, ...], ...]

    @property
    def text(self) -> str:
        return "\n".join("".join(cell.text for cell in line).rstrip() for line in self.lines)


_MARKS = {
    "firing": "●#",
    "ok": "○o",
    "suppressed": "◌s",
    "error": "×x",
    "none": "·.",
    "line": "─-",
    "recovery": "┄=",
    "side": "│|",
    "tick": "┤+",
    "corner": "└+",
    "floor": "─-",
}
"""Each as it is, and in ASCII."""
_KINDS = {"TRIGGERED": "firing", "OK": "ok", "SUPPRESSED": "suppressed", "ERROR": "error"}
_LEGEND = {"firing": "fires", "ok": "OK", "suppressed": "suppressed", "error": "error", "none": "no number"}


def chart_of(
    evaluations: Sequence[Evaluated],
    lines: Sequence[Line] = (),
    *,
    width: int = WIDTH,
    ascii_only: bool = False,
) -> Chart | None:
    """A chart of numeric values over evaluations, one column each, with the lines in it; where they do not fit, the newest are shown.
    None where fewer than two evaluations have a finite number.

    evaluations: the oldest first.
    width: characters that it may take."""
    marks = {name: both[ascii_only] for name, both in _MARKS.items()}
    labels = _labels([one.number for one in evaluations if one.number is not None], lines)
    if labels is None:
        return None
    margin = max(len(label) for label in labels.by_row.values()) + 1
    room = max(width - margin - 1, 10)
    shown = evaluations[-room:]
    if sum(one.number is not None for one in shown) < 2:
        return None
    pitch = 2 if 2 * len(shown) <= room else 1
    across = pitch * len(shown) + 1
    grid = [[Cell(" ", "frame")] * across for _ in range(HEIGHT)]
    for line in reversed(lines):  # where two meet, the first is seen
        kind = "recovery" if line.name == "recovery" else "line"
        grid[labels.row_of(line.value)] = [Cell(marks[kind], kind)] * across
    strip = [Cell(" ", "frame")] * across
    for index, one in enumerate(shown):
        kind = _KINDS.get(one.evaluation_status, "none")
        column = 1 + pitch * index if pitch == 2 else index
        if one.number is None:
            strip[column] = Cell(marks[kind if kind == "error" else "none"], "error" if kind == "error" else "none")
        else:
            grid[_beside_lines(one.number, labels, lines)][column] = Cell(marks[kind], kind)
    drawn = []
    for row, cells in enumerate(grid):
        label = labels.by_row.get(row, "")
        side = marks["tick"] if label else marks["side"]
        drawn.append((Cell(f"{label:>{margin - 1}} {side}", "frame"), *cells))
    drawn.append((Cell(f"{'':{margin}}{marks['corner']}{marks['floor'] * across}", "frame"),))
    if any(cell.text != " " for cell in strip):
        drawn.append((Cell(" " * (margin + 1), "frame"), *strip))
    first, last = (f"{one.evaluated_at:%m-%d %H:%M}" for one in (shown[0], shown[-1]))
    gap = max(across - len(first) - len(last), 1)
    drawn.append((Cell(f"{'':{margin + 1}}{first}{'':{gap}}{last}", "frame"),))
    drawn.append((Cell(" " * (margin + 1), "frame"), *_legend(shown, lines, marks)))
    return Chart(tuple(drawn))


@dataclass(frozen=True)
class _Labels:
    """by_row: what stands at the left of a row. high, low: the values of the first and the last row."""

    by_row: dict[int, str]
    high: float
    low: float

    def row_of(self, value: float) -> int:
        return _row(value, self.high, self.low)


def _beside_lines(value: float, labels: _Labels, lines: Sequence[Line]) -> int:
    """The row of a value, which is on a line only where the value is exactly that: what is a little above is seen above."""
    row = labels.row_of(value)
    for line in reversed(lines):  # the first has the last word
        if value != line.value and row == labels.row_of(line.value):
            row = row - 1 if value > line.value else row + 1
    return min(max(row, 0), HEIGHT - 1)


def _row(value: float, high: float, low: float) -> int:
    if high == low:
        return HEIGHT // 2
    # Halves first: the difference of two large numbers may be none.
    share = (high / 2 - value / 2) / (high / 2 - low / 2)
    return min(max(round(share * (HEIGHT - 1)), 0), HEIGHT - 1)


def _labels(values: Sequence[float], lines: Sequence[Line]) -> _Labels | None:
    if len(values) < 2:
        return None
    every = [*values, *(line.value for line in lines)]
    high, low = max(every), min(every)
    by_row = {_row(value, high, low): number_text(value) for value in (high, low)}
    by_row |= {_row(line.value, high, low): number_text(line.value) for line in reversed(lines)}
    return _Labels(by_row, high, low)


def _legend(shown: Sequence[Evaluated], lines: Sequence[Line], marks: dict[str, str]) -> list[Cell]:
    kinds = {
        _KINDS.get(one.evaluation_status, "none")
        if one.number is not None or one.evaluation_status == "ERROR"
        else "none"
        for one in shown
    }
    parts = [Cell(f"{marks[kind]} {words}", kind) for kind, words in _LEGEND.items() if kind in kinds]
    for line in lines:
        kind = "recovery" if line.name == "recovery" else "line"
        parts.append(Cell(f"{marks[kind]} {line.name} {number_text(line.value)}", kind))
    spaced: list[Cell] = []
    for part in parts:
        spaced += [part, Cell("   ", "frame")]
    return [*spaced[:-1], Cell("   UTC", "frame")]
