"""What an outbox keeps, shows and forgets."""

from __future__ import annotations

import sqlite3
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from alerting_assets.delivery import Outbox, Outcome, delivery_id
from alerting_assets.errors import DeliveryRefused, OutboxUnavailable
from alerting_assets_tests.delivery.couriers import Clock, courier, outbox
from alerting_assets_tests.delivery.examples import NOW, event, webhook
from alerting_assets_tests.delivery.receiver import Reply, receiving

pytestmark = pytest.mark.integration


def test_what_is_put_twice_is_there_once(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        box.put(event("e1"), ["a", "b", "a"])
        box.put(event("e1", subject="something else"), ["b", "c"])
        waiting = box.waiting()
    assert [(one.event_id, one.destination_id) for one in waiting] == [("e1", "a"), ("e1", "b"), ("e1", "c")]
    assert {one.delivery_id for one in waiting} == {delivery_id("e1", destination) for destination in "abc"}
    assert {one.subject for one in waiting} == {"Cost is über 10 €"}
    assert {(one.state, one.attempts, one.attempted_at, one.next_attempt_at) for one in waiting} == {
        ("WAITING", 0, None, None)
    }


def test_all_of_what_is_put_together_or_none(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:

        def events() -> object:
            yield event("e1"), ["a"]
            raise RuntimeError

        with pytest.raises(RuntimeError):
            box.put_all(events())  # type: ignore[arg-type]
        assert box.number_waiting() == 0
        box.put_all([(event("e1"), ["a"]), (event("e2"), ["a", "b"])])
        assert box.number_waiting() == 3


def test_it_is_still_there_for_the_next_process_and_its_owner_only(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        box.put(event(), ["a"])
        for file in box.path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert stat.S_IMODE(box.path.parent.stat().st_mode) == 0o700
    with outbox(tmp_path) as box:
        assert box.number_waiting() == 1


def test_a_file_that_is_none_and_one_of_a_newer_release_are_told(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_text("this is no database, whatever its name says")
    with pytest.raises(OutboxUnavailable, match=r"the outbox .* cannot be used"):
        Outbox(path)
    path.unlink()
    Outbox(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(OutboxUnavailable, match="newer release"):
        Outbox(path)
    with pytest.raises(OutboxUnavailable):
        Outbox(path / "below a file")


def test_what_was_sent_can_be_looked_at(tmp_path: Path) -> None:
    with receiving() as receiver, outbox(tmp_path) as box:
        box.put(event(), ["w", "nowhere"])
        sent, failed = (delivery_id("e1", destination) for destination in ("w", "nowhere"))
        assert box.message_as_sent(sent) is None
        courier(box, [webhook(f"{receiver.url}/secret-of-the-path")]).run_once(NOW)
        shown = box.message_as_sent(sent)
        assert shown is not None
        assert "Cost is über 10 €" in shown
        assert sent in shown
        assert box.message_as_sent(failed) is None
        assert box.message_as_sent("no such delivery") is None
        assert [one.state for one in box.recent(10)] == ["FAILED", "SENT"]
        assert [one.delivery_id for one in box.recent(1)] == [failed]
        (dead,) = box.dead()
        assert (dead.delivery_id, dead.response) == (failed, "there is no destination nowhere")
        assert box.waiting() == []


def test_a_message_that_did_not_arrive_can_be_looked_at_too(tmp_path: Path) -> None:
    with receiving(Reply(500)) as receiver, outbox(tmp_path) as box:
        box.put(event(), ["w"])
        courier(box, [webhook(receiver.url)]).run_once(NOW)
        (waiting,) = box.waiting()
        assert "HTTP 500" in waiting.response
        assert (waiting.attempts, waiting.attempted_at) == (1, NOW)
        assert waiting.next_attempt_at is not None
        assert waiting.next_attempt_at > NOW
        assert "Cost is über 10 €" in (box.message_as_sent(waiting.delivery_id) or "")


def test_what_is_long_over_is_forgotten_when_it_is_in_the_log(tmp_path: Path) -> None:
    clock = Clock()

    def refuses(_records: object) -> None:
        raise DeliveryRefused("the table is away")

    with receiving() as receiver, outbox(tmp_path, clock) as box:
        box.put(event("e1"), ["w"])
        by = courier(box, [webhook(receiver.url)], clock=clock, log=refuses)
        (record,) = by.run_once(clock())
        assert record.outcome is Outcome.SENT
        assert box.prune(clock() + timedelta(days=31)) == 0, "not in the log yet"
        courier(box, [webhook(receiver.url)], clock=clock).run_once(clock())
        assert box.prune(clock() + timedelta(days=29)) == 0
        box.put(event("e2"), ["w"])
        assert box.prune(clock() + timedelta(days=31)) == 1
        assert [one.event_id for one in box.recent(10)] == ["e2"]


def test_whatever_text_an_event_holds_is_kept_and_shown(tmp_path: Path) -> None:
    odd = "\ud800 and \x00 and \U0001d11e and \ud834\udd1e"
    with outbox(tmp_path) as box:
        box.put(event(odd, key=odd, subject=odd, alert_id=odd, details={odd: odd}), ["w"])
        (waiting,) = box.waiting()
        assert waiting.incident == waiting.event_id == waiting.alert_id
        assert "\U0001d11e and \U0001d11e" in waiting.incident
        (claim,) = box.claim(NOW, "me", timedelta(minutes=1), lambda due, _: next(iter(due)))
        assert claim.event == event(odd, key=odd, subject=odd, alert_id=odd, details={odd: odd})


def test_a_lease_keeps_others_away_until_it_ends(tmp_path: Path) -> None:
    def take(holder: str, at: float, seconds: float = 60) -> list[str]:
        now = NOW + timedelta(seconds=at)
        return [
            claim.event.event_id
            for claim in box.claim(now, holder, timedelta(seconds=seconds), lambda due, _: next(iter(due)))
        ]

    with outbox(tmp_path) as box:
        box.put_all([(event("e1", key="k"), ["w"]), (event("e2", key="k"), ["w"]), (event("e3"), ["w"])])
        assert take("one", 0) == ["e1", "e3"], "e2 waits for e1 of its incident"
        assert take("other", 59) == []
        box.renew(NOW + timedelta(seconds=59), "one", timedelta(seconds=60), [delivery_id("e1", "w")])
        assert take("other", 61) == ["e3"], "it was not renewed"
        assert take("other", 118) == []
        assert take("other", 120) == ["e1"]


def test_many_can_open_a_new_one_at_the_same_moment(tmp_path: Path) -> None:
    ready, failed = threading.Barrier(6), []

    def open_it(number: int) -> None:
        ready.wait()
        try:
            with outbox(tmp_path) as box:
                box.put(event(f"e{number}"), ["w"])
        except OutboxUnavailable as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with outbox(tmp_path) as box:
        assert box.number_waiting() == 6
