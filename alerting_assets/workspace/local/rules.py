"""How one local workspace behaves, and how it tells the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from alerting_assets.settings import LOCAL_WAREHOUSE_ID

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Rules:
    """How the workspace behaves.

    destination_ids: notification destinations that exist here beside those that were created by the API; nothing can be sent to them.
    alert_limit: how many alerts there may be, trashed ones included.
    destination_limit: how many notification destinations there may be; what Databricks' limit is, is not published.
    refuse_taken_name: whether a name that is taken is answered with RESOURCE_ALREADY_EXISTS, where the default is to rename to `…
        (1)`. Databricks does either.
    warehouse_start_seconds: how long a stopped warehouse takes to start; None: it cannot be started.
    chunk_bytes, link_seconds: the size of the parts of a result behind external links, and how long such a link works.
    statement_bytes: the most bytes that a statement may have, its parameters counted in.
    statement_seconds: how long a statement that ended, and its result, can still be asked for."""

    warehouse_ids: frozenset[str] = frozenset({LOCAL_WAREHOUSE_ID})
    destination_ids: frozenset[str] = frozenset()
    user_name: str = "me@localhost"
    alert_limit: int = 1_000
    destination_limit: int = 1_000
    refuse_taken_name: bool = False
    warehouse_start_seconds: float | None = 0.0
    chunk_bytes: int = 16 * 1024 * 1024
    link_seconds: float = 900.0
    statement_bytes: int = 16 * 1024 * 1024
    statement_seconds: float = 3600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """A moment as the API writes it: 2025-01-31T08:00:00.000Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_timestamp(text: str) -> datetime:
    """The moment that `timestamp` wrote."""
    return datetime.fromisoformat(text)
