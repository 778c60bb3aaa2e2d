"""E-mails, read back with the standard library's parser."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import cast

import pytest
from hypothesis import given

from alerting_assets.delivery import Event, EventKind
from alerting_assets.delivery.mail import email_message
from alerting_assets_tests.delivery.examples import EVENTS, event
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


def arrived(message: EmailMessage) -> EmailMessage:
    return cast(EmailMessage, message_from_bytes(message.as_bytes(policy=SMTP), policy=default))


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@examples(8, 300)
@given(EVENTS)
def test_every_event_is_a_mail_with_our_headers_only(one: Event) -> None:
    message = arrived(email_message(one, "d" * 32, "Alerts <alerts@example.com>", ["ann@example.com"]))
    assert {name.lower() for name in message.keys()} == {  # noqa: SIM118
        "subject", "from", "to", "date", "message-id", "references", "x-delivery-id", "auto-submitted", "mime-version", "content-type",
    }  # fmt: skip
    assert message["To"] == "ann@example.com"
    assert message["X-Delivery-Id"] == "d" * 32
    assert message["Subject"].strip()
    assert not message.defects
    assert body(message, "plain").strip()
    assert "<!DOCTYPE html>" in body(message, "html")


def test_what_people_read() -> None:
    message = arrived(
        email_message(event(), "d1", "Alerts <alerts@example.com>", ["ann@example.com", "bob@example.com"])
    )
    assert message["Subject"] == "Cost is über 10 €"
    assert message["From"] == "Alerts <alerts@example.com>"
    assert [str(address) for address in message["To"].addresses] == ["ann@example.com", "bob@example.com"]
    assert message["Message-ID"] == "<d1@example.com>"
    assert message["Date"].datetime == event().occurred_at
    assert body(message, "plain").startswith("Cost is 12.5 & rising")
    assert "Value: 12.5" in body(message, "plain")
    assert "https://workspace.example.com/alerts/1?o=2" in body(message, "plain")
    assert "<p>Cost is <b>12.5</b> &amp; rising</p>" in body(message, "html")
    assert '<a href="https://workspace.example.com/alerts/1?o=2">' in body(message, "html")


def test_a_line_end_in_a_subject_makes_no_header() -> None:
    message = arrived(
        email_message(event(subject="Cost\r\nBcc: eve@example.com\n\nbody"), "d", "a@example.com", ["b@example.com"])
    )
    assert message["Subject"] == "Cost Bcc: eve@example.com body"
    assert message["Bcc"] is None


def test_an_alert_and_its_recovery_are_one_conversation() -> None:
    opens = email_message(event("e1", key="k"), "d1", "a@example.com", ["b@example.com"])
    over = email_message(event("e2", key="k", kind=EventKind.RECOVERY), "d2", "a@example.com", ["b@example.com"])
    other = email_message(event("e3", key="l"), "d3", "a@example.com", ["b@example.com"])
    assert opens["References"] == over["References"] != other["References"]
    assert opens["Message-ID"] != over["Message-ID"]


def test_texts_in_the_page_are_escaped() -> None:
    page = body(
        arrived(
            email_message(event(subject="<script>", details={"<i>": "a & b"}), "d", "a@example.com", ["b@example.com"])
        ),
        "html",
    )
    assert "<script>" not in page
    assert "&lt;i&gt;" in page
    assert "a &amp; b" in page


def test_it_is_the_same_mail_each_time() -> None:
    one, other = (email_message(event(), "d", "a@example.com", ["b@example.com"]).as_bytes() for _ in range(2))
    assert one == other
