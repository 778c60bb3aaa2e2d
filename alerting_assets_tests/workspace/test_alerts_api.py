"""Alerts v2 as the local workspace answers it to the real databricks-sdk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, ResourceAlreadyExists
from databricks.sdk.service.sql import AlertV2

from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import SDK_VERSION, Server, sqlite_runner

pytestmark = pytest.mark.integration

SERVER_ONLY = {
    "id",
    "create_time",
    "update_time",
    "owner_user_name",
    "effective_run_as",
    "lifecycle_state",
    "parent_path",
}
EVERYTHING = alert_body(
    custom_summary="{{ALERT_NAME}} fired",
    custom_description="<b>look</b>",
    parent_path="/Shared/alerts",
    evaluation__notification={
        "notify_on_ok": False,
        "retrigger_seconds": 3600,
        "subscriptions": [{"user_email": "a@example.com"}, {"user_email": "b@example.com"}],
    },
)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Server]:
    """A workspace with a limit of 3 alerts, one destination, and no patience with names that are taken."""
    rules = Rules(alert_limit=3, refuse_taken_name=True, destination_ids=frozenset({"dest-1"}))
    with LocalWorkspaceServer(tmp_path / "workspace", sqlite_runner, port=None, rules=rules) as server:
        yield Server(server, tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        alert_body(),
        EVERYTHING,
        alert_body(evaluation__threshold={"value": {"double_value": 0.0}}),
        alert_body(evaluation__threshold={"value": {"bool_value": False}}),
        alert_body(evaluation__threshold={"value": {"string_value": ""}}),
        alert_body(evaluation__threshold=None, evaluation__comparison_operator="IS_NULL"),
    ],
    ids=["plain", "everything", "zero", "false", "empty string", "no threshold"],
)
def test_the_sdk_s_own_types_carry_an_alert_there_and_back(sdk: WorkspaceClient, body: dict[str, Any]) -> None:
    created = sdk.alerts_v2.create_alert(AlertV2.from_dict(body))
    answered = sdk.alerts_v2.get_alert(created.id or "").as_dict()
    assert {name: value for name, value in answered.items() if name not in SERVER_ONLY} == {
        name: value for name, value in body.items() if name != "parent_path"
    }
    assert {"id", "create_time", "update_time", "owner_user_name", "lifecycle_state"} <= set(answered)


def test_every_answer_means_the_same_to_the_sdk(server: Server) -> None:
    answer = server.create(**{name: value for name, value in EVERYTHING.items() if name != "schedule"})
    server.json("POST", f"/api/local/alerts/{answer['id']}/evaluate")
    answer = server.json("GET", f"/api/2.0/alerts/{answer['id']}")
    parsed = AlertV2.from_dict(answer).as_dict()
    del answer["effective_run_as"]  # which SDK 0.60 does not know
    assert {name: value for name, value in parsed.items() if name != "effective_run_as"} == answer
    assert answer["evaluation"]["state"] == "TRIGGERED"


def test_an_update_through_the_sdk_changes_the_masked_fields_only(sdk: WorkspaceClient) -> None:
    created = sdk.alerts_v2.create_alert(AlertV2.from_dict(alert_body()))
    changes = AlertV2.from_dict(alert_body(display_name="Other", query_text="SELECT 1 AS cost"))
    updated = sdk.alerts_v2.update_alert(created.id or "", changes, "display_name")
    assert (updated.display_name, updated.query_text) == ("Other", "SELECT 120.5 AS cost")


def test_the_list_trap_is_set(sdk: WorkspaceClient, server: Server) -> None:
    """SDKs up to 0.65 read `results`, the service says `alerts`: their own list is empty although the alert is there. Newer ones
    read `alerts`."""
    alert = server.create()
    listed = [found.id for found in sdk.alerts_v2.list_alerts()]
    assert listed == ([] if SDK_VERSION < (0, 66) else [alert["id"]])
    assert server.json("GET", "/api/2.0/alerts")["alerts"] == [alert]


def test_an_empty_workspace_lists_nothing_under_alerts(server: Server) -> None:
    assert server.json("GET", "/api/2.0/alerts") == {"alerts": []}


def test_a_trashed_alert_leaves_the_list_and_stays_readable_until_purged(sdk: WorkspaceClient, server: Server) -> None:
    alert_id = server.create()["id"]
    sdk.alerts_v2.trash_alert(alert_id)
    sdk.alerts_v2.trash_alert(alert_id)
    assert server.alerts() == []
    assert server.json("GET", f"/api/2.0/alerts/{alert_id}")["lifecycle_state"] == "DELETED"
    with pytest.raises(NotFound, match="trash"):
        sdk.alerts_v2.update_alert(alert_id, AlertV2.from_dict(alert_body()), "display_name")
    server.json("DELETE", f"/api/2.0/alerts/{alert_id}", params={"purge": "true"})
    with pytest.raises(NotFound):
        sdk.alerts_v2.get_alert(alert_id)


def test_a_taken_name_in_the_same_folder_is_silently_changed(server: Server) -> None:
    names = [server.create()["display_name"] for _ in range(3)]
    assert names == ["Daily cost", "Daily cost (1)", "Daily cost (2)"]
    assert server.create(parent_path="/Shared/elsewhere")["display_name"] == "Daily cost"
    other = server.create(display_name="Other")["id"]
    renamed = server.json(
        "PATCH", f"/api/2.0/alerts/{other}", params={"update_mask": "display_name"}, json={"display_name": "Daily cost"}
    )
    assert renamed["display_name"] == "Daily cost (3)"


def test_an_alert_keeps_its_own_name_through_an_update(server: Server) -> None:
    alert_id = server.create()["id"]
    body = {"display_name": "Daily cost", "query_text": "SELECT 1 AS cost"}
    mask = {"update_mask": "display_name,query_text"}
    assert server.json("PATCH", f"/api/2.0/alerts/{alert_id}", params=mask, json=body)["display_name"] == "Daily cost"


def test_a_taken_name_is_refused_where_the_workspace_is_told_to(strict: Server) -> None:
    strict.create()
    sdk = WorkspaceClient(host=strict.address, token=strict.server.token, auth_type="pat")
    with pytest.raises(ResourceAlreadyExists, match="Daily cost"):
        sdk.alerts_v2.create_alert(AlertV2.from_dict(alert_body()))


def test_alerts_in_the_trash_count_against_the_limit(strict: Server) -> None:
    ids = [strict.create(display_name=f"Alert {number}")["id"] for number in range(3)]
    strict.json("DELETE", f"/api/2.0/alerts/{ids[0]}")
    refused = strict.request("POST", "/api/2.0/alerts", json=alert_body())
    assert (refused.status_code, refused.json()["error_code"]) == (400, "RESOURCE_LIMIT_EXCEEDED")
    strict.json("DELETE", f"/api/2.0/alerts/{ids[0]}", params={"purge": "true"})
    strict.create()


def test_known_destinations_are_taken_and_others_refused(strict: Server) -> None:
    destination = "evaluation__notification"
    strict.create(**{destination: {"subscriptions": [{"destination_id": "dest-1"}]}})
    refused = strict.request(
        "POST", "/api/2.0/alerts", json=alert_body(**{destination: {"subscriptions": [{"destination_id": "dest-2"}]}})
    )
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "'dest-2'" in refused.json()["message"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"display_name": None}, "display_name"),
        ({"query_text": ""}, "query_text"),
        ({"evaluation": None}, "evaluation.source.name"),
        ({"evaluation__source": {}}, "evaluation.source.name"),
        ({"evaluation__comparison_operator": None}, "evaluation.comparison_operator"),
        ({"evaluation__comparison_operator": "BETWEEN"}, "evaluation.comparison_operator"),
        ({"evaluation__threshold": None}, "evaluation.threshold"),
        ({"evaluation__threshold": {"value": {}}}, "evaluation.threshold"),
        ({"evaluation__threshold": {"value": {"double_value": "5"}}}, "evaluation.threshold.value.double_value"),
        ({"evaluation__threshold": {"value": {"double_value": True}}}, "evaluation.threshold.value.double_value"),
        ({"evaluation__threshold": {"value": {"double_value": 1.0, "string_value": "x"}}}, "only one of"),
        ({"evaluation__source": {"name": "c", "aggregation": "MODE"}}, "evaluation.source.aggregation"),
        ({"evaluation__empty_result_state": "MAYBE"}, "evaluation.empty_result_state"),
        ({"evaluation__notification": {"retrigger_seconds": -1}}, "retrigger_seconds"),
        ({"evaluation__notification": {"subscriptions": [{}]}}, "subscriptions"),
        ({"evaluation__notification": {"subscriptions": [{"user_email": "nobody"}]}}, "nobody"),
        ({"evaluation__notification": {"subscriptions": [{"destination_id": "d"}]}}, "'d' does not exist"),
        ({"schedule": None}, "schedule.quartz_cron_schedule"),
        ({"schedule__quartz_cron_schedule": "0 0 8 * * 1"}, "exactly one|is not a Quartz cron"),
        ({"schedule__quartz_cron_schedule": "0 0 8 ? * ?"}, "quartz_cron_schedule"),
        ({"schedule__quartz_cron_schedule": "every day"}, "quartz_cron_schedule"),
        ({"schedule__timezone_id": "Mars/Olympus"}, "Mars/Olympus"),
        ({"schedule__timezone_id": "localtime"}, "timezone_id"),
        ({"schedule__timezone_id": "../etc/passwd"}, "timezone_id"),
        ({"schedule__pause_status": "SLEEPING"}, "schedule.pause_status"),
        ({"warehouse_id": "other"}, "'other' does not exist"),
        ({"parent_path": "relative"}, "parent_path"),
        ({"name": "old field"}, "Unknown field: name"),
        ({"evaluation__source": {"name": "c", "title": "x"}}, "Unknown field: evaluation.source.title"),
        ({"display_name": 5}, "display_name"),
        ({"evaluation": []}, "evaluation"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_by_name(
    sdk: WorkspaceClient, server: Server, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=named):
        sdk.api_client.do("POST", "/api/2.0/alerts", body=alert_body(**changes))
    assert server.alerts() == []


@pytest.mark.parametrize(
    "cron", ["0 0 8-10,14-16 * * ?", "0 0 9 ? * MON-WED,FRI", "0 0 9 ? * MON#1", "0 0 9 ? * FRIL", "0 0 8 LW * ?"]
)
def test_every_expression_of_quartz_is_a_schedule(server: Server, cron: str) -> None:
    assert server.create(schedule__quartz_cron_schedule=cron)["schedule"]["quartz_cron_schedule"] == cron


@pytest.mark.parametrize("text", ["", "{", "[]", '{"display_name": NaN}', '{"evaluation": {"threshold": Infinity}}'])
def test_what_is_no_json_object_is_refused(server: Server, text: str) -> None:
    assert server.request("POST", "/api/2.0/alerts", data=text).status_code == 400


def test_output_only_fields_in_a_body_are_ignored(server: Server) -> None:
    created = server.create(id="mine", lifecycle_state="DELETED", owner_user_name="me")
    assert created["id"] != "mine"
    assert created["lifecycle_state"] == "ACTIVE"


@pytest.mark.parametrize(
    ("mask", "named"),
    [
        (None, "update_mask"),
        ("", "update_mask"),
        ("nope", "'nope'"),
        ("evaluation.nope", "'evaluation.nope'"),
        ("display_name, query_text", "' query_text'"),
        ("evaluation.notification.subscriptions.user_email", "user_email"),
        ("id", "id is set by the service"),
        ("evaluation.state", "set by the service"),
        ("parent_path", "only be set on create"),
        ("query_text", "Missing required field: query_text"),
    ],
)
def test_a_mask_that_makes_no_sense_is_refused(
    sdk: WorkspaceClient, server: Server, mask: str | None, named: str
) -> None:
    alert = server.create()
    query = {} if mask is None else {"update_mask": mask}
    with pytest.raises(BadRequest, match=named):
        sdk.api_client.do("PATCH", f"/api/2.0/alerts/{alert['id']}", query=query, body={"display_name": "New"})
    assert server.json("GET", f"/api/2.0/alerts/{alert['id']}") == alert


def test_an_unknown_api_and_a_wrong_page_token_are_errors_in_databricks_shape(server: Server) -> None:
    assert server.request("GET", "/api/2.0/nope").json()["error_code"] == "ENDPOINT_NOT_FOUND"
    for token in ("x", "YWZ0ZXI6LTE=", "ünï"):
        assert server.request("GET", "/api/2.0/alerts", params={"page_token": token}).status_code == 400
    assert server.request("GET", "/api/2.0/alerts", params={"page_size": "many"}).status_code == 400


def test_a_page_holds_at_most_a_hundred(server: Server) -> None:
    for number in range(101):
        server.create(display_name=f"Alert {number}")
    page = server.json("GET", "/api/2.0/alerts", params={"page_size": 1000})
    assert len(page["alerts"]) == 100
    assert len(server.json("GET", "/api/2.0/alerts", params={"page_token": page["next_page_token"]})["alerts"]) == 1


def test_the_current_user_and_the_workspace_id_are_told(sdk: WorkspaceClient) -> None:
    assert "@" in (sdk.current_user.me().user_name or "")
    assert sdk.get_workspace_id() == 1


def test_without_a_token_nothing_is_told(server: Server) -> None:
    answer = requests.get(f"{server.address}/api/2.0/alerts", timeout=5)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
