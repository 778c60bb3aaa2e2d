"""Every error this package raises on purpose.

    AlertingError
    ├── SettingsError              a wrong setting or a wrong call
    ├── DefinitionError            alert definitions that cannot be read; holds every problem found
    │   └── EvaluationsError       a file of evaluations that cannot be read
    ├── CompileError               one alert that cannot be compiled; names the alert and the field
    ├── LakehouseError
    │   ├── LakehouseUnavailable   the engine or its storage cannot be used
    │   ├── TableNotFound
    │   ├── ConcurrentWriteError   other writers won every retry
    │   ├── ChangesUnavailable     the change feed does not reach back (or forward) to the version asked for
    │   └── QueryError             the engine rejects a query; holds kind and position
    ├── DeliveryError              a message, or what keeps it, is in trouble
    │   ├── WrongAddress           an e-mail address that is none
    │   ├── OutboxUnavailable      the file that keeps messages until they have arrived cannot be used
    │   ├── FailureStoreUnavailable the file that remembers which failures were told cannot be used
    │   ├── DeliveryDelayed        this attempt failed, another may succeed; may hold when the receiver wants it
    │   └── DeliveryRefused        no attempt can succeed as things are
    │       └── DestinationUnknown
    ├── ModelStoreError            MLflow, its database or its storage cannot be used
    └── WorkspaceError
        ├── WorkspaceUnavailable   no answer, or 5xx until the retries ran out; a request may have been carried out
        ├── WorkspaceDenied        401: nobody is let in with these credentials
        │   └── WorkspaceForbidden 403: the principal may not do this, or not see that
        ├── WorkspaceNotFound      404
        ├── WorkspaceConflict      409, RESOURCE_ALREADY_EXISTS
        ├── WorkspaceThrottled     429 until the retries ran out; the request was not carried out
        ├── WorkspaceRejected      400 and other 4xx: the request itself is wrong
        └── SyncStopped            a safety rule refused to go on; nothing was written
            └── AnotherSync        holds the lease

Exceptions of other libraries are translated at the two ports (lakehouse, workspace) and nowhere else.
No message contains a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


def nearest(word: str, names: Iterable[str], *, likeness: int = 65) -> str | None:
    """The name that was probably meant; None when none is alike. likeness: from 0, any name, to 100, the same name."""
    from rapidfuzz import process

    found = process.extractOne(word, sorted(names), score_cutoff=likeness)
    return found[0] if found else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The end of an error's sentence: `; did you mean 'x'?`, or nothing when no name is alike."""
    name = nearest(word, names)
    return f"; did you mean {name!r}?" if name is not None else ""


class AlertingError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with: 1 a finding, 2 a wrong call or setting."""

    exit_code = 1


class SettingsError(AlertingError):
    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a definition. `file` and `line` are None for rows that did not come from a file."""

    message: str
    field: str | None = None
    alert_id: str | None = None
    file: str | None = None
    line: int | None = None
    destination_id: str | None = None
    silence_id: str | None = None
    route_id: str | None = None
    event_id: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file or ""
        subject = " ".join(
            part
            for part in (
                f"alert {self.alert_id}" if self.alert_id else "",
                f"destination {self.destination_id}" if self.destination_id else "",
                f"silence {self.silence_id}" if self.silence_id else "",
                f"route {self.route_id}" if self.route_id else "",
                f"event {self.event_id}" if self.event_id else "",
                self.field or "",
            )
            if part
        )
        return ": ".join(part for part in (place, subject, self.message) if part)


class ModelStoreError(AlertingError):
    """MLflow, its database or its storage cannot be used, or holds what cannot be read."""


class DefinitionError(AlertingError):
    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EvaluationsError(DefinitionError):
    exit_code = 2


class TemplateError(AlertingError):
    """A template, or a value for one of its parameters, is wrong. parameter: None where it is about the template itself."""

    exit_code = 2

    def __init__(self, template_id: str, parameter: str | None, message: str) -> None:
        self.template_id, self.parameter, self.message = template_id, parameter, message
        super().__init__(f"template {template_id}: {f'parameter {parameter}: ' if parameter else ''}{message}")


class CompileError(AlertingError):
    def __init__(self, alert_id: str, field: str, message: str) -> None:
        self.alert_id, self.field, self.message = alert_id, field, message
        super().__init__(f"alert {alert_id}: {field}: {message}")


class IncidentError(AlertingError):
    """There is no such incident, or several."""

    exit_code = 2


class LakehouseError(AlertingError):
    pass


class LakehouseUnavailable(LakehouseError):
    exit_code = 2


class TableNotFound(LakehouseError):
    pass


class ConcurrentWriteError(LakehouseError):
    pass


class ChangesUnavailable(LakehouseError):
    pass


class QueryErrorKind(StrEnum):
    SYNTAX = "SYNTAX"
    MISSING_TABLE = "MISSING_TABLE"
    MISSING_COLUMN = "MISSING_COLUMN"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    UNSUPPORTED = "UNSUPPORTED"
    """The engine cannot run it, another engine might: never the same as invalid."""
    RUNTIME = "RUNTIME"
    """Found only when the query ran: division by zero, a failed cast, out of memory."""
    TIMEOUT = "TIMEOUT"
    """The engine did not come to an end in the time that it had."""
    OTHER = "OTHER"


class QueryError(LakehouseError):
    """`line` and `column` count from 1 in the text that was sent; None where the engine does not say."""

    def __init__(
        self,
        kind: QueryErrorKind,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        name: str | None = None,
    ) -> None:
        self.kind, self.message, self.line, self.column, self.name = kind, message, line, column, name
        super().__init__(message)

    @classmethod
    def timed_out(cls, seconds: float) -> QueryError:
        return cls(QueryErrorKind.TIMEOUT, f"the query ran longer than {seconds:.0f} seconds and was stopped")


class DeliveryError(AlertingError):
    pass


class WrongAddress(DeliveryError):
    exit_code = 2


class OutboxUnavailable(DeliveryError):
    exit_code = 2


class FailureStoreUnavailable(DeliveryError):
    exit_code = 2


class DeliveryDelayed(DeliveryError):
    """retry_after: seconds that the receiver asked for. delivered: the recipients that have the message already."""

    def __init__(self, message: str, *, retry_after: float | None = None, delivered: Iterable[str] = ()) -> None:
        self.retry_after, self.delivered = retry_after, tuple(delivered)
        super().__init__(message)


class DeliveryRefused(DeliveryError):
    pass


class DestinationUnknown(DeliveryRefused):
    pass


class WorkspaceError(AlertingError):
    """`error_code` is Databricks' own (`RESOURCE_DOES_NOT_EXIST`, …) where there is one."""

    def __init__(self, message: str, *, error_code: str | None = None) -> None:
        self.error_code = error_code
        super().__init__(message)


class WorkspaceUnavailable(WorkspaceError):
    exit_code = 2


class WorkspaceDenied(WorkspaceError):
    exit_code = 2


class WorkspaceForbidden(WorkspaceDenied):
    pass


class WorkspaceNotFound(WorkspaceError):
    pass


class WorkspaceConflict(WorkspaceError):
    pass


class WorkspaceThrottled(WorkspaceError):
    pass


class WorkspaceRejected(WorkspaceError):
    pass


class SyncStopped(WorkspaceError):
    pass


class AnotherSync(SyncStopped):
    pass
