"""Messages as their receivers document them, for whatever an event holds; and what people read in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.delivery import Destination, DestinationType, Event, EventKind, Origin, Severity
from alerting_assets.delivery.message import Post, as_shown, message_for
from alerting_assets.delivery.pagerduty import pagerduty_message
from alerting_assets.delivery.slack import slack_message
from alerting_assets.delivery.teams import teams_message
from alerting_assets.delivery.texts import plain_text
from alerting_assets.delivery.webhook import webhook_message
from alerting_assets.errors import DeliveryRefused
from alerting_assets_tests.delivery import schemas
from alerting_assets_tests.delivery.examples import DIGESTS, EVENTS, event, webhook
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


@examples(20, 1000)
@given(EVENTS | DIGESTS)
def test_slack_takes_every_event(one: Event) -> None:
    schemas.slack(slack_message(one))


@examples(20, 1000)
@given(EVENTS | DIGESTS)
def test_teams_takes_every_event(one: Event) -> None:
    schemas.teams(teams_message(one))


@examples(20, 1000)
@given(EVENTS | DIGESTS, st.text(st.characters()))
def test_pagerduty_takes_every_event(one: Event, source: str) -> None:
    schemas.pagerduty(pagerduty_message(one, "0" * 32, source))


@examples(20, 1000)
@given(EVENTS | DIGESTS)
def test_the_generic_document_is_as_documented(one: Event) -> None:
    schemas.generic(webhook_message(one, "d" * 32))


def test_what_slack_shows() -> None:
    message = slack_message(event())
    assert message["blocks"][0]["text"]["text"] == "🔴 Cost is über 10 €"
    assert message["blocks"][1]["text"]["text"] == "Cost is 12.5 &amp; rising"
    fields = [text["text"] for text in message["blocks"][2]["fields"]]
    assert fields[:4] == ["Severity: CRITICAL", "Alert: Daily cost", "Value: 12.5", "Threshold: 10"]
    assert message["blocks"][3]["text"]["text"] == "<https://workspace.example.com/alerts/1?o=2|Open>"
    assert "<!channel>" not in json.dumps(slack_message(event(body_text="<!channel> look", subject="<!here>")))
    assert slack_message(event(kind=EventKind.RECOVERY))["text"].startswith("✅")


def test_a_long_text_goes_on_in_a_second_section_of_slack() -> None:
    lines = [f"row {number} of the result, which is long" for number in range(400)]
    sections = [
        block["text"]["text"] for block in slack_message(event(body_text="\n".join(lines)))["blocks"] if "text" in block
    ][1:3]
    shown = "\n".join(sections).removesuffix("…").split("\n")
    assert shown[:-1] == lines[: len(shown) - 1]
    assert sections[1].endswith("…")
    assert len("".join(sections)) > 5_500


def test_what_teams_shows() -> None:
    card = teams_message(event(body_text="first\nsecond [here](https://evil.example.com)"))["attachments"][0]["content"]
    title, text, facts = card["body"]
    assert (title["text"], title["color"]) == ("Cost is über 10 €", "Attention")
    assert text["text"].startswith("first\n\nsecond")
    assert "](https" not in text["text"]
    assert {"title": "Value", "value": "12.5"} in facts["facts"]
    assert card["actions"][0]["url"] == "https://workspace.example.com/alerts/1?o=2"


def test_a_text_that_is_too_long_for_teams_is_cut_not_refused() -> None:
    card = teams_message(event(body_text="ä" * 50_000))["attachments"][0]["content"]
    assert card["body"][1]["text"].endswith("ä…")
    assert len(card["body"][1]["text"]) > 10_000


def test_pagerduty_opens_and_resolves_the_same_incident() -> None:
    opens = pagerduty_message(event("e1", key="COST since 8:00"), "key", "example.com")
    resolves = pagerduty_message(event("e2", key="COST since 8:00", kind=EventKind.RECOVERY), "key", "example.com")
    assert (opens["event_action"], resolves["event_action"]) == ("trigger", "resolve")
    assert opens["dedup_key"] == resolves["dedup_key"] == "COST since 8:00"
    assert opens["payload"]["severity"] == "critical"
    assert opens["payload"]["custom_details"]["Body"] == "Cost is 12.5 & rising"
    assert opens["payload"]["custom_details"]["owner"] == "ann@example.com"
    assert opens["links"] == [{"href": "https://workspace.example.com/alerts/1?o=2", "text": "Open"}]


@examples(40, 500)
@given(st.text(st.characters(), min_size=1, max_size=400), st.text(st.characters(), min_size=1, max_size=400))
def test_different_incidents_stay_different_in_pagerduty(one: str, other: str) -> None:
    def key(of: str) -> str:
        return str(pagerduty_message(event(key="x" * 250 + of), "key", "s")["dedup_key"])

    assert (key(one) == key(other)) == (one == other)


def test_the_generic_document() -> None:
    assert webhook_message(event(), "d1") == {
        "version": "1",
        "delivery_id": "d1",
        "event": {
            "id": "e1",
            "kind": "ALERT",
            "incident": "incident of e1",
            "occurred_at": "2026-01-31T08:00:00+00:00",
            "severity": "CRITICAL",
            "subject": "Cost is über 10 €",
            "body_text": "Cost is 12.5 & rising",
            "body_html": "<p>Cost is <b>12.5</b> &amp; rising</p>",
            "value": 12.5,
            "threshold": 10,
            "url": "https://workspace.example.com/alerts/1?o=2",
            "details": {"owner": "ann@example.com"},
        },
        "alert": {"id": "COST", "name": "Daily cost"},
        "digest": None,
    }


def test_html_that_is_too_long_becomes_text_rather_than_half_a_tag() -> None:
    rows = "".join(f"<tr><td>{number}</td><td>a &lt; b</td></tr>" for number in range(10_000))
    message = webhook_message(event(body_html=f"<table>{rows}</table>", body_text=""), "d")
    assert "<td" not in message["event"]["body_html"]
    assert "a &lt; b" in message["event"]["body_html"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Cost is <b>12</b> &amp; rising</p><p>Look</p>", "Cost is 12 & rising\nLook"),
        ("<table><tr><th>day</th><th>cost</th></tr><tr><td>1</td><td>2</td></tr></table>", "day | cost\n1 | 2"),
        ("one<br>two<br/>\n three", "one\ntwo\nthree"),
        ('see <a href="https://example.com/1">the page</a>', "see the page (https://example.com/1)"),
        ("1 &lt; 2 and 3 < 4", "1 < 2 and 3 < 4"),
        ("", ""),
    ],
)
def test_html_as_text(html: str, text: str) -> None:
    assert plain_text(event(body_html=html, body_text="")) == text


SHAPES = [
    (DestinationType.SLACK, schemas.slack),
    (DestinationType.MICROSOFT_TEAMS, schemas.teams),
    (DestinationType.PAGERDUTY, schemas.pagerduty),
    (DestinationType.WEBHOOK, schemas.generic),
]


@pytest.mark.parametrize(("kind", "check"), SHAPES)
def test_the_type_of_a_destination_decides_the_shape(kind: DestinationType, check: Any) -> None:
    to = webhook("https://example.com/secret-key-1", type=kind)
    message = message_for(event(), to, "d1", Origin())
    assert isinstance(message, Post)
    check(message.document)
    assert message == message_for(event(), to, "d1", Origin()), "the same message each time"
    shown = as_shown(message, to)
    assert "Cost is über 10 €" in shown
    assert "secret-key-1" not in shown + repr(message)
    if kind is DestinationType.PAGERDUTY:
        assert message.document["routing_key"] == to.secret
        assert message.url == "https://events.pagerduty.com/v2/enqueue"


@pytest.mark.parametrize(
    ("kind", "what"),
    [(kind, "URL") for kind, _ in SHAPES if kind is not DestinationType.PAGERDUTY]
    + [(DestinationType.PAGERDUTY, "integration key"), (DestinationType.EMAIL, "address")],
)
def test_a_destination_without_what_it_needs_is_refused(kind: DestinationType, what: str) -> None:
    with pytest.raises(DeliveryRefused, match=rf"destination d \(its name\) has no {what}"):
        message_for(event(), Destination("d", "its name", kind), "d1", Origin())


def test_severities_have_colours_of_their_own() -> None:
    titles = [slack_message(event(severity=severity))["text"][0] for severity in Severity]
    assert len(set(titles)) == len(Severity)
