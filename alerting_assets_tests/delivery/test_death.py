"""The process that sends is killed at any moment: every message arrives, under the same id each time, in order, and is logged once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting_assets.delivery import delivery_id
from alerting_assets_tests.delivery.couriers import outbox
from alerting_assets_tests.delivery.dying import log_to
from alerting_assets_tests.delivery.examples import event
from alerting_assets_tests.delivery.receiver import OK, Reply, Request, eventually, receiving

pytestmark = pytest.mark.integration


def start(box: Path, log: Path, url: str, *dies: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "alerting_assets_tests.delivery.dying", str(box), str(log), url, *dies]
    return subprocess.Popen(command)


def deaths(folder: Path, number: int, messages: int, seed: int) -> None:
    """Kill couriers until so many are dead, putting messages meanwhile; then let one finish, and look at all that came of it."""
    chance = random.Random(seed)
    log = folder / "log.sqlite"

    def answer(request: Request) -> Reply:
        bad = [Reply(500), Reply(reset=True), Reply(closed=True), Reply(429, headers={"Retry-After": "0"})]
        return random.Random(request.number).choice([*bad, *[OK] * 6])

    put = 0
    with receiving(answer) as receiver, outbox(folder) as box:
        for _ in range(number):
            more = min(messages - put, messages // number + 1)
            box.put_all([(event(f"e{n}", key=str(n % 9)), ["a", "b"]) for n in range(put, put + more)])
            put += more
            before = len(receiver.requests)
            courier = start(box.path, log, receiver.url)
            try:
                # It dies somewhere between its start and a few of its messages; with none to send it looks for some in vain.
                deadline = time.monotonic() + 3
                while len(receiver.requests) == before and time.monotonic() < deadline and courier.poll() is None:
                    time.sleep(0.002)
                time.sleep(chance.uniform(0, 0.15))
            finally:
                courier.kill()
                courier.wait()
        box.put_all([(event(f"e{n}", key=str(n % 9)), ["a", "b"]) for n in range(put, messages)])
        assert start(box.path, log, receiver.url).wait(300) == 0
        eventually(lambda: box.number_waiting() == 0)
        everything = {delivery_id(f"e{n}", to) for n in range(messages) for to in "ab"}
        assert set(receiver.delivery_ids) == everything
        for request in receiver.requests:
            assert request.delivery_id == delivery_id(request.json["event"]["id"], request.path[1:])
        for to in "ab":
            for key in range(9):
                first_arrivals = dict.fromkeys(
                    int(request.json["event"]["id"][1:])
                    for request in receiver.requests
                    if request.path == f"/{to}" and request.json["event"]["incident"] == str(key)
                )
                assert list(first_arrivals) == sorted(first_arrivals), (
                    "a later message of an incident never overtakes an earlier one"
                )
        rows = log_to(log).execute("SELECT delivery_id, outcome FROM log").fetchall()
        assert Counter(identity for identity, _ in rows) == Counter(everything)
        assert {outcome for _, outcome in rows} == {"SENT"}
        assert box.waiting() == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_when_it_is_logged(tmp_path: Path, moment: str) -> None:
    log = tmp_path / "log.sqlite"
    with receiving() as receiver, outbox(tmp_path) as box:
        box.put_all([(event(f"e{n}"), ["a"]) for n in range(5)])
        assert start(box.path, log, receiver.url, moment).wait(60) == -signal.SIGKILL
        eventually(lambda: box.has_unlogged(datetime.now(UTC)))
        assert start(box.path, log, receiver.url).wait(60) == 0
        rows = log_to(log).execute("SELECT delivery_id, outcome FROM log").fetchall()
        assert sorted(rows) == sorted((delivery_id(f"e{n}", "a"), "SENT") for n in range(5))
        assert not box.has_unlogged(datetime.now(UTC))


def test_killed_while_it_is_answered(tmp_path: Path) -> None:
    """Whether it had the answer is unknown, so the message goes out again, under the same id."""
    couriers: list[subprocess.Popen[bytes]] = []

    def answer(request: Request) -> Reply:
        if request.number == 2:
            eventually(lambda: couriers)
            couriers[0].kill()
            couriers[0].wait()
        return OK

    log = tmp_path / "log.sqlite"
    with receiving(answer) as receiver, outbox(tmp_path) as box:
        box.put_all([(event(f"e{n}", key="k"), ["a"]) for n in range(5)])
        couriers.append(start(box.path, log, receiver.url))
        eventually(lambda: couriers[0].poll() is not None)
        assert start(box.path, log, receiver.url).wait(60) == 0
        assert receiver.delivery_ids == [delivery_id(f"e{n}", "a") for n in (0, 1, 2, 2, 3, 4)]
        rows = dict(log_to(log).execute("SELECT delivery_id, attempts FROM log").fetchall())
        assert rows == {delivery_id(f"e{n}", "a"): 2 if n == 2 else 1 for n in range(5)}


def test_killed_a_few_times(tmp_path: Path) -> None:
    deaths(tmp_path, 3, 40, seed=1)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_killed_two_hundred_times(tmp_path: Path, seed: int) -> None:
    deaths(tmp_path, 50, 500, seed)
