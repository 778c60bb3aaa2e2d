"""An event becomes a message and arrives: put it into an `Outbox`, and let a `Courier` empty it."""

from alerting_assets.delivery.courier import Courier, Limits
from alerting_assets.delivery.destination import Destination, DestinationType, parse_addresses
from alerting_assets.delivery.digest import digest
from alerting_assets.delivery.event import Event, EventKind, Severity, delivery_id
from alerting_assets.delivery.http import Http
from alerting_assets.delivery.message import Origin
from alerting_assets.delivery.outbox import Outbox
from alerting_assets.delivery.record import Delivery, DeliveryRecord, Outcome
from alerting_assets.delivery.sender import Sender
from alerting_assets.delivery.smtp import Security, Smtp, SmtpSettings

__all__ = [
    "Courier",
    "Delivery",
    "DeliveryRecord",
    "Destination",
    "DestinationType",
    "Event",
    "EventKind",
    "Http",
    "Limits",
    "Origin",
    "Outbox",
    "Outcome",
    "Security",
    "Sender",
    "Severity",
    "Smtp",
    "SmtpSettings",
    "delivery_id",
    "digest",
    "parse_addresses",
]
