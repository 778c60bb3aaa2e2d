"""Tables and pictures as asset metadata."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from alerting_assets.configuration import Load
from alerting_assets.errors import Problem

Cell = str | int | float | bool | None

MAX_ROWS = 500
"""The most rows of a table in metadata. More are no longer read by people, and every materialization would carry them."""


def table(rows: Sequence[Mapping[str, Cell]]) -> dg.MetadataValue:
    """Rows as a table. Its columns are those of the first row; without rows it is a text that says so, since Dagster draws no empty
    table."""
    if not rows:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table(
        [dg.TableRecord({name: "" if cell is None else cell for name, cell in row.items()}) for row in rows[:MAX_ROWS]]
    )


def picture(title: str, png: bytes) -> dg.MetadataValue:
    """A PNG image. title: what is read where it cannot be seen."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def load_counts(load: Load[Any]) -> dict[str, int]:
    """What loading definitions did to their rows."""
    return {name: len(getattr(load, name)) for name in ("added", "changed", "removed", "kept")}


def problem_table(problems: Sequence[Problem], subject: str) -> dg.MetadataValue:
    """What is wrong with definitions. subject: the field of a problem that names what it is about, `alert_id`, `route_id`, …"""
    return table(
        [
            {
                "place": f"{problem.file}:{problem.line}" if problem.line else problem.file,
                subject: getattr(problem, subject),
                "field": problem.field,
                "problem": problem.message,
            }
            for problem in problems
        ]
    )


NAMED = 20
"""So many alerts are named in a sentence."""


def listed(alert_ids: Sequence[str]) -> str:
    """The end of a sentence that counts alerts: which they are."""
    more = f" and {len(alert_ids) - NAMED} more" if len(alert_ids) > NAMED else ""
    return f": {', '.join(sorted(alert_ids)[:NAMED])}{more}" if alert_ids else ""
