"""Which mail server there is at the moment: one may be started, or named, while a courier runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime

from alerting_assets.delivery.destination import Destination, DestinationType
from alerting_assets.delivery.event import Event
from alerting_assets.delivery.http import Http
from alerting_assets.delivery.mail_url import parse_mail_url
from alerting_assets.delivery.sender import Rendered, Sender
from alerting_assets.delivery.smtp import Smtp, SmtpSettings
from alerting_assets.errors import DeliveryDelayed, DeliveryRefused

NO_MAIL_SERVER = "no mail server is set: set ALERTING_SMTP_URL, or run `alerting workspace inbox`"

FindMailServer = Callable[[], SmtpSettings | None]


def mail_server() -> SmtpSettings | None:
    """The one that the environment names. Raises SettingsError where it cannot be understood."""
    url = os.environ.get("ALERTING_SMTP_URL")
    return parse_mail_url(url, os.environ.get("ALERTING_SMTP_FROM")) if url else None


def allowed_hosts() -> frozenset[str]:
    """Receivers that messages may be sent to although they have an address that usually gets none."""
    names = os.environ.get("ALERTING_ALLOWED_HOSTS", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


class SenderOfNow(Sender):
    """Asks for the mail server when there is a mail. waits: whether a mail waits for one, rather than being refused."""

    def __init__(self, http: Http, find_mail_server: FindMailServer, *, waits: bool = False) -> None:
        super().__init__(http)
        self._find, self._waits = find_mail_server, waits

    def render(
        self, event: Event, destination: Destination, delivery_id: str, delivered: Sequence[str] = ()
    ) -> Rendered:
        return self._now(destination).render(event, destination, delivery_id, delivered)

    def send(
        self,
        rendered: Rendered,
        destination: Destination,
        delivery_id: str,
        now: datetime,
        delivered: Sequence[str] = (),
    ) -> str:
        return self._now(destination).send(rendered, destination, delivery_id, now, delivered)

    def _now(self, destination: Destination) -> Sender:
        if destination.type is not DestinationType.EMAIL:
            return Sender(self._http)
        settings = self._find()
        if settings is None:
            trouble = DeliveryDelayed if self._waits else DeliveryRefused
            raise trouble(f"{destination}: {NO_MAIL_SERVER}")
        return Sender(self._http, Smtp(settings))
