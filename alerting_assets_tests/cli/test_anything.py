"""Tables whose rows hold anything, through the whole command."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, create_tables
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.anything import rows
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.configuration.test_anything import OURS
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.integration

ROWS = 30


@examples(2, 350)
@given(st.data())
def test_rows_that_hold_anything_hold_up_nobody(data: st.DataObject) -> None:
    made = [data.draw(rows(f"BOB-{number}")) for number in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.define({"alert_id": "ANN-1"}, {"alert_id": "ANN-2", "operator": "GREATER"})
        with home.tables() as tables:
            create_tables(tables)
            tables.append(
                ALERT_CONFIGURATIONS.name, pa.Table.from_pylist(made, schema=arrow_schema(ALERT_CONFIGURATIONS))
            )
        with home.tables() as tables, LocalWorkspaceServer(home.settings.workspace_root, tables.query, port=0):
            first = _apply(home)
            again = _apply(home)
        assert _statuses(first)["ANN-1"] == "CREATED"
        assert _statuses(again)["ANN-1"] == "UNCHANGED"
        assert again["requests"]["writes"] == 0, "everything that could be done is done"
        told = home.run("validate", "--json", "--fresh")
        assert OURS not in told.stdout
        assert "Traceback" not in told.stderr, told.stderr
        for command in (["config", "list"], ["validate"], ["plan"]):
            assert "Traceback" not in home.run(*command).stderr


def _apply(home: Home) -> Any:
    applied = home.json("apply", expect=1)  # ANN-2
    assert [problem["alert_id"] for problem in applied["problems"]] == ["ANN-2"]
    assert OURS not in str(applied)
    return applied


def _statuses(applied: Any) -> dict[str, str]:
    return {item["alert_id"]: item["status"] for item in applied["actions"]}
