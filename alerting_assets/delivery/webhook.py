"""An event as a generic webhook gets it: a JSON document of our own.

    {
      "version": "1",
      "delivery_id": "…",        the same on each attempt, and in the headers Idempotency-Key and X-Delivery-Id
      "event": {
        "id": "…", "kind": "ALERT | RECOVERY | CHECK_FAILURE | CHECK_RECOVERY | TEST",
        "incident": "…",         the same for an alert and its recovery
        "occurred_at": "2026-01-31T08:00:00+00:00", "severity": "CRITICAL | WARNING | INFO",
        "subject": "…", "body_text": "…", "body_html": "…",
        "value": 12.5, "threshold": 10, "url": "https://…" or null, "details": {"name": "text"}
      },
      "alert": {"id": "…", "name": "…"} or null
    }

Within one version members may be added; none changes its meaning or goes.
"""

from __future__ import annotations

from typing import Any

from alerting_assets.delivery.event import Event, Value
from alerting_assets.delivery.texts import as_html, clean, cut, html_text, json_size, link, plain_text, subject

VERSION = "1"
SUBJECT = 1_000
TEXT_BYTES = 48 * 1024
HTML_BYTES = 112 * 1024
_DETAILS = 50
_DETAIL_BYTES = 500
_ID = 500


def webhook_message(event: Event, delivery_id: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "delivery_id": delivery_id,
        "event": {
            "id": cut(clean(event.event_id), _ID),
            "kind": event.kind.value,
            "incident": cut(clean(event.key), _ID),
            "occurred_at": event.occurred_at.isoformat(),
            "severity": event.severity.value,
            "subject": subject(event, SUBJECT),
            "body_text": text_that_fits(event),
            "body_html": html_that_fits(event),
            "value": _value(event.value),
            "threshold": _value(event.threshold),
            "url": link(event),
            "details": {
                cut(clean(name), _DETAIL_BYTES, json_size): cut(clean(value), 2 * _DETAIL_BYTES, json_size)
                for name, value in list(event.details.items())[:_DETAILS]
            },
        },
        "alert": {"id": _optional(event.alert_id), "name": _optional(event.alert_name)}
        if event.alert_id or event.alert_name
        else None,
    }


def text_that_fits(event: Event) -> str:
    return cut(plain_text(event), TEXT_BYTES, json_size)


def html_that_fits(event: Event) -> str:
    """The HTML, or where it is too long to be sent whole, what fits of the plain text: half of a tag would spoil the rest."""
    fragment = html_text(event)
    if json_size(fragment) <= HTML_BYTES:
        return fragment
    return as_html(cut(plain_text(event), TEXT_BYTES // 4, json_size))


def _value(value: Value) -> Value:
    return cut(clean(value), _ID) if isinstance(value, str) else value


def _optional(text: str | None) -> str | None:
    return cut(clean(text), _ID) if text else None
