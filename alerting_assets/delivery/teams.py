"""An event as the Workflows webhook of Microsoft Teams takes it: a message with one Adaptive Card 1.4.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from alerting_assets.delivery.digest import tail, told
from alerting_assets.delivery.event import Event, Severity
from alerting_assets.delivery.texts import cut, facts, json_size, link, plain_text, subject

LIMIT = 28 * 1024
_OUR_LIMIT = 26 * 1024
_SUBJECT = 300
_FACTS = 20
_FACT = 300
_PARTS = 40
_AROUND = 200
"""Bytes that a part of a digest takes beside its texts."""
_COLOURS = {Severity.CRITICAL: "Attention", Severity.WARNING: "Warning", Severity.INFO: "Accent"}


def teams_message(event: Event) -> dict[str, Any]:
    room = _OUR_LIMIT - len(json.dumps(_card(event, []), ensure_ascii=False).encode())
    if event.parts:
        return _card(event, _parts(event, room))
    body = cut(_paragraphs(plain_text(event)), room, json_size)
    return _card(event, [_block(body)] if body else [])


def _parts(event: Event, room: int) -> list[dict[str, Any]]:
    """Blocks for each part of a digest that there is room for, and one for the number of the others."""
    blocks = []
    shown, left_out = told(event, room - _AROUND, _size, _opens, between=_AROUND, most=_PARTS)
    for one in shown:
        blocks.append({**_block(_plain(one.title)), "weight": "Bolder", "separator": True})
        if text := "\n\n".join(filter(None, (_paragraphs(one.text), one.url))):
            blocks.append(_block(text))
    return [*blocks, *([_block(tail(left_out))] if left_out else [])]


def _block(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "wrap": True, "text": text}


def _opens(url: str) -> str:
    """A link in Markdown, with everything encoded that would end it early."""
    address = quote(url, safe=":/?#@!$&'*+,;=%~")
    return f"[Open]({address})"


def _size(text: str) -> int:
    return json_size(_paragraphs(text))


def _card(event: Event, body: list[dict[str, Any]]) -> dict[str, Any]:
    colour = "Good" if event.kind.is_recovery else _COLOURS[event.severity]
    title = {"type": "TextBlock", "size": "Large", "weight": "Bolder", "wrap": True, "color": colour}
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            {**title, "text": _plain(subject(event, _SUBJECT))},
            *body,
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
