"""An event as the Workflows webhook of Microsoft Teams takes it: a message with one Adaptive Card 1.4.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

import json
from typing import Any

from alerting_assets.delivery.event import Event, Severity
from alerting_assets.delivery.texts import cut, facts, json_size, link, plain_text, subject

LIMIT = 28 * 1024
_OUR_LIMIT = 26 * 1024
_SUBJECT = 300
_FACTS = 20
_FACT = 300
_COLOURS = {Severity.CRITICAL: "Attention", Severity.WARNING: "Warning", Severity.INFO: "Accent"}


def teams_message(event: Event) -> dict[str, Any]:
    room = _OUR_LIMIT - len(json.dumps(_card(event, ""), ensure_ascii=False).encode())
    return _card(event, cut(_paragraphs(plain_text(event)), room, json_size))


def _card(event: Event, body: str) -> dict[str, Any]:
    colour = "Good" if event.kind.is_recovery else _COLOURS[event.severity]
    title = {"type": "TextBlock", "size": "Large", "weight": "Bolder", "wrap": True, "color": colour}
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            {**title, "text": _plain(subject(event, _SUBJECT))},
            *([{"type": "TextBlock", "wrap": True, "text": body}] if body else []),
            {
                "type": "FactSet",
                "facts": [
                    {"title": _plain(cut(name, _FACT)), "value": _plain(cut(value, _FACT))}
                    for name, value in facts(event)
                ][:_FACTS],
            },
        ],
    }
    if url := link(event):
        content["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": url}]
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
        ],
    }


def _paragraphs(text: str) -> str:
    """Teams shows a line's end only where an empty line follows."""
    return _plain("\n\n".join(line for line in text.split("\n") if line.strip()))


def _plain(text: str) -> str:
    """Texts of cards are Markdown: a value from the data must not become a link that says something else than where it leads."""
    return text.replace("](", "]\u200b(")
