"""What a rule is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from sqlglot import exp

from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.validation.finding import Finding, Group, Severity
from alerting_assets.validation.query import AlertQuery

_BEYOND_THE_ENGINE = (QueryErrorKind.UNSUPPORTED, QueryErrorKind.TIMEOUT)
_MAY_PASS = (QueryErrorKind.RUNTIME,)
MESSAGE_LENGTH = 1_000
SHORTER = "make it shorter or simpler; `alerting validate --fresh` and the daily revalidation try again"


class Rule(ABC):
    """The class's name is what people see, in snake case; its docstring is what they read. severity: of its findings, unless the
    project sets another one. stops: with a finding of this rule the rest of its group cannot be asked. fixed: no project can soften it,
    since what breaks it is dangerous, or fails whenever it runs."""

    name: ClassVar[str]
    group: ClassVar[Group]
    severity: ClassVar[Severity] = Severity.ERROR
    stops: ClassVar[bool] = False
    fixed: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)
        cls.name = words.lstrip("_")

    @abstractmethod
    def check(self, query: AlertQuery) -> Iterable[Finding]: ...

    def finding(
        self,
        query: AlertQuery,
        message: str,
        *,
        at: int | exp.Expr | None = None,
        suggestion: str | None = None,
        severity: Severity | None = None,
        transient: bool = False,
    ) -> Finding:
        """at: an offset in the query's text, or a node of its tree."""
        line, column = query.place(at)
        text, way_out = _shortened(message), suggestion and _shortened(suggestion)
        return Finding(self.name, self.group, severity or self.severity, text, line, column, way_out, transient)

    def rejected(
        self, query: AlertQuery, error: QueryError, *, at: int | None = None, suggestion: str | None = None
    ) -> Finding:
        severity = Severity.UNSUPPORTED if error.kind in _BEYOND_THE_ENGINE else Severity.ERROR
        advice = SHORTER if error.kind is QueryErrorKind.TIMEOUT else suggestion
        return self.finding(
            query, error.message, at=at, suggestion=advice, severity=severity, transient=error.kind in _MAY_PASS
        )


def _shortened(text: str) -> str:
    """A name or a literal may be a megabyte long; both ends of the sentence stay."""
    return text if len(text) <= MESSAGE_LENGTH else f"{text[: MESSAGE_LENGTH // 2]} … {text[-MESSAGE_LENGTH // 4 :]}"
