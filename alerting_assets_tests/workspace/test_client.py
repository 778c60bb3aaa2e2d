"""The workspace port against the real server, its faults, and a bare server that knows nothing but alerts."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest

from alerting_assets.errors import (
    SettingsError,
    WorkspaceConflict,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceRejected,
    WorkspaceThrottled,
    WorkspaceUnavailable,
)
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.client import DatabricksWorkspace
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets_tests.workspace.bare_server import bare_server, ok
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import SDK_VERSION, TOKEN, Server

pytestmark = pytest.mark.integration


def test_an_alert_is_created_read_changed_and_trashed(workspace: DatabricksWorkspace) -> None:
    created = workspace.create_alert(alert_body())
    assert workspace.get_alert(created.id).body == created.body
    assert [alert.id for alert in workspace.list_alerts()] == [created.id]
    changed = workspace.update_alert(created.id, {"display_name": "New name"}, ["display_name"])
    assert (changed.id, changed.body["display_name"]) == (created.id, "New name")
    assert changed.body["query_text"] == created.body["query_text"]
    workspace.trash_alert(created.id)
    assert workspace.list_alerts() == []
    assert not workspace.get_alert(created.id).is_active


def test_the_local_workspace_is_called_local_and_links_to_its_own_page(
    workspace: DatabricksWorkspace, server: Server
) -> None:
    assert workspace.host == "local"
    alert = workspace.create_alert(alert_body())
    assert workspace.alert_url(alert.id) == f"{server.address}/alerts/{alert.id}"
    assert server.request("GET", f"/alerts/{alert.id}").status_code == 200


def test_every_page_of_a_long_list_is_read_in_order(workspace: DatabricksWorkspace) -> None:
    names = [f"Alert {number:03}" for number in range(230)]
    for name in names:
        workspace.create_alert(alert_body(display_name=name))
    assert [alert.body["display_name"] for alert in workspace.list_alerts()] == names


def test_a_list_that_fails_on_a_later_page_gives_no_partial_list(
    workspace: DatabricksWorkspace, server: Server
) -> None:
    for number in range(101):
        server.create(display_name=f"Alert {number}")
    server.fault("error", "GET", "/api/2.0/alerts", status=400, after=1)
    with pytest.raises(WorkspaceRejected, match="HTTP 400"):
        workspace.list_alerts()


def test_a_lost_answer_to_a_creation_is_reported_and_never_repeated(
    workspace: DatabricksWorkspace, server: Server
) -> None:
    before = len(server.requests("POST"))
    server.fault("lose_response", "POST")
    with pytest.raises(WorkspaceUnavailable, match="unknown whether the alert was created"):
        workspace.create_alert(alert_body())
    assert len(server.requests("POST")) == before + 1
    assert [alert["display_name"] for alert in server.alerts()] == ["Daily cost"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_creation_answered_by_a_server_error_is_never_repeated(
    workspace: DatabricksWorkspace, server: Server, status: int
) -> None:
    before = len(server.requests("POST"))
    server.fault("error", "POST", status=status)
    with pytest.raises(WorkspaceUnavailable, match="unknown whether the alert was created"):
        workspace.create_alert(alert_body())
    assert len(server.requests("POST")) == before + 1


def test_a_creation_told_to_retry_after_0_seconds_by_a_503_is_still_sent_once(
    databricks: Callable[[str], DatabricksWorkspace],
) -> None:
    with bare_server(lambda *_: (503, {"Retry-After": "0"}, "{}")) as bare:
        with pytest.raises(WorkspaceUnavailable):
            databricks(bare.address).create_alert(alert_body())
        assert bare.seen.count("POST /api/2.0/alerts") == 1


def test_changes_and_reads_are_repeated_after_lost_answers(workspace: DatabricksWorkspace, server: Server) -> None:
    alert = workspace.create_alert(alert_body())
    server.fault("lose_response", "PATCH", times=1)
    server.fault("lose_response", "GET", times=1)
    server.fault("lose_response", "DELETE", times=1)
    assert workspace.update_alert(alert.id, {"display_name": "New"}, ["display_name"]).body["display_name"] == "New"
    assert [found.id for found in workspace.list_alerts()] == [alert.id]
    workspace.trash_alert(alert.id)
    assert workspace.list_alerts() == []
    assert workspace.retries == 3


def test_a_throttled_creation_waits_as_told_and_succeeds(workspace: DatabricksWorkspace, server: Server) -> None:
    server.fault("throttle", "POST", times=1, retry_after=1)
    assert workspace.create_alert(alert_body()).body["display_name"] == "Daily cost"
    assert [request.status for request in workspace.requests] == [429, 200]
    assert len(server.alerts()) == 1


def test_a_pause_longer_than_the_deadline_is_not_waited_for(workspace: DatabricksWorkspace, server: Server) -> None:
    server.fault("throttle", retry_after=3_600)
    with pytest.raises(WorkspaceThrottled, match="ALERTING_REQUESTS_PER_MINUTE"):
        workspace.list_alerts()
    with pytest.raises(WorkspaceThrottled, match="longer than the deadline"):
        workspace.list_alerts()
    assert len(workspace.requests) == 1


def test_trashing_what_is_gone_is_fine_and_reading_it_is_not(workspace: DatabricksWorkspace) -> None:
    workspace.trash_alert("no-such-alert")
    with pytest.raises(WorkspaceNotFound, match="no-such-alert") as raised:
        workspace.get_alert("no-such-alert")
    assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_refused_body_is_rejected_with_the_service_s_reason(workspace: DatabricksWorkspace) -> None:
    with pytest.raises(WorkspaceRejected, match=r"INVALID_PARAMETER_VALUE.*evaluation\.comparison_operator"):
        workspace.create_alert(alert_body(evaluation__comparison_operator="BETWEEN"))


def test_nan_is_refused_before_anything_is_sent(workspace: DatabricksWorkspace) -> None:
    with pytest.raises(WorkspaceRejected, match=r"'Daily cost'.*NaN"):
        workspace.create_alert(alert_body(evaluation__threshold={"value": {"double_value": float("nan")}}))
    assert workspace.requests == ()


def test_an_existing_name_is_a_conflict_whatever_its_status(databricks: Callable[[str], DatabricksWorkspace]) -> None:
    taken = json.dumps({"error_code": "RESOURCE_ALREADY_EXISTS", "message": "taken"})
    with bare_server(lambda *_: (400, {}, taken)) as bare, pytest.raises(WorkspaceConflict, match="taken"):
        databricks(bare.address).create_alert(alert_body())


def test_a_wrong_token_is_denied_with_the_way_out_and_without_the_token(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-wrong-token")
    monkeypatch.setenv("DATABRICKS_HOST", server.address)
    workspace = open_workspace(Settings(workspace="databricks"))
    with pytest.raises(WorkspaceDenied, match="check DATABRICKS_TOKEN") as raised:
        workspace.list_alerts()
    assert "dapi-wrong-token" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("status", [401, 403, 500, 502])
@pytest.mark.parametrize("text", ['{"error_code": "X", "message": "bad TOKEN"}', "<html>TOKEN</html>", "TOKEN"])
def test_no_error_shows_the_token_even_if_the_server_echoes_it(
    databricks: Callable[[str], DatabricksWorkspace], status: int, text: str
) -> None:
    with bare_server(lambda *_: (status, {}, text.replace("TOKEN", TOKEN))) as bare:
        with pytest.raises(WorkspaceError) as raised:
            databricks(bare.address).create_alert(alert_body())
        assert TOKEN not in "".join(traceback.format_exception(raised.value))


def test_a_workspace_that_is_away_is_named_with_the_way_out(databricks: Callable[[str], DatabricksWorkspace]) -> None:
    with bare_server(lambda *_: ok({"alerts": []})) as bare:
        address = bare.address
    with pytest.raises(WorkspaceUnavailable, match=f"is the workspace at {address} up"):
        databricks(address).list_alerts()


def test_a_host_that_is_away_is_told_soon_whatever_the_sdk_looks_up_first(
    databricks: Callable[[str], DatabricksWorkspace],
) -> None:
    """Newer SDKs look the host up when they are configured: for five minutes, if one lets them."""
    with bare_server(lambda *_: None) as bare:
        address = bare.address
    started = time.monotonic()
    with pytest.raises(WorkspaceUnavailable):
        databricks(address).list_alerts()
    assert time.monotonic() - started < 6


def test_the_workspace_is_named_to_a_host_of_several(
    databricks: Callable[[str], DatabricksWorkspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SDK 0.60 knows no such hosts; it is newer ones that read this variable."""
    monkeypatch.setenv("DATABRICKS_WORKSPACE_ID", "77")
    with bare_server(lambda *_: ok({"alerts": []})) as bare:
        databricks(bare.address).list_alerts()
    assert bare.seen[-1].startswith("GET /api/2.0/alerts")
    assert bare.headers[-1]["X-Databricks-Workspace-Id"] == (None if SDK_VERSION[:2] == (0, 60) else "77")


def test_no_local_server_and_a_stale_address_both_name_the_command(settings: Settings) -> None:
    away = replace(settings, home=settings.home / "elsewhere")
    with pytest.raises(WorkspaceUnavailable, match="run `alerting workspace serve`"):
        open_workspace(away)
    away.workspace_root.mkdir(parents=True)
    Endpoint("http://127.0.0.1:9", TOKEN, 1).write(away.workspace_root)
    with pytest.raises(WorkspaceUnavailable, match="run `alerting workspace serve`"):
        open_workspace(away).list_alerts()


def test_missing_credentials_are_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(settings.home / "no-such-file"))
    with pytest.raises(SettingsError, match="set DATABRICKS_HOST and DATABRICKS_TOKEN"):
        open_workspace(replace(settings, workspace="databricks"))


def test_a_server_that_knows_only_alerts_is_enough(databricks: Callable[[str], DatabricksWorkspace]) -> None:
    with bare_server(lambda method, _: ok({"id": "7"} if method == "POST" else {"alerts": []})) as bare:
        workspace = databricks(bare.address)
        assert workspace.list_alerts() == []
        assert workspace.create_alert(alert_body()).id == "7"
        assert workspace.host == bare.address
        assert workspace.alert_url("7") == f"{bare.address}/sql/alerts-v2/7"


@pytest.mark.parametrize("key", ["alerts", "results"])
def test_a_list_is_read_under_either_key(databricks: Callable[[str], DatabricksWorkspace], key: str) -> None:
    with bare_server(lambda *_: ok({key: [{"id": "1"}]})) as bare:
        assert [alert.id for alert in databricks(bare.address).list_alerts()] == ["1"]


def test_an_empty_object_is_an_empty_list_as_protobuf_writes_it(
    databricks: Callable[[str], DatabricksWorkspace],
) -> None:
    with bare_server(lambda *_: ok({})) as bare:
        assert databricks(bare.address).list_alerts() == []


def test_a_page_with_a_token_and_no_alerts_is_an_empty_page(
    databricks: Callable[[str], DatabricksWorkspace],
) -> None:
    pages = iter([{"next_page_token": "2"}, {"alerts": [{"id": "a"}], "next_page_token": "3"}, {"next_page_token": ""}])
    with bare_server(lambda *_: ok(next(pages))) as bare:
        assert [alert.id for alert in databricks(bare.address).list_alerts()] == ["a"]


@pytest.mark.parametrize(
    "page",
    [
        {"items": []},
        {"items": [], "next_page_token": "x"},
        {"alerts": None},
        {"alerts": {}},
        {"alerts": [{"name": "no id"}]},
    ],
)
def test_a_list_without_alerts_or_ids_is_an_error_and_never_empty(
    databricks: Callable[[str], DatabricksWorkspace], page: dict[str, Any]
) -> None:
    with bare_server(lambda *_: ok(page)) as bare, pytest.raises(WorkspaceError, match=r"neither|no id"):
        databricks(bare.address).list_alerts()


def test_a_list_that_never_ends_is_an_error(databricks: Callable[[str], DatabricksWorkspace]) -> None:
    endless = ok({"alerts": [], "next_page_token": "again"})
    with bare_server(lambda *_: endless) as bare, pytest.raises(WorkspaceError, match="never ends"):
        databricks(bare.address).list_alerts()


@pytest.mark.parametrize("text", ["<html>Sign in</html>", "[]", '"yes"', "7", ""])
def test_an_answer_that_is_no_alert_leaves_a_creation_unknown(
    databricks: Callable[[str], DatabricksWorkspace], text: str
) -> None:
    with bare_server(lambda *_: (200, {}, text)) as bare:
        with pytest.raises(WorkspaceUnavailable, match="unknown whether the alert was created"):
            databricks(bare.address).create_alert(alert_body())
        assert bare.seen.count("POST /api/2.0/alerts") == 1


def test_requests_are_counted_by_kind_with_their_status_and_time(workspace: DatabricksWorkspace) -> None:
    alert = workspace.create_alert(alert_body())
    workspace.get_alert(alert.id)
    workspace.trash_alert(alert.id)
    assert [(request.method, request.kind, request.status) for request in workspace.requests] == [
        ("POST", "/api/2.0/alerts", 200),
        ("GET", "/api/2.0/alerts/{id}", 200),
        ("DELETE", "/api/2.0/alerts/{id}", 200),
    ]
    assert (workspace.reads, workspace.writes, workspace.retries) == (1, 2, 0)
    assert all(request.latency_ms > 0 for request in workspace.requests)


def test_many_threads_share_one_client_and_lose_nothing(workspace: DatabricksWorkspace, server: Server) -> None:
    server.fault("throttle", "POST", every=10, retry_after=1, times=2)
    names = [f"Alert {number:02}" for number in range(40)]

    def create(mine: list[str]) -> None:
        for name in mine:
            workspace.create_alert(alert_body(display_name=name))

    threads = [Thread(target=create, args=(names[start::16],)) for start in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(alert["display_name"] for alert in server.alerts()) == names
    assert (workspace.writes, workspace.retries) == (42, 2)
