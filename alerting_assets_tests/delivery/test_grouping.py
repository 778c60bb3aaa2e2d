"""Events that wait for others: each is in exactly one message, in order, whatever dies and whatever is put again."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.delivery import Event, EventKind, Outbox, Outcome, delivery_id
from alerting_assets.delivery.grouping import GROUP_WAIT
from alerting_assets.delivery.record import Attempt
from alerting_assets.errors import DeliveryRefused
from alerting_assets_tests.delivery.couriers import Clock, Log, courier, outbox
from alerting_assets_tests.delivery.examples import NOW, event, webhook
from alerting_assets_tests.delivery.receiver import OK, Receiver, Reply, Request, receiving
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.integration

LATER = GROUP_WAIT.total_seconds()


def put(box: Outbox, *events: Event, group: str | None = "x", to: str = "w") -> None:
    box.put_all([(one, [to]) for one in events], lambda *_: group)


def told(receiver: Receiver) -> list[list[str]]:
    """The events of each message that arrived."""
    return [
        [part["id"] for part in request.json["digest"]["parts"]]
        if request.json["digest"]
        else [request.json["event"]["id"]]
        for request in receiver.requests
    ]


def test_events_of_a_minute_are_one_message_and_each_is_logged_with_its_outcome(tmp_path: Path) -> None:
    clock, log = Clock(), Log()
    with receiving() as receiver, outbox(tmp_path, clock) as box:
        sends = courier(box, [webhook(receiver.url)], clock=clock, log=log)
        put(box, event("e1"), event("e2"))
        clock.later(seconds=LATER - 1)
        put(box, event("e3"))
        assert sends.run_once(clock()) == []
        assert {(one.state, one.next_attempt_at) for one in box.waiting()} == {("WAITING", NOW + GROUP_WAIT)}
        (over,) = sends.run_once(clock.later(seconds=1))
        assert told(receiver) == [["e1", "e2", "e3"]]
        assert receiver.requests[0].json["event"]["subject"].startswith("3 alerts: [CRITICAL] ")
        assert (over.delivery_id, over.outcome) == (receiver.delivery_ids[0], Outcome.SENT)
        assert sorted(log.calls) == sorted(delivery_id(f"e{number}", "w") for number in (1, 2, 3))
        for record in log.rows.values():
            assert (record.outcome, record.alert_id, record.sent_as) == (Outcome.SENT, "COST", receiver.delivery_ids[0])
            assert record.attempted_at == clock()
        (shown,) = box.recent(10)
        assert shown.subject.startswith("3 alerts")
        assert box.message_as_sent(delivery_id("e2", "w")) == box.message_as_sent(shown.delivery_id) is not None
        assert box.waiting() == []


def test_one_alone_goes_as_itself_and_other_groups_and_places_by_themselves(tmp_path: Path) -> None:
    clock = Clock()
    with receiving() as receiver, outbox(tmp_path, clock) as box:
        sends = courier(box, [webhook(receiver.url), webhook(receiver.url, "v")], clock=clock)
        put(box, event("now"), group=None)
        put(box, event("alone"))
        put(box, event("y1"), event("y2"), group="y")
        put(box, event("elsewhere"), to="v")
        sends.run_once(clock())
        assert told(receiver) == [["now"]]
        sends.run_once(clock.later(seconds=LATER))
        assert sorted(told(receiver)) == [["alone"], ["elsewhere"], ["now"], ["y1", "y2"]]
        assert delivery_id("alone", "w") in receiver.delivery_ids
        put(box, event("next"))
        sends.run_once(clock())
        assert len(receiver.requests) == 4, "a new group waits anew"


@pytest.mark.parametrize("group", ["x", "y", None])
def test_a_recovery_goes_with_its_alert_whatever_its_own_group_is(tmp_path: Path, group: str | None) -> None:
    clock = Clock()
    with receiving() as receiver, outbox(tmp_path, clock) as box:
        put(box, event("alert", key="k"))
        put(box, event("recovery", key="k", kind=EventKind.RECOVERY), group=group)
        courier(box, [webhook(receiver.url)], clock=clock).run_once(clock.later(seconds=LATER))
        assert told(receiver) == [["alert", "recovery"]]


def test_a_digest_that_is_late_holds_up_the_incidents_in_it_and_no_others(tmp_path: Path) -> None:
    clock = Clock()

    def answer(request: Request) -> Reply:
        return Reply(500) if request.json["digest"] and clock.now < NOW + timedelta(hours=1) else OK

    with receiving(answer) as receiver, outbox(tmp_path, clock) as box:
        sends = courier(box, [webhook(receiver.url)], clock=clock)
        put(box, event("e1", key="k"), event("e2"))
        sends.run_once(clock.later(seconds=LATER))
        clock.later(seconds=1)
        put(box, event("over", key="k", kind=EventKind.RECOVERY), event("other"), group=None)
        sends.run_once(clock())
        sends.run_once(clock.later(seconds=1))
        assert ["other"] in told(receiver)
        assert ["over"] not in told(receiver)
        receiver.requests.clear()
        sends.run_once(clock.later(hours=1))
        sends.run_once(clock.later(seconds=1))
        assert told(receiver) == [["e1", "e2"], ["over"]]


@pytest.mark.parametrize(("reply", "outcome"), [(Reply(404), Outcome.FAILED), (Reply(500), Outcome.DEAD)])
def test_what_becomes_of_a_digest_becomes_of_its_parts(tmp_path: Path, reply: Reply, outcome: Outcome) -> None:
    clock, log = Clock(), Log()
    with receiving(reply) as receiver, outbox(tmp_path, clock) as box:
        sends = courier(box, [webhook(receiver.url)], clock=clock, log=log)
        put(box, event("e1"), event("e2"))
        sends.run_once(clock.later(seconds=LATER))
        sends.run_once(clock.later(hours=25))
        assert Counter(record.outcome for record in log.rows.values()) == {outcome: 2}
        assert {record.attempts for record in log.rows.values()} == {len(receiver.requests)}
        assert len(log.calls) == 2
        assert [one.state for one in box.dead()] == [outcome]


def test_events_that_never_got_a_turn_are_told_as_dead_with_their_digest(tmp_path: Path) -> None:
    clock, log = Clock(), Log()
    with receiving(Reply(500)) as receiver, outbox(tmp_path, clock) as box:
        sends = courier(box, [webhook(receiver.url)], clock=clock, log=log)
        put(box, event("first"), group=None)
        sends.run_once(clock())
        put(box, event("e1"), event("e2"))
        sends.run_once(clock.later(minutes=2))
        sends.run_once(clock.later(hours=25))
        assert {record.event_id: record.outcome for record in log.rows.values()} == dict.fromkeys(
            ("first", "e1", "e2"), Outcome.DEAD
        )


def test_a_failure_to_tell_groups_puts_nothing(tmp_path: Path) -> None:
    def fails(*_: object) -> str:
        raise DeliveryRefused("nobody knows")

    with outbox(tmp_path) as box:
        with pytest.raises(DeliveryRefused):
            box.put_all([(event(), ["w"])], fails)
        assert box.number_waiting() == 0


def test_what_an_earlier_release_left_in_the_file_goes_by_itself(tmp_path: Path) -> None:
    with receiving() as receiver:
        with outbox(tmp_path) as box:
            put(box, event("e1", key="k"), event("e2", key="k"), group=None)
            path = box.path
        with sqlite3.connect(path) as db:
            for index in ("by_message", "open_groups", "open_by_group", "open_by_incident", "messages_by_lane"):
                db.execute(f"DROP INDEX {index}")
            db.execute("DROP INDEX messages_by_incident")
            for column in ("message", "group_name", "closes_at", "sent_as"):
                db.execute(f"ALTER TABLE deliveries DROP COLUMN {column}")
            db.execute("PRAGMA user_version = 1")
        with outbox(tmp_path) as box:
            put(box, event("e3"), group=None)
            sends = courier(box, [webhook(receiver.url)])
            assert sends.run_until_idle(60)
        assert sorted(told(receiver)) == [["e1"], ["e2"], ["e3"]]


@dataclass
class Life:
    """An outbox whose processes die, and what reached the destination. events: in the order in which they were put."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    events: list[Event] = field(default_factory=list)
    arrived: dict[str, list[str]] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    box: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self.box = outbox(self.folder, self.clock)

    def put(self, key: str, recovers: bool, group: str | None) -> None:
        kind = EventKind.RECOVERY if recovers else EventKind.ALERT
        self.events.append(event(f"e{len(self.events)}", key=key, kind=kind))
        put(self.box, self.events[-1], group=group)

    def put_again(self, group: str | None) -> None:
        put(self.box, *self.events, group=group)

    def wait(self, seconds: float) -> None:
        self.clock.later(seconds=seconds)

    def die(self) -> None:
        self.box.close()
        self.box = outbox(self.folder, self.clock)

    def send(self, becomes: str) -> None:
        """becomes: of each attempt: it arrives, fails and arrived or not all the same, or the process dies in it."""
        now = self.clock()
        self.box.lanes_due(now)
        claims = self.box.claim(now, "me", timedelta(seconds=5), lambda due, _: next(iter(due), None))
        for claim in claims:
            if becomes != "fails":
                told = [part.event_id for part in claim.event.parts] or [claim.event.event_id]
                assert self.arrived.setdefault(claim.delivery_id, told) == told
        if becomes == "dies":
            self.die()
            return
        outcome = Outcome.SENT if becomes == "arrives" else None
        attempts = [Attempt(claim, now, outcome, "", pause=1) for claim in claims]
        self.box.settle(attempts, "me", timedelta(hours=24), lambda _: 0)
        self.write_log()

    def write_log(self) -> None:
        while records := self.box.take_unlogged(self.clock(), timedelta(seconds=5), 3):
            self.log(records)
            self.box.logged(records)


STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("ab"), st.booleans(), st.sampled_from(["x", "y", None])),
    st.tuples(st.just("put_again"), st.sampled_from(["x", "y", None])),
    st.tuples(st.just("wait"), st.sampled_from([1, 6, 30, LATER])),
    st.tuples(st.just("die")),
    st.tuples(st.just("send"), st.sampled_from(["arrives", "fails", "fails late", "dies"])),
)


@examples(60, 600)
@given(st.lists(STEPS, min_size=12, max_size=40))
def test_each_event_is_in_one_message_in_order_and_logged_once(steps: Sequence[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        for name, *arguments in steps:
            getattr(life, str(name))(*arguments)
        for _ in range(3 * len(life.events) + 2):
            life.wait(LATER)
            life.send("arrives")
        life.box.close()
    messages = list(life.arrived.values())
    assert Counter(one for told in messages for one in told) == Counter(one.event_id for one in life.events)
    for key in "abc":
        wanted = [one.event_id for one in life.events if one.key == key]
        keys = set(wanted)
        assert [one for told in messages for one in told if one in keys] == wanted
    assert Counter(life.log.calls) == Counter(delivery_id(one.event_id, "w") for one in life.events)
    for record in life.log.rows.values():
        assert record.outcome is Outcome.SENT
        assert record.event_id in life.arrived[record.sent_as or record.delivery_id]


def test_two_processes_close_a_group_once(tmp_path: Path) -> None:
    clock = Clock()
    with receiving() as receiver, outbox(tmp_path, clock) as one, outbox(tmp_path, clock) as other:
        put(one, event("e1"), event("e2"))
        put(other, event("e3"))
        clock.later(seconds=LATER)
        for box in (one, other, one):
            courier(box, [webhook(receiver.url)], clock=clock).run_once(clock())
        assert told(receiver) == [["e1", "e2", "e3"]]
