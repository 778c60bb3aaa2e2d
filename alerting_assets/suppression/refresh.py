"""The ranges of the hours to come, written ahead of them into `expected_ranges` for all alerts by one merge.

It runs shortly before each hour, and writes the next `HORIZON_HOURS`: so ranges run out by themselves, and everything is told, when it
does not run for that long. An hour that has begun keeps its range, unless that came from another version of the model."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from alerting_assets.alerts.reasons import Reason
from alerting_assets.anomaly import METHOD, NOTHING_DECLARED, Declared, Model, NotLearned, Range, ranges_ahead
from alerting_assets.anomaly.levels import levels_text
from alerting_assets.anomaly.series import HOUR
from alerting_assets.configuration import events_in
from alerting_assets.errors import AlertingError
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.sql_literal import moment_literal
from alerting_assets.suppression.declarations import declarations
from alerting_assets.suppression.histories import not_learned
from alerting_assets.suppression.lately import Lately, read_lately
from alerting_assets.suppression.modelled import ModelledAlert

HORIZON_HOURS = 3
STALE = timedelta(days=14)
"""A model that is older holds nothing any more: the training has failed for two weeks."""

_log = logging.getLogger(__name__)


class Serving(Protocol):
    """The version of a registered model that ranges are made with: what is learned about many alerts."""

    @property
    def version(self) -> str: ...

    @property
    def trained_at(self) -> datetime: ...

    def model_of(self, alert_id: str, measured_hash: str) -> Model | None:
        """What is learned about an alert that measures this; None where nothing is."""
        ...


LoadModel = Callable[[str], Serving | None]
"""The version that `<registered model>@<alias>` stands for; None where there is none yet. Raises AlertingError."""


@dataclass(frozen=True)
class RefreshedAlert:
    """What was written for one alert.

    model_version, trained_at: None where there is no model, and then nothing was written.
    closed: why less is held in the next hour than could be, or nothing; None: the range is open.
    until: when its ranges run out."""

    alert: ModelledAlert
    lately: Lately
    model_version: str | None = None
    trained_at: datetime | None = None
    closed: str | None = None
    until: datetime | None = None
    error: str | None = None


@dataclass(frozen=True)
class Refresh:
    """What a refresh did. written: rows that are new or other than before. unavailable: model name → why it could not be loaded."""

    alerts: tuple[RefreshedAlert, ...]
    written: int
    unavailable: Mapping[str, str]

    @property
    def open(self) -> int:
        return sum(one.until is not None and one.closed is None for one in self.alerts)

    @property
    def closed(self) -> dict[str, int]:
        """How many alerts are closed, by reason."""
        return dict(sorted(Counter(one.closed for one in self.alerts if one.closed is not None).items()))

    @property
    def failed(self) -> dict[str, str]:
        """alert_id → what went wrong with it."""
        return {one.alert.alert_id: one.error for one in self.alerts if one.error is not None}


class _People(NamedTuple):
    """What people said about an alert."""

    not_learned: tuple[NotLearned, ...]
    declared: Declared


def refresh(lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime, load: LoadModel) -> Refresh:
    """Write the ranges of these alerts, whatever goes wrong with some of them. load: called once for each model that they name."""
    lately = read_lately(lakehouse, alerts, now)
    events = events_in(lakehouse)
    incidents, declared = not_learned(lakehouse, alerts, events), declarations(lakehouse, alerts, events, now)
    served, unavailable = load_all({alert.model_name for alert in alerts}, load)
    refreshed, rows = list[RefreshedAlert](), list[dict[str, Any]]()
    for alert in alerts:
        one, serving = lately[alert.alert_id], served.get(alert.model_name)
        if serving is None:
            refreshed.append(RefreshedAlert(alert, one, error=unavailable.get(alert.model_name)))
            continue
        people = _People(incidents.get(alert.alert_id, ()), declared.get(alert.alert_id, NOTHING_DECLARED))
        outcome, found = _refreshed(alert, one, serving, people, now)
        refreshed.append(outcome)
        rows += (_row(alert, serving, range_, closed, now) for range_, closed in found)
    return Refresh(tuple(refreshed), _write(lakehouse, rows, now), unavailable)


def load_all(names: set[str], load: LoadModel) -> tuple[dict[str, Serving | None], dict[str, str]]:
    """What serves each of these models; and of those that cannot be loaded, why."""
    served, unavailable = dict[str, Serving | None](), dict[str, str]()
    for name in sorted(names):
        try:
            served[name] = load(name)
        except AlertingError as error:
            unavailable[name] = str(error)
    return served, unavailable


def _refreshed(
    alert: ModelledAlert, lately: Lately, serving: Serving, people: _People, now: datetime
) -> tuple[RefreshedAlert, list[tuple[Range, Reason | None]]]:
    """What becomes of one alert, and its ranges with why they are closed."""
    error, hour = None, int(now.timestamp()) // HOUR
    # The isolation boundary: whatever is wrong with one alert, the others get their ranges.
    try:
        model = serving.model_of(alert.alert_id, alert.measured_hash)
        found = _ranges(alert, lately, model, people, hour)
    except Exception as failure:  # noqa: BLE001 — told as an error and in the log
        _log.exception("alert %s gets no range", alert.alert_id)
        fault = f"{type(failure).__name__}: {failure}"
        error = f"gets no range ({fault}), which is a fault of alerting_assets; please report it"
        found = []
    if not found:
        found = [Range(number, {}) for number in range(hour, hour + 1 + HORIZON_HOURS)]
    closed = [(one, _closed(one, alert, lately, serving, now, failed=error is not None)) for one in found]
    # closed[0] is the hour that has begun.
    reason = closed[1][1]
    outcome = RefreshedAlert(
        alert,
        lately,
        serving.version,
        serving.trained_at,
        None if reason is None else reason.value,
        found[-1].valid_until,
        error,
    )
    return outcome, closed


def _ranges(alert: ModelledAlert, lately: Lately, model: Model | None, people: _People, hour: int) -> list[Range]:
    """The range of the hour that has begun, from what came before it, and those of the next ones. None without a model."""
    if model is None or set(model.seasons) != set(alert.sides):
        return []
    method = replace(METHOD, hold_hours=alert.hold_hours)
    found = list[Range]()
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows has no range, and is told
        for begin, hours in ((hour, 1), (hour + 1, HORIZON_HOURS)):
            holdings = lately.holdings(alert.sides, method, begin)
            before = lately.before(begin)
            found += ranges_ahead(
                model,
                holdings,
                begin,
                hours=hours,
                before=before,
                not_learned=people.not_learned,
                declared=people.declared,
                method=method,
            )
    return found


def _closed(
    found: Range, alert: ModelledAlert, lately: Lately, serving: Serving, now: datetime, *, failed: bool
) -> Reason | None:
    """Why less is held in an hour than could be; the reasons that hold nothing at all come first."""
    if failed:
        return Reason.FAILED
    if not found.sides:
        return Reason.NO_HISTORY
    if now - serving.trained_at > STALE:
        return Reason.STALE_MODEL
    if lately.is_over_budget(alert.budget):
        return Reason.BUDGET
    reasons = [bounds.closed for bounds in found.sides.values() if bounds.closed is not None]
    return reasons[0] if reasons else None


_SHUT = frozenset({Reason.FAILED, Reason.NO_HISTORY, Reason.STALE_MODEL, Reason.BUDGET})
"""Nothing is held, whatever else is known of the hour."""


def _row(alert: ModelledAlert, serving: Serving, found: Range, closed: Reason | None, now: datetime) -> dict[str, Any]:
    has_scale = bool(found.sides) and math.isfinite(found.scale) and found.scale > 0
    is_shut = closed in _SHUT or not has_scale
    return {
        "alert_id": alert.alert_id,
        "model_name": alert.model_name,
        "valid_from": found.valid_from,
        "valid_until": found.valid_until,
        "expected": _number(found.expected) if found.sides else None,
        "lower": None if is_shut else _number(found.lower),
        "upper": None if is_shut else _number(found.upper),
        "scale": found.scale if has_scale else None,
        "closed": None if closed is None else closed.value,
        "levels": None if is_shut else levels_text(found),
        "model_version": serving.version,
        "created_at": now,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]], now: datetime) -> int:
    if not rows:
        return 0
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(EXPECTED_RANGES))
    result = lakehouse.merge(
        EXPECTED_RANGES.name,
        table,
        on=EXPECTED_RANGES.key,
        matched_if="target.valid_from > source.created_at OR target.model_version <> source.model_version",
        among=f"target.valid_from >= {moment_literal(min(row['valid_from'] for row in rows))}",
    )
    _log.info("%d ranges added, %d written anew at %s", result.inserted, result.updated, now)
    return result.inserted + result.updated
