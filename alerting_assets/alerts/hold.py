"""What holds an alert back where a model expects the value: `ml_model_enabled` and its fields, and the deployed query's look at
`expected_ranges` (docs/architecture.md, "What is deployed").

The query looks once, and takes of the rows of this alert and model the one that is valid now. It counts when it is the only one and of
the same model version as the newest row: after a change of version, rows of the other one hold nothing. Rows that were made later than
now are as if they were not there. Without a row that counts nothing is held, nor by one without bounds, nor where the value or the
score is NULL, NaN or infinite."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alerting_assets.alerts.operators import ChangeDirection, Operator, Severity
from alerting_assets.alerts.sides import watched_sides
from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.sql_literal import qualified, text_literal

if TYPE_CHECKING:
    from alerting_assets.alerts.configuration import AlertConfiguration

ML_THRESHOLD = 0.0
"""The score below which an evaluation is held, unless the alert says otherwise: whatever is within its range."""
MAX_HOLD_MINUTES = 23 * 60
MAX_HOLD_BOUNDS = (60, 7 * 24 * 60)
SUPPRESSION_BUDGET = 0.9
"""Of the evaluations at which the condition is met, the share that may be held, unless the alert says otherwise."""

MODEL = "alert_anomaly_detector"
"""The registered model of all alerts of a schema that name none."""
SERVING = "serving"
"""The alias that an alert without `ml_model_name` follows."""
MODEL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}@[A-Za-z0-9_-]{1,255}")

RANGE = "ml_range"
"""STRUCT: the row of `expected_ranges` that counts, in the innermost part of the query only."""
SCORE = "ml_score"
"""DOUBLE: how many scales the value lies outside of its range, negative inside of it; NULL where there is none. Never NaN or infinite."""
HELD = "ml_held"
"""BOOLEAN, never NULL: whether the alert would fire now, and does not since the value is expected; or, where the model is only tried out,
would not."""
EXPECTED, LOWER, UPPER, MODEL_VERSION, CLOSED, LEVELS = FOUND = (
    "ml_expected",
    "ml_lower",
    "ml_upper",
    "ml_model_version",
    "ml_closed",
    "ml_levels",
)
"""The columns of `expected_ranges` under these names, for people and for our own evaluation; all NULL where no row counts."""

COLUMNS = (SCORE, HELD, *FOUND)
"""What stands in the deployed query of an alert with a model, beside the columns of the gated form."""

_FIELDS = {
    "expected": "DOUBLE",
    "lower": "DOUBLE",
    "upper": "DOUBLE",
    "scale": "DOUBLE",
    "closed": "STRING",
    "levels": "STRING",
    "model_version": "STRING",
}
"""Of `RANGE`, with their types. NaN is NULL in it, and so is a scale that one cannot divide by."""

FIELDS = tuple(_FIELDS)

_NOW = "CURRENT_TIMESTAMP()"
LOOKS_BACK_DAYS = 2
"""How long ago a row may have begun that is looked at. It spares the engine the files before."""


@dataclass(frozen=True)
class Hold:
    """How a model holds an alert back. model_name: `registered model@alias`. threshold: held is what has a score below it.
    is_live: whether it holds; otherwise it is only tried out, and history says what would have been held."""

    model_name: str
    threshold: float
    is_live: bool

    @property
    def words(self) -> str:
        score = "" if self.threshold == ML_THRESHOLD else f" (ml_score below {self.threshold:g})"
        held = f"held back where {self.model_name} expects the value{score}"
        return held if self.is_live else f"would be {held}"


def hold_of(configuration: AlertConfiguration, catalog: str, schema: str) -> Hold | None:
    """None where no model is enabled."""
    if not configuration.ml_model_enabled:
        return None
    return Hold(
        configuration.ml_model_name or f"{catalog}.{schema}.{MODEL}@{SERVING}",
        ML_THRESHOLD if configuration.ml_threshold is None else configuration.ml_threshold,
        is_live(configuration.model_dump(include={*_DECIDES_LIVE})),
    )


_DECIDES_LIVE = ("ml_model_enabled", "ml_shadow", "severity", "ml_allow_critical")


def is_live(row: Mapping[str, Any]) -> bool:
    """Whether an alert of which this is the row is held back in earnest: neither without a model, nor in shadow, nor CRITICAL without
    leave."""
    may = row["severity"] != Severity.CRITICAL or row["ml_allow_critical"]
    return bool(row["ml_model_enabled"] and not row["ml_shadow"] and may)


def check_model_fields(configuration: AlertConfiguration) -> None:
    """Raises FieldError. Fields beside a model that is not enabled are checked, too, and wait for the day that it is."""
    name = configuration.ml_model_name
    if name is not None and not MODEL_NAME.fullmatch(name):
        raise FieldError(
            "ml_model_name", f"{name!r} is no registered model with its alias, as in main.gold.{MODEL}@{SERVING}"
        )
    condition = configuration.condition
    if configuration.ml_model_enabled and (
        not watched_sides(condition.operator, condition.direction) or condition.direction is ChangeDirection.EITHER
    ):
        either = f" with change_direction {condition.direction}" if condition.direction is not None else ""
        names = ", ".join(operator for operator in Operator if watched_sides(operator))
        raise FieldError(
            "ml_model_enabled",
            f"goes with operators that fire on a side of a number, and not with {condition.operator}{either}: {names}, and CHANGES_BY with "
            "change_direction INCREASE or DECREASE. Set it to false",
        )


def range_look(hold: Hold, alert_id: str, catalog: str, schema: str) -> str:
    """The scalar subquery whose value is `RANGE`: a struct, or NULL."""
    table = qualified(catalog, schema, EXPECTED_RANGES.name)
    where = f"alert_id = {text_literal(alert_id)} AND model_name = {text_literal(hold.model_name)}"
    return f"(SELECT {COUNTING}\n    FROM (SELECT {aggregates(_NOW)}\n    {rows(table, _NOW, where)}) AS found)"


COUNTING = "CASE WHEN valid_now = 1 AND valid.model_version = newest.model_version THEN valid END"
"""SQL of `RANGE` over `aggregates`."""


def rows(table: str, now: str, where: str) -> str:
    """SQL of the rows that are looked at. table, now: SQL of the table's name and of the present moment."""
    since = f"{now} - INTERVAL {LOOKS_BACK_DAYS} DAYS"
    return f"FROM {table}\n    WHERE {where}\n      AND created_at <= {now} AND valid_from > {since}"


def aggregates(now: str) -> str:
    """SQL of the aggregates over `rows`: how many are valid now, one of those as `RANGE`, and of which version the newest one is."""
    is_now = f"valid_from <= {now} AND valid_until > {now}"
    fields = ", ".join(f"'{name}', {_sound(name)}" for name in FIELDS)
    return (
        f"COUNT(CASE WHEN {is_now} THEN 1 END) AS valid_now,\n"
        f"      MAX(CASE WHEN {is_now} THEN named_struct({fields}) END) AS valid,\n"
        "      MAX(named_struct('created_at', created_at, 'model_version', model_version)) AS newest"
    )


def _sound(name: str) -> str:
    """SQL of a column of `expected_ranges` where it says something. Engines order NaN differently."""
    if _FIELDS[name] == "STRING":
        return name
    if name == "scale":
        return f"CASE WHEN scale > 0 AND scale < {_INFINITY} THEN scale END"
    return f"nanvl({name}, NULL)"


def unpacked() -> str:
    """SQL of the columns `FOUND` of `RANGE`."""
    return ", ".join(f"{RANGE}.{name.removeprefix('ml_')} AS {name}" for name in FOUND)


def columns(found: Mapping[str, Any]) -> dict[str, Any]:
    """The columns `FOUND` of the fields of `RANGE`."""
    return {name: found[name.removeprefix("ml_")] for name in FOUND}


def score_sql(number: str) -> str:
    """SQL of `SCORE`. number: SQL of the measured value as a DOUBLE."""
    score = f"greatest(({number} - {RANGE}.upper) / {RANGE}.scale, ({RANGE}.lower - {number}) / {RANGE}.scale)"
    # Zero has a sign that some engines compare.
    return f"NULLIF(NULLIF(nanvl({score} + 0D, NULL), {_INFINITY}), -{_INFINITY})"


def ml_score(value: float | None, found: Mapping[str, Any]) -> float | None:
    """`SCORE` as the query works it out. found: the fields of `RANGE`; all None where no row counts."""
    scale, upper, lower = found["scale"], found["upper"], found["lower"]
    if value is None or not math.isfinite(value) or scale is None:
        return None
    above = None if upper is None else (value - upper) / scale
    below = None if lower is None else (lower - value) / scale
    score = max((one for one in (above, below) if one is not None), default=math.inf)
    return score + 0.0 if math.isfinite(score) else None


_INFINITY = "CAST('Infinity' AS DOUBLE)"


def literal_range(found: Mapping[str, Any]) -> str:
    """SQL of `RANGE` with these fields."""
    fields = ", ".join(f"'{name}', {_cast(found[name], type)}" for name, type in _FIELDS.items())
    return f"named_struct({fields})"


def _cast(value: Any, type: str) -> str:
    return f"CAST({'NULL' if value is None else text_literal(str(value))} AS {type})"
