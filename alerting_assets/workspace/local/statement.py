"""One statement: its state, and the answer that a client gets when it asks after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from alerting_assets.workspace.local.sql_result import ArrowChunk

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


@dataclass
class Statement:
    """answer: everything but the id and the links. A statement that ended does not change any more.
    chunks: of a result that is fetched over external links."""

    id: str
    state: str = "PENDING"
    answer: dict[str, Any] = field(default_factory=dict)
    chunks: list[ArrowChunk] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    def start(self) -> None:
        if not self.has_ended:
            self.state = "RUNNING"

    def succeed(self, chunks: list[ArrowChunk] | None = None, **answer: Any) -> None:
        if not self.has_ended:
            self.chunks = chunks or []
            self.state, self.answer = "SUCCEEDED", answer

    def fail(self, code: str, message: str) -> None:
        if not self.has_ended:
            self.state, self.answer = "FAILED", {"error": {"error_code": code, "message": message}}

    def cancel(self) -> None:
        if not self.has_ended:
            self.state, self.answer = "CANCELED", {}

    def body(self) -> dict[str, Any]:
        status: dict[str, Any] = {"state": self.state}
        rest = dict(self.answer)
        if "error" in rest:
            status["error"] = rest.pop("error")
        return {"statement_id": self.id, "status": status, **rest}
