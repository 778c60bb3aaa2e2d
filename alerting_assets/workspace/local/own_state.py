"""What the product itself found out about deployed alerts, for the page: it evaluates them, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerting_assets.workspace.local.rules import read_timestamp


@dataclass(frozen=True)
class OwnState:
    """The newest evaluation of an alert that the product knows. state: OK, TRIGGERED, SUPPRESSED, ERROR. since: the first of the
    evaluations in a row that said so. error: why it is ERROR. is_imported: it is the workspace's own."""

    state: str
    since: datetime
    value: Any
    evaluated_at: datetime
    error: str | None = None
    is_imported: bool = False

    def is_newer_than(self, last_evaluated_at: str | None) -> bool:
        """last_evaluated_at: of the workspace's own newest evaluation, as the API has it; None before the first."""
        if self.is_imported:
            return False
        return last_evaluated_at is None or self.evaluated_at > read_timestamp(last_evaluated_at)


ReadOwnStates = Callable[[], Mapping[str, OwnState]]
"""By the workspace's id of the alert, read anew at every call. May raise anything; called from several threads."""
