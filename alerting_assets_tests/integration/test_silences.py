"""The life of a silence: files, sensor, workspace and history together, with a clock that the test sets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
import requests

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.assets.silences import SILENCES_ARE_RIGHT
from alerting_assets.configuration import read_rows, silences_in, to_alerts
from alerting_assets.configuration.listed import table_of
from alerting_assets.configuration.rows import as_table
from alerting_assets.configuration.silences import SILENCE
from alerting_assets.deployment import DesiredAlert, Syncer, silenced_alerts
from alerting_assets.evaluation import Evaluation, run_evaluations
from alerting_assets.incidents.store import read_states
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.evaluation_history import EvaluationHistory
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_HISTORY, ALERT_SILENCES
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.deployment.world import LOCAL
from alerting_assets_tests.examples import configuration
from alerting_assets_tests.integration.test_graph import platform  # noqa: F401 — a fixture
from alerting_assets_tests.integration.test_sensor import Watched, watched  # noqa: F401 — a fixture
from alerting_assets_tests.silenced import silence

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
COSTS = TableSpec("costs", "", (Column("cost", "double"),), key=())
MINUTE = timedelta(minutes=1)
ALERT_CONFIGURATIONS_KEY, ALERT_SILENCES_KEY = dg.AssetKey("alert_configurations"), dg.AssetKey("alert_silences")


class Life:
    """An alert in a served workspace. Every part of it sees the clock `now`."""

    def __init__(self, lakehouse: EmbeddedLakehouse, server: LocalWorkspaceServer, settings: Settings) -> None:
        self.lakehouse, self.server, self.settings = lakehouse, server, settings
        self.now = START
        lakehouse.create_table(COSTS)
        lakehouse.append("costs", pa.table({"cost": [150.0]}))
        alert = configuration(
            alert_id="LIFE",
            alert_query_template="SELECT cost FROM ${catalog}.${gold_schema}.costs",
            schedule_cron="0 0/10 * * * ?",
            notify_on_ok=True,
            notification_channels=["a@example.com"],
        )
        lakehouse.merge(ALERT_CONFIGURATIONS.name, as_table([alert], START - MINUTE), on=["alert_id"])

    @property
    def workspace_says(self) -> tuple[str, bool]:
        """(state, whether somebody was told) of an evaluation by the workspace now."""
        (remote,) = open_workspace(self.settings).list_alerts()
        url = f"{self.server.address}/api/local/alerts/{remote.id}/evaluate"
        found = requests.post(url, headers={"Authorization": f"Bearer {self.server.token}"}, timeout=30).json()
        return found["state"], bool(found["notified"])

    def compiled(self) -> list[CompiledAlert]:
        return [alert.compiled for alert in to_alerts(read_rows(self.lakehouse), LOCAL) if alert.compiled]

    def silence(self, start: datetime, end: datetime) -> None:
        row = {**dict.fromkeys(ALERT_SILENCES.column_names), **silence("quiet", starts_at=start, ends_at=end)}
        row |= {"managed_by": "sql", "created_at": self.now}
        table = table_of(SILENCE, ALERT_SILENCES.column_names, [row])
        self.lakehouse.merge(ALERT_SILENCES.name, table, on=["silence_id"])

    def sync(self) -> int:
        """How many requests that change the workspace it took."""
        workspace = open_workspace(self.settings)

        def read() -> Any:
            rows = read_rows(self.lakehouse)
            alerts = silenced_alerts(to_alerts(rows, LOCAL), rows, silences_in(self.lakehouse, self.now), "local")
            return rows, [DesiredAlert.deploy(alert.compiled) for alert in alerts if alert.compiled]

        Syncer(workspace, "test", 4).sync(self.lakehouse, read, lambda: self.now)
        return workspace.writes

    def evaluate(self, *, only_due: bool = True) -> list[Evaluation]:
        rows = read_rows(self.lakehouse)
        return run_evaluations(
            self.lakehouse, rows, self.compiled(), self.settings, self.now, only_due=only_due
        ).evaluations

    @property
    def incident(self) -> tuple[bool, int]:
        """(whether it is open, how many evaluations)."""
        found = read_states(self.lakehouse, timedelta(0)).by_id["LIFE"].incident
        assert found is not None
        return found.is_open, found.evaluations

    def newest(self) -> dict[str, Any]:
        rows = self.lakehouse.read(ALERT_HISTORY.name, order_by="evaluated_at DESC", limit=1).to_pylist()
        return rows[0]


@pytest.fixture
def life(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> Iterator[Life]:
    settings = Settings(home=tmp_path, environment="test")
    made: list[Life] = []
    history = EvaluationHistory(lakehouse, "1")

    def run(sql: str) -> pa.Table:
        return lakehouse.query(at_moment(sql, made[0].now))

    with LocalWorkspaceServer(
        settings.workspace_root,
        run,
        port=0,
        clock=lambda: made[0].now if made else START,
        on_evaluated=history.append,
    ) as server:
        made.append(Life(lakehouse, server, settings))
        yield made[0]


def test_a_silence_begins_without_a_recovery_and_at_its_end_an_alert_that_still_fires_notifies(life: Life) -> None:
    life.sync()
    assert life.workspace_says == ("TRIGGERED", True)
    assert life.evaluate() == [], "what the workspace evaluated is imported, and paid for once"
    assert life.incident == (True, 1)

    life.now += 5 * MINUTE
    life.silence(life.now, life.now + 30 * MINUTE)
    assert life.sync() == 1
    life.now += 5 * MINUTE
    assert life.workspace_says == ("OK", False), (
        "it asks for notify_on_ok, and nobody is told of a recovery that is none"
    )
    life.evaluate()
    newest = life.newest()
    assert (newest["evaluation_status"], newest["silence_id"], newest["threshold_met"]) == ("SUPPRESSED", "quiet", None)
    assert life.incident[0], "the incident goes on"

    life.now += 10 * MINUTE
    (own,) = life.evaluate(only_due=False)
    assert (own.decision.state.value, own.decision.threshold_met, own.decision.silence_id) == (
        "SUPPRESSED",
        True,
        "quiet",
    )
    assert life.incident[0]

    life.now = START + 35 * MINUTE
    assert life.workspace_says == ("TRIGGERED", True), "it has ended, with nothing written, and the alert fires again"
    life.evaluate()
    assert life.incident[0]
    assert life.sync() == 1, "it tells of recoveries again"
    life.lakehouse.delete("costs", pa.table({"cost": [150.0]}))
    life.now += 10 * MINUTE
    assert life.workspace_says == ("OK", True)
    life.evaluate()
    assert not life.incident[0]


@pytest.mark.thorough
def test_what_the_silence_that_is_gone_by_now_kept_quiet_is_no_recovery(life: Life) -> None:
    """Evaluations may be imported late."""
    life.sync()
    assert life.workspace_says == ("TRIGGERED", True)
    life.silence(START + MINUTE, START + 30 * MINUTE)
    life.sync()
    life.now += 10 * MINUTE
    assert life.workspace_says == ("OK", False)
    life.lakehouse.delete(ALERT_SILENCES.name, pa.table({"silence_id": ["quiet"]}))
    life.now += MINUTE
    life.evaluate()
    assert life.newest()["evaluation_status"] == "SUPPRESSED"
    assert life.incident == (True, 2)


def test_our_own_evaluation_suppresses_what_would_fire_and_nothing_else(life: Life) -> None:
    life.silence(START, START + 30 * MINUTE)
    life.settings = Settings(home=life.settings.home, environment="test", evaluation_history="none")
    (own,) = life.evaluate(only_due=False)
    assert own.decision.state.value == "SUPPRESSED"
    assert life.newest()["silence_id"] == "quiet"
    assert read_states(life.lakehouse, timedelta(0)).by_id["LIFE"].incident is None, "it opens no incident"
    life.lakehouse.delete("costs", pa.table({"cost": [150.0]}))
    life.now += MINUTE
    (own,) = life.evaluate(only_due=False)
    assert (own.decision.state.value, life.newest()["silence_id"]) == ("OK", None)
    life.lakehouse.append("costs", pa.table({"cost": [150.0]}))
    life.now = START + 30 * MINUTE
    (own,) = life.evaluate(only_due=False)
    assert own.decision.state.value == "TRIGGERED", "its end is not in it"


def define(watched: Watched, *silences: dict[str, Any]) -> None:  # noqa: F811
    folder = watched.platform.settings.definitions / "silences"
    folder.mkdir(exist_ok=True)
    (folder / "all.yml").write_text(json.dumps({"silences": list(silences)}, default=str))


def test_the_sensor_deploys_what_changed_in_the_silences(watched: Watched) -> None:  # noqa: F811
    watched.configure("A", agent_domain="COST")
    watched.configure("B", agent_domain="SECURITY")
    assert watched.react().success
    watched.assert_quiet()
    now = datetime.now(UTC)
    row = {
        **dict.fromkeys(ALERT_SILENCES.column_names),
        "managed_by": "sql",
        "created_at": now,
        "match_domains": ["COST"],
    }
    row |= silence("quiet", starts_at=now - MINUTE, ends_at=now + timedelta(hours=5))
    with watched.platform.tables() as tables:
        tables.merge(ALERT_SILENCES.name, table_of(SILENCE, ALERT_SILENCES.column_names, [row]), on=["silence_id"])
    result = watched.react()
    assert result.success
    assert watched.platform.metadata(dg.AssetKey("deployment_report"))["this_run"] == "1 of 2 alerts"
    watched.assert_quiet()
    watched.assert_quiet(now + timedelta(days=2))


def test_the_asset_of_silences_tells_what_is_wrong_and_what_may_surprise(watched: Watched) -> None:  # noqa: F811
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    times = {"starts_at": soon, "ends_at": soon + timedelta(hours=1)}
    watched.platform.define(A="SELECT cost FROM costs", B="SELECT cost FROM costs")
    wrong = silence("wrong", **{**times, "ends_at": soon - timedelta(hours=1)})
    define(watched, silence("some", **times, match_alert_ids="A"), silence("all", **times), wrong)
    assert watched.platform.run(assets=[ALERT_CONFIGURATIONS_KEY, ALERT_SILENCES_KEY]).success
    assert outcome(watched) == (False, "1 problems, 0 rows kept as they were last right, 1 warnings")
    metadata = watched.platform.metadata(ALERT_SILENCES_KEY)
    assert (metadata["added"], metadata["silent_now"], metadata["dagster/row_count"]) == (2, 0, 2)


def outcome(watched: Watched) -> tuple[bool, str | None]:  # noqa: F811
    key = dg.AssetCheckKey(ALERT_SILENCES_KEY, SILENCES_ARE_RIGHT.name)
    (record,) = watched.platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
    return evaluation.passed, evaluation.description
