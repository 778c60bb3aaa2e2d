"""Events and destinations for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from alerting_assets.delivery import Destination, DestinationType, Event, EventKind, Severity, digest

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def event(event_id: str = "e1", **fields: Any) -> Event:
    given: dict[str, Any] = {
        "kind": EventKind.ALERT,
        "key": f"incident of {event_id}",
        "subject": "Cost is über 10 €",
        "body_html": "<p>Cost is <b>12.5</b> &amp; rising</p>",
        "body_text": "Cost is 12.5 & rising",
        "severity": Severity.CRITICAL,
        "alert_id": "COST",
        "alert_name": "Daily cost",
        "value": 12.5,
        "threshold": 10,
        "url": "https://workspace.example.com/alerts/1?o=2",
        "occurred_at": NOW,
        "details": {"owner": "ann@example.com"},
        **fields,
    }
    return Event(event_id, **given)


def webhook(url: str, destination_id: str = "w", **fields: Any) -> Destination:
    given: dict[str, Any] = {"name": "the hook", "type": DestinationType.WEBHOOK, "secret": url, **fields}
    return Destination(destination_id, **given)


def mailbox(*addresses: str, destination_id: str = "m") -> Destination:
    return Destination(destination_id, "the mailbox", DestinationType.EMAIL, addresses or ("ann@example.com",))


def _long(text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Also texts far longer than any receiver takes."""
    return st.one_of(
        text, st.tuples(text, st.sampled_from([1, 500, 20_000])).map(lambda pair: (pair[0] or "x") * pair[1])
    ).map(lambda found: found[:200_000])


# Everything that Python takes for text: control characters and halves of characters, too.
_TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["<b>&amp;</b>", "a\r\nBcc: eve@example.com", "", " \t\n", "𝄞é\x00\ud800"]
)
_VALUES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | _long(_TEXT)

EVENTS = st.builds(
    Event,
    event_id=_TEXT.filter(bool),
    kind=st.sampled_from(EventKind),
    key=_long(_TEXT).filter(bool),
    subject=_long(_TEXT),
    occurred_at=st.integers(0, 7_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    body_html=_long(_TEXT),
    body_text=_long(_TEXT),
    severity=st.sampled_from(Severity),
    alert_id=st.none() | _long(_TEXT),
    alert_name=st.none() | _long(_TEXT),
    value=_VALUES,
    threshold=_VALUES,
    url=st.none() | _TEXT | _long(st.text("abc|>&é ", max_size=20)).map(lambda text: f"https://example.com/{text}"),
    details=st.dictionaries(_TEXT, _long(_TEXT), max_size=4)
    | st.just({f"name {number}": "ä" * 5_000 for number in range(100)}),
)

# Few events many times over, and not longer than a digest takes: what is long about it is the number of its parts.
DIGESTS = st.tuples(st.lists(EVENTS, min_size=2, max_size=5), st.sampled_from([1, 60])).map(
    lambda given: digest([_copy(one, number) for number in range(given[1]) for one in given[0]])
)


def _copy(one: Event, number: int) -> Event:
    texts = {"subject": one.subject[:500], "body_text": one.body_text[:3_000], "body_html": one.body_html[:9_000]}
    return replace(one, event_id=f"{one.event_id}{number}", details={}, **texts)
