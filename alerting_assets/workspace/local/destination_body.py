"""What a body of the notification destinations API may hold. No error names a value, for most of them are secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from alerting_assets.workspace.local.alert_body import Body
from alerting_assets.workspace.local.api_error import invalid

NAME_LENGTH, ADDRESSES, VALUE_LENGTH = 255, 100, 4_096
"""Sensible limits; what those of Databricks are, is not published."""
_SET = "_set"
_OUTPUT_ONLY = ("id", "destination_type")
_ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]\\]{1,64}@[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*")


@dataclass(frozen=True)
class Kind:
    """A kind of configuration. type: of the destinations that have it. fields: their names; all of them are secret but `addresses`.
    ways: the fields that together are enough."""

    type: str
    fields: tuple[str, ...]
    ways: tuple[tuple[str, ...], ...]


KINDS = {
    "email": Kind("EMAIL", ("addresses",), (("addresses",),)),
    "slack": Kind("SLACK", ("url", "oauth_token", "channel_id"), (("url",), ("oauth_token", "channel_id"))),
    "generic_webhook": Kind("WEBHOOK", ("url", "username", "password"), (("url",),)),
    "pagerduty": Kind("PAGERDUTY", ("integration_key",), (("integration_key",),)),
    "microsoft_teams": Kind(
        "MICROSOFT_TEAMS",
        ("url", "app_id", "auth_secret", "channel_url", "tenant_id"),
        (("url",), ("app_id", "auth_secret", "channel_url", "tenant_id")),
    ),
}


@dataclass(frozen=True)
class Config:
    """A configuration as it was sent. kind: a key of KINDS. values: by field, those that were given."""

    kind: str
    values: Body = field(repr=False)

    @property
    def told(self) -> Body:
        """What is told of it to those who ask: addresses as they are, of everything else that it is set."""
        return {
            name if name == "addresses" else f"{name}{_SET}": value if name == "addresses" else True
            for name, value in self.values.items()
        }


@dataclass(frozen=True)
class DestinationBody:
    """None: not sent."""

    name: str | None
    config: Config | None


def read_body(value: Any) -> DestinationBody:
    """A body, checked field by field; null is the same as absent, and what only the service says is ignored. Raises ApiError."""
    body = _object(value, "the request body", ("display_name", "config", *_OUTPUT_ONLY))
    config = body.get("config")
    return DestinationBody(_name(body.get("display_name")), None if config is None else _config(config))


def _name(name: Any) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LENGTH:
        raise invalid(f"display_name: expected a text of 1 to {NAME_LENGTH} characters")
    return name


def _config(value: Any) -> Config:
    found = {kind: inner for kind, inner in _object(value, "config", tuple(KINDS)).items() if inner is not None}
    if len(found) != 1:
        raise invalid(f"config: expected exactly one of {', '.join(KINDS)}, got {', '.join(found) or 'none'}")
    ((kind, inner),) = found.items()
    spec, path = KINDS[kind], f"config.{kind}"
    told = tuple(f"{name}{_SET}" for name in spec.fields)
    values = {
        name: _value(name, given, f"{path}.{name}")
        for name, given in _object(inner, path, (*spec.fields, *told)).items()
        if name not in told and given not in (None, "")
    }
    if not any(values.keys() >= set(way) for way in spec.ways):
        raise invalid(f"{path}: Missing required field: {', or '.join(' with '.join(way) for way in spec.ways)}")
    return Config(kind, values)


def _object(value: Any, path: str, known: tuple[str, ...]) -> Body:
    if not isinstance(value, dict):
        raise invalid(f"{path}: expected a JSON object")
    if value.keys() - set(known):
        raise invalid(f"{path}: Unknown field; there is {', '.join(known)}")
    return value


def _value(name: str, value: Any, path: str) -> Any:
    if name == "addresses":
        return _addresses(value, path)
    return _url(value, path) if name in ("url", "channel_url") else _secret(value, path)


def _secret(value: Any, path: str) -> str:
    if not isinstance(value, str) or len(value) > VALUE_LENGTH:
        raise invalid(f"{path}: expected a text of at most {VALUE_LENGTH} characters")
    return value


def _url(value: Any, path: str) -> str:
    text = _secret(value, path)
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise invalid(f"{path}: expected an http or https URL")
    return text


def _addresses(value: Any, path: str) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= ADDRESSES:
        raise invalid(f"{path}: expected a list of 1 to {ADDRESSES} e-mail addresses")
    for address in value:
        if not isinstance(address, str) or len(address) > 254 or not _ADDRESS.fullmatch(address):
            raise invalid(f"{path}: {address!r} is not an e-mail address")
    return list(value)
