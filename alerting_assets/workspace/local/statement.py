"""One statement: its state, and the answer that a client gets when it asks after it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from alerting_assets.workspace.local.sql_result import Result


@dataclass
class Statement:
    """A statement. Used on the event loop only; one that ended does not change any more.

    result: of a statement that succeeded.
    error: of a statement that failed.
    ended_at: when it ended, in seconds of the monotonic clock."""

    id: str
    warehouse_id: str
    state: str = "PENDING"
    result: Result | None = None
    error: dict[str, str] | None = None
    ended_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_ended(self) -> bool:
        return self.ended.is_set()

    def start(self) -> None:
        if not self.has_ended:
            self.state = "RUNNING"

    def succeed(self, result: Result) -> None:
        if not self.has_ended:
            self.result = result
            self._end("SUCCEEDED")

    def fail(self, code: str, message: str) -> None:
        """End the statement as failed. code: one of the SDK's ServiceErrorCode."""
        if not self.has_ended:
            self.error = {"error_code": code, "message": message}
            self._end("FAILED")

    def cancel(self) -> None:
        if not self.has_ended:
            self._end("CANCELED")

    def body(self) -> dict[str, Any]:
        """The answer to a client, without the links of the result."""
        status: dict[str, Any] = {"state": self.state, **({"error": self.error} if self.error else {})}
        answer = {"manifest": self.result.manifest, "result": self.result.inline} if self.result else {}
        return {"statement_id": self.id, "status": status, **answer}

    def _end(self, state: str) -> None:
        self.state, self.ended_at = state, time.monotonic()
        self.ended.set()
