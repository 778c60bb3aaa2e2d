"""The alerts that have a model, with what suppression needs to know of each."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.configuration import AlertConfiguration
from alerting_assets.alerts.hold import MAX_HOLD_MINUTES, SUPPRESSION_BUDGET, Hold
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.sides import Side, watched_sides
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.configuration import ConfiguredAlert


@dataclass(frozen=True)
class ModelledAlert:
    """An enabled alert with a model.

    model_name: `<registered model>@<alias>`, as in `expected_ranges`.
    measured_hash: of what it measures and on which side it fires (`measured_hash`). A model that was trained on another one is none
        of it.
    ml_threshold: held is what has a score below it.
    is_live: whether it holds for real; otherwise it tells everything, and only records what it would have held.
    hold_hours: how long the season may hold before something is told.
    budget: the greatest share of its evaluations over the threshold that may be held, in (0, 1]."""

    alert_id: str
    model_name: str
    measured_hash: str
    condition: Condition
    sides: tuple[Side, ...]
    zone: tzinfo
    ml_threshold: float
    is_live: bool
    hold_hours: int
    budget: float
    agent_domain: str = ""
    severity: str = ""
    tags: Mapping[str, str] | None = None

    @property
    def threshold(self) -> float:
        """The one value that it compares with, to be drawn; NaN where there is none, as of CHANGES_BY, whose threshold is a percentage."""
        value, is_change = self.condition.threshold, self.condition.operator is Operator.CHANGES_BY
        return value if isinstance(value, float) and not is_change else math.nan


def modelled_alerts(alerts: Iterable[ConfiguredAlert]) -> list[ModelledAlert]:
    """Those of them that are enabled, have a model, and can be compiled. The others are quarantined, and have no ranges."""
    return [
        _modelled(alert.configuration, alert.compiled, alert.compiled.hold)
        for alert in alerts
        if alert.configuration and alert.compiled and alert.compiled.hold and alert.is_enabled
    ]


def measured_hash(alert: CompiledAlert) -> str:
    """A hash of what an alert measures and on which side it fires, 32 hex digits. Its thresholds are left out: what was learned of its
    values stays true when somebody moves them."""
    aggregation = None if alert.aggregation is None else alert.aggregation.value
    direction = None if alert.condition.direction is None else alert.condition.direction.value
    sides = [side.value for side in sides_of(alert.condition)]
    parts = [alert.source_sql, alert.value_column, aggregation, sides, direction]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def sides_of(condition: Condition) -> tuple[Side, ...]:
    return watched_sides(condition.operator, condition.direction)


def zone_of(name: str) -> tzinfo:
    """UTC by its own object, for which calendars need no look-ups."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _modelled(configuration: AlertConfiguration, compiled: CompiledAlert, hold: Hold) -> ModelledAlert:
    minutes, budget = configuration.ml_max_hold_minutes, configuration.ml_suppression_budget
    return ModelledAlert(
        compiled.alert_id,
        hold.model_name,
        measured_hash(compiled),
        compiled.condition,
        sides_of(compiled.condition),
        zone_of(compiled.schedule_timezone),
        hold.threshold,
        hold.is_live,
        hold_hours=max(1, (MAX_HOLD_MINUTES if minutes is None else minutes) // 60),
        budget=SUPPRESSION_BUDGET if budget is None else budget,
        agent_domain=configuration.agent_domain,
        severity=configuration.severity,
        tags=configuration.tags,
    )
