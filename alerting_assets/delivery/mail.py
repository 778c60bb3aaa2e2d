"""An event as an e-mail, with a part in HTML and one in plain text."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from alerting_assets.delivery.event import Event
from alerting_assets.delivery.texts import facts, link, subject
from alerting_assets.delivery.webhook import html_that_fits, text_that_fits

SUBJECT = 250


def email_message(event: Event, delivery_id: str, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """sender: an address, with or without a display name. Messages about one incident refer to each other, so that mail programs show them
    as one conversation."""
    message = EmailMessage(policy=SMTP)
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    incident = hashlib.sha256(event.key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    message["Subject"] = subject(event, SUBJECT)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(event.occurred_at)
    message["Message-ID"] = f"<{delivery_id}@{domain}>"
    message["References"] = f"<incident-{incident}@{domain}>"
    message["X-Delivery-Id"] = delivery_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text(event))
    message.add_alternative(_page(event), subtype="html")
    message.set_boundary(f"=={delivery_id}==")  # else it would be another message each time
    return message


def _text(event: Event) -> str:
    url = link(event)
    lines = [f"{name}: {value}" for name, value in facts(event)]
    body = text_that_fits(event) or subject(event, SUBJECT)
    return "\n".join([body, "", *lines, *(["", url] if url else []), ""])


def _page(event: Event) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}&nbsp;</td><td>{html.escape(value)}</td></tr>\n" for name, value in facts(event)
    )
    url = link(event)
    opens = f'<p><a href="{html.escape(url)}">Open</a></p>\n' if url else ""
    title = html.escape(subject(event, SUBJECT))
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head><body>\n'
        f"<h2>{title}</h2>\n<div>{html_that_fits(event)}</div>\n<hr>\n<table>\n{rows}</table>\n{opens}</body></html>\n"
    )
