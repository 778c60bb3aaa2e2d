"""Plan and apply against the real local workspace over HTTP, with its faults, and with killed processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from alerting_assets.configuration import Row, read_rows
from alerting_assets.deployment import Choices, DesiredAlert, Reason, Syncer, find_work
from alerting_assets.deployment.lease import held_lease
from alerting_assets.deployment.render import result_summary
from alerting_assets.errors import SyncStopped, WorkspaceDenied, WorkspaceUnavailable
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_LEASES
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.deployment.mortal import Killed, Life, MortalLakehouse, MortalWorkspace
from alerting_assets_tests.deployment.world import World, assert_recorded, assert_settled, counts, writable

pytestmark = pytest.mark.integration


def test_alerts_are_created_updated_and_trashed_as_configured(world: World) -> None:
    world.configure("A", "B", "C")
    assert counts(world.sync()) == {"CREATED": 3}
    assert_settled(world, "A", "B", "C")
    row = world.row("A")
    assert (row["last_sync_status"], row["databricks_host"], row["last_sync_error"]) == ("CREATED", "local", None)

    world.configure("B", severity="CRITICAL", threshold_value_double=5.0)
    world.remove("C")
    assert counts(world.sync()) == {"UPDATED": 1, "UNCHANGED": 1, "DELETED": 1}
    assert_settled(world, "A", "B")
    (body,) = [body for body in world.remote() if body["display_name"] == "[CRITICAL] Alert B"]
    assert body["evaluation"]["threshold"]["value"]["double_value"] == 5.0
    assert body["id"] == world.row("B")["databricks_alert_id"]


def test_what_was_changed_in_the_workspace_is_put_right(world: World) -> None:
    world.configure("A")
    world.sync()
    (body,) = world.remote()
    open_workspace(world.settings).update_alert(body["id"], {"display_name": "mine now"}, ["display_name"])
    assert counts(world.sync()) == {"UPDATED": 1}
    assert_settled(world, "A")


def test_foreign_alerts_are_never_touched(world: World) -> None:
    workspace = open_workspace(world.settings)
    world.configure("A")
    world.sync()
    (ours,) = world.remote()
    for name, text in (
        ("plain", "SELECT 1 AS cost"),
        ("prod", ours["query_text"].replace("environment=test", "environment=prod")),
    ):
        workspace.create_alert(writable(ours, display_name=name, query_text=text))
    clone = workspace.create_alert(writable(ours, display_name="clone"))
    before = {body["id"]: body for body in world.remote()}
    result = world.sync()
    assert counts(result) == {"UNCHANGED": 1}
    assert result.plan.notes == (f"{clone.id} is a clone of {ours['id']} (A), made in the workspace; it is left alone",)
    assert {body["id"]: body for body in world.remote()} == before


@pytest.mark.parametrize("count", [1, 20])
def test_no_duplicate_when_every_third_response_is_lost(world: World, count: int) -> None:
    names = [f"A-{number:02}" for number in range(count)]
    world.configure(*names)
    world.fault(match={"path": "/api/2.0/alerts*"}, fault="lose_response", every=3)
    result = world.sync()
    world.heal()
    assert counts(result) == {"CREATED": count}
    assert_settled(world, *names)


def test_a_lost_response_and_a_stale_list_heal_by_the_next_sync(world: World) -> None:
    names = [f"A-{number:02}" for number in range(10)]
    world.configure(*names)
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts*"}, fault="lose_response", every=3)
    world.fault(match={"method": "GET", "path": "/api/2.0/alerts"}, fault="stale_list", every=2)
    world.sync()
    world.heal()
    world.sync()
    assert_settled(world, *names)


def test_throttling_is_waited_for(world: World) -> None:
    names = [f"A-{number}" for number in range(6)]
    world.configure(*names)
    world.fault(match={"path": "/api/2.0/alerts*"}, fault="throttle", every=4, retry_after=1)
    assert counts(world.sync()) == {"CREATED": 6}
    world.heal()
    assert_settled(world, *names)


def test_an_error_of_one_alert_is_recorded_and_the_next_sync_repairs_it(world: World) -> None:
    world.configure("A", "B", "C")
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="error", status=400, times=1)
    result = world.sync()
    assert counts(result) == {"CREATED": 2, "ERROR": 1}
    failed = result.errors[0].alert_id
    assert (world.row(failed)["last_sync_status"], world.row(failed)["databricks_alert_id"]) == ("ERROR", None)
    assert world.row(failed)["last_sync_error"]
    assert counts(world.sync()) == {"CREATED": 1, "UNCHANGED": 2}
    assert_settled(world, "A", "B", "C")


@pytest.mark.parametrize("refuse_taken_name", [False, True])
def test_alerts_with_the_same_name_settle(lakehouse: Lakehouse, tmp_path: Path, refuse_taken_name: bool) -> None:
    rules = Rules(refuse_taken_name=refuse_taken_name)
    with LocalWorkspaceServer(Settings(home=tmp_path).workspace_root, lakehouse.query, port=0, rules=rules) as server:
        world = World(lakehouse, server, tmp_path)
        world.configure("A", "B", alert_name="Same")
        assert counts(world.sync()) == {"CREATED": 2}
        assert len({body["display_name"] for body in world.remote()}) == 2
        assert_settled(world, "A", "B")
        world.configure("A", "B", alert_name="Both renamed")
        assert counts(world.sync()) == {"UPDATED": 2}
        assert_settled(world, "A", "B")


def test_an_empty_list_with_stored_ids_stops_the_sync_until_a_person_says_so(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    workspace = open_workspace(world.settings)
    for body in world.remote():
        workspace.trash_alert(body["id"])
    before = len(world.writes())
    with pytest.raises(SyncStopped, match=r"2 are stored as deployed there.*--recreate"):
        world.sync()
    assert len(world.writes()) == before
    assert counts(world.sync(accept_empty=True)) == {"CREATED": 2}
    assert_settled(world, "A", "B")


def test_a_list_of_nothing_but_foreign_alerts_stops_the_sync_as_an_empty_one_does(world: World) -> None:
    """As a principal that may not see our alerts gets it."""
    world.configure("A", "B")
    world.sync()
    workspace = open_workspace(world.settings)
    ours = world.remote()
    workspace.create_alert(writable(ours[0], display_name="foreign", query_text="SELECT 1 AS cost"))
    for alert in ours:
        world.purge(alert["id"])
    before = len(world.writes())
    with pytest.raises(SyncStopped, match=r"lists none of ours among 1 alerts, but 2 are stored.*--recreate"):
        world.sync()
    assert len(world.writes()) == before
    assert counts(world.sync(accept_empty=True)) == {"CREATED": 2}
    assert world.remote_ids() == ["A", "B", "foreign"]


def test_a_sync_killed_once_it_had_trashed_the_last_disabled_alert_is_finished_by_the_next_one(world: World) -> None:
    options: dict[str, Any] = {"choices": Choices(delete_disabled=True)}
    world.configure("A")
    world.sync(**options)
    world.configure("A", is_enabled=False)
    life = Life(3, after=True)  # the lease, the list, the request that trashes it
    syncer = Syncer(MortalWorkspace(open_workspace(world.settings), life), "test", 1, **options)
    tables: Any = MortalLakehouse(world.lakehouse, life)
    with pytest.raises(Killed):
        syncer.sync(tables, world.desired, lambda: datetime.now(UTC))
    assert (world.remote(), world.row("A")["last_sync_status"]) == ([], "CREATED")
    later = datetime.now(UTC) + timedelta(minutes=2)
    Syncer(open_workspace(world.settings), "test", 1, **options).sync(world.lakehouse, world.desired, lambda: later)
    assert world.row("A")["databricks_alert_id"] is None


def test_a_quarantined_alert_that_somebody_purged_does_not_stop_the_syncs_to_come(world: World) -> None:
    def with_a_quarantined() -> Any:
        rows, wanted = world.desired()
        return rows, [DesiredAlert.held("A", "its query is broken") if one.alert_id == "A" else one for one in wanted]

    world.configure("A")
    world.sync()
    world.purge(world.remote()[0]["id"])
    assert counts(world.sync(with_a_quarantined)) == {"INVALID": 1}
    world.configure("B")
    assert counts(world.sync(with_a_quarantined)) == {"CREATED": 1, "INVALID": 1}
    assert counts(world.sync()) == {"ERROR": 1, "UNCHANGED": 1}
    assert counts(world.sync(accept_empty=True)) == {"CREATED": 1, "UNCHANGED": 1}
    assert_settled(world, "A", "B")


def test_alerts_that_are_known_to_be_trashed_are_deployed_anew(world: World) -> None:
    workspace = open_workspace(world.settings)
    world.configure("A", "B")
    world.sync()
    workspace.trash_alert(world.row("A")["databricks_alert_id"])
    assert counts(world.sync()) == {"CREATED": 1, "UNCHANGED": 1}
    workspace.create_alert(writable(world.remote()[0], display_name="foreign", query_text="SELECT 1 AS cost"))
    for alert_id in ("A", "B"):
        workspace.trash_alert(world.row(alert_id)["databricks_alert_id"])
    assert counts(world.sync()) == {"CREATED": 2}
    assert world.remote_ids() == ["A", "B", "foreign"]


def test_an_alert_that_a_stale_list_lacks_is_asked_for_and_not_created_again(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    world.fault(match={"method": "GET", "path": "/api/2.0/alerts"}, fault="stale_list", writes=1, every=1)
    assert counts(world.sync()) == {"UNCHANGED": 2}
    world.heal()
    assert_settled(world, "A", "B")


def test_a_lost_lakehouse_adopts_what_is_deployed(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    for name in ("A", "B"):
        world.remove(name)
    world.configure("A", "B", severity="CRITICAL")
    deployed = {body["id"] for body in world.remote()}
    result = world.sync()
    assert [outcome.planned.action.value for outcome in result.outcomes] == ["UPDATE", "UPDATE"]
    assert {body["id"] for body in world.remote()} == deployed
    assert_settled(world, "A", "B")
    for name in ("A", "B"):
        world.remove(name)
    world.forget()
    world.configure("A", "B", severity="INFO")
    result = world.sync()
    assert [outcome.planned.action.value for outcome in result.outcomes] == ["ADOPT", "ADOPT"], "by their markers alone"
    assert {body["id"] for body in world.remote()} == deployed
    assert_settled(world, "A", "B")


def copy(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """As the workspace copies an alert; then somebody makes it theirs."""
    marker, _, _ = body["query_text"].partition("\n")
    changes = {"display_name": "Mine", "query_text": f"{marker}\nSELECT 7 AS cost"}
    copied: dict[str, Any] = world.request("POST", "/api/2.0/alerts", json=writable(body, **changes))
    return copied


def find(world: World, remote_id: str) -> dict[str, Any]:
    return next(body for body in world.remote() if body["id"] == remote_id)


def test_a_copy_whose_original_was_trashed_is_somebody_elses(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    original = next(body for body in world.remote() if "alert_id=A " in body["query_text"])
    copied = copy(world, original)
    world.request("DELETE", f"/api/2.0/alerts/{original['id']}")
    result = world.sync()
    assert counts(result) == {"CREATED": 1, "UNCHANGED": 1}
    world.remove("A")
    for _ in range(2):
        result = world.sync()
        assert any(copied["id"] in note and "a copy" in note for note in result.plan.notes)
        assert find(world, copied["id"]) == copied
    assert world.remote_ids() == ["A", "B"], "the one of A is the copy"


def test_a_copy_stays_when_the_definition_of_its_original_goes(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    original = next(body for body in world.remote() if "alert_id=A " in body["query_text"])
    copied = copy(world, original)
    world.remove("A")
    for number in range(3):
        result = world.sync()
        assert counts(result) == ({"DELETED": 1, "UNCHANGED": 1} if number == 0 else {"UNCHANGED": 1})
        assert any(copied["id"] in note for note in result.plan.notes)
    assert find(world, copied["id"]) == copied


def test_an_alert_that_lost_its_marker_and_its_definition_is_told_until_somebody_decides(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    original = next(body for body in world.remote() if "alert_id=A " in body["query_text"])
    path = f"/api/2.0/alerts/{original['id']}"
    world.request("PATCH", path, params={"update_mask": "query_text"}, json={"query_text": "SELECT 1 AS cost"})
    world.remove("A")
    for _ in range(2):
        (note,) = world.sync().plan.notes
        assert f"{original['id']} ([WARNING] Alert A) was deployed as A" in note
    world.request("DELETE", path)
    assert world.sync().plan.notes == ()


@pytest.mark.parametrize("status", [403, 404])
def test_an_alert_that_may_not_be_seen_is_its_own_error_and_nobody_elses(world: World, status: int) -> None:
    world.configure("A", "B", "C")
    world.sync()
    hidden = next(body for body in world.remote() if "alert_id=A " in body["query_text"])
    path = f"/api/local/alerts/{hidden['id']}/hidden"
    world.request("PUT", path, json={"status": status})
    world.configure("A", "B", severity="CRITICAL")
    for _ in range(2):
        result = world.sync()
        assert {outcome.alert_id: outcome.status.value for outcome in result.outcomes}["A"] == "ERROR"
        assert len(result.errors) == 1
    assert world.remote_ids() == ["B", "C"], "no second one is created"
    assert hidden["id"] in str(world.row("A")["last_sync_error"])
    assert "--recreate A" in str(world.row("A")["last_sync_error"])
    world.request("DELETE", path)
    assert counts(world.sync()) == {"UPDATED": 1, "UNCHANGED": 2}
    assert find(world, hidden["id"])["display_name"] == "[CRITICAL] Alert A"
    assert_settled(world, "A", "B", "C")


def test_an_alert_that_somebody_purged_is_created_again_once_a_person_says_that_it_is_gone(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    world.purge(next(body["id"] for body in world.remote() if "alert_id=A " in body["query_text"]))
    assert counts(world.sync()) == {"ERROR": 1, "UNCHANGED": 1}
    assert counts(world.sync(accept_empty=True)) == {"CREATED": 1, "UNCHANGED": 1}
    assert_settled(world, "A", "B")


def test_one_forbidden_alert_is_its_own_error(world: World) -> None:
    world.configure("A", "B", "C")
    world.sync()
    world.configure("A", "B", "C", severity="CRITICAL")
    forbidden = next(body["id"] for body in world.remote() if "alert_id=B " in body["query_text"])
    world.fault(match={"method": "PATCH", "path": f"/api/2.0/alerts/{forbidden}"}, fault="error", status=403)
    result = world.sync()
    assert (counts(result), [outcome.alert_id for outcome in result.errors]) == ({"UPDATED": 2, "ERROR": 1}, ["B"])


def test_a_restored_table_finds_its_alerts_again(world: World) -> None:
    names = [f"A-{number}" for number in range(8)]
    world.configure(*names)
    world.sync()
    ids = {body["id"] for body in world.remote()}
    world.blank()
    world.configure(*names, severity="CRITICAL")
    assert counts(world.sync()) == {"UPDATED": 8}
    assert {body["id"] for body in world.remote()} == ids
    assert_recorded(world)
    assert_settled(world, *names)


def test_every_alert_of_a_table_that_was_restored_to_before_its_deployment_has_its_id_again(
    world: World, tmp_path: Path
) -> None:
    names = [f"A-{number}" for number in range(8)]
    world.configure(*names)
    (folder,) = tmp_path.rglob(ALERT_CONFIGURATIONS.name)
    before = DeltaTable(folder).version()
    world.sync()
    ids = {body["id"] for body in world.remote()}
    DeltaTable(folder).restore(before)
    world.configure(*names[:2], severity="CRITICAL")
    now = datetime.now(UTC)
    found = find_work(world.lakehouse, "test", "local", now)
    syncer = Syncer(open_workspace(world.settings), "test", 8, found.alert_ids)
    syncer.sync(world.lakehouse, world.desired, lambda: datetime.now(UTC), up_to=found.up_to)
    assert {row["databricks_alert_id"] for row in read_rows(world.lakehouse)} == ids
    assert find_work(world.lakehouse, "test", "local", now).is_nothing
    assert_settled(world, *names)


def test_too_many_removals_wait_and_edits_do_not(world: World) -> None:
    names = [f"A-{number:02}" for number in range(12)]
    world.configure(*names)
    world.sync()
    for name in names[4:]:
        world.remove(name)
    world.configure(names[0], severity="CRITICAL")
    result = world.sync()
    assert counts(result) == {"UPDATED": 1, "UNCHANGED": 3, "INVALID": 8}
    assert "8 of 12 deployed alerts would be removed" in str(result.plan.objection)
    assert len(world.remote()) == 12
    assert counts(world.sync(max_delete_percent=None)) == {"UNCHANGED": 4, "DELETED": 8}
    assert_settled(world, *names[:4])


def test_a_quarantined_alert_is_recorded_once_and_stays_deployed(world: World) -> None:
    world.configure("A")
    world.sync()

    def held() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        return read_rows(world.lakehouse), [DesiredAlert.held("A", "no such table")]

    assert counts(world.sync(held)) == {"INVALID": 1}
    row, version = world.row("A"), world.lakehouse.version(ALERT_CONFIGURATIONS.name)
    assert row["last_sync_status"] == "INVALID"
    assert "no such table" in row["last_sync_error"]
    world.sync(held)
    assert world.lakehouse.version(ALERT_CONFIGURATIONS.name) == version
    assert world.remote_ids() == ["A"]
    world.sync()
    assert_settled(world, "A")


def test_an_alert_that_nobody_has_validated_is_held_back_and_due_at_once(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    world.configure("A", severity="CRITICAL")

    def unseen() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        rows, desired = world.desired()
        return rows, [DesiredAlert.held("A", "in whatever words", why=Reason.NOT_VALIDATED), *desired[1:]]

    def due() -> frozenset[str] | None:
        return find_work(world.lakehouse, "test", "local", datetime.now(UTC)).alert_ids

    result = world.sync(unseen)
    assert counts(result) == {"NOT_VALIDATED": 1, "UNCHANGED": 1}
    assert "1 held back" in str(result_summary(result))
    assert (world.row("A")["last_sync_status"], world.row("A")["databricks_alert_id"] is None) == (
        "NOT_VALIDATED",
        False,
    )
    assert (due(), world.remote_ids()) == ({"A"}, ["A", "B"])
    assert counts(world.sync()) == {"UPDATED": 1, "UNCHANGED": 1}
    assert due() == set()
    assert_settled(world, "A", "B")


def test_a_quarantined_alert_that_is_disabled_and_gone_has_no_id(world: World) -> None:
    world.configure("A", "B")
    world.sync()
    open_workspace(world.settings).trash_alert(world.row("A")["databricks_alert_id"])

    def held() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        rows, desired = world.desired()
        return rows, [DesiredAlert.held("A", "no such table", is_enabled=False), *desired[1:]]

    assert counts(world.sync(held)) == {"INVALID": 1, "UNCHANGED": 1}
    assert (world.row("A")["last_sync_status"], world.row("A")["databricks_alert_id"]) == ("INVALID", None)


def test_a_disabled_alert_that_is_deleted_stays_so_when_its_query_is_broken(world: World) -> None:
    world.configure("A", "B")
    world.sync()

    def held() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        rows, desired = world.desired()
        return rows, [DesiredAlert.held("A", "no such table", is_enabled=False), *desired[1:]]

    choices = Choices(delete_disabled=True)
    assert counts(world.sync(held, choices=choices)) == {"DELETED": 1, "UNCHANGED": 1}
    version = world.lakehouse.version(ALERT_CONFIGURATIONS.name)
    world.sync(held, choices=choices)
    assert world.lakehouse.version(ALERT_CONFIGURATIONS.name) == version
    assert (world.row("A")["last_sync_status"], world.remote_ids()) == ("DELETED", ["B"])


def test_a_sync_of_some_alerts_leaves_the_others(world: World) -> None:
    world.configure("A", "B")
    assert counts(world.sync(only=frozenset({"A"}))) == {"CREATED": 1}
    assert world.remote_ids() == ["A"]


def test_a_second_sync_at_the_same_time_is_refused(world: World) -> None:
    world.configure("A")
    with (
        held_lease(world.lakehouse, "test", lambda: datetime.now(UTC)),
        pytest.raises(SyncStopped, match="another sync of environment 'test' is running"),
    ):
        world.sync()
    assert counts(world.sync()) == {"CREATED": 1}


def test_the_lease_of_another_machine_holds_until_it_runs_out(world: World) -> None:
    world.configure("A")
    for seconds, refused in ((60, True), (-1, False)):
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        row = {"environment": "test", "holder": "elsewhere:1:abc", "expires_at": until}
        world.lakehouse.merge(
            SYNC_LEASES.name, pa.Table.from_pylist([row], schema=arrow_schema(SYNC_LEASES)), on=["environment"]
        )
        if refused:
            with pytest.raises(SyncStopped, match=r"is running \(elsewhere:1:abc\)"):
                world.sync()
        else:
            assert counts(world.sync()) == {"CREATED": 1}


def test_of_many_syncs_started_at_once_no_alert_is_created_twice(world: World) -> None:
    names = [f"A-{number}" for number in range(5)]
    world.configure(*names)
    refused: list[SyncStopped] = []

    def sync() -> None:
        try:
            world.sync()
        except SyncStopped as error:
            refused.append(error)

    threads = [threading.Thread(target=sync) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) < 4
    assert_settled(world, *names)


def test_a_refused_token_stops_at_once_and_writes_nothing(world: World) -> None:
    world.configure("A")
    world.fault(match={"method": "GET", "path": "/api/2.0/alerts"}, fault="error", status=403, times=1)
    with pytest.raises(WorkspaceDenied):
        world.sync()
    assert world.writes() == []
    assert world.row("A")["last_sync_status"] is None


def test_a_workspace_that_is_away_is_said_to_be(world: World) -> None:
    world.configure("A")
    world.server.stop()
    with pytest.raises(WorkspaceUnavailable, match="alerting workspace serve"):
        world.sync()


SYNC = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from alerting_assets.configuration import read_rows, to_alerts
from alerting_assets.deployment import Choices, DesiredAlert, Syncer
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets_tests.deployment.mortal import Killed, Life, MortalLakehouse, MortalWorkspace
from alerting_assets_tests.deployment.world import LOCAL

home, root, catalog, schema = sys.argv[1:]
settings = Settings(home=Path(home), requests_per_minute=100_000, request_burst=10_000, max_concurrency=4)
tables = EmbeddedLakehouse(Path(root), catalog, schema)

def read():
    rows = read_rows(tables)
    return rows, [DesiredAlert.deploy(alert.compiled) for alert in to_alerts(rows, LOCAL)]

Syncer(open_workspace(settings), "test", 4).sync(tables, read, lambda: datetime.now(UTC))
"""


def start_sync(world: World) -> subprocess.Popen[bytes]:
    """In a process of its own."""
    arguments = [str(world.settings.home), str(world.settings.home / "lakehouse"), *world.lakehouse.namespace]
    return subprocess.Popen([sys.executable, "-c", SYNC, *arguments], stderr=subprocess.PIPE)


def test_of_two_processes_at_once_one_syncs_and_the_other_is_refused_or_finds_nothing_to_do(world: World) -> None:
    names = [f"A-{number:02}" for number in range(10)]
    world.configure(*names)
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="latency", latency_ms=40, every=1)
    processes = [start_sync(world), start_sync(world)]
    ends = [(process.communicate(timeout=60)[1].decode(), process.returncode) for process in processes]
    failed = [message for message, code in ends if code]
    assert len(failed) < 2
    assert all("another sync of environment 'test' is running" in message for message in failed)
    assert len(world.writes()) == len(names)
    world.heal()
    assert_settled(world, *names)


@pytest.mark.parametrize("after_writes", [1, 7, 15])
def test_a_sync_killed_in_the_middle_is_finished_by_the_next_one(world: World, after_writes: int) -> None:
    names = [f"A-{number:02}" for number in range(16)]
    world.configure(*names)
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="latency", latency_ms=40, every=1)
    process = start_sync(world)
    deadline = time.monotonic() + 60
    while len(world.writes()) < after_writes and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    world.heal()
    world.sync()
    assert_settled(world, *names)


class Terminated(BaseException):
    """As Dagster ends a run: an interrupt that is no KeyboardInterrupt."""


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, Terminated])
def test_an_interrupted_sync_starts_no_further_request_and_records_what_was_done(
    world: World, interrupt: type[BaseException]
) -> None:
    names = [f"A-{number:02}" for number in range(40)]
    world.configure(*names)
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="latency", latency_ms=60, every=1)

    def raise_it(*_: object) -> None:
        raise interrupt

    def send_signal() -> None:
        while len(world.writes()) < 3:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, raise_it)
    sender = threading.Thread(target=send_signal)
    sender.start()
    try:
        with pytest.raises(interrupt):
            world.sync()
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
    assert 3 <= len(world.remote()) < len(names)
    assert_recorded(world)
    world.heal()
    world.sync()
    assert_settled(world, *names)


def test_a_token_refused_in_the_middle_stops_and_what_was_done_is_recorded(world: World) -> None:
    names = [f"A-{number:02}" for number in range(40)]
    world.configure(*names)
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="error", status=401, after=5)
    with pytest.raises(WorkspaceDenied):
        world.sync()
    assert len(world.remote()) == 5
    assert len(world.writes()) < len(names)
    assert_recorded(world)
    world.heal()
    assert counts(world.sync()) == {"CREATED": 35, "UNCHANGED": 5}
    assert_settled(world, *names)


def test_a_creation_that_is_never_answered_is_an_error_and_the_next_sync_finds_or_creates_it(world: World) -> None:
    world.configure("A", "B")
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="error", status=502, after=1)
    result = world.sync()
    assert counts(result) == {"CREATED": 1, "ERROR": 1}
    (failed,) = result.errors
    row = world.row(failed.alert_id)
    assert (row["last_sync_status"], row["databricks_alert_id"]) == ("ERROR", None)
    assert "no answer to 8 attempts" in row["last_sync_error"]
    world.heal()
    assert counts(world.sync()) == {"CREATED": 1, "UNCHANGED": 1}
    assert_settled(world, "A", "B")


def test_a_sync_whose_lease_ran_out_writes_nothing_more(world: World) -> None:
    names = [f"A-{number:02}" for number in range(40)]
    world.configure(*names)
    world.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="latency", latency_ms=40, every=1)

    def now() -> datetime:
        """As if the process had slept for an hour once three alerts were created."""
        return datetime.now(UTC) + timedelta(hours=len(world.writes()) >= 3)

    syncer = Syncer(open_workspace(world.settings), "test", 4)
    with pytest.raises(SyncStopped, match="ran out before it was renewed"):
        syncer.sync(world.lakehouse, world.desired, now)
    assert 3 <= len(world.remote()) < len(names)
    assert_recorded(world)


def test_a_lease_is_renewed_while_it_is_held(lakehouse: Lakehouse) -> None:
    def expires_at() -> datetime:
        (row,) = lakehouse.read(SYNC_LEASES.name).to_pylist()
        found: datetime = row["expires_at"]
        return found

    with held_lease(lakehouse, "test", lambda: datetime.now(UTC), timedelta(seconds=3)) as lease:
        first, deadline = expires_at(), time.monotonic() + 30
        while expires_at() == first and time.monotonic() < deadline:
            time.sleep(0.05)
        assert expires_at() > first
        lease.check()


def test_a_lease_that_was_taken_over_is_noticed(lakehouse: Lakehouse) -> None:
    def now() -> datetime:
        return datetime.now(UTC)

    with held_lease(lakehouse, "test", now) as lease:
        row = {"environment": "test", "holder": "elsewhere:1:abc", "expires_at": now() + timedelta(minutes=1)}
        lakehouse.merge(
            SYNC_LEASES.name, pa.Table.from_pylist([row], schema=arrow_schema(SYNC_LEASES)), on=["environment"]
        )
        with pytest.raises(SyncStopped, match="was taken over"):
            lease.renew()
        with pytest.raises(SyncStopped):
            lease.check()
    (kept,) = lakehouse.read(SYNC_LEASES.name).to_pylist()
    assert {name: kept[name] for name in row} == row
