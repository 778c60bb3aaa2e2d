"""Planned events: the kind of definitions that they are, single rows of them, and what people should know about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alerting_assets.alerts.definitions import EXPECTED_EVENTS as KEY
from alerting_assets.alerts.expected_events import (
    OWNED_EVENT_COLUMNS,
    ExpectedEventConfiguration,
    parse_expected_event,
)
from alerting_assets.configuration.listed import YAML, Configured, Kind, read_listed, table_of, to_configured
from alerting_assets.configuration.rows import Row
from alerting_assets.configuration.silences import traits_of
from alerting_assets.errors import DefinitionError, did_you_mean
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import EXPECTED_EVENTS

EXPECTED_EVENT = Kind(EXPECTED_EVENTS, KEY, "expected event", "event_id", OWNED_EVENT_COLUMNS, parse_expected_event)
ConfiguredEvent = Configured[ExpectedEventConfiguration]


def events_in(
    lakehouse: Lakehouse, rows: Iterable[Row] | None = None
) -> list[tuple[ExpectedEventConfiguration, datetime]]:
    """Those that can be used, each with when it was declared. rows: of expected_events, where not those of the table."""
    found = to_configured(EXPECTED_EVENT, read_listed(lakehouse, EXPECTED_EVENT) if rows is None else rows)
    return [(one.definition, one.row["created_at"]) for one in found if one.definition is not None]


def event_notes(
    events: Iterable[ExpectedEventConfiguration], alerts: Sequence[Mapping[str, Any]], now: datetime
) -> list[str]:
    """Sentences about events that are right, not over, and change nothing. alerts: rows of alert_configurations."""
    notes = []
    for one in events:
        if one.is_over(now):
            continue
        matched = [row for row in alerts if one.matches(traits_of(row))]
        if not matched:
            notes.append(f"event {one.event_id} matches no alert: {one.in_words()}")
        elif not any(row["ml_model_enabled"] for row in matched):
            notes.append(
                f"event {one.event_id} changes nothing: none of its {len(matched)} alerts has a model (ml_model_enabled); a silence "
                "keeps such an alert quiet"
            )
    return notes


def declare_event(lakehouse: Lakehouse, event: ExpectedEventConfiguration, now: datetime) -> None:
    """Store a new event. Raises DefinitionError where there is one of that id, and for one that is over."""
    if event.is_over(now):
        raise _refused(event.event_id, "is over already", "ends_at")
    row = {**event.row(), "created_at": now, "updated_at": now}
    table = table_of(EXPECTED_EVENT, [*OWNED_EVENT_COLUMNS, "created_at", "updated_at"], [row])
    if not lakehouse.merge(EXPECTED_EVENTS.name, table, on=["event_id"], update=()).inserted:
        raise _refused(event.event_id, "is there already; end it, or take another id", "event_id")


def end_event(lakehouse: Lakehouse, event_id: str, now: datetime) -> str:
    """Let an event end now, and return what became of it in words.

    Raises DefinitionError for one that there is not, and for one that a file defines."""
    rows = {row["event_id"]: row for row in read_listed(lakehouse, EXPECTED_EVENT)}
    if event_id not in rows:
        raise _refused(event_id, f"there is no such event{did_you_mean(event_id, rows)}", None)
    row, end = rows[event_id], now.replace(microsecond=0)
    if row["managed_by"].startswith(YAML):
        raise _refused(event_id, f"is defined in {row['managed_by'].removeprefix(YAML)}; set its ends_at there", None)
    if row["ends_at"] <= now:
        return f"had ended already, at {row['ends_at']:%Y-%m-%d %H:%M} UTC"
    # One that has not begun ends before it begins, and so is none: its row stays for the record.
    ends_at = max(end, row["starts_at"])
    ended = table_of(
        EXPECTED_EVENT,
        ["event_id", "ends_at", "updated_at"],
        [{"event_id": event_id, "ends_at": ends_at, "updated_at": now}],
    )
    lakehouse.merge(EXPECTED_EVENTS.name, ended, on=["event_id"], insert=False)
    return f"ends at {ends_at:%Y-%m-%d %H:%M} UTC"


def _refused(event_id: str, message: str, field: str | None) -> DefinitionError:
    return DefinitionError([EXPECTED_EVENT.problem(message, field, event_id)])
