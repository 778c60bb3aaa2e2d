"""What we evaluated, by the workspace's ids."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting_assets.deployment.own_states import read_own_states
from alerting_assets.deployment.registry import Deployed, remember
from alerting_assets_tests.cli.histories import record
from alerting_assets_tests.cli.home import Home

pytestmark = pytest.mark.integration


def test_deployed_alerts_have_the_newest_evaluation_that_is_known(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.define(*({"alert_id": name} for name in ("A", "B", "C", "D")))
    record(home, "A", [(5, 50, "OK"), (3, 150, "TRIGGERED"), (1, 160, "TRIGGERED")])
    record(home, "B", [(2, 50, "OK")], evaluated_by="workspace")
    record(home, "C", [(2, None, "OK")], query_result_string="fine")
    with home.tables() as tables:
        for environment, deployed in (
            ("dev", [Deployed("1", "A", "remote-a"), Deployed("2", "B", "remote-b"), Deployed("3", "C", "remote-c")]),
            ("dev", [Deployed("4", "D", "remote-d"), Deployed("5", "A", None)]),
            ("prod", [Deployed("6", "A", "remote-of-prod")]),
        ):
            remember(tables, deployed, environment=environment, host="local", now=datetime.now(UTC))
        found = read_own_states(tables, "dev")
    assert {name: state.is_imported for name, state in found.items()} == {
        "remote-a": False,
        "remote-b": True,
        "remote-c": False,
    }
    assert (found["remote-a"].state, found["remote-a"].value, found["remote-c"].value) == ("TRIGGERED", 160.0, "fine")
    assert found["remote-a"].since < found["remote-a"].evaluated_at
