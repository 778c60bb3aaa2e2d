import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from alerting_assets.alerts.marker import Marker, mark
from alerting_assets.deployment import DesiredAlert, Plan, SyncState, make_plan
from alerting_assets.deployment.render import plan_json, plan_text
from alerting_assets.workspace.port import RemoteAlert
from alerting_assets_tests.deployment.test_plan import HOST, N1, N2, alert, deployed
from alerting_assets_tests.golden import assert_matches

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def plan() -> Plan:
    """One of each: create, update, adopt, delete, unchanged, held, a clone, edits made by hand."""
    desired = [
        DesiredAlert.deploy(alert("ADOPTED", severity="CRITICAL")),
        DesiredAlert.deploy(alert("CHANGED", threshold_value_double=500.0, notification_channels=["a@example.com"])),
        DesiredAlert.held("HELD", "accepted_by_the_engine: there is no table gold.nope (line 2)"),
        DesiredAlert.deploy(alert("NEW")),
        DesiredAlert.deploy(alert("SAME")),
        DesiredAlert.deploy(alert("DRIFTED")),
        DesiredAlert.deploy(alert("OFF", is_enabled=False)),
        DesiredAlert.deploy(alert("TAKEN")),
    ]
    by_hand = deployed("id-7", N1, alert("DRIFTED"))
    by_hand.body["query_text"] = by_hand.body["query_text"].replace("list_cost", "list_cost * 1.19")
    made_by_hand = deployed("id-9", N1, alert("TAKEN"), query_text="SELECT list_cost AS cost\nFROM fact_usage")
    remote = [
        deployed("id-1", N1, alert("ADOPTED")),
        deployed("id-2", N1, alert("CHANGED")),
        deployed("id-3", N1, alert("SAME")),
        deployed("id-4", N1, alert("SAME")),
        deployed("id-5", N2, alert("REMOVED")),
        by_hand,
        deployed("id-8", N1, alert("OFF")),
        made_by_hand,
        RemoteAlert("id-6", {"display_name": "not ours", "query_text": mark("SELECT 1", Marker("X", "prod", N1))}),
    ]
    state = {
        name: SyncState(name, remote_id, HOST, None, N1, alert(name).config_hash, "CREATED")
        for name, remote_id in (("CHANGED", "id-2"), ("SAME", "id-3"), ("DRIFTED", "id-7"), ("OFF", "id-8"))
    }
    state["TAKEN"] = SyncState("TAKEN", "id-9", HOST, None, N1)
    return make_plan(desired, remote, state, environment="test", host=HOST)


def test_a_plan_reads_like_this(plan: Plan) -> None:
    console = Console(width=160, record=True, file=StringIO())
    console.print(plan_text(plan))
    assert_matches(GOLDEN / "plan.txt", "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n")


def test_a_plan_for_machines_is(plan: Plan) -> None:
    assert_matches(GOLDEN / "plan.json", json.dumps(plan_json(plan), indent=2) + "\n")
