"""Sending one message to one destination, once, whatever its type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage

from alerting_assets.delivery.destination import Destination
from alerting_assets.delivery.event import Event
from alerting_assets.delivery.http import Http
from alerting_assets.delivery.message import Origin, Post, as_shown, message_for
from alerting_assets.delivery.smtp import Smtp
from alerting_assets.errors import DeliveryRefused


@dataclass(frozen=True)
class Rendered:
    """A message ready to be sent. shown: the same without secrets, for people. recipients: of an e-mail."""

    message: EmailMessage | Post
    shown: str
    recipients: tuple[str, ...] = ()


class Sender:
    """smtp: None where there is no mail server: e-mails are refused then. Safe from several threads."""

    def __init__(self, http: Http | None = None, smtp: Smtp | None = None, origin: Origin | None = None) -> None:
        self._http, self._smtp = http or Http(), smtp
        self._origin = origin or Origin()
        if smtp is not None:
            self._origin = replace(self._origin, sender=smtp.settings.sender)

    def render(
        self, event: Event, destination: Destination, delivery_id: str, delivered: Sequence[str] = ()
    ) -> Rendered:
        """delivered: the recipients who have the message from an earlier attempt."""
        remaining = tuple(address for address in destination.addresses if address not in delivered)
        message = message_for(event, destination, delivery_id, self._origin, recipients=remaining)
        return Rendered(message, as_shown(message, destination), remaining)

    def send(
        self,
        rendered: Rendered,
        destination: Destination,
        delivery_id: str,
        now: datetime,
        delivered: Sequence[str] = (),
    ) -> str:
        """What was answered, in short. Raises DeliveryDelayed or DeliveryRefused."""
        message = rendered.message
        if isinstance(message, Post):
            return self._http.post(message.url, message.body, destination, delivery_id, now)
        if delivered and not rendered.recipients:
            return f"accepted for {len(delivered)}"  # the rest was taken from the destination meanwhile
        if self._smtp is None:
            raise DeliveryRefused(f"{destination}: no mail server is set")
        return self._smtp.send(message, rendered.recipients, destination, delivered)
