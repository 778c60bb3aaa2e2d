"""What people read of failures: a message as an event of the delivery library. Pure."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from alerting_assets.delivery import Event, EventKind, Severity
from alerting_assets.delivery.texts import cut
from alerting_assets.failures.decide import Message, News, Told

LISTED = 20
"""So many failures are told with their reason; of the others, how many they are."""
_NAMED = 3
_REASON = 600
_DETAIL = 300
_WORST_FIRST = tuple(Severity)
_HEADS = {
    News.FAILED: "",
    News.CHANGED: "for another reason: ",
    News.STILL_FAILING: "still: ",
    News.WELL_AGAIN: "",
    News.GONE: "no longer there: ",
}


def events_of(message: Message, single: Iterable[str] = ()) -> list[tuple[Event, tuple[str, ...]]]:
    """The events that a message becomes, each with its destinations: one for all that it tells; for `single` one each, since PagerDuty
    opens and closes an incident for each."""
    apart = tuple(name for name in message.destinations if name in set(single))
    together = tuple(name for name in message.destinations if name not in apart)
    found = [(_event(message, message.conversation), together)] if together else []
    for told in message.told if apart else ():
        one = replace(message, told=(told,), url=told.failing.url or message.url)
        found.append((_event(one, told.failing.subject.key), apart))
    return found


def _event(message: Message, key: str) -> Event:
    told = sorted(message.told, key=lambda one: _WORST_FIRST.index(one.failing.severity))
    subjects = {one.failing.subject for one in told}
    alert_ids = {subject.alert_id for subject in subjects}
    owners = sorted({owner for subject in subjects for owner in subject.owners})
    alert_id = alert_ids.pop() if len(alert_ids) == 1 else None
    details = {
        "Run": message.title,
        "Owner": ", ".join(owners),
        "Failing since": "" if message.is_good else _moment(min(one.failing.since for one in told)),
    }
    return Event(
        event_id=_identity(message, key),
        kind=EventKind.CHECK_RECOVERY if message.is_good else EventKind.CHECK_FAILURE,
        key=key,
        subject=subject_of(message, told),
        occurred_at=message.at,
        body_text="\n\n".join([*(_text(one) for one in told[:LISTED]), *_more(told)]),
        body_html="\n".join([*(_html(one) for one in told[:LISTED]), *(f"<p>{more}</p>" for more in _more(told))]),
        severity=told[0].failing.severity,
        alert_id=alert_id,
        alert_name=alert_id,
        url=message.url,
        details={name: value for name, value in details.items() if value},
    )


def subject_of(message: Message, told: Sequence[Told]) -> str:
    named = ", ".join(one.failing.subject.title for one in told[:_NAMED])
    names = f"{named} and {len(told) - _NAMED} more" if len(told) > _NAMED else named
    if message.is_good:
        gone = all(one.news is News.GONE for one in told)
        return f"{'No longer there' if gone else 'Well again'}: {names}"
    if all(one.news is News.STILL_FAILING for one in told):
        return f"Still failing: {names}"
    return f"Failed: {names}"


def _more(told: Sequence[Told]) -> list[str]:
    return [f"and {len(told) - LISTED} more"] if len(told) > LISTED else []


def _text(told: Told) -> str:
    failing = told.failing
    head = f"[{failing.severity}] {failing.subject.title}" if not told.news.is_good else failing.subject.title
    lines = [head, f"{_HEADS[told.news]}{cut(_reason(told), _REASON)}"]
    return "\n".join([*lines, *(f"  {cut(line, _DETAIL)}" for line in _details(told))])


def _html(told: Told) -> str:
    failing = told.failing
    lines = "".join(f"<li>{html.escape(cut(line, _DETAIL))}</li>" for line in _details(told))
    severity = "" if told.news.is_good else f" ({failing.severity})"
    reason = html.escape(f"{_HEADS[told.news]}{cut(_reason(told), _REASON)}").replace("\n", "<br>")
    return (
        f"<p><b>{html.escape(failing.subject.title)}</b>{severity}<br>{reason}</p>"
        f"{f'<ul>{lines}</ul>' if lines else ''}"
    )


def _reason(told: Told) -> str:
    failing = told.failing
    if told.news is News.WELL_AGAIN:
        return f"passed at {_moment(told.at)}; it had failed since {_moment(failing.since)}"
    if told.news is News.GONE:
        return f"it had failed since {_moment(failing.since)}, and is not looked at any more"
    if told.well_since is not None:
        return f"{failing.reason} (seen late: it is well again since {_moment(told.well_since)})"
    return failing.reason


def _details(told: Told) -> Sequence[str]:
    return () if told.news.is_good else told.failing.details


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _identity(message: Message, key: str) -> str:
    """The same for the same news, whoever works it out again after a process was killed."""
    parts = [
        message.source,
        key,
        *sorted(
            [
                one.failing.subject.key,
                one.news,
                one.failing.fingerprint,
                one.failing.since.isoformat(),
                one.at.isoformat(),
            ]
            for one in message.told
        ),
    ]
    return "failure-" + hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
