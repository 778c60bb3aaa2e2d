"""Several events as one message: what it says, and what becomes of it where there is little room."""

from __future__ import annotations

import json
from datetime import timedelta
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.delivery import DestinationType, Event, EventKind, Origin, Severity, digest
from alerting_assets.delivery.mail import email_message
from alerting_assets.delivery.message import Post, message_for
from alerting_assets.delivery.slack import slack_message
from alerting_assets.delivery.teams import teams_message
from alerting_assets.delivery.webhook import webhook_message
from alerting_assets.errors import DeliveryError
from alerting_assets_tests.delivery import schemas
from alerting_assets_tests.delivery.examples import NOW, event, webhook
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


def alert(number: int, **fields: object) -> Event:
    given = {"subject": f"Alert {number} fires", "url": f"https://example.com/{number}", **fields}
    return event(f"e{number}", **given)


def many(number: int) -> Event:
    severities = tuple(Severity)
    return digest([alert(one, severity=severities[one % 3], body_text=f"text of {one}") for one in range(number)])


def mail(one: Event) -> EmailMessage:
    return email_message(one, "d1", "alerting@example.com", ["ann@example.com"])


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def test_what_needs_somebody_comes_first_and_what_is_over_last() -> None:
    over = alert(1, kind=EventKind.RECOVERY, subject="OK: jobs")
    warning = alert(2, severity=Severity.WARNING)
    one = digest([over, warning, alert(3), alert(4, subject="TRIGGERED: [CRITICAL] Cost")])
    assert one.subject == (
        "3 alerts, 1 recovery: [CRITICAL] Alert 3 fires; TRIGGERED: [CRITICAL] Cost; [WARNING] Alert 2 fires; OK: jobs"
    )
    assert [part.event_id for part in one.parts] == ["e3", "e4", "e2", "e1"]
    assert (one.kind, one.severity, one.alert_id, one.url) == (EventKind.ALERT, Severity.CRITICAL, None, None)


def test_it_is_as_urgent_as_what_is_not_over() -> None:
    over = alert(1, kind=EventKind.RECOVERY, occurred_at=NOW + timedelta(minutes=1))
    one = digest([over, alert(2, severity=Severity.WARNING)])
    assert (one.kind, one.severity) == (EventKind.ALERT, Severity.WARNING)
    assert one.occurred_at == over.occurred_at
    checks = [alert(3, kind=EventKind.CHECK_FAILURE), alert(2, kind=EventKind.CHECK_FAILURE), over]
    assert digest(checks).subject.startswith("2 failed checks, 1 recovery: ")
    ended = digest([alert(1, key="k"), alert(2, key="k", kind=EventKind.RECOVERY)])
    assert ended.kind is EventKind.RECOVERY, "it fired and is over"
    assert [part.event_id for part in ended.parts] == ["e1", "e2"], "an incident is told in its order"
    again = digest([alert(1, key="k"), alert(2, key="k", kind=EventKind.RECOVERY), alert(3, key="k")])
    assert again.kind is EventKind.ALERT


def test_the_same_events_are_the_same_digest_and_one_is_itself() -> None:
    one, other = alert(1), alert(2)
    assert digest([one, other]).event_id == digest([other, one]).event_id != digest([one, alert(3)]).event_id
    assert digest([one]) is one
    with pytest.raises(DeliveryError):
        digest([])


def test_a_mail_tells_each_part_with_its_link_in_both_forms() -> None:
    message = mail(digest([alert(1), alert(2, body_html="", body_text="a < b")]))
    assert str(message["Subject"]) == "2 alerts: [CRITICAL] Alert 1 fires; [CRITICAL] Alert 2 fires"
    text, page = content(message, "plain"), content(message, "html")
    assert "[CRITICAL] Alert 1 fires\nCost is 12.5 & rising\nhttps://example.com/1\n\n[CRITICAL] Alert 2" in text
    assert "<h3>[CRITICAL] Alert 1 fires</h3>\n<div><p>Cost is <b>12.5</b> &amp; rising</p></div>" in page
    assert '<a href="https://example.com/2">Open</a>' in page
    assert "a &lt; b" in page


def test_slack_and_teams_show_each_part_with_its_link() -> None:
    one = digest([alert(1), alert(2, body_text="<!channel> [here](https://evil.example.com)")])
    slack, teams = slack_message(one), teams_message(one)
    schemas.slack(slack)
    schemas.teams(teams)
    sections = [block["text"]["text"] for block in slack["blocks"] if "text" in block]
    assert sections[1] == "[CRITICAL] Alert 1 fires\nCost is 12.5 &amp; rising\n<https://example.com/1|Open>"
    assert "<!channel>" not in json.dumps(slack)
    card = teams["attachments"][0]["content"]
    blocks = [block["text"] for block in card["body"] if block["type"] == "TextBlock"]
    assert blocks[1:3] == ["[CRITICAL] Alert 1 fires", "Cost is 12.5 & rising\n\n[Open](https://example.com/1)"]
    assert "](https://evil" not in json.dumps(teams)


@pytest.mark.parametrize("number", [2, 40, 300, 3_000])
def test_of_however_many_each_is_told_or_counted(number: int) -> None:
    one = many(number)
    assert len(one.parts) + one.left_out == number
    slack, teams, document = slack_message(one), teams_message(one), webhook_message(one, "d1")
    schemas.slack(slack)
    schemas.teams(teams)
    schemas.generic(document)
    assert len(document["digest"]["parts"]) + document["digest"]["left_out"] == number
    texts = {
        "slack": "\n".join(block["text"]["text"] for block in slack["blocks"][1:] if "text" in block),
        "teams": "\n".join(block.get("text", "") for block in teams["attachments"][0]["content"]["body"][1:]),
        "document": document["event"]["body_text"],
        "html": document["event"]["body_html"],
        "mail": content(mail(one), "plain"),
    }
    for receiver, text in texts.items():
        told = sum(f"Alert {n} fires" in text for n in range(number))
        assert (f"… and {number - told} more" in text) == (told < number), receiver
        assert "… and" in text or told == number, receiver
        assert told >= min(number, 30), receiver
        critical_told = sum(f"[CRITICAL] Alert {n} fires" in text for n in range(number))
        assert critical_told >= min(told, number // 3), f"{receiver}: the worst are not left out"


def test_long_texts_are_shortened_before_anything_is_left_out() -> None:
    one = digest([alert(number, body_text="row " * 500, body_html="") for number in range(10)])
    sections = [block["text"]["text"] for block in slack_message(one)["blocks"] if "text" in block]
    assert len([text for text in sections if "row row" in text and "|Open>" in text]) == 10
    assert not any("more" in text for text in sections)


@examples(20, 300)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(EventKind), st.sampled_from(Severity)), min_size=2))
def test_the_order_of_an_incident_is_kept_and_none_gets_lost(given_ones: list[tuple[str, EventKind, Severity]]) -> None:
    events = [
        event(f"e{number}", key=key, kind=kind, severity=severity)
        for number, (key, kind, severity) in enumerate(given_ones)
    ]
    told = digest(events).parts
    assert sorted(one.event_id for one in told) == sorted(one.event_id for one in events)
    for key in "abc":
        assert [one.event_id for one in told if one.key == key] == [one.event_id for one in events if one.key == key]


def test_what_it_weighs_is_what_a_receiver_takes() -> None:
    """Three hundred long alerts, in every shape that is posted."""
    one = digest([alert(n, body_html="<p>ä</p>" * 900, body_text="ä" * 3_000, key="k" * 900) for n in range(300)])
    for kind in (DestinationType.SLACK, DestinationType.MICROSOFT_TEAMS, DestinationType.WEBHOOK):
        made = message_for(one, webhook("https://example.com", type=kind), "d", Origin())
        assert isinstance(made, Post)
        assert len(made.body) <= 256 * 1024
