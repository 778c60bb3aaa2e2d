"""What validation says: findings, and the verdict that they amount to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    VALID = "VALID"
    INVALID = "INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    """Not proven right and not proven wrong: our parser or this engine cannot read it, Databricks might."""


class Severity(StrEnum):
    """How bad a finding is; the first is the worst."""

    ERROR = "ERROR"
    UNSUPPORTED = "UNSUPPORTED"
    WARNING = "WARNING"
    OFF = "OFF"
    """A rule that a project does not want has it; no finding does."""


class Group(StrEnum):
    """What a rule is about, in the order in which rules are checked: where one group has an error, the next is not asked."""

    SYNTAX = "syntax"
    SAFETY = "safety"
    REFERENCES = "references"
    ANALYSIS = "analysis"
    CONTRACT = "contract"
    QUALITY = "quality"


@dataclass(frozen=True)
class Finding:
    """What one rule says about one query.

    line, column: counted from 1, in the text that the user wrote, before placeholders were resolved.
    transient: another look may end otherwise although neither query nor tables changed."""

    rule: str
    group: Group
    severity: Severity
    message: str
    line: int | None = None
    column: int | None = None
    suggestion: str | None = None
    transient: bool = False

    @property
    def text(self) -> str:
        """The finding as one sentence for people."""
        place = f" (line {self.line}, column {self.column})" if self.line else ""
        return f"{self.rule}: {self.message}{place}{f'; {self.suggestion}' if self.suggestion else ''}"

    def json(self) -> dict[str, str | int | None]:
        return {
            "rule": self.rule,
            "group": self.group.value,
            "severity": self.severity.value,
            "message": self.message,
            "line": self.line,
            "column": self.column,
            "suggestion": self.suggestion,
        }


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    severities = {finding.severity for finding in findings}
    if Severity.ERROR in severities:
        return Verdict.INVALID
    return Verdict.UNSUPPORTED if Severity.UNSUPPORTED in severities else Verdict.VALID


def deciding(findings: Iterable[Finding]) -> Finding | None:
    """The finding that the verdict is due to; None for VALID."""
    worst = (Severity.ERROR, Severity.UNSUPPORTED)
    return next((finding for severity in worst for finding in findings if finding.severity is severity), None)
