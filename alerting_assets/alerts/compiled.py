"""What the compiler yields: the one meaning of an alert, which every other room uses as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from alerting_assets.alerts import gated
from alerting_assets.alerts.hold import Hold
from alerting_assets.alerts.marker import Marker, mark
from alerting_assets.alerts.operators import Aggregation, EmptyResultState, Operator, Severity
from alerting_assets.alerts.origin import Origin
from alerting_assets.alerts.routes import Routed, Routing
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.alerts.windows import Windows

Threshold = float | str | bool | None


@dataclass(frozen=True)
class Target:
    """Where alerts are compiled for.

    parent_path: the workspace folder of the alerts; None: the home of the principal that deploys.
    history_is_readable: whether deployed queries can read our alert_history. The tables of an embedded lakehouse are out of
        Databricks' sight.
    addresses: whom a channel's name stands for: e-mail addresses, and ids of the workspace's notification destinations.
    closed: why nobody can be told by a channel of this name, though there is one.
    routing: whom alerts tell that name no channels."""

    catalog: str
    schema: str
    environment: str
    warehouse_id: str
    parent_path: str | None = None
    history_is_readable: bool = True
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    closed: Mapping[str, str] = field(default_factory=dict, hash=False)
    routing: Routing = field(default_factory=Routing, hash=False)


@dataclass(frozen=True)
class CompiledAlert:
    """A compiled alert.

    sql: one query, without the marker, that returns at most one row.
    value_column, operator, threshold: what the API is told to compare; `threshold` is None for operators that take none.
    condition: what the configuration says; where the API has no such condition, the alert `is_gated`.
    measured_sql: the part of `sql` that measures: all of it, or what a gated alert's condition looks at.
    source_sql: the user's own query with its placeholders resolved and nothing else changed.
    aggregation: what the compiler aggregates the rows of `source_sql` by; None: it takes the first.
    origin: where places of `source_sql` are in what the user wrote.
    channels: e-mail addresses and ids of notification destinations.
    unmapped: names of channels that stand for nobody.
    routed: whom it tells, by name, and which route says so.
    hold: how a model holds it back; None: none does. An alert with one `is_gated` whatever its condition.
    silenced_summary, silenced_description: the texts that go with `windows`.
    windows: in which its deployed form is silent. `sql`, `operator` and `threshold` know nothing of them: verdicts, unit tests and our own
        evaluation are about the alert itself."""

    alert_id: str
    severity: Severity
    display_name: str
    sql: str
    measured_sql: str
    source_sql: str
    aggregation: Aggregation | None
    origin: Origin
    value_column: str
    operator: Operator
    threshold: Threshold
    condition: Condition
    empty_result_state: EmptyResultState
    schedule_cron: str
    schedule_timezone: str
    is_enabled: bool
    channels: tuple[str, ...]
    notify_on_ok: bool
    retrigger_seconds: int | None
    custom_summary: str | None
    custom_description: str | None
    target: Target
    template_id: str | None = None
    unmapped: tuple[str, ...] = ()
    routed: Routed = field(default_factory=Routed)
    silenced_summary: str | None = None
    silenced_description: str | None = None
    windows: Windows = ()
    hold: Hold | None = None

    def silenced(self, windows: Windows) -> CompiledAlert:
        """This alert, silent in these windows and in no others."""
        return self if windows == self.windows else replace(self, windows=windows)

    @cached_property
    def deployed_sql(self) -> str:
        """What is deployed, without the marker."""
        if not self.windows:
            return self.sql
        return gated.gate(
            self.measured_sql if self.is_gated else gated.as_measured(self.measured_sql, self.value_column),
            self.value_column,
            self.condition,
            self.empty_result_state,
            gated.looks_sql(self.condition, self.hold, self.alert_id, self.target.catalog, self.target.schema),
            self.windows,
            self.hold,
        )

    @property
    def is_gated(self) -> bool:
        return not self.condition.is_native or self.hold is not None

    @property
    def recovery_is_ours(self) -> bool:
        """Whether the workspace takes for a recovery what is none, so that it tells of none: we do (`incidents.recoveries`)."""
        return bool(self.windows) or (self.hold is not None and self.hold.is_live)

    @cached_property
    def compiled_hash(self) -> str:
        """A hash of what decides the verdict and the evaluation: the SQL, the column and the condition. 32 hex digits."""
        return _hash([self.sql, self.value_column, self.operator, self.threshold, self.empty_result_state])

    @cached_property
    def config_hash(self) -> str:
        """A hash of all that is deployed, without the nonce; where it is equal there is nothing to write. 32 hex digits."""
        return _hash(self._body(self.deployed_sql))

    def body(self, nonce: str) -> dict[str, Any]:
        """The body of the Alerts v2 API that creates this alert."""
        return self._body(mark(self.deployed_sql, Marker(self.alert_id, self.target.environment, nonce)))

    def _body(self, query_text: str) -> dict[str, Any]:
        notification: dict[str, Any] = {
            "notify_on_ok": self.notify_on_ok and not self.recovery_is_ours,
            "subscriptions": [
                {"user_email": channel} if "@" in channel else {"destination_id": channel}
                for channel in sorted(set(self.channels))
            ],
        }
        if self.retrigger_seconds is not None:
            notification["retrigger_seconds"] = self.retrigger_seconds
        evaluation: dict[str, Any] = {
            "source": {"name": self.value_column},
            "comparison_operator": (Operator.IS_NOT_NULL if self.windows else self.operator).value,
            "empty_result_state": self.empty_result_state.value,
            "notification": notification,
        }
        if self.threshold is not None and not self.windows:
            evaluation["threshold"] = {"value": {_threshold_key(self.threshold): self.threshold}}
        body: dict[str, Any] = {
            "display_name": self.display_name,
            "query_text": query_text,
            "warehouse_id": self.target.warehouse_id,
            "evaluation": evaluation,
            "schedule": {
                "quartz_cron_schedule": self.schedule_cron,
                "timezone_id": self.schedule_timezone,
                "pause_status": "UNPAUSED" if self.is_enabled else "PAUSED",
            },
        }
        summary = self.silenced_summary if self.windows else self.custom_summary
        description = self.silenced_description if self.windows else self.custom_description
        if summary is not None:
            body["custom_summary"] = summary
        if description is not None:
            body["custom_description"] = description
        if self.target.parent_path is not None:
            body["parent_path"] = self.target.parent_path
        return body


def _threshold_key(threshold: float | str | bool) -> str:
    if isinstance(threshold, bool):
        return "bool_value"
    return "string_value" if isinstance(threshold, str) else "double_value"


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
