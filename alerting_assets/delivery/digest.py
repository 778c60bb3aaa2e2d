"""Several events as one message: what people who want fewer messages are sent.

What needs somebody comes first, and what is over comes last. The events of one incident stand together, in the order in which they
happened. Where not everything fits, texts go before links, links before subjects, and the last ones before the first."""

from __future__ import annotations

import hashlib
import html
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from alerting_assets.delivery.event import WORST_FIRST, Event, EventKind
from alerting_assets.delivery.texts import as_html, cut, html_text, link, plain_text, subject
from alerting_assets.errors import DeliveryError

PARTS = 200
"""How many events a digest holds; of the others it holds their number."""
_SUBJECT = 1_000
_SUBJECT_OF_PART = 300
_TEXT_OF_PART = 2_000
_HTML_OF_PART = 8_000
_SHORTEST_TEXT = 60
_LINE_ENDS = 4
_WORDS = {
    EventKind.ALERT: ("alert", "alerts"),
    EventKind.CHECK_FAILURE: ("failed check", "failed checks"),
    EventKind.RECOVERY: ("recovery", "recoveries"),
    EventKind.CHECK_RECOVERY: ("recovered check", "recovered checks"),
    EventKind.TEST: ("test", "tests"),
}


@dataclass(frozen=True)
class Told:
    """What there is room for of one event of a digest."""

    title: str
    text: str = ""
    url: str = ""


def digest(events: Sequence[Event]) -> Event:
    """One event that tells several, which are given in the order in which they happened. A single one is its own digest.

    Its kind and severity are those of the most urgent incident in it. Not for PagerDuty, where each incident opens and closes under
    its own key."""
    if not events:
        raise DeliveryError("a digest needs at least one event")
    if len(events) == 1:
        return events[0]
    identity = hashlib.sha256(json.dumps(sorted(event.event_id for event in events)).encode()).hexdigest()[:32]
    ordered, latest = _urgent_first(events), {event.key: event for event in events}
    open_ones = [event for event in events if not latest[event.key].kind.is_recovery] or events
    titles = dict.fromkeys(title(event) for event in ordered[:PARTS])
    return Event(
        event_id=f"digest-{identity}",
        kind=latest[ordered[0].key].kind,
        key=f"digest-{identity}",
        subject=cut(f"{_numbers(events)}: {'; '.join(titles)}", _SUBJECT),
        occurred_at=max(event.occurred_at for event in events),
        severity=min((event.severity for event in open_ones), key=WORST_FIRST.index),
        parts=tuple(_part(event) for event in ordered[:PARTS]),
        left_out=max(0, len(events) - PARTS),
    )


def title(event: Event) -> str:
    """The subject of an event among others, with what it is where the subject does not say so."""
    text = subject(event, _SUBJECT_OF_PART)
    if event.kind.is_recovery:
        return text if text.startswith("OK") else f"[RECOVERED] {text}"
    return text if f"[{event.severity}]" in text else f"[{event.severity}] {text}"


def body_text(event: Event, limit: int, size: Callable[[str], int] = len) -> str:
    """The body of any event as plain text, or what `limit` allows of it. size: of a piece of the text, in what the receiver counts."""
    if not event.parts:
        return cut(plain_text(event), limit, size)
    room = limit - size(tail(len(event.parts) + event.left_out))
    shown, left_out = told(event, room, size, between=_LINE_ENDS * size("\n"))
    pieces = ["\n".join(filter(None, (one.title, one.text, one.url))) for one in shown]
    return "\n\n".join([*pieces, *([tail(left_out)] if left_out else [])])


def body_html(event: Event, limit: int, text_limit: int, size: Callable[[str], int]) -> str:
    """The body of any event as HTML; where that is longer than `limit` its plain text, or what `text_limit` allows of it, since half of a
    tag would spoil the rest."""
    fragment = "\n".join(map(_html_of, event.parts)) if event.parts else html_text(event)
    if event.left_out:
        fragment += f"\n<p>{tail(event.left_out)}</p>"
    return fragment if size(fragment) <= limit else as_html(body_text(event, text_limit, size))


def tail(number: int) -> str:
    return f"… and {number} more"


def told(
    event: Event,
    room: int,
    size: Callable[[str], int],
    address: Callable[[str], str] = str,
    *,
    between: int = 0,
    most: int = PARTS,
) -> tuple[list[Told], int]:
    """What there is room for of the parts of a digest, and how many events are left out by that.

    address: how a link is written. between: what each part takes beside its texts, in what `size` counts. most: parts that are told."""
    parts = [
        Told(title(part), plain_text(part), address(url) if (url := link(part)) else "") for part in event.parts[:most]
    ]

    def sizes(form: Sequence[Told]) -> list[int]:
        return [size(one.title) + size(one.text) + size(one.url) + between for one in form]

    linked = [replace(one, text="") for one in parts]
    share = (room - sum(sizes(linked))) // len(parts)
    shortened = [replace(one, text=cut(one.text, share, size)) for one in parts] if share >= _SHORTEST_TEXT else linked
    forms = [parts, shortened, linked, [Told(one.title) for one in parts]]
    chosen = next((form for form in forms if sum(sizes(form)) <= room), forms[-1])
    shown = [one for one, end in zip(chosen, accumulate(sizes(chosen)), strict=True) if end <= room]
    return shown, len(event.parts) - len(shown) + event.left_out


def _urgent_first(events: Sequence[Event]) -> list[Event]:
    latest = {event.key: event for event in events}
    worst: dict[str, int] = {}
    first: dict[str, int] = {}
    for number, event in enumerate(events):
        rank = WORST_FIRST.index(event.severity)
        worst[event.key] = min(rank, worst.get(event.key, rank))
        first.setdefault(event.key, number)
    return sorted(events, key=lambda one: (latest[one.key].kind.is_recovery, worst[one.key], first[one.key]))


def _numbers(events: Sequence[Event]) -> str:
    counts = Counter(event.kind for event in events)
    return ", ".join(f"{counts[kind]} {words[counts[kind] > 1]}" for kind, words in _WORDS.items() if counts[kind])


def _part(event: Event) -> Event:
    return replace(
        event,
        subject=subject(event, _SUBJECT_OF_PART),
        body_text=cut(plain_text(event), _TEXT_OF_PART),
        body_html=event.body_html if len(event.body_html) <= _HTML_OF_PART else "",
        details={},
    )


def _html_of(part: Event) -> str:
    url = link(part)
    opens = f'\n<p><a href="{html.escape(url)}">Open</a></p>' if url else ""
    return f"<h3>{html.escape(title(part))}</h3>\n<div>{html_text(part)}</div>{opens}"
