"""Bodies of alerts, evaluations and destinations in words, for pages and messages."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from typing import Any

from alerting_assets.workspace.local.alert_body import Body, value_at
from alerting_assets.workspace.local.destinations import Destination
from alerting_assets.workspace.local.store import Evaluation

_MARKER = re.compile(r"/\* alerting_assets alert_id=(?P<alert_id>[A-Z0-9_-]{1,64}) [^*\n]*\*/(?:\n|\Z)")
"""What stands at the head of every query that the product deploys."""
_GATED = re.compile(r"/\* (?P<words>[^*\n]+) \*/\nSELECT CASE WHEN ")
"""What follows where the condition is compiled into the query: the condition in words."""
_WORDS = {
    "EQUAL": "=",
    "NOT_EQUAL": "≠",
    "GREATER_THAN": ">",
    "GREATER_THAN_OR_EQUAL": "≥",
    "LESS_THAN": "<",
    "LESS_THAN_OR_EQUAL": "≤",
    "IS_NULL": "is NULL",
    "IS_NOT_NULL": "is not NULL",
}


def condition(body: Body) -> str:
    """The condition of a body in words, as in `cost > 100`; where the product compiled it into the query, in the words at its head."""
    head = _MARKER.match(body["query_text"])
    if head and body["evaluation"]["comparison_operator"] == "IS_NOT_NULL":
        gated = _GATED.match(body["query_text"], head.end())
        if gated:
            return gated["words"]
    evaluation = body["evaluation"]
    source = evaluation["source"]
    left = f"{source['aggregation']}({source['name']})" if source.get("aggregation") else source["name"]
    words = _WORDS[evaluation["comparison_operator"]]
    threshold = evaluation.get("threshold", {})
    if column := value_at(threshold, "column.name"):
        return f"{left} {words} column {column}"
    for value in threshold.get("value", {}).values():
        return f"{left} {words} {number(value)}"
    return f"{left} {words}"


def alert_id(body: Body) -> str:
    """By which alert_id the product deployed a body; empty where it did not."""
    head = _MARKER.match(body["query_text"])
    return head["alert_id"] if head else ""


def schedule(body: Body) -> str:
    """The schedule of a body: in words where it is a common one, and as its cron expression otherwise."""
    cron, zone = body["schedule"]["quartz_cron_schedule"], body["schedule"]["timezone_id"]
    second, minute, hour, day, month, weekday = cron.split()[:6]
    daily = (
        (month, day == "?" or weekday == "?") == ("*", True) and {day, weekday} <= {"*", "?"} and len(cron.split()) == 6
    )
    if daily and second.isdigit() and minute.isdigit() and hour.isdigit():
        words = f"daily at {int(hour):02}:{int(minute):02}"
    elif daily and second.isdigit() and minute.isdigit() and hour == "*":
        words = f"hourly at :{int(minute):02}"
    elif daily and second.isdigit() and hour == "*" and minute.partition("/")[2].isdigit():
        words = f"every {minute.partition('/')[2]} min"
    else:
        words = cron
    return f"{words} ({zone})"


def number(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def notified(evaluation: Evaluation) -> str:
    """Whom an evaluation notified, as in `a@example.com, 12ab`; empty where it notified nobody."""
    return ", ".join(str(one.get("user_email") or one.get("destination_id")) for one in evaluation.notified)


def told(destination: Destination) -> str:
    """What may be known of a destination's configuration, as in `a@example.com, b@example.com` or `url set, password set`."""
    addresses = destination.told.get("addresses", [])
    return ", ".join([*addresses, *(name.replace("_", " ") for name in destination.told if name != "addresses")])


def readable(message: str) -> str:
    """A message as it was sent, for people: a JSON document as it is, a mail with its headers and parts decoded."""
    if message.lstrip().startswith("{"):
        return message
    mail = email.message_from_string(message, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    heads = [f"{name}: {mail[name]}" for name in ("From", "To", "Subject", "Date") if mail[name]]
    parts = [mail.get_body((kind,)) for kind in ("plain", "html")]
    return "\n\n".join(["\n".join(heads), *(str(part.get_content()).strip() for part in parts if part is not None)])


def moment(text: str | None) -> str:
    """A timestamp of the API for people, as in 2025-01-31 08:00:00."""
    return text[:19].replace("T", " ") if text else "never"


def minute(text: str | None) -> str:
    """A timestamp of the API for a narrow column, as in 2025-01-31 08:00."""
    return moment(text)[:16]
