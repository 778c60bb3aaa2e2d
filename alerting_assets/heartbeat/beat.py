"""One heartbeat: a POST to the address that an outside service gave, if alerting is healthy, and nothing if it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from alerting_assets.delivery import Destination, DestinationType, Http
from alerting_assets.errors import DeliveryError, SettingsError
from alerting_assets.heartbeat.health import Facts, why_not_healthy

VARIABLE = "ALERTING_HEARTBEAT_URL"


@dataclass(frozen=True)
class Beat:
    """reasons: why alerting is not healthy, and nothing was sent. answer: of the service, without secrets; None where nothing was sent, or
    it could not be delivered, for the reason `failure`."""

    reasons: tuple[str, ...] = ()
    answer: str | None = None
    failure: str | None = None

    @property
    def is_sent(self) -> bool:
        return self.answer is not None

    @property
    def words(self) -> str:
        if self.reasons:
            return f"not healthy, so no heartbeat was sent: {'; '.join(self.reasons)}"
        if self.failure is not None:
            return f"healthy, but the heartbeat was not delivered: {self.failure}"
        return "healthy" if self.answer is None else f"healthy; the heartbeat was sent: {self.answer}"


def heartbeat_url(environ: Mapping[str, str]) -> str | None:
    """The address, which is a secret: who knows it can say that all is well. None where there is none. Raises SettingsError, which does not
    hold it."""
    url = (environ.get(VARIABLE) or "").strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_right = False
    if not is_right:
        raise SettingsError(
            f"{VARIABLE} is not allowed; use the address that the service gives for a check, as https://hc-ping.com/your-id"
        )
    return url


def beat(facts: Facts, url: str | None, environment: str, now: datetime, http: Http | None = None) -> Beat:
    """Send it, if alerting is healthy. url: None: send nothing. Never raises: a service that does not answer is no fault of ours."""
    reasons = tuple(why_not_healthy(facts, now))
    if reasons or url is None:
        return Beat(reasons)
    destination = Destination("heartbeat", VARIABLE, DestinationType.WEBHOOK, secret=url)
    body = json.dumps(body_of(facts, environment, now)).encode()
    identity = f"heartbeat-{environment}-{now.astimezone(UTC):%Y%m%dT%H%M%S}"
    try:
        return Beat(answer=(http or Http()).post(url, body, destination, identity, now))
    except DeliveryError as error:
        return Beat(failure=destination.scrub(str(error)))


def body_of(facts: Facts, environment: str, now: datetime) -> dict[str, Any]:
    """What people see at the service: figures, and no names of alerts."""
    return {
        "status": "healthy",
        "environment": environment,
        "time": _text(now),
        "alerts": facts.alerts,
        "last_sync_at": _text(facts.syncs[0].ended_at) if facts.syncs else None,
        "last_evaluation_at": _text(facts.evaluated_at),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")
