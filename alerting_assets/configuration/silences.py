"""Silences: the kind of definitions that they are, those of a lakehouse, and what people should know about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from alerting_assets.alerts.definitions import SILENCES
from alerting_assets.alerts.silences import OWNED_SILENCE_COLUMNS, SilenceConfiguration, parse_silence
from alerting_assets.alerts.silencing import Silences
from alerting_assets.configuration.listed import Configured, Kind, read_listed, to_configured
from alerting_assets.configuration.rows import Row
from alerting_assets.errors import Problem
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_SILENCES

SILENCE = Kind(ALERT_SILENCES, SILENCES, "silence", "silence_id", OWNED_SILENCE_COLUMNS, parse_silence)
ConfiguredSilence = Configured[SilenceConfiguration]

MATCHED_COLUMNS = ("alert_id", "agent_domain", "severity", "tags")


class Traits(NamedTuple):
    """What silences look at of a row of alert_configurations."""

    alert_id: str
    agent_domain: str
    severity: str
    tags: Mapping[str, str] | None


def traits_of(row: Mapping[str, Any]) -> Traits:
    """tags: a dict, or pairs as a column of maps has them."""
    tags = row["tags"]
    return Traits(row["alert_id"], row["agent_domain"], row["severity"], None if tags is None else dict(tags))


def silences_in(lakehouse: Lakehouse, now: datetime, rows: Iterable[Row] | None = None) -> Silences:
    """Those that can be used; one that cannot silences nothing. rows: of alert_silences, where not those of the table."""
    found = to_configured(SILENCE, read_listed(lakehouse, SILENCE) if rows is None else rows)
    return Silences([one.definition for one in found if one.definition is not None], now)


def silence_problems(rows: Iterable[Row]) -> list[Problem]:
    """What is wrong with rows of alert_silences; each costs one silence."""
    return [problem for one in to_configured(SILENCE, rows) for problem in one.problems]


def silence_notes(silences: Silences, alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about silences that are right, not over, and may still surprise. alerts: rows of alert_configurations."""
    known = [traits_of(row) for row in alerts]
    notes = []
    for one in silences.all:
        if one.is_over(silences.now):
            continue
        matched = sum(map(one.matches, known))
        if not matched:
            notes.append(f"silence {one.silence_id} matches no alert: {one.in_words()}")
        elif one.is_everything or matched == len(known) > 1:
            notes.append(f"silence {one.silence_id} matches every alert: {one.in_words()}")
    return notes
