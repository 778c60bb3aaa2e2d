"""An event as PagerDuty's Events API v2 takes it: https://developer.pagerduty.com/docs/send-alert-event

Events with one key are one incident there: an alert opens it, its recovery resolves it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from alerting_assets.delivery.digest import body_text
from alerting_assets.delivery.event import Event, Severity
from alerting_assets.delivery.texts import cut, facts, json_size, link, one_line, subject

ENQUEUE = "https://events.pagerduty.com/v2/enqueue"
DEDUP_KEY = 255
SUMMARY = 1_024
_SOURCE = 255
_BODY_BYTES = 64 * 1024
_DETAILS = 50
_DETAIL_BYTES = 1_000
_SEVERITIES = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.INFO: "info"}
_BODY = "Body"


def pagerduty_message(event: Event, routing_key: str, source: str) -> dict[str, Any]:
    """source: what the alerts come from, for example the workspace's host."""
    message: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if event.kind.is_recovery else "trigger",
        "dedup_key": _dedup_key(event.key),
    }
    if event.kind.is_recovery:
        return message
    details = dict(list(facts(event))[:_DETAILS])
    message["payload"] = {
        "summary": subject(event, SUMMARY),
        "source": cut(one_line(source), _SOURCE) or "alerting_assets",
        "severity": _SEVERITIES[event.severity],
        "timestamp": event.occurred_at.isoformat(),
        "class": event.kind.value.lower(),
        "custom_details": {
            _BODY: body_text(event, _BODY_BYTES, json_size),
            **{
                cut(name, _DETAIL_BYTES, json_size): cut(value, _DETAIL_BYTES, json_size)
                for name, value in details.items()
                if name != _BODY
            },
        },
    }
    if event.alert_id:
        message["payload"]["component"] = cut(one_line(event.alert_id), _SOURCE)
    if url := link(event):
        message["links"] = [{"href": url, "text": "Open"}]
    return message


def _dedup_key(key: str) -> str:
    key_on_a_line = one_line(key)
    if key_on_a_line == key and len(key) <= DEDUP_KEY:
        return key
    identity = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key_on_a_line[: DEDUP_KEY - len(identity) - 1]}-{identity}"
