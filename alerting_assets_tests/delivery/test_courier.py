"""Messages arrive, each at least once, in order, whatever receivers do; and no receiver delays what goes to another."""

from __future__ import annotations

import json
import logging
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from alerting_assets.delivery import (
    Courier,
    DeliveryRecord,
    Destination,
    DestinationType,
    EventKind,
    Http,
    Limits,
    Origin,
    Outcome,
    Sender,
    delivery_id,
)
from alerting_assets.errors import DeliveryError, LakehouseUnavailable, SettingsError
from alerting_assets_tests.delivery import schemas
from alerting_assets_tests.delivery.couriers import Clock, Log, courier, outbox
from alerting_assets_tests.delivery.examples import NOW, event, webhook
from alerting_assets_tests.delivery.receiver import OK, Receiver, Reply, Request, eventually, receiving

pytestmark = pytest.mark.integration
LONG = 120.0


def test_a_message_arrives_and_is_logged(tmp_path: Path) -> None:
    log, told = Log(), []
    with receiving() as receiver, outbox(tmp_path) as box:
        box.put(event("e1", key="k"), ["w"])
        (record,) = courier(box, [webhook(receiver.url)], log=log, on_outcome=told.append).run_once(NOW)
    (request,) = receiver.requests
    schemas.generic(request.json)
    assert request.delivery_id == request.json["delivery_id"] == delivery_id("e1", "w")
    assert record == DeliveryRecord(
        delivery_id("e1", "w"), EventKind.ALERT, "e1", "w", "COST", "k", NOW, Outcome.SENT, 1, "HTTP 200: ok"
    )
    assert log.rows == {record.delivery_id: record}
    assert told == [record]


def test_every_type_gets_its_shape(tmp_path: Path) -> None:
    checks = {
        DestinationType.SLACK: schemas.slack,
        DestinationType.MICROSOFT_TEAMS: schemas.teams,
        DestinationType.PAGERDUTY: schemas.pagerduty,
        DestinationType.WEBHOOK: schemas.generic,
    }
    with receiving() as receiver, outbox(tmp_path) as box:
        to = [webhook(f"{receiver.url}/{kind}", kind, type=kind) for kind in checks]
        to[2] = Destination(DestinationType.PAGERDUTY, "pager", DestinationType.PAGERDUTY, secret="0" * 32)
        receiver.answer = lambda request: Reply(202, b"{}") if "PAGER" in request.path else OK
        box.put(event(), list(checks))
        sender = Sender(Http(), origin=Origin(pagerduty_url=f"{receiver.url}/PAGERDUTY"))
        records = courier(box, to, sender=sender).run_once(NOW)
        assert [record.outcome for record in records] == [Outcome.SENT] * 4
        for request in receiver.requests:
            checks[DestinationType(request.path[1:])](request.json)


@pytest.mark.parametrize(
    "bad",
    [Reply(500), Reply(429, headers={"Retry-After": "1"}), Reply(reset=True), Reply(closed=True), Reply(seconds=600)],
    ids=str,
)
def test_a_receiver_that_fails_twice_gets_it_in_the_end_under_one_id(tmp_path: Path, bad: Reply) -> None:
    log = Log()
    with receiving(lambda request: bad if request.number < 2 else OK) as receiver, outbox(tmp_path) as box:
        box.put(event(), ["w"])
        seconds = 0.3 if bad.seconds else 60.0
        by = courier(box, [webhook(receiver.url)], log=log, sender=Sender(Http(read_seconds=seconds)))
        assert by.run_until_idle(LONG)
        assert receiver.delivery_ids == [delivery_id("e1", "w")] * 3
    (record,) = log.rows.values()
    assert (record.outcome, record.attempts) == (Outcome.SENT, 3)
    assert log.calls == [record.delivery_id]


def test_pauses_double_and_retry_after_wins(tmp_path: Path) -> None:
    clock = Clock()
    with receiving(Reply(503)) as receiver, outbox(tmp_path, clock) as box:
        by = courier(box, [webhook(receiver.url)], clock=clock, limits=Limits())
        box.put(event(), ["w"])
        pauses = []
        for _ in range(13):
            by.run_once(clock())
            due = box.waiting()[0].next_attempt_at
            assert due is not None
            pauses.append((due - clock()).total_seconds())
            by.run_once(due - timedelta(milliseconds=1))  # not yet
            clock.now = due
        assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
        assert len(receiver.requests) == 13
        receiver.answer = Reply(429, headers={"Retry-After": "2000"})
        by.run_once(clock())
        assert box.waiting()[0].next_attempt_at == clock() + timedelta(seconds=2000)


def test_jitter_shortens_a_pause_by_half_at_the_most(tmp_path: Path) -> None:
    clock = Clock()
    with receiving(Reply(503)) as receiver, outbox(tmp_path, clock) as box:
        by = courier(box, [webhook(receiver.url)], clock=clock, limits=Limits(), jitter=lambda: 0.0)
        box.put(event(), ["w"])
        by.run_once(clock())
        assert box.waiting()[0].next_attempt_at == clock() + timedelta(seconds=0.5)


def test_after_a_day_it_is_dead_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, log, told = Clock(), Log(), []
    with receiving(Reply(500)) as receiver, outbox(tmp_path, clock) as box:
        by = courier(box, [webhook(receiver.url)], clock=clock, log=log, on_outcome=told.append, limits=Limits())
        box.put(event(), ["w"])
        by.run_once(clock())
        by.run_once(clock.later(hours=23, minutes=59))
        assert box.number_waiting() == 1
        (record,) = by.run_once(clock.later(hours=1))
        assert (record.outcome, record.attempts) == (Outcome.DEAD, 3)
        assert "HTTP 500" in record.response
        assert list(log.rows.values()) == told == [record]
        assert [one.state for one in box.dead()] == ["DEAD"]
        assert by.run_once(clock.later(days=2)) == []
    assert f"delivery {record.delivery_id} of e1 to destination w is DEAD after 3 attempts" in caplog.text


def test_what_waited_behind_a_dead_destination_for_a_day_is_dead_too(tmp_path: Path) -> None:
    clock = Clock()
    with receiving(Reply(500)) as receiver, outbox(tmp_path, clock) as box:
        by = courier(box, [webhook(receiver.url)], clock=clock, limits=Limits())
        box.put_all([(event(f"e{number}"), ["w"]) for number in range(100)])
        by.run_once(clock())
        clock.later(hours=12)
        box.put(event("new"), ["w"])
        by.run_once(clock())
        over = by.run_once(clock.later(hours=12, seconds=1))
        assert {record.outcome for record in over} == {Outcome.DEAD}
        assert len(over) == 100
        assert len(receiver.requests) == 3, "it is not asked for each message"
        assert [one.event_id for one in box.waiting()] == ["new"]


def test_a_courier_that_was_away_for_days_tries_all_the_same(tmp_path: Path) -> None:
    clock = Clock()
    with (
        receiving(lambda request: Reply(500) if request.number == 0 else OK) as receiver,
        outbox(tmp_path, clock) as box,
    ):
        by = courier(box, [webhook(receiver.url)], clock=clock)
        box.put_all([(event(f"e{number}"), ["w"]) for number in range(3)])
        assert by.run_once(clock.later(days=3)) == []
        assert {record.outcome for record in by.run_once(clock.later(minutes=1))} == {Outcome.SENT}
        assert box.number_waiting() == 0


@pytest.mark.parametrize("reply", [Reply(404, b"no such hook"), Reply(302)], ids=str)
def test_what_is_refused_is_not_tried_again(tmp_path: Path, reply: Reply) -> None:
    with receiving(reply) as receiver, outbox(tmp_path) as box:
        box.put(event(), ["w"])
        (record,) = courier(box, [webhook(receiver.url)]).run_once(NOW)
        assert record.outcome is Outcome.FAILED
        assert record.response.startswith("destination w (the hook) at http://localhost: HTTP")
        assert len(receiver.requests) == 1


def test_a_destination_that_cannot_be_looked_up_now_is_tried_again(tmp_path: Path) -> None:
    clock = Clock()
    answers = [SettingsError("HOOK_URL is not set"), KeyError("kYsEcReT123456")]

    with receiving() as receiver, outbox(tmp_path, clock) as box:

        def look_up(_: str) -> Destination:
            if answers:
                raise answers.pop(0)
            return webhook(receiver.url)

        by = Courier(box, Sender(), look_up, clock=clock)
        box.put(event(), ["w"])
        responses = []
        for _ in range(2):
            by.run_once(clock())
            responses.append(box.waiting()[0].response)
            clock.later(minutes=1)
        assert responses[0] == "HOOK_URL is not set"
        assert responses[1].startswith("a fault of ours (KeyError at test_courier.py:")
        assert [record.outcome for record in by.run_once(clock())] == [Outcome.SENT]


def incidents(receiver: Receiver) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for request in receiver.requests:
        found.setdefault(request.json["event"]["incident"], []).append(request.json["event"]["id"])
    return found


def test_order_is_kept_within_an_incident(tmp_path: Path) -> None:
    """While the first message of one incident fails, its recovery waits; other incidents go on."""
    with outbox(tmp_path) as box:

        def answer(request: Request) -> Reply:
            tries = sum(other.json["event"]["id"] == "a0" for other in list(receiver.requests))
            return Reply(500) if request.json["event"]["id"] == "a0" and tries < 4 else OK

        with receiving(answer) as receiver:
            box.put_all([(event(f"{key}{number}", key=key), ["w"]) for number in range(5) for key in "abc"])
            assert courier(box, [webhook(receiver.url)]).run_until_idle(LONG)
            assert incidents(receiver) == {
                "a": ["a0"] * 4 + ["a1", "a2", "a3", "a4"],
                "b": [f"b{number}" for number in range(5)],
                "c": [f"c{number}" for number in range(5)],
            }


def test_a_message_that_always_fails_holds_up_no_other_incident(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        return Reply(500) if request.json["event"]["id"] == "poison" else OK

    clock = Clock()
    with receiving(answer) as receiver, outbox(tmp_path, clock) as box:
        by = courier(box, [webhook(receiver.url)], clock=clock, limits=Limits())
        box.put_all([(event(name), ["w"]) for name in ("poison", *map(str, range(50)))])
        for _ in range(60):
            by.run_once(clock())
            clock.later(seconds=2)
        assert [one.event_id for one in box.waiting()] == ["poison"]


def test_a_destination_that_is_away_delays_nobody(tmp_path: Path) -> None:
    """Twenty receivers do not answer: all that goes to the others arrives while theirs is pending."""
    others = [f"w{number}" for number in range(10)]
    away = [f"away{number}" for number in range(20)]
    with receiving(Reply(seconds=600)) as hanging, receiving() as receiver, outbox(tmp_path) as box:
        to = [*(webhook(hanging.url, name) for name in away), *(webhook(receiver.url, name) for name in others)]
        box.put(event("before"), others)
        assert courier(box, to).run_until_idle(LONG)
        box.put_all([(event(f"e{number}"), [*away, *others]) for number in range(10)])
        by, stop = courier(box, to), threading.Event()
        thread = threading.Thread(target=by.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: box.number_waiting() == 200)
            assert len(receiver.requests) == 110
            assert len(hanging.requests) <= 8, "half of the places at the most"
        finally:
            stop.set()
            by.wake()
            hanging.close()
            thread.join(LONG)
        assert sorted(set(receiver.delivery_ids)) == sorted(receiver.delivery_ids)


def test_new_destinations_are_reached_although_others_never_answer(tmp_path: Path) -> None:
    with receiving(Reply(seconds=600)) as hanging, receiving() as receiver, outbox(tmp_path) as box:
        away, others = [[f"{kind}{number}" for number in range(20)] for kind in ("away", "w")]
        to = [*(webhook(hanging.url, name) for name in away), *(webhook(receiver.url, name) for name in others)]
        box.put(event(), [*away, *others])
        by, stop = courier(box, to, sender=Sender(Http(read_seconds=0.5))), threading.Event()
        thread = threading.Thread(target=by.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: box.number_waiting() == 20)
        finally:
            stop.set()
            by.wake()
            thread.join(LONG)
        assert len(set(receiver.delivery_ids)) == 20


def test_a_failing_destination_gets_one_attempt_at_a_time(tmp_path: Path) -> None:
    clock = Clock()
    with receiving() as receiver, outbox(tmp_path, clock) as box:
        by = courier(box, [webhook(receiver.url)], clock=clock, limits=Limits())
        box.put_all([(event(f"e{number}"), ["w"]) for number in range(40)])
        by.run_once(clock())
        assert receiver.most_at_a_time <= 12
        receiver.answer, before = Reply(500), len(receiver.requests)
        box.put_all([(event(f"f{number}"), ["w"]) for number in range(40)])
        by.run_once(clock())
        assert len(receiver.requests) - before <= 12
        for _ in range(3):
            before = len(receiver.requests)
            by.run_once(clock.later(hours=1))
            assert len(receiver.requests) == before + 1
        receiver.answer = OK
        by.run_once(clock.later(hours=1))
        assert box.number_waiting() == 0


def test_never_more_at_a_time_than_allowed(tmp_path: Path) -> None:
    names = [f"w{number}" for number in range(40)]
    with receiving(Reply(seconds=0.02)) as receiver, outbox(tmp_path) as box:
        box.put_all([(event(f"e{number}"), names) for number in range(5)])
        assert courier(box, [webhook(receiver.url, name) for name in names]).run_until_idle(LONG)
        assert len(receiver.requests) == 200
        assert 1 < receiver.most_at_a_time <= 16


def test_a_log_that_fails_is_asked_again_and_gets_each_once(tmp_path: Path) -> None:
    log, fails = Log(), [True, True]

    def write(records: list[DeliveryRecord]) -> None:
        if fails:
            fails.pop()
            raise LakehouseUnavailable("the table is away")
        log(records)

    with receiving() as receiver, outbox(tmp_path) as box:
        by = courier(box, [webhook(receiver.url)], log=write)
        box.put(event(), ["w"])
        assert len(by.run_once(NOW)) == 1
        for _ in range(3):
            by.run_once(NOW + timedelta(minutes=5))
        assert len(receiver.requests) == 1
        assert log.calls == [delivery_id("e1", "w")]


def test_whoever_is_told_may_fail(tmp_path: Path) -> None:
    def fails(_: DeliveryRecord) -> None:
        raise RuntimeError

    with receiving() as receiver, outbox(tmp_path) as box:
        box.put_all([(event("e1"), ["w"]), (event("e2"), ["w"])])
        assert len(courier(box, [webhook(receiver.url)], on_outcome=fails).run_once(NOW)) == 2


def test_several_couriers_share_one_file(tmp_path: Path) -> None:
    with receiving(Reply(seconds=0.01)) as receiver, outbox(tmp_path) as one, outbox(tmp_path) as other:
        one.put_all([(event(f"e{number}", key=str(number % 7)), ["w"]) for number in range(100)])
        to = [webhook(receiver.url)]
        logs = Log()
        threads = [
            threading.Thread(target=courier(box, to, log=logs).run_until_idle, args=(LONG,)) for box in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert sorted(receiver.delivery_ids) == sorted(delivery_id(f"e{number}", "w") for number in range(100))
        for key, events in incidents(receiver).items():
            assert events == [f"e{number}" for number in range(100) if number % 7 == int(key)]
        assert sorted(logs.calls) == sorted(receiver.delivery_ids)


@pytest.mark.thorough
def test_a_lease_lasts_as_long_as_the_attempt(tmp_path: Path) -> None:
    """The receiver takes longer than a lease: another courier leaves the message alone all the same."""
    limits = Limits(lease=timedelta(seconds=4), poll=0.05)
    with receiving(Reply(seconds=10)) as receiver, outbox(tmp_path) as one, outbox(tmp_path) as other:
        one.put(event(), ["w"])
        threads = [
            threading.Thread(target=courier(box, [webhook(receiver.url)], limits=limits).run_until_idle, args=(LONG,))
            for box in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert len(receiver.requests) == 1


def test_a_courier_works_in_one_place_at_a_time(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        by, stop = courier(box, []), threading.Event()
        thread = threading.Thread(target=by.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: not _free(by))
        finally:
            stop.set()
            by.wake()
            thread.join(LONG)
        assert not thread.is_alive()
        assert _free(by)


def _free(by: Courier) -> bool:
    try:
        by.run_once(NOW)
    except DeliveryError:
        return False
    return True


SECRET = "kYsEcReT-0123456789"


@pytest.mark.parametrize("kind", [kind for kind in DestinationType if kind is not DestinationType.EMAIL])
def test_a_secret_is_in_no_file_log_or_record(
    tmp_path: Path, kind: DestinationType, caplog: pytest.LogCaptureFixture
) -> None:
    """The receiver writes all that it got back, refuses, redirects, fails and hangs up."""

    def answer(request: Request) -> Reply:
        echo = json.dumps([request.path, request.headers, request.body.decode()]).encode()
        replies = [Reply(500, echo), Reply(429, echo), Reply(reset=True), Reply(302, echo, {"Location": request.path})]
        return [*replies, Reply(200, echo), Reply(400, echo), Reply(404, echo)][request.number % 7]

    log = Log()
    with caplog.at_level(logging.DEBUG), receiving(answer) as receiver, outbox(tmp_path) as box:
        url = f"{receiver.url}/hooks/{SECRET}?token={SECRET}"
        to = webhook(
            SECRET if kind is DestinationType.PAGERDUTY else url, type=kind, username="ann", password=f"{SECRET} !"
        )
        sender = Sender(Http(), origin=Origin(pagerduty_url=receiver.url))
        by = courier(box, [to], sender=sender, log=log)
        box.put_all([(event(f"e{number}"), ["w"]) for number in range(7)])
        assert by.run_until_idle(LONG)
        shown = [box.message_as_sent(one.delivery_id) for one in box.recent(100)]
        told = repr([*box.recent(100), *box.dead(), *log.rows.values(), shown, to])
        files = b"".join(file.read_bytes() for file in box.path.parent.iterdir())
    assert len(log.rows) == 7
    assert {record.outcome for record in log.rows.values()} == {Outcome.SENT, Outcome.FAILED}
    assert SECRET not in told + caplog.text
    assert SECRET.encode() not in files
    assert b"e6" in files
