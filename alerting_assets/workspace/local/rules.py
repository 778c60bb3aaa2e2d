"""How one local workspace behaves, and how it tells the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from alerting_assets.settings import LOCAL_WAREHOUSE_ID

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Rules:
    """destination_ids: notification destinations that exist here. alert_limit: trashed alerts count.
    refuse_taken_name: answer RESOURCE_ALREADY_EXISTS where the default is to rename to `… (1)`; Databricks does either."""

    warehouse_ids: frozenset[str] = frozenset({LOCAL_WAREHOUSE_ID})
    destination_ids: frozenset[str] = frozenset()
    user_name: str = "me@localhost"
    alert_limit: int = 1_000
    refuse_taken_name: bool = False


def utc_now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """As the API writes it: 2025-01-31T08:00:00.000Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
