"""One alert as people write it: a row of `alert_configurations` or an entry of a YAML file, checked field by field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from alerting_assets.alerts.fields import NonEmpty, Text, checked, one_of
from alerting_assets.alerts.hold import MAX_HOLD_BOUNDS, check_model_fields
from alerting_assets.alerts.operators import (
    Aggregation,
    ChangeDirection,
    Domain,
    EmptyResultState,
    Operator,
    Severity,
)
from alerting_assets.alerts.thresholds import MAX_EVALUATIONS, Condition, condition_of
from alerting_assets.errors import Problem, did_you_mean
from alerting_assets.quartz import QuartzError, parse_quartz, time_zones
from alerting_assets.settings import CHANNEL_NAME, is_address

ALERT_ID = re.compile(r"[A-Z0-9_-]{1,64}")
MAX_SECONDS = 2**31 - 1
"""Of a field that counts them: what the Alerts API takes."""


def quartz_text(value: str) -> str:
    """The text of a Quartz expression. Raises ValueError."""
    try:
        parse_quartz(value)
    except QuartzError as error:
        raise ValueError(
            f"{value!r} is no Quartz cron expression ({error}). It has 6 or 7 fields: second minute hour day-of-month month "
            "day-of-week [year], with ? in exactly one of day-of-month and day-of-week; every day at 08:00 is '0 0 8 * * ?'"
        ) from None
    return value


def timezone_name(value: str) -> str:
    """The name of a time zone. Raises ValueError."""
    if value not in time_zones():
        raise ValueError(f"{value!r} is no IANA time zone{did_you_mean(value, time_zones())}")
    return value


class AlertConfiguration(BaseModel):
    """The columns of `alert_configurations` that people own, under the same names (docs/architecture.md, "Tables").

    Checks here need nothing but the fields themselves. What needs the query or its columns is the compiler's and
    validation's: `notification_channels`, for one, so that a bad channel costs that alert and not the whole file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    alert_id: Annotated[str, Field(pattern=f"^{ALERT_ID.pattern}$")]
    alert_name: Annotated[Text, Field(min_length=1, max_length=200)]
    alert_description: Text | None = None
    agent_domain: Annotated[Domain, BeforeValidator(one_of(Domain))]
    severity: Annotated[Severity, BeforeValidator(one_of(Severity))]
    alert_query_template: NonEmpty
    aggregation_column: NonEmpty
    aggregation_type: Annotated[Aggregation | None, BeforeValidator(one_of(Aggregation))] = None
    operator: Annotated[Operator, BeforeValidator(one_of(Operator))]
    threshold_value_double: FiniteFloat | None = None
    threshold_value_string: Text | None = None
    threshold_value_bool: bool | None = None
    threshold_value_min: FiniteFloat | None = None
    threshold_value_max: FiniteFloat | None = None
    threshold_value_list: list[Text] | None = None
    change_direction: Annotated[ChangeDirection | None, BeforeValidator(one_of(ChangeDirection))] = None
    change_lookback_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)] | None = None
    for_evaluations: Annotated[int, Field(ge=1, le=MAX_EVALUATIONS)] | None = None
    recovery_threshold_double: FiniteFloat | None = None
    empty_result_state: Annotated[EmptyResultState, BeforeValidator(one_of(EmptyResultState))] = EmptyResultState.OK
    schedule_cron: Annotated[str, AfterValidator(quartz_text)]
    schedule_timezone: Annotated[str, AfterValidator(timezone_name)] = "UTC"
    is_enabled: bool = True
    notification_channels: list[Text] = []
    notify_on_ok: bool = False
    retrigger_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS)] | None = None
    custom_subject_template: Text | None = None
    custom_body_template: Text | None = None
    template_id: Text | None = None
    template_params: dict[Text, Text] | None = None
    ml_model_enabled: bool = False
    ml_model_name: Text | None = None
    ml_threshold: FiniteFloat | None = None
    ml_shadow: bool = False
    ml_max_hold_minutes: Annotated[int, Field(ge=MAX_HOLD_BOUNDS[0], le=MAX_HOLD_BOUNDS[1])] | None = None
    ml_suppression_budget: Annotated[FiniteFloat, Field(gt=0, le=1)] | None = None
    ml_allow_critical: bool = False
    owner: NonEmpty
    managed_by: NonEmpty = "sql"
    tags: dict[Text, Text] | None = None

    @cached_property
    def condition(self) -> Condition:
        return condition_of(self)

    def row(self) -> dict[str, Any]:
        """The configuration as a row of the table, without created_at, updated_at and the columns that the sync owns."""
        return self.model_dump(mode="json")

    @model_validator(mode="before")
    @classmethod
    def _a_model_is_tried_out_first(cls, values: Any) -> Any:
        """An alert that does not say whether its model is only tried out tries it out."""
        if isinstance(values, dict) and values.get("ml_shadow") is None:
            return {**values, "ml_shadow": values.get("ml_model_enabled", False)}
        return values

    @model_validator(mode="after")
    def _thresholds_fit_the_operator(self) -> Self:
        _ = self.condition
        return self

    @model_validator(mode="after")
    def _the_model_fits_the_alert(self) -> Self:
        check_model_fields(self)
        return self


OWNED_COLUMNS = tuple(AlertConfiguration.model_fields)
"""The columns of alert_configurations that people own."""


def parse_configuration(
    values: Mapping[str, Any], *, file: str | None = None, line_of: Callable[[str | None], int | None] = lambda _: None
) -> AlertConfiguration:
    """A checked configuration. line_of: the line of a field, or of the whole alert for None. Raises DefinitionError with every
    problem found."""
    alert_id = values.get("alert_id")
    return checked(
        AlertConfiguration,
        values,
        Problem("", alert_id=alert_id if isinstance(alert_id, str) else None, file=file),
        line_of,
        what="an alert",
        patterns={"alert_id": "1 to 64 of A-Z, 0-9, _ and -"},
    )


def channel_problem(channel: str) -> str | None:
    """What is wrong with a notification channel, or None."""
    if is_address(channel) or CHANNEL_NAME.fullmatch(channel):
        return None
    return (
        f"{channel!r} is neither an e-mail address, nor the id of a notification destination (a UUID), nor the name of a channel (as "
        "cost_alerts: a-z, 0-9, _ and -)"
    )
