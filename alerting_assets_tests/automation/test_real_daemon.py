"""The sensor under Dagster's own daemon, with runs in processes of their own: `make test-thorough`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from alerting_assets_tests.automation import foreign_location
from alerting_assets_tests.delivery.receiver import Receiver, receiving
from alerting_assets_tests.waiting import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.thorough]

_PROCESS = re.compile(r"Started process for run \(pid: (\d+)\)")


class Deployment:
    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.home, self.receiver = folder, receiver
        self._troubles: dict[str, str] = {}
        self._runs = 0
        self._daemon: subprocess.Popen[bytes] | None = None
        self.set()

    def start(self) -> None:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "FOREIGN_TROUBLES": str(self.home / "troubles.json"),
            "OPS_URL": self.receiver.url,
        }
        environment.pop("ALERTING_HOME", None)
        command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-f", foreign_location.__file__]
        self._daemon = subprocess.Popen(
            command, cwd=self.home, env=environment, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=(self.home / "daemon.log").open("ab"),
        )  # fmt: skip

    def kill(self) -> None:
        assert self._daemon is not None
        os.killpg(self._daemon.pid, signal.SIGKILL)
        self._daemon.wait()

    def set(self, **reasons: str | None) -> None:
        self._troubles = {name: one for name, one in {**self._troubles, **reasons}.items() if one is not None}
        new = self.home / "troubles.new"
        new.write_text(json.dumps(self._troubles))
        new.rename(self.home / "troubles.json")

    def run(self, **reasons: str | None) -> str:
        """Have the sensor start a run; its id, once it is there."""
        self._runs += 1
        key = f"run {self._runs}"
        self.set(arrived=key, **reasons)
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            wanted = dg.RunsFilter(tags={"dagster/run_key": key})
            return str(wait_for(lambda: [one.run_id for one in instance.get_runs(wanted)])[0])

    def ended(self, run_id: str) -> str:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            run = wait_for(lambda: (one := instance.get_run_by_id(run_id)) and one.is_finished and one)
            return str(run.status.value)

    def process(self, run_id: str) -> int:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            found = wait_for(lambda: _PROCESS.search(" ".join(one.message for one in instance.all_logs(run_id))))
            wait_for(lambda: instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.STARTED)  # type: ignore[union-attr]
            return int(found[1])

    def looks(self, number: int) -> None:
        """Wait until the sensor has looked so many times more."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            begun = time.time()
            (state,) = [one for one in instance.all_instigator_state() if one.name == "check_failure_alerts"]
            after = lambda: instance.get_ticks(  # noqa: E731
                state.instigator_origin_id, state.selector_id, after=begun, statuses=_OVER
            )
            for count in range(1, number + 1):
                wait_for(lambda count=count: len(after()) >= count)

    def next_event(self, number: int) -> dict[str, Any]:
        """The event with this number, from 0, once it is there."""
        with suppress(AssertionError):  # a look may have waited for half a minute, and for the daemon's start
            wait_for(lambda: self.receiver.requests[number : number + 1])
        request = wait_for(lambda: self.receiver.requests[number : number + 1])[0]
        event: dict[str, Any] = request.json["event"]
        return event


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with receiving() as receiver:
        one = Deployment(folder, receiver)
        one.start()
        try:
            with dg.DagsterInstance.from_config(str(folder)) as instance:
                wait_for(lambda: [s for s in instance.all_instigator_state() if s.name == "check_failure_alerts"])
                one.looks(1)
            yield one
        finally:
            one.kill()


def test_failures_of_all_kinds_are_told_within_a_minute(tmp_path: Path) -> None:
    seconds: dict[str, float] = {}

    def timed(what: str, number: int, since: float) -> dict[str, Any]:
        event = theirs.next_event(number)
        seconds[what] = round(time.monotonic() - since, 1)
        return event

    with deployment(tmp_path) as theirs:
        run = theirs.run(no_negative_amounts="3 rows are negative")
        theirs.ended(run)
        failed = timed("failed check", 0, time.monotonic())
        assert failed["subject"] == "Failed: orders: no_negative_amounts"
        assert "3 rows are negative" in failed["body_text"]

        theirs.ended(theirs.run())
        theirs.looks(2)
        assert len(theirs.receiver.requests) == 1

        theirs.ended(theirs.run(no_negative_amounts=None))
        assert timed("well again", 1, time.monotonic())["subject"] == "Well again: orders: no_negative_amounts"

        theirs.ended(theirs.run(orders="the disk is full"))
        assert "the disk is full" in timed("failed run", 2, time.monotonic())["body_text"]
        theirs.ended(theirs.run(orders=None))
        assert timed("run well again", 3, time.monotonic())["subject"] == "Well again: job nightly"

        theirs.set(new_files="no such bucket")
        assert "no such bucket" in timed("failed sensor", 4, time.monotonic())["body_text"]
        theirs.set(new_files=None)
        assert timed("sensor well again", 5, time.monotonic())["subject"] == "Well again: sensor new_files"

        run = theirs.run(endless="yes")
        os.kill(theirs.process(run), signal.SIGKILL)
        killed = timed("killed run", 6, time.monotonic())
        assert killed["subject"] == "Failed: job nightly"
        assert "terminated by signal 9 (SIGKILL)" in killed["body_text"]

        run = theirs.run()
        process = theirs.process(run)
        code_server = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        for one in (code_server, process):  # nobody is left to say that the run is over
            os.kill(one, signal.SIGKILL)
        theirs.kill()
        theirs.set(arrived=None, endless=None)
        time.sleep(1)
        theirs.start()
        gone = timed("run killed with its code server", 7, time.monotonic())
        assert f"run {run[:8]} of job nightly does not end" in gone["subject"]
        assert "is gone" in gone["body_text"]
    print(json.dumps(seconds))


_OVER = [dg._core.scheduler.instigation.TickStatus.SKIPPED, dg._core.scheduler.instigation.TickStatus.SUCCESS]
