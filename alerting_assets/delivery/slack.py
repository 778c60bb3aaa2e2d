"""An event as Slack's incoming webhooks take it: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from alerting_assets.delivery.digest import tail, told
from alerting_assets.delivery.event import Event, Severity
from alerting_assets.delivery.texts import cut, facts, link, one_line, plain_text, subject

HEADER = 150
SECTION = 3_000
FIELD = 2_000
FIELDS = 10
BLOCKS = 50
# Slack says 50 blocks; messages with more than some 13,000 characters in all of them were answered msg_blocks_too_long.
_SECTIONS_OF_BODY = 2
_BODY = _SECTIONS_OF_BODY * SECTION
_PARTS = 40
_FIELD = 300
_MARKS = {Severity.CRITICAL: "🔴", Severity.WARNING: "🟠", Severity.INFO: "🔵"}


def slack_message(event: Event) -> dict[str, Any]:
    mark = "✅" if event.kind.is_recovery else _MARKS[event.severity]
    title = _fit(f"{mark} {subject(event, HEADER)}", HEADER)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}]
    sections = _parts(event) if event.parts else _sections(plain_text(event))
    blocks += [{"type": "section", "text": _mrkdwn(text)} for text in sections]
    fields = [_mrkdwn(_fit(f"{name}: {value}", _FIELD)) for name, value in facts(event)]
    blocks.append({"type": "section", "fields": fields[:FIELDS]})
    if opens := _opens(link(event)):
        blocks.append({"type": "section", "text": _mrkdwn(opens)})
    return {"text": _fit(f"{mark} {one_line(event.subject) or subject(event, HEADER)}", SECTION), "blocks": blocks}


def _parts(event: Event) -> Iterator[str]:
    """A section for each part of a digest that there is room for, and one for the number of the others."""
    shown, left_out = told(event, _BODY, _size, lambda url: _opens(url, SECTION // 3), between=2, most=_PARTS)
    for one in shown:
        yield "\n".join(filter(None, (_fit(one.title, _FIELD), _fit(one.text, SECTION // 2), one.url)))
    if left_out:
        yield tail(left_out)


def _opens(url: str | None, limit: int = SECTION) -> str:
    """A link; none where there is no address, or no room for all of it: half of it would lead elsewhere."""
    opens = f"<{_address(url)}|Open>" if url else ""
    return opens if len(opens) <= limit else ""


def _sections(text: str) -> Iterator[str]:
    """The text in so many pieces as fit, broken at ends of lines where there are any."""
    for number in range(1, _SECTIONS_OF_BODY + 1):
        text = text.strip()
        if not text:
            return
        piece = _fit(text, SECTION)
        if _size(text) > SECTION and number < _SECTIONS_OF_BODY:
            raw = cut(text, SECTION, _size)[:-1]
            raw = raw[: raw.rfind("\n")] if raw.rfind("\n") > len(raw) // 2 else raw
            piece, text = _escape(raw.rstrip()), text[len(raw) :]
        else:
            text = ""
        yield piece


def _fit(text: str, limit: int) -> str:
    """Escaped, and no longer than the limit, for which `&lt;` are four characters."""
    return _escape(cut(text, limit, _size))


def _size(text: str) -> int:
    return len(text) + 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _address(url: str) -> str:
    return _escape(quote(url, safe=":/?#[]@!$&'()*+,;=%~"))


def _mrkdwn(text: str) -> dict[str, Any]:
    """verbatim: names and addresses inside of it are not made into links and mentions."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
