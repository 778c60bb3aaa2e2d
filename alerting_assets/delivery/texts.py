"""Texts of events, made fit for a message: no control characters, no longer than the receiver takes."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from alerting_assets.delivery.event import Event, Value

ELLIPSIS = "…"
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_BREAKS = re.compile(r"<(?:br|hr|/p|/div|/li|/tr|/h[1-6]|/table|/ul|/ol|/blockquote)\b[^>]*>", re.IGNORECASE)
_CELL_ENDS = re.compile(r"</t[dh]\s*>\s*(?=<t[dh]\b)", re.IGNORECASE)
_TAGS = re.compile(r"</?[A-Za-z][^>]*>")
_LINK = re.compile(r"""<a\s[^>]*href=(?:"([^"]*)"|'([^']*)')[^>]*>(.*?)</a>""", re.IGNORECASE | re.DOTALL)


def clean(text: str) -> str:
    """The text without what no receiver shows: control characters and halves of characters. Lines end with a line feed."""
    return _UNFIT.sub("\ufffd", _LINE_ENDS.sub("\n", text))


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """The text, or as much of its beginning as `limit` allows, with an ellipsis. size: of a piece of the text, in what the receiver counts;
    the size of two pieces together is the sum of theirs."""
    if size(text) <= limit:
        return text
    room = limit - size(ELLIPSIS)
    if room < 0:
        return ""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS


def json_size(text: str) -> int:
    """How many bytes the text takes inside a JSON document in UTF-8."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def plain_text(event: Event) -> str:
    """The body for receivers that show no HTML."""
    return clean(event.body_text).strip() or _text_of(clean(event.body_html))


def html_text(event: Event) -> str:
    """The body for receivers that show HTML: a fragment, as the event has it or made of its plain text."""
    return clean(event.body_html).strip() or as_html(plain_text(event))


def as_html(text: str) -> str:
    return html.escape(text).replace("\n", "<br>\n")


def subject(event: Event, limit: int) -> str:
    """The subject on one line; never empty, since receivers refuse a message without one."""
    return cut(one_line(event.subject) or one_line(event.alert_name or event.alert_id or "") or event.kind, limit)


def link(event: Event) -> str | None:
    """The address of the event's page, if people can open it."""
    url = clean(event.url or "").strip()
    if len(url) > 2000 or re.search(r"\s", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def facts(event: Event) -> Iterator[tuple[str, str]]:
    """Names and values to show beside the body, the most important first."""
    yield "Severity", event.severity
    if event.alert_name or event.alert_id:
        yield "Alert", one_line(event.alert_name or event.alert_id or "")
    if event.value is not None:
        yield "Value", one_line(shown(event.value))
    if event.threshold is not None:
        yield "Threshold", one_line(shown(event.threshold))
    yield "Time", event.occurred_at.isoformat(sep=" ", timespec="seconds")
    for name, value in event.details.items():
        if one_line(name) and one_line(value):
            yield one_line(name), one_line(value)


def shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _text_of(fragment: str) -> str:
    text = " ".join(fragment.split())  # as HTML has it, only tags break lines
    text = _LINK.sub(lambda found: _link_text(found[3], found[1] or found[2] or ""), text)
    text = _BREAKS.sub("\n", _CELL_ENDS.sub(" | ", text))
    lines = [line.strip() for line in html.unescape(_TAGS.sub("", text)).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", clean("\n".join(lines))).strip()


def _link_text(text: str, url: str) -> str:
    return text if not url or url in text else f"{text} ({url})"
