"""Mails handed to a real SMTP server, and read back with the standard library's parser."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, message_from_string
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from alerting_assets.delivery import Outcome, Security, Sender, Smtp, SmtpSettings
from alerting_assets.errors import DeliveryDelayed, DeliveryRefused
from alerting_assets_tests.delivery.couriers import Clock, Log, courier, outbox
from alerting_assets_tests.delivery.examples import NOW, event, mailbox
from alerting_assets_tests.delivery.test_http import authority

pytestmark = pytest.mark.integration

PASSWORD = "kYsEcReT123456"


class Mailboxes:
    """What arrived. refused: recipient → the answer that it is refused with. answer: to a whole message."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refused: dict[str, str] = {}
        self.answer = "250 OK"
        self.to_sender = ""

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        envelope.mail_from = address
        return self.to_sender or "250 OK"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            self.envelopes.append(envelope)
        return self.answer

    def messages(self) -> list[EmailMessage]:
        return [
            cast(EmailMessage, message_from_bytes(cast(bytes, envelope.content), policy=default))
            for envelope in self.envelopes
        ]


@contextmanager
def mail_server(**options: Any) -> Iterator[tuple[Mailboxes, int]]:
    boxes = Mailboxes()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(boxes, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield boxes, port
    finally:
        controller.stop()


def sender(port: int, **fields: Any) -> Sender:
    given = {"host": "localhost", "security": Security.NONE, "sender": "Alerts <alerts@example.com>", **fields}
    return Sender(smtp=Smtp(SmtpSettings(port=port, **given), seconds=30))


def send(by: Sender, *addresses: str, delivered: tuple[str, ...] = ()) -> str:
    to = mailbox(*addresses)
    return by.send(by.render(event(), to, "d1", delivered), to, "d1", NOW, delivered)


def test_a_mail_arrives() -> None:
    with mail_server() as (boxes, port):
        assert send(sender(port), "ann@example.com", "bob@example.com") == "accepted for 2"
        (message,) = boxes.messages()
        assert boxes.envelopes[0].mail_from == "alerts@example.com"
        assert boxes.envelopes[0].rcpt_tos == ["ann@example.com", "bob@example.com"]
        assert message["Subject"] == "Cost is über 10 €"
        assert message["X-Delivery-Id"] == "d1"
        plain, html = message.get_body(("plain",)), message.get_body(("html",))
        assert plain is not None
        assert plain.get_content().startswith("Cost is 12.5 & rising")
        assert html is not None
        assert "<b>12.5</b>" in html.get_content()


def test_a_password_and_tls(tmp_path: Path) -> None:
    file, tls = authority(tmp_path, "localhost")

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ann", PASSWORD.encode())
        return AuthResult(success=good, handled=False)

    options = {"tls_context": tls, "require_starttls": True, "authenticator": check, "auth_required": True}
    with mail_server(**options) as (boxes, port):
        settings = {"security": Security.STARTTLS, "username": "ann", "ca_file": file}
        assert send(sender(port, password=PASSWORD, **settings)) == "accepted for 1"
        assert len(boxes.envelopes) == 1
        with pytest.raises(DeliveryRefused, match="535"):
            send(sender(port, password="another", **settings))
        with pytest.raises(DeliveryDelayed, match="certificate is not trusted"):
            send(sender(port, password=PASSWORD, **{**settings, "ca_file": None}))
        assert len(boxes.envelopes) == 1


def test_a_server_without_starttls_gets_no_password() -> None:
    with mail_server() as (boxes, port):
        with pytest.raises(DeliveryRefused, match="STARTTLS"):
            send(sender(port, security=Security.STARTTLS, username="ann", password=PASSWORD))
        assert not boxes.envelopes


@pytest.mark.parametrize(
    ("answer", "error"),
    [("451 try later", DeliveryDelayed), ("421 going away", DeliveryDelayed), ("554 not wanted", DeliveryRefused)],
)
def test_answers(answer: str, error: type[Exception]) -> None:
    with mail_server() as (boxes, port):
        boxes.answer = answer
        with pytest.raises(error, match=rf"destination m \(the mailbox\) by localhost:{port}: {answer}"):
            send(sender(port))
        boxes.answer, boxes.to_sender = "250 OK", answer
        with pytest.raises(error, match=answer):
            send(sender(port))
        boxes.to_sender, boxes.refused = "", {"ann@example.com": answer}
        with pytest.raises(error, match=rf"ann@example.com refused \({answer}"):
            send(sender(port))


def test_who_was_refused_is_told_and_the_others_have_it() -> None:
    with mail_server() as (boxes, port):
        boxes.refused = {"bob@example.com": "550 no such user"}
        answer = send(sender(port), "ann@example.com", "bob@example.com")
        assert answer == "accepted for 1; bob@example.com refused (550 no such user)"
        assert boxes.envelopes[0].rcpt_tos == ["ann@example.com"]


def test_those_who_have_it_do_not_get_it_again() -> None:
    with mail_server() as (boxes, port):
        boxes.refused = {"bob@example.com": "450 greylisted"}
        with pytest.raises(DeliveryDelayed, match=r"bob@example\.com refused") as raised:
            send(sender(port), "ann@example.com", "bob@example.com")
        assert raised.value.delivered == ("ann@example.com",)
        boxes.refused = {}
        assert (
            send(sender(port), "ann@example.com", "bob@example.com", delivered=raised.value.delivered)
            == "accepted for 2"
        )
        assert [envelope.rcpt_tos for envelope in boxes.envelopes] == [["ann@example.com"], ["bob@example.com"]]


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryDelayed, match="the connection failed"):
            send(sender(taken.getsockname()[1]))


def test_without_a_server_mails_are_refused() -> None:
    with pytest.raises(DeliveryRefused, match="no mail server is set"):
        send(Sender())


def test_the_password_is_not_shown() -> None:
    settings = SmtpSettings("localhost", username="ann", password=PASSWORD)
    assert PASSWORD not in repr(settings)
    assert settings.scrub(f"535 {PASSWORD} is wrong") == "535 *** is wrong"


def test_tls_from_the_start(tmp_path: Path) -> None:
    file, tls = authority(tmp_path, "localhost")
    boxes = Mailboxes()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(boxes, hostname="localhost", port=port, ssl_context=tls)
    controller.start()
    try:
        assert send(sender(port, security=Security.TLS, ca_file=file)) == "accepted for 1"
        assert len(boxes.envelopes) == 1
    finally:
        controller.stop()


def test_a_courier_tries_a_mail_again_for_those_who_lack_it_and_hides_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Even when the courier is another one after the first attempt, and the server writes the password back."""
    clock, log = Clock(), Log()
    with caplog.at_level(logging.DEBUG), mail_server() as (boxes, port), outbox(tmp_path, clock) as box:
        to = mailbox("ann@example.com", "bob@example.com", "carl@example.com")
        boxes.refused = {
            "bob@example.com": f"450 {PASSWORD} greylisted",
            "carl@example.com": f"550 {PASSWORD}: no such user",
        }
        by = sender(port, password=PASSWORD)
        box.put(event(), ["m"])
        assert courier(box, [to], sender=by, clock=clock, log=log).run_once(clock()) == []
        assert "bob@example.com refused (450 *** greylisted)" in box.waiting()[0].response
        del boxes.refused["bob@example.com"]
        (record,) = courier(box, [to], sender=by, clock=clock, log=log).run_once(clock.later(minutes=1))
        assert [envelope.rcpt_tos for envelope in boxes.envelopes] == [["ann@example.com"], ["bob@example.com"]]
        assert {message["X-Delivery-Id"] for message in boxes.messages()} == {record.delivery_id}
        assert record.outcome is Outcome.SENT
        assert record.response == "accepted for 2; carl@example.com refused (550 ***: no such user)"
        shown = box.message_as_sent(record.delivery_id) or ""
        assert message_from_string(shown, policy=default)["Subject"] == "Cost is über 10 €"
        files = b"".join(file.read_bytes() for file in box.path.parent.iterdir())
    assert PASSWORD.encode() not in files
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("alerting_assets")]
    assert ours
    assert PASSWORD not in repr([ours, log.rows, shown])
