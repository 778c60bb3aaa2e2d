"""The sensor in a code location that is not ours, on a real instance of Dagster, with a real receiver."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent

from alerting_assets import check_failure_alerts
from alerting_assets.errors import SettingsError
from alerting_assets_tests.automation import foreign_location
from alerting_assets_tests.automation.foreign import Foreign, foreign, instance_in
from alerting_assets_tests.delivery.receiver import Reply

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with instance_in(tmp_path_factory.mktemp("dagster")) as opened:
        yield opened


@pytest.fixture
def theirs(tmp_path: Path, instance: dg.DagsterInstance) -> Iterator[Foreign]:
    with foreign(tmp_path, instance) as opened:
        yield opened


def test_a_failed_check_is_told_once_and_that_it_is_well_again(theirs: Foreign) -> None:
    assert "it begins now" in theirs.look()
    theirs.set(no_negative_amounts="3 rows are negative")
    run = theirs.run()
    theirs.look()
    (event,) = theirs.told()
    assert event["kind"] == "CHECK_FAILURE"
    assert event["severity"] == "CRITICAL"
    assert event["subject"] == "Failed: orders: no_negative_amounts"
    assert "3 rows are negative" in event["body_text"]
    assert "SELECT COUNT(*) FROM orders" in event["body_text"]
    assert event["url"] == f"http://dagster.example.com/runs/{run.run_id}"
    assert event["details"]["Owner"] == "orders@example.com"
    assert run.run_id[:8] in event["details"]["Run"]

    theirs.set(no_negative_amounts="5 rows are negative")
    theirs.run()
    theirs.look()
    assert theirs.told() == []  # the same reason, another number

    theirs.set(no_negative_amounts=None)
    theirs.run()
    theirs.look()
    (over,) = theirs.told()
    assert over["kind"] == "CHECK_RECOVERY"
    assert over["incident"] == event["incident"]
    assert over["subject"] == "Well again: orders: no_negative_amounts"
    theirs.look()
    assert theirs.told() == []


def test_a_run_tells_all_that_failed_in_one_message(theirs: Foreign) -> None:
    theirs.look()
    theirs.set(no_negative_amounts="negative", is_fresh="old")
    theirs.run()
    theirs.look()
    (event,) = theirs.told()
    assert event["subject"] == "Failed: orders: no_negative_amounts, orders: is_fresh"
    assert "[WARNING] orders: is_fresh\nold" in event["body_text"]


def test_another_reason_is_told_and_after_a_day_it_is_told_again(theirs: Foreign) -> None:
    theirs.look()
    for reason in ("negative", "the table is missing"):
        theirs.set(no_negative_amounts=reason)
        theirs.run()
        theirs.look()
    first, second = theirs.told()
    assert "for another reason: the table is missing" in second["body_text"]
    assert second["incident"] == first["incident"]
    theirs.later(hours=23)
    theirs.look()
    assert theirs.told() == []
    theirs.later(hours=1.1)
    theirs.look()
    assert theirs.subjects() == ["Still failing: orders: no_negative_amounts"]
    theirs.look()
    assert theirs.told() == []


def test_a_failed_run_is_told_with_its_step_its_reason_and_its_line(theirs: Foreign) -> None:
    theirs.look()
    theirs.set(orders="the disk is full")
    theirs.run()
    theirs.look()
    (event,) = theirs.told()
    assert event["subject"] == "Failed: job nightly"
    assert "step orders: ValueError: the disk is full" in event["body_text"]
    assert "alerting_assets_tests/automation/foreign_location.py:" in event["body_text"]
    theirs.set(orders=None)
    theirs.run()
    theirs.look()
    assert theirs.subjects() == ["Well again: job nightly"]


def test_a_failing_sensor_is_told_and_that_it_works_again(theirs: Foreign) -> None:
    theirs.tick()
    theirs.look()
    for _ in range(3):
        theirs.tick("no such bucket")
    theirs.look()
    (event,) = theirs.told()
    assert event["subject"] == "Failed: sensor new_files"
    assert "no such bucket" in event["body_text"]
    theirs.tick("no such bucket")
    theirs.look()
    assert theirs.told() == []
    theirs.tick()
    theirs.look()
    assert theirs.subjects() == ["Well again: sensor new_files"]


def test_a_result_without_a_run_is_told(theirs: Foreign) -> None:
    theirs.look()
    theirs.report(False, reason="reported by a script")
    theirs.look()
    assert theirs.subjects() == ["Failed: orders: is_fresh"]
    theirs.report(True)
    theirs.look()
    assert theirs.subjects() == ["Well again: orders: is_fresh"]


def test_a_run_that_does_not_start_is_told_and_that_it_ended(theirs: Foreign) -> None:
    theirs.look()
    run = theirs.instance.create_run_for_job(foreign_location.defs.resolve_job_def("nightly"))
    theirs.look()
    theirs.later(minutes=61)
    theirs.look()
    (event,) = theirs.told()
    assert event["subject"] == f"Failed: run {run.run_id[:8]} of job nightly does not end"
    assert "it was not started for 61 minutes" in event["body_text"]
    theirs.later(minutes=5)
    theirs.look()
    assert theirs.told() == []
    theirs.instance.report_run_failed(run, "given up")
    theirs.look()
    failed, over = theirs.told()
    assert "given up" in failed["body_text"]
    assert over["subject"].startswith("No longer there: run ")


def test_a_run_that_records_nothing_any_more_is_told(theirs: Foreign) -> None:
    theirs.look()
    run = theirs.instance.create_run_for_job(foreign_location.defs.resolve_job_def("nightly"))
    theirs.instance.handle_new_event(_event(run, dg.DagsterEventType.RUN_START))
    theirs.later(minutes=61)
    theirs.look()
    (event,) = theirs.told()
    assert "it has recorded nothing for 61 minutes" in event["body_text"]
    theirs.instance.report_run_failed(run, "given up")


def test_what_failed_while_nobody_looked_is_told_once_each(theirs: Foreign) -> None:
    theirs.look()
    theirs.set(no_negative_amounts="negative")
    theirs.run()
    theirs.set(no_negative_amounts=None)
    theirs.run()
    theirs.set(is_fresh="old")
    theirs.run()
    theirs.run()
    theirs.later(days=7)
    theirs.look()
    assert theirs.subjects() == [
        "Failed: orders: no_negative_amounts",
        "Well again: orders: no_negative_amounts",
        "Failed: orders: is_fresh",
    ]


def test_what_failed_before_the_first_look_is_not_told(theirs: Foreign) -> None:
    theirs.set(no_negative_amounts="negative")
    theirs.run()
    theirs.look()
    theirs.look()
    assert theirs.told() == []
    theirs.run()
    theirs.look()
    assert len(theirs.told()) == 1


def test_without_its_file_the_sensor_goes_on_from_dagsters_cursor(theirs: Foreign) -> None:
    theirs.look()
    theirs.set(no_negative_amounts="negative")
    theirs.run()
    theirs.sensor = theirs.sensor_with(home=theirs.folder / "another")
    theirs.look()
    assert theirs.subjects() == ["Failed: orders: no_negative_amounts"]


def test_a_deleted_run_costs_no_other(theirs: Foreign) -> None:
    first = theirs.run()
    theirs.look()
    theirs.look()
    theirs.set(no_negative_amounts="negative")
    theirs.run()
    theirs.instance.delete_run(first.run_id)
    theirs.look()
    assert theirs.subjects() == ["Failed: orders: no_negative_amounts"]


def test_a_receiver_that_is_down_gets_it_later_and_the_look_says_so(theirs: Foreign) -> None:
    theirs.look()
    theirs.receiver.answer = Reply(503)
    theirs.set(no_negative_amounts="negative")
    theirs.run()
    assert "1 wait for their receiver" in theirs.look()
    theirs.receiver.answer = Reply(200)
    theirs.told()
    theirs.later(minutes=5)
    assert "1 sent" in theirs.look()
    assert theirs.subjects() == ["Failed: orders: no_negative_amounts"]


def test_a_variable_that_is_not_set_loses_nothing(theirs: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs.look()
    monkeypatch.delenv("OPS_URL")
    theirs.set(no_negative_amounts="negative")
    theirs.run()
    assert "1 wait" in theirs.look()
    monkeypatch.setenv("OPS_URL", theirs.receiver.url)
    theirs.later(minutes=5)
    theirs.look()
    assert len(theirs.told()) == 1


def test_routes_of_a_file_say_who_is_told_and_a_mistake_is_told_itself(theirs: Foreign) -> None:
    routes = theirs.folder / "notify.yml"
    routes.write_text("routes:\n  - {match: {severity: WARNING}, to: []}\n")
    theirs.sensor = theirs.sensor_with(routes=routes)
    theirs.look()
    theirs.set(no_negative_amounts="negative", is_fresh="old")
    theirs.run()
    theirs.look()
    (event,) = theirs.told()
    assert "is_fresh" not in event["body_text"]
    routes.write_text("routes:\n  - {match: {severety: WARNING}, to: []}\n")
    assert "severety" in theirs.look()
    (event,) = theirs.told()
    assert "notify.yml:2: routes.match.severety: is not known; did you mean 'severity'?" in event["body_text"]
    routes.unlink()
    theirs.look()
    assert "notify.yml: is not there" in theirs.told()[0]["body_text"]


def test_nobody_to_tell_is_said_and_a_wrong_receiver_stops_at_once(
    theirs: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALERTING_NOTIFY", raising=False)
    theirs.sensor = check_failure_alerts(home=theirs.folder)
    assert "set ALERTING_NOTIFY" in theirs.look()
    monkeypatch.setenv("ALERTING_NOTIFY", "https://hooks.example.com/secret")
    said = theirs.look()
    assert "ALERTING_NOTIFY" in said
    assert "secret" not in said
    with pytest.raises(SettingsError, match=r"to: 'slak\+env:X'.*did you mean 'slack'"):
        check_failure_alerts("slak+env:X")


def _event(run: dg.DagsterRun, kind: dg.DagsterEventType) -> dg.EventLogEntry:
    event = DagsterEvent(kind.value, run.job_name, message="started")
    return dg.EventLogEntry(
        error_info=None, level=logging.INFO, user_message="", run_id=run.run_id, timestamp=time.time(),
        job_name=run.job_name, dagster_event=event,
    )  # fmt: skip
