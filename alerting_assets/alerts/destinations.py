"""One notification destination as people write it: a row of `notification_destinations` or an entry of a YAML file, checked field by
field. What is secret about it is never written there: `secret_ref` says where it is read from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerting_assets.alerts.fields import NonEmpty, Text, checked, one_of
from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.delivery.destination import DestinationType, parse_addresses
from alerting_assets.errors import Problem, WrongAddress
from alerting_assets.settings import CHANNEL_NAME

WHAT_IS_SECRET = {
    DestinationType.SLACK: "the URL of its incoming webhook",
    DestinationType.WEBHOOK: "its URL",
    DestinationType.PAGERDUTY: "its integration key",
    DestinationType.MICROSOFT_TEAMS: "the URL of its workflow",
}
_NEVER_DEPLOYED = ("owner", "managed_by", "group_by")
_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_SCOPE = re.compile(r"\{\{secrets/([A-Za-z0-9_.@-]{1,128})/([A-Za-z0-9_.-]{1,128})\}\}")
_FORMS = "env:NAME of an environment variable, or {{secrets/scope/key}} of a Databricks secret scope"


class GroupBy(StrEnum):
    """Which alerts of a destination may be one message: those that have this in common."""

    SEVERITY = "SEVERITY"
    DOMAIN = "DOMAIN"
    OWNER = "OWNER"


@dataclass(frozen=True)
class EnvironmentVariable:
    name: str


@dataclass(frozen=True)
class ScopedSecret:
    scope: str
    key: str


def parse_secret_ref(text: str) -> EnvironmentVariable | ScopedSecret:
    """Raises ValueError, whose message does not hold the text: people paste secrets."""
    if found := _ENVIRONMENT.fullmatch(text.strip()):
        return EnvironmentVariable(found[1])
    if found := _SCOPE.fullmatch(text.strip()):
        return ScopedSecret(found[1], found[2])
    raise ValueError(f"is no reference to a secret; the secret itself never stands here. Write {_FORMS}")


def _reference(text: str) -> str:
    parse_secret_ref(text)
    return text.strip()


def _addresses(value: Any) -> Any:
    if not isinstance(value, str | list) or not all(isinstance(item, str) for item in value):
        return value
    try:
        return list(parse_addresses(value)) or None
    except WrongAddress as error:
        raise ValueError(
            f"{error}; write addresses with commas between them, as ann@example.com, bob@example.com"
        ) from None


class DestinationConfiguration(BaseModel):
    """The columns of `notification_destinations` that people own, under the same names (docs/destinations.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    destination_id: Annotated[str, Field(pattern=f"^{CHANNEL_NAME.pattern}$")]
    destination_name: Annotated[Text, Field(min_length=1, max_length=200)]
    destination_type: Annotated[DestinationType, BeforeValidator(one_of(DestinationType))]
    email_addresses: Annotated[list[Text] | None, BeforeValidator(_addresses)] = None
    secret_ref: Annotated[Text, AfterValidator(_reference)] | None = None
    group_by: Annotated[GroupBy | None, BeforeValidator(one_of(GroupBy))] = None
    is_enabled: bool = True
    owner: NonEmpty
    managed_by: NonEmpty = "sql"

    def row(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @property
    def config_hash(self) -> str:
        """Of all that decides what is deployed, but the secret itself. 32 hex digits."""
        row = {name: value for name, value in self.row().items() if name not in _NEVER_DEPLOYED}
        return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def secret(self) -> EnvironmentVariable | ScopedSecret | None:
        return None if self.secret_ref is None else parse_secret_ref(self.secret_ref)

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        kind = self.destination_type
        if kind is DestinationType.PAGERDUTY and self.group_by is not None:
            message = "has no use for a destination of type PAGERDUTY, where each incident opens and closes by itself; remove it"
            raise FieldError("group_by", message)
        if kind is DestinationType.EMAIL:
            if not self.email_addresses:
                raise FieldError("email_addresses", "is needed by a destination of type EMAIL")
            if self.secret_ref is not None:
                raise FieldError("secret_ref", "has no use for a destination of type EMAIL; remove it")
            return self
        if self.email_addresses:
            raise FieldError("email_addresses", f"has no use for a destination of type {kind}; remove it")
        if self.secret_ref is None:
            raise FieldError("secret_ref", f"is needed: where {WHAT_IS_SECRET[kind]} is read from. Write {_FORMS}")
        return self


OWNED_DESTINATION_COLUMNS = tuple(DestinationConfiguration.model_fields)
"""The columns of notification_destinations that people own."""


def parse_destination(
    values: Mapping[str, Any], *, file: str | None = None, line_of: Callable[[str | None], int | None] = lambda _: None
) -> DestinationConfiguration:
    """A checked destination; without a name it is called by its id. Raises DefinitionError with every problem found."""
    destination_id = values.get("destination_id")
    given = {**values, "destination_name": values.get("destination_name") or destination_id}
    return checked(
        DestinationConfiguration,
        given,
        Problem("", destination_id=destination_id if isinstance(destination_id, str) else None, file=file),
        line_of,
        what="a destination",
        patterns={"destination_id": "1 to 64 of a-z, 0-9, _ and -, the first one a letter, as slack-ops"},
    )
