"""Recoveries of alerts that are deployed with windows of silence, or held back by a model: the workspace tells none of them, and we tell
each once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from alerting_assets.alerts.destinations import parse_destination
from alerting_assets.configuration import DESTINATION, set_fields
from alerting_assets.configuration.listed import table_of
from alerting_assets.delivery.own import Worked
from alerting_assets.deployment.recoveries import tell_recoveries
from alerting_assets.lakehouse.arrow import as_rows
from alerting_assets.lakehouse.tables import ALERT_DELIVERIES, EXPECTED_RANGES, NOTIFICATION_DESTINATIONS
from alerting_assets_tests.delivery.receiver import Reply, receiving
from alerting_assets_tests.expected_values import range_row, range_table
from alerting_assets_tests.integration.test_silences import MINUTE, START, Life
from alerting_assets_tests.integration.test_silences import life as life

pytestmark = pytest.mark.integration


def tells(life: Life) -> None:
    """LIFE tells the webhook `ops`, which the environment variable OPS_URL leads to, of its recoveries."""
    ops = parse_destination(
        {"destination_id": "ops", "destination_type": "WEBHOOK", "secret_ref": "env:OPS_URL", "owner": "o@example.com"}
    )
    row = {**ops.row(), "created_at": START}
    life.lakehouse.merge(NOTIFICATION_DESTINATIONS.name, table_of(DESTINATION, list(row), [row]), on=["destination_id"])
    set_fields(life.lakehouse, "LIFE", {"notification_channels": "[ops]"}, START)


def fires_and_recovers(life: Life, *, silence_in: timedelta | None) -> None:
    """With, or without, a silence that is yet to come."""
    if silence_in is not None:
        life.silence(START + silence_in, START + silence_in + 30 * MINUTE)
    life.sync()
    assert life.workspace_says[0] == "TRIGGERED"
    life.evaluate()
    life.lakehouse.delete("costs", pa.table({"cost": [150.0]}))
    life.now += 10 * MINUTE
    assert life.workspace_says[0] == "OK"
    life.evaluate()
    assert not life.incident[0]


def tell(life: Life) -> Worked:
    return tell_recoveries(life.lakehouse, life.settings, life.now)


def test_a_recovery_that_the_workspace_could_not_tell_is_told_once(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as ops:
        monkeypatch.setenv("OPS_URL", ops.url)
        monkeypatch.setenv("ALERTING_ALLOWED_HOSTS", "127.0.0.1")
        tells(life)
        fires_and_recovers(life, silence_in=timedelta(days=1))
        assert tell(life) == Worked(1, 0)
        assert tell(life) == Worked(0, 0)
        (life.settings.home / "recoveries.sqlite").unlink()
        assert tell(life) == Worked(0, 0), "a new machine tells nothing twice"
        (request,) = ops.requests
        told = request.json["event"]
        assert (told["kind"], request.json["alert"]["id"]) == ("RECOVERY", "LIFE")
        assert "for 10 minutes. Its peak was 150" in told["body_text"]
        (logged,) = as_rows(life.lakehouse.read(ALERT_DELIVERIES.name))
        assert (logged["event"], logged["outcome"], logged["destination_id"]) == ("RECOVERY", "SENT", "ops")


def test_the_recovery_of_an_alert_that_its_model_holds_back_is_told_once_and_by_us(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fires, is held, and recovers: the workspace sees an alert that fires and is OK twice."""
    with receiving() as ops:
        monkeypatch.setenv("OPS_URL", ops.url)
        monkeypatch.setenv("ALERTING_ALLOWED_HOSTS", "127.0.0.1")
        tells(life)
        set_fields(life.lakehouse, "LIFE", {"ml_model_enabled": "true", "ml_shadow": "false"}, START)
        life.sync()
        assert life.workspace_says[0] == "TRIGGERED"
        life.evaluate(only_due=False)
        hour = {"hours": 0, "alert_id": "LIFE", "upper": 200.0, "created_at": START}
        hour |= {"valid_from": START + 5 * MINUTE, "valid_until": START + 15 * MINUTE}
        life.lakehouse.append(EXPECTED_RANGES.name, range_table([range_row(**hour)]))
        life.now += 10 * MINUTE
        assert life.workspace_says == ("OK", False), "a value that is expected is no recovery"
        life.evaluate(only_due=False)
        assert (life.newest()["evaluation_status"], life.incident) == ("SUPPRESSED", (True, 2))
        assert tell(life) == Worked(0, 0)
        life.lakehouse.delete("costs", pa.table({"cost": [150.0]}))
        life.now += 10 * MINUTE
        assert life.workspace_says == ("OK", False)
        life.evaluate(only_due=False)
        assert tell(life) == Worked(1, 0)
        assert tell(life) == Worked(0, 0)
        assert "for 20 minutes" in ops.requests[0].json["event"]["body_text"]


def test_what_the_workspace_told_while_the_model_was_in_shadow_is_not_told_again(life: Life) -> None:
    tells(life)
    set_fields(life.lakehouse, "LIFE", {"ml_model_enabled": "true"}, START)
    fires_and_recovers(life, silence_in=None)
    life.now += MINUTE
    set_fields(life.lakehouse, "LIFE", {"ml_shadow": "false"}, life.now)
    assert tell(life) == Worked(0, 0), "what is deployed still tells of recoveries"
    life.sync()
    assert tell(life) == Worked(0, 0)


def test_what_the_workspace_tells_is_not_told_again(life: Life) -> None:
    tells(life)
    fires_and_recovers(life, silence_in=None)
    assert tell(life) == Worked(0, 0)
    assert not Path(life.settings.home / "recoveries.sqlite").exists()


@pytest.mark.thorough
def test_a_receiver_that_is_away_gets_it_with_later_evaluations(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [Reply(503), Reply(200)]
    with receiving(lambda _request: answers.pop(0) if len(answers) > 1 else answers[0]) as ops:
        monkeypatch.setenv("OPS_URL", ops.url)
        monkeypatch.setenv("ALERTING_ALLOWED_HOSTS", "127.0.0.1")
        tells(life)
        fires_and_recovers(life, silence_in=timedelta(days=1))
        assert tell_recoveries(life.lakehouse, life.settings, life.now, seconds=0.0).waiting == 1
        while tell(life).waiting:
            pass
        assert len(ops.requests) == 2
        assert len(set(ops.delivery_ids)) == 1
