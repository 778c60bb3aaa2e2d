"""The mail server as an address: smtp://user:password@host:587, smtps://host, or smtp://host:25?starttls=no."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from alerting_assets.delivery.destination import parse_addresses
from alerting_assets.delivery.smtp import Security, SmtpSettings
from alerting_assets.errors import SettingsError, WrongAddress

_PORTS = {"smtp": 587, "smtps": 465}


def parse_mail_url(url: str, sender: str | None) -> SmtpSettings:
    """sender: the address that mails are from. Raises SettingsError, which never holds the address: it may hold a password."""
    wrong = SettingsError(
        "ALERTING_SMTP_URL is not allowed; use smtp://user:password@host:587, smtps://host for TLS from the start, or "
        "smtp://host:25?starttls=no for a server that has no TLS"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    plain = parse_qs(parts.query).get("starttls") == ["no"]
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or (parts.query and not plain):
        raise wrong
    try:
        (address,) = parse_addresses(sender or "alerting@localhost")
    except (WrongAddress, ValueError) as error:
        raise SettingsError(f"ALERTING_SMTP_FROM is not allowed; use one e-mail address ({error})") from None
    security = Security.TLS if parts.scheme == "smtps" else Security.NONE if plain else Security.STARTTLS
    return SmtpSettings(
        parts.hostname,
        port or _PORTS[parts.scheme],
        address,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        security,
    )
