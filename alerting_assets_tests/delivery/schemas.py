"""What receivers document about the messages that they take, as checks. The limits are written out here, not taken from the code.

Slack: https://docs.slack.dev/reference/block-kit/blocks (header: plain_text of 1 to 150 characters; section: text of 1 to 3,000, up to ten
fields of 1 to 2,000; 50 blocks), https://docs.slack.dev/messaging/formatting-message-text (& < > are escaped).
Teams: https://adaptivecards.io/schemas/adaptive-card.json 1.4, and https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors
(28 KB; one attachment).
PagerDuty: https://developer.pagerduty.com/docs/send-alert-event (dedup_key 255, summary 1,024; trigger needs summary, source, severity).
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]


def well_formed(document: Any) -> Json:
    """The document as it arrives: in UTF-8, and without the numbers that JSON does not have."""
    arrived: Json = json.loads(json.dumps(document, ensure_ascii=False, allow_nan=False).encode())
    assert arrived == document
    return arrived


def only(found: Json, required: str, optional: str = "") -> None:
    names = set(required.split())
    assert names <= found.keys() <= names | set(optional.split()), found.keys()


def a_link(url: Any) -> None:
    assert isinstance(url, str)
    assert urlsplit(url).scheme in ("http", "https")
    assert urlsplit(url).netloc
    assert not re.search(r"[\s\x00-\x1f]", url)


# -- Slack


def slack(message: Any) -> None:
    message = well_formed(message)
    only(message, "text blocks")
    _slack_text(message["text"], 40_000)
    assert 1 <= len(message["blocks"]) <= 50
    for block in message["blocks"]:
        {"header": _slack_header, "section": _slack_section}[block["type"]](block)


def _slack_header(block: Json) -> None:
    only(block, "type text")
    only(block["text"], "type text", "emoji")
    assert block["text"]["type"] == "plain_text"
    _slack_text(block["text"]["text"], 150)


def _slack_section(block: Json) -> None:
    only(block, "type", "text fields")
    assert "text" in block or "fields" in block
    for text, limit in [(block.get("text"), 3_000), *((text, 2_000) for text in block.get("fields", []))]:
        if text is not None:
            only(text, "type text", "verbatim")
            assert text["type"] == "mrkdwn"
            _slack_text(text["text"], limit)
    assert 1 <= len(block.get("fields", [None])) <= 10


def _slack_text(text: str, limit: int) -> None:
    assert 1 <= len(text) <= limit
    without_links = re.sub(r"<https?://[^<>|]+\|[^<>|]+>", "", text)
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", without_links), "markup that is not ours"


# -- Teams


def teams(message: Any) -> None:
    message = well_formed(message)
    assert len(json.dumps(message, ensure_ascii=False).encode()) <= 28 * 1024
    only(message, "type attachments")
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    only(attachment, "contentType content", "contentUrl")
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment.get("contentUrl") is None
    card = attachment["content"]
    only(card, "$schema type version body", "actions msteams")
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    for element in card["body"]:
        {"TextBlock": _text_block, "FactSet": _fact_set}[element["type"]](element)
    for action in card.get("actions", []):
        only(action, "type url", "title")
        assert action["type"] == "Action.OpenUrl"
        a_link(action["url"])


def _text_block(element: Json) -> None:
    only(element, "type text", "wrap size weight color separator")
    assert isinstance(element["text"], str)
    assert element["text"]
    assert element.get("size", "Default") in ("Default", "Small", "Medium", "Large", "ExtraLarge")
    assert element.get("weight", "Default") in ("Default", "Lighter", "Bolder")
    assert element.get("color", "Default") in ("Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention")
    assert isinstance(element.get("wrap", True), bool)


def _fact_set(element: Json) -> None:
    only(element, "type facts")
    assert element["facts"]
    for fact in element["facts"]:
        only(fact, "title value")
        assert isinstance(fact["title"], str)
        assert isinstance(fact["value"], str)


# -- PagerDuty


def pagerduty(message: Any) -> None:
    message = well_formed(message)
    assert len(json.dumps(message).encode()) <= 512 * 1024
    only(message, "routing_key event_action dedup_key", "payload links images client client_url")
    assert message["event_action"] in ("trigger", "acknowledge", "resolve")
    assert 1 <= len(message["dedup_key"]) <= 255
    for link in message.get("links", []):
        only(link, "href", "text")
        a_link(link["href"])
    if message["event_action"] != "trigger":
        return
    payload = message["payload"]
    only(payload, "summary source severity", "timestamp component group class custom_details")
    assert 1 <= len(payload["summary"]) <= 1_024
    assert payload["source"]
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert datetime.fromisoformat(payload["timestamp"]).tzinfo
    assert isinstance(payload["custom_details"], dict)


# -- ours


def generic(message: Any) -> None:
    message = well_formed(message)
    assert len(json.dumps(message, ensure_ascii=False).encode()) <= 256 * 1024
    only(message, "version delivery_id event alert digest")
    assert message["version"] == "1"
    names = "id kind incident occurred_at severity subject body_text body_html value threshold url details"
    only(message["event"], names)
    assert message["event"]["subject"]
    assert message["event"]["kind"] in ("ALERT", "RECOVERY", "CHECK_FAILURE", "CHECK_RECOVERY", "TEST")
    assert message["event"]["severity"] in ("CRITICAL", "WARNING", "INFO")
    assert datetime.fromisoformat(message["event"]["occurred_at"]).tzinfo
    if message["event"]["url"] is not None:
        a_link(message["event"]["url"])
    assert all(isinstance(value, str) for value in message["event"]["details"].values())
    _generic_alert(message["alert"])
    if message["digest"] is not None:
        only(message["digest"], "parts left_out")
        assert message["digest"]["parts"]
        assert message["digest"]["left_out"] >= 0
        for part in message["digest"]["parts"]:
            only(part, "id kind incident occurred_at severity subject value threshold url alert")
            _generic_alert(part["alert"])


def _generic_alert(alert: Any) -> None:
    if alert is not None:
        only(alert, "id name")
