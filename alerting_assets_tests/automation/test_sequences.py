"""Whatever happens in whatever order, each failure is told, none that was not, and none twice: random sequences of runs, results without
runs, failing sensors, restarts and deaths, against a plain account of what happened."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.automation.failure_alerts import Telling, look
from alerting_assets.delivery import Event
from alerting_assets.delivery.own import OwnDelivery, Post
from alerting_assets.failures.receivers import look_up
from alerting_assets.failures.routes import Routes
from alerting_assets.failures.store import OUTBOX
from alerting_assets_tests.automation import foreign_location
from alerting_assets_tests.automation.foreign import Foreign, foreign, instance_in
from alerting_assets_tests.delivery.receiver import Reply
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.integration

REASONS = st.sampled_from([None, "old", "empty"])
CHECK, TICK, JOB = "orders: is_fresh", "sensor new_files", "job nightly"
STEPS = st.one_of(
    st.tuples(st.just("run"), REASONS, REASONS),
    st.tuples(st.just("report"), REASONS),
    st.tuples(st.just("tick"), REASONS),
    st.tuples(st.just("look"), st.sampled_from(["well", "well", "dies before", "dies after", "receiver is down"])),
    st.tuples(st.just("later"), st.sampled_from([1, 13, 25])),
)


class Died(BaseException):
    pass


class DyingDelivery(OwnDelivery):
    """Dies where messages are put into the outbox: before, or after."""

    when = ""

    @contextmanager
    def opened(self) -> Iterator[Post]:
        with super().opened() as post:
            yield _DyingPost(self, post.outbox) if self.when else post


class _DyingPost(Post):
    def put(self, events: Iterable[tuple[Event, Iterable[str]]]) -> None:
        if self._how.when == "dies after":  # type: ignore[attr-defined]
            super().put(events)
        raise Died


@dataclass(frozen=True)
class Truth:
    at: datetime
    reason: str | None


class Account:
    """What happened, by what it happened to."""

    def __init__(self) -> None:
        self.results: dict[str, list[Truth]] = defaultdict(list)

    def note(self, title: str, at: datetime, reason: str | None) -> None:
        self.results[title].append(Truth(at, reason))

    def to_be_told(self, title: str) -> list[str]:
        """What is told of it in the end, in order, reminders left out."""
        found, before = [], None
        for truth in self.results[title]:
            if truth.reason is None:
                found += ["Well again"] if before else []
            elif truth.reason != before:
                found.append(truth.reason)
            before = truth.reason
        return found


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with instance_in(tmp_path_factory.mktemp("dagster")) as opened:
        yield opened


@examples(2, 60)
@given(steps=st.lists(STEPS, min_size=3, max_size=10), number=st.uuids())
def test_each_failure_is_told_and_nothing_else(
    steps: list[tuple[Any, ...]], number: object, tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance
) -> None:
    with foreign(tmp_path_factory.mktemp(f"sequence-{number}"[:20]), instance) as theirs:
        account = Account()
        theirs.tick()
        _look(theirs, "well")
        for step, *given_ in steps:
            _do(theirs, account, step, *given_)
        theirs.receiver.answer = Reply(200)
        for _ in range(3):
            theirs.later(minutes=20)
            _look(theirs, "well")
        told = _told(theirs)
    for title in {*account.results, *told}:
        assert [what for what, _ in told[title] if not what.startswith("still: ")] == account.to_be_told(title), title
        reminded = [at for what, at in told[title] if what.startswith("still: ")]
        assert all(later - sooner >= timedelta(hours=24) for sooner, later in pairwise(reminded))


def _do(theirs: Foreign, account: Account, step: str, *given_: Any) -> None:
    if step == "run":
        broken, old = given_
        theirs.set(orders=broken, is_fresh=old)
        theirs.run()
        if broken is None:  # else the check is not run
            account.note(CHECK, theirs.now(), old)
        account.note(JOB, theirs.now(), broken and f"step orders: ValueError: {broken}")
    elif step == "report":
        (reason,) = given_
        theirs.report(reason is None, reason=reason or "")
        account.note(CHECK, theirs.now(), reason)
    elif step == "tick":
        theirs.tick(given_[0])
        account.note(TICK, theirs.now(), given_[0])
    elif step == "later":
        theirs.later(hours=given_[0])
    else:
        _look(theirs, given_[0])


def _look(theirs: Foreign, how: str) -> None:
    theirs.receiver.answer = Reply(503) if how == "receiver is down" else Reply(200)
    folder = theirs.folder / "home"
    delivery = DyingDelivery(folder / OUTBOX, lambda name: look_up(name, None), clock=theirs.now)
    object.__setattr__(delivery, "when", how if how.startswith("dies") else "")
    telling = Telling(folder, Routes(others=("webhook+env:OPS_URL",)), delivery)
    context = dg.build_sensor_context(theirs.instance, cursor=theirs.cursor, definitions=foreign_location.defs)
    with suppress(Died):  # Dagster keeps the cursor that it had
        theirs.cursor = look(context, telling, theirs.now()).cursor


_ITEM = re.compile(r"^(?:\[(?:CRITICAL|WARNING)\] )?(.+)\n(.+)$", re.MULTILINE)


def _told(theirs: Foreign) -> dict[str, list[tuple[str, datetime]]]:
    """What arrived, by what it is about, in the order in which it happened."""
    events = {request.json["event"]["id"]: request.json["event"] for request in theirs.receiver.requests}
    accepted = [one.delivery_id for one in theirs.receiver.requests]
    assert len(events) == len(set(accepted))
    found: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for event in sorted(events.values(), key=lambda one: str(one["occurred_at"])):
        at = datetime.fromisoformat(event["occurred_at"])
        for item in event["body_text"].split("\n\n"):
            match = _ITEM.match(item)
            assert match is not None, item
            what = "Well again" if event["kind"] == "CHECK_RECOVERY" else match[2].removeprefix("for another reason: ")
            found[match[1]].append((what, at))
    return found


@pytest.mark.thorough
def test_a_process_that_is_killed_at_any_moment_costs_no_message(tmp_path: Path) -> None:
    """Looks in a process of its own, which is killed again and again while checks fail and pass."""
    with instance_in(tmp_path / "dagster") as instance, foreign(tmp_path, instance) as theirs:
        theirs.look()
        account = Account()
        code = (
            "import sys, dagster as dg\n"
            "from pathlib import Path\n"
            "from alerting_assets_tests.automation.foreign import Foreign\n"
            "instance = dg.DagsterInstance.local_temp(sys.argv[2])\n"
            "theirs = Foreign(Path(sys.argv[1]), instance, None)\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    theirs.look()\n"
        )
        for number in range(8):
            command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "dagster")]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                process.stdout.readline()
                for part in range(6):
                    reason = None if part % 2 else f"reason {'abcdefgh'[number]}"
                    theirs.report(reason is None, reason=reason or "")
                    account.note(CHECK, theirs.now(), reason)
                    time.sleep(0.013 * number)
                process.kill()
        for _ in range(3):
            theirs.later(minutes=20)
            theirs.look()
        assert [what for what, _ in _told(theirs)[CHECK]] == account.to_be_told(CHECK)
