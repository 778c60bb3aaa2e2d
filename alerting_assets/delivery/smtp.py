"""Sending an e-mail, once. A 4xx answer, no connection and a lost one delay it; a 5xx answer refuses it.

Some recipients may be refused and others not. Those who have the message do not get it again when it is tried for the others.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path

from alerting_assets.delivery.destination import HIDDEN, Destination
from alerting_assets.delivery.http import tls_context
from alerting_assets.delivery.texts import cut, one_line
from alerting_assets.errors import DeliveryDelayed, DeliveryRefused

SECONDS = 10.0
_SHOWN_OF_RESPONSE = 200
_SHOWN_RECIPIENTS = 5

Refusals = Mapping[str, tuple[int, bytes]]


class Security(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True)
class SmtpSettings:
    """The server that mails are handed to. sender: the address that they are from. ca_file: authorities trusted beside the usual ones."""

    host: str
    port: int = 587
    sender: str = "alerting@localhost"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Security = Security.STARTTLS
    ca_file: Path | None = None

    def scrub(self, text: str) -> str:
        for secret in self._secrets():
            text = text.replace(secret, HIDDEN)
        return text

    def _secrets(self) -> Iterator[str]:
        if self.password:
            for form in (f"\0{self.username}\0{self.password}", self.password):  # as AUTH PLAIN and LOGIN send them
                yield base64.b64encode(form.encode()).decode()
            yield self.password


class Smtp:
    """Hands e-mails to one server, over a connection for each. Safe from several threads."""

    def __init__(self, settings: SmtpSettings, *, seconds: float = SECONDS) -> None:
        self.settings, self._seconds = settings, seconds

    def send(
        self, message: EmailMessage, recipients: Sequence[str], destination: Destination, delivered: Sequence[str] = ()
    ) -> str:
        """Send, and return what came of it, in short. delivered: who has the message from an earlier attempt."""
        place = f"{destination} by {self.settings.host}:{self.settings.port}"
        accepted: Sequence[str] = ()
        with self._translated(place), self._connected() as server:
            sender = parseaddr(self.settings.sender)[1] or self.settings.sender
            try:
                refused: Refusals = server.send_message(message, sender, list(recipients))
                accepted = [recipient for recipient in recipients if recipient not in refused]
            except smtplib.SMTPRecipientsRefused as error:  # nobody has it; of some it may not have been asked
                refused = error.recipients
        return self._judge(refused, [*delivered, *accepted], place)

    def _judge(self, refused: Refusals, delivered: Sequence[str], place: str) -> str:
        """What came of a message that some recipients, or all, were refused for."""
        told = "; ".join(
            f"{recipient} refused ({self._answer(*answer)})"
            for recipient, answer in list(refused.items())[:_SHOWN_RECIPIENTS]
        )
        if len(refused) > _SHOWN_RECIPIENTS:
            told += f"; and {len(refused) - _SHOWN_RECIPIENTS} more"
        if any(code < 500 for code, _ in refused.values()):
            raise DeliveryDelayed(f"{place}: {told}", delivered=delivered)
        if refused and not delivered:
            raise DeliveryRefused(f"{place}: {told}")
        return f"accepted for {len(delivered)}{f'; {told}' if told else ''}"

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self.settings
        if settings.security is Security.TLS:
            context = tls_context(settings.ca_file)
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=self._seconds, context=context
            )
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=self._seconds)
        try:
            if settings.security is Security.STARTTLS:
                server.starttls(context=tls_context(settings.ca_file))
            if settings.username:
                server.login(settings.username, settings.password or "")
            yield server
        finally:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    @contextlib.contextmanager
    def _translated(self, place: str) -> Iterator[None]:
        try:
            yield
        except smtplib.SMTPNotSupportedError as error:
            raise DeliveryRefused(f"{place}: {one_line(str(error))}") from None
        except smtplib.SMTPResponseException as error:
            kind = DeliveryDelayed if error.smtp_code < 500 else DeliveryRefused
            raise kind(f"{place}: {self._answer(error.smtp_code, error.smtp_error)}") from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryDelayed(f"{place}: its certificate is not trusted ({error.verify_message})") from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryDelayed(f"{place}: the connection failed ({type(error).__name__})") from None

    def _answer(self, code: int, text: bytes | str) -> str:
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return cut(f"{code} {one_line(self.settings.scrub(said))}", _SHOWN_OF_RESPONSE)
