"""What is sent to a destination, in the shape of its type. Pure: the same event and delivery id always make the same message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from alerting_assets.delivery.destination import HIDDEN, Destination, DestinationType
from alerting_assets.delivery.event import Event
from alerting_assets.delivery.mail import email_message
from alerting_assets.delivery.pagerduty import ENQUEUE, pagerduty_message
from alerting_assets.delivery.slack import slack_message
from alerting_assets.delivery.teams import teams_message
from alerting_assets.delivery.webhook import webhook_message
from alerting_assets.errors import DeliveryRefused


@dataclass(frozen=True)
class Origin:
    """Who sends. sender: the address of e-mails. source: what PagerDuty is told that events come from. pagerduty_url: another one for
    accounts in Europe."""

    sender: str = "alerting@localhost"
    source: str = "alerting_assets"
    pagerduty_url: str = ENQUEUE


@dataclass(frozen=True)
class Post:
    """A JSON document, and the address it is posted to."""

    url: str = field(repr=False)
    document: dict[str, Any] = field(repr=False)

    @property
    def body(self) -> bytes:
        return json.dumps(self.document, ensure_ascii=False).encode()


def message_for(
    event: Event, destination: Destination, delivery_id: str, origin: Origin, *, recipients: Sequence[str] | None = None
) -> EmailMessage | Post:
    """recipients: those of an e-mail who do not have it yet; all of the destination's where it is None."""
    if destination.type is DestinationType.EMAIL:
        if not destination.addresses:
            raise DeliveryRefused(f"{destination} has no address")
        return email_message(event, delivery_id, origin.sender, recipients or destination.addresses)
    if not destination.secret:
        what = "integration key" if destination.type is DestinationType.PAGERDUTY else "URL"
        raise DeliveryRefused(f"{destination} has no {what}")
    if destination.type is DestinationType.PAGERDUTY:
        return Post(origin.pagerduty_url, pagerduty_message(event, destination.secret, origin.source))
    if destination.type is DestinationType.SLACK:
        return Post(destination.secret, slack_message(event))
    if destination.type is DestinationType.MICROSOFT_TEAMS:
        return Post(destination.secret, teams_message(event))
    return Post(destination.secret, webhook_message(event, delivery_id))


def as_shown(message: EmailMessage | Post, destination: Destination) -> str:
    """The message for a page that shows it: an e-mail with its headers, or a JSON document; every secret of the destination hidden."""
    if isinstance(message, EmailMessage):
        return message.as_string()
    document = message.document
    if "routing_key" in document:
        document = {**document, "routing_key": HIDDEN}
    return destination.scrub(json.dumps(document, ensure_ascii=False, indent=2))
