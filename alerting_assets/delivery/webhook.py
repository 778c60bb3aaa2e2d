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
      "alert": {"id": "…", "name": "…"} or null,
      "digest": null, or of several events in one message {
        "parts": [{"id": "…", "kind": "…", "incident": "…", "occurred_at": "…", "severity": "…", "subject": "…",
                   "value": 12.5, "threshold": 10, "url": "https://…" or null, "alert": {"id": "…", "name": "…"} or null}],
        "left_out": 0          how many more events it stands for
      }
    }

Within one version members may be added; none changes its meaning or goes.
"""

from __future__ import annotations

import json
from typing import Any

from alerting_assets.delivery.digest import body_html, body_text
from alerting_assets.delivery.event import Event, Value
from alerting_assets.delivery.texts import clean, cut, json_size, link, subject

VERSION = "1"
SUBJECT = 1_000
TEXT_BYTES = 48 * 1024
HTML_BYTES = 112 * 1024
PARTS_BYTES = 56 * 1024
_DETAILS = 50
_DETAIL_BYTES = 500
_ID = 500
_SUBJECT_OF_PART = 300


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
        "alert": _alert(event),
        "digest": _digest(event) if event.parts else None,
    }


def text_that_fits(event: Event) -> str:
    return body_text(event, TEXT_BYTES, json_size)


def html_that_fits(event: Event) -> str:
    return body_html(event, HTML_BYTES, TEXT_BYTES // 4, json_size)


def _digest(event: Event) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    room = PARTS_BYTES
    for one in event.parts:
        part = {
            "id": cut(clean(one.event_id), _ID),
            "kind": one.kind.value,
            "incident": cut(clean(one.key), _ID),
            "occurred_at": one.occurred_at.isoformat(),
            "severity": one.severity.value,
            "subject": subject(one, _SUBJECT_OF_PART),
            "value": _value(one.value),
            "threshold": _value(one.threshold),
            "url": link(one),
            "alert": _alert(one),
        }
        room -= len(json.dumps(part, ensure_ascii=False).encode()) + len(", ")
        if room < 0:
            break
        parts.append(part)
    return {"parts": parts, "left_out": len(event.parts) - len(parts) + event.left_out}


def _alert(event: Event) -> dict[str, Any] | None:
    if not (event.alert_id or event.alert_name):
        return None
    return {"id": _optional(event.alert_id), "name": _optional(event.alert_name)}


def _value(value: Value) -> Value:
    return cut(clean(value), _ID) if isinstance(value, str) else value


def _optional(text: str | None) -> str | None:
    return cut(clean(text), _ID) if text else None
