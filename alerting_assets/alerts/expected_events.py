"""One planned event as people write it, a row of `expected_events` or an entry of a YAML file, checked field by field. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, FiniteFloat, model_validator

from alerting_assets.alerts.fields import NonEmpty, checked
from alerting_assets.alerts.matcher import Matcher
from alerting_assets.alerts.silences import LONGEST, Moment, read_moment
from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets.settings import CHANNEL_NAME


class ExpectedEventConfiguration(Matcher):
    """The columns of `expected_events` that people own, under the same names (docs/anomaly.md); those of the matcher say which alerts are
    meant."""

    event_id: Annotated[str, Field(pattern=f"^{CHANNEL_NAME.pattern}$")]
    starts_at: Moment
    ends_at: Moment
    expected_value: FiniteFloat | None = None
    expected_factor: Annotated[FiniteFloat, Field(gt=1)] | None = None
    reason: NonEmpty
    created_by: NonEmpty
    managed_by: NonEmpty = "sql"

    def row(self) -> dict[str, Any]:
        return {**self.model_dump(mode="json"), "starts_at": self.starts_at, "ends_at": self.ends_at}

    def is_over(self, now: datetime) -> bool:
        return self.ends_at <= now

    def expects_in_words(self) -> str:
        if self.expected_value is not None:
            return f"values up to {self.expected_value:,g}"
        return f"up to {self.expected_factor:g} times what else is expected"

    def when_in_words(self) -> str:
        return f"from {self.starts_at.astimezone(UTC):%Y-%m-%d %H:%M} until {self.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    @model_validator(mode="after")
    def _says_how_much_and_ends(self) -> Self:
        if (self.expected_value is None) == (self.expected_factor is None):
            given = (
                "neither it nor expected_factor is set"
                if self.expected_value is None
                else "is set beside expected_factor"
            )
            raise FieldError("expected_value", f"{given}; one of the two says how much is expected")
        if self.ends_at <= self.starts_at:
            raise FieldError("ends_at", "is not after starts_at")
        if self.ends_at - self.starts_at > LONGEST:
            raise FieldError(
                "ends_at",
                f"lies {(self.ends_at - self.starts_at) / timedelta(days=1):.1f} days after starts_at; what lasts longer than "
                f"{LONGEST.days} days is no event: change the threshold",
            )
        return self


OWNED_EVENT_COLUMNS = tuple(ExpectedEventConfiguration.model_fields)
"""The columns of expected_events that people own."""


def parse_expected_event(
    values: Mapping[str, Any], *, file: str | None = None, line_of: Callable[[str | None], int | None] = lambda _: None
) -> ExpectedEventConfiguration:
    """A checked event. Raises DefinitionError with every problem found."""
    event_id = values.get("event_id")
    place = Problem("", event_id=event_id if isinstance(event_id, str) else None, file=file)
    given = dict(values)
    for name in ("starts_at", "ends_at"):
        try:
            given[name] = read_moment(given.get(name), None)
        except ValueError as error:
            raise DefinitionError(
                [Problem(str(error), name, file=file, line=line_of(name), event_id=place.event_id)]
            ) from None
    return checked(
        ExpectedEventConfiguration,
        given,
        place,
        line_of,
        what="an expected event",
        patterns={"event_id": "1 to 64 of a-z, 0-9, _ and -, the first one a letter, as black-friday"},
    )
