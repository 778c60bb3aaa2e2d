"""Notification destinations and secrets through the port, against the real server, its faults, and a bare server that says anything."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from databricks.sdk import WorkspaceClient

from alerting_assets.errors import (
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceRejected,
    WorkspaceUnavailable,
)
from alerting_assets.workspace.client import DatabricksWorkspace
from alerting_assets_tests.workspace.bare_server import Answer, bare_server, ok
from alerting_assets_tests.workspace.conftest import Server

pytestmark = pytest.mark.integration

PATH = "/api/2.0/notification-destinations"
SECRET = "kept-SECRET-4711"
URL = f"https://hooks.example.com/services/{SECRET}?sig=a%2Fb"
SLACK = {"display_name": "Team", "config": {"slack": {"url": URL}}}
EMAIL = {"display_name": "Mail", "config": {"email": {"addresses": ["a@example.com", "b@example.com"]}}}


def test_a_destination_is_created_read_changed_and_deleted(workspace: DatabricksWorkspace) -> None:
    created = workspace.create_destination(SLACK)
    assert (created.name, created.type, created.config) == ("Team", "SLACK", {"slack": {"url_set": True}})
    assert workspace.get_destination(created.id) == created
    mail = workspace.create_destination(EMAIL)
    assert mail.config == EMAIL["config"]
    listed = workspace.list_destinations()
    assert [(one.id, one.name, one.type, one.config) for one in listed] == [
        (created.id, "Team", "SLACK", None),
        (mail.id, "Mail", "EMAIL", None),
    ]
    assert workspace.update_destination(created.id, {"display_name": "New"}).name == "New"
    rotated = {"config": {"slack": {"url": "https://example.com/new"}}}
    assert workspace.update_destination(created.id, rotated).name == "New"
    workspace.delete_destination(created.id)
    assert [one.id for one in workspace.list_destinations()] == [mail.id]


def test_every_page_of_a_long_list_is_read_in_order_and_a_name_may_occur_twice(workspace: DatabricksWorkspace) -> None:
    ids = [workspace.create_destination({**EMAIL, "display_name": f"Mail {number // 2}"}).id for number in range(230)]
    before = workspace.reads
    assert [one.id for one in workspace.list_destinations()] == ids
    assert workspace.reads - before == 3


def test_a_list_that_fails_on_a_later_page_gives_no_partial_list(
    workspace: DatabricksWorkspace, server: Server
) -> None:
    for _ in range(101):
        workspace.create_destination(EMAIL)
    server.fault("error", "GET", PATH, status=400, after=1)
    with pytest.raises(WorkspaceRejected, match="HTTP 400"):
        workspace.list_destinations()


def test_a_lost_answer_to_a_creation_is_reported_and_never_repeated(
    workspace: DatabricksWorkspace, server: Server
) -> None:
    before = len(server.requests("POST", PATH))
    server.fault("lose_response", "POST", PATH)
    with pytest.raises(WorkspaceUnavailable, match="unknown whether the notification destination was created"):
        workspace.create_destination(SLACK)
    assert len(server.requests("POST", PATH)) == before + 1
    assert [one.name for one in workspace.list_destinations()] == ["Team"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_creation_answered_by_a_server_error_is_never_repeated(
    workspace: DatabricksWorkspace, server: Server, status: int
) -> None:
    before = len(server.requests("POST", PATH))
    server.fault("error", "POST", PATH, status=status)
    with pytest.raises(WorkspaceUnavailable, match="unknown whether the notification destination was created"):
        workspace.create_destination(SLACK)
    assert len(server.requests("POST", PATH)) == before + 1


@pytest.mark.parametrize("text", ["<html>Sign in</html>", "[]", "7", "{}"])
def test_an_answer_that_is_no_destination_leaves_a_creation_unknown(
    databricks: Callable[[str], DatabricksWorkspace], text: str
) -> None:
    with bare_server(lambda *_: (200, {}, text)) as bare:
        with pytest.raises(WorkspaceUnavailable, match="unknown whether the notification destination was created"):
            databricks(bare.address).create_destination(SLACK)
        assert bare.seen.count(f"POST {PATH}") == 1


def test_a_throttled_creation_waits_as_told_and_succeeds(workspace: DatabricksWorkspace, server: Server) -> None:
    server.fault("throttle", "POST", PATH, times=1, retry_after=1)
    assert workspace.create_destination(SLACK).name == "Team"
    assert len(workspace.list_destinations()) == 1


def test_changes_and_reads_are_repeated_after_lost_answers(workspace: DatabricksWorkspace, server: Server) -> None:
    created = workspace.create_destination(SLACK)
    for method in ("PATCH", "GET", "DELETE"):
        server.fault("lose_response", method, PATH + "*", times=1)
    assert workspace.update_destination(created.id, {"display_name": "New"}).name == "New"
    assert [one.id for one in workspace.list_destinations()] == [created.id]
    workspace.delete_destination(created.id)
    assert workspace.list_destinations() == []
    assert workspace.retries == 3


def test_deleting_what_is_gone_is_fine_and_reading_or_changing_it_is_not(workspace: DatabricksWorkspace) -> None:
    workspace.delete_destination("no such/destination")
    with pytest.raises(WorkspaceNotFound, match="no such/destination"):
        workspace.get_destination("no such/destination")
    with pytest.raises(WorkspaceNotFound):
        workspace.update_destination("none", {"display_name": "New"})


def test_another_type_is_refused(workspace: DatabricksWorkspace) -> None:
    created = workspace.create_destination(SLACK)
    with pytest.raises(WorkspaceRejected, match="the type cannot be changed"):
        workspace.update_destination(created.id, EMAIL)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ({"destinations": []}, "no `results`.*is this host a Databricks workspace with notification destinations"),
        ({"results": [{"display_name": "Team"}]}, "no id"),
        ({"results": ["x"]}, "no id"),
        ({"results": [], "next_page_token": "again"}, "never ends"),
    ],
)
def test_a_list_of_something_else_is_an_error(
    databricks: Callable[[str], DatabricksWorkspace], page: dict[str, Any], says: str
) -> None:
    with bare_server(lambda *_: ok(page)) as bare, pytest.raises(WorkspaceError, match=says):
        databricks(bare.address).list_destinations()


def test_who_is_no_admin_learns_no_configuration(databricks: Callable[[str], DatabricksWorkspace]) -> None:
    answer = ok({"id": "d-1", "display_name": "Team", "destination_type": "SLACK"})
    with bare_server(lambda *_: answer) as bare:
        assert databricks(bare.address).get_destination("d-1").config is None


def test_a_service_that_tells_a_secret_after_all_is_not_listened_to(
    databricks: Callable[[str], DatabricksWorkspace],
) -> None:
    telling = {"id": "d-1", "destination_type": "SLACK", "config": {"slack": {"url": URL, "url_set": True}}}
    with bare_server(lambda *_: ok(telling)) as bare:
        workspace = databricks(bare.address)
        for destination in (workspace.create_destination(SLACK), workspace.get_destination("d-1")):
            assert destination.config == {"slack": {"url_set": True}}


def echo(status: int, message: str) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps({"error_code": "NO", "message": message})


@pytest.mark.parametrize(
    "answer",
    [
        echo(400, f"Invalid URL: {URL}"),
        echo(400, f"Invalid URL: {quote(URL, safe='')}"),
        echo(400, f"Invalid URL: {URL[:50]}... is too long"),
        echo(403, f"may not use {URL}"),
        echo(404, f"nothing at {URL}"),
        echo(409, f"{URL} is taken"),
        echo(500, f"failed: {json.dumps(SLACK)}"),
        (500, {}, f"<html>{URL}</html>"),
        (200, {}, f"<html>{URL}</html>"),
        (200, {}, json.dumps(URL)),
        (200, {"Content-Type": "application/json"}, json.dumps(SLACK)),
        None,
    ],
    ids=["400", "quoted", "cut short", "403", "404", "409", "500", "html 500", "html", "text", "no id", "lost"],
)
def test_a_secret_is_in_no_error_record_or_log_whatever_the_workspace_answers(
    databricks: Callable[[str], DatabricksWorkspace], answer: Answer | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "databricks.sdk")
    with bare_server(lambda *_: answer) as bare:
        workspace = databricks(bare.address)
        calls: list[Callable[[], Any]] = [lambda: workspace.create_destination(SLACK)]
        if answer is not None and answer[0] < 500:  # what may pass is tried again for a minute
            calls.append(lambda: workspace.update_destination("d-1", SLACK))
        told = []
        for call in calls:
            with pytest.raises(WorkspaceError) as raised:
                call()
            told.append("".join(traceback.format_exception(raised.value)))
        assert any(URL.encode() in body for body in bare.bodies)
    assert caplog.text
    for text in (*told, repr(workspace.requests), caplog.text):
        assert SECRET not in text
        assert SECRET[:8] not in text
    assert "hooks.example.com" not in caplog.text


def test_what_the_workspace_says_about_the_rest_is_passed_on(databricks: Callable[[str], DatabricksWorkspace]) -> None:
    answer = echo(400, f"config.slack.url: the host hooks.example.com of {URL} is not allowed here")
    with bare_server(lambda *_: answer) as bare, pytest.raises(WorkspaceRejected) as raised:
        databricks(bare.address).create_destination(SLACK)
    assert "NO: config.slack.url: the host hooks.example.com of *** is not allowed here" in str(raised.value)


def test_a_secret_of_a_scope_is_read(workspace: DatabricksWorkspace, sdk: WorkspaceClient, server: Server) -> None:
    sdk.secrets.create_scope("port")
    sdk.secrets.put_secret("port", "slack", string_value=f"{URL} ü")
    try:
        assert workspace.read_secret("port", "slack") == f"{URL} ü"
        server.fault("lose_response", "GET", "/api/2.0/secrets/*", times=1)
        assert workspace.read_secret("port", "slack") == f"{URL} ü"
        with pytest.raises(WorkspaceNotFound, match="none"):
            workspace.read_secret("port", "none")
        with pytest.raises(WorkspaceNotFound, match="nowhere"):
            workspace.read_secret("nowhere", "slack")
        assert {request.kind for request in workspace.requests} == {"/api/2.0/secrets/get"}
    finally:
        sdk.secrets.delete_scope("port")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "is empty"),
        ("", "is empty"),
        ("/w==", "is no UTF-8 text"),
        ("no base64!", "is no UTF-8 text"),
        (7, "is no UTF-8 text"),
    ],
)
def test_a_secret_that_is_no_text_is_named_and_not_shown(
    databricks: Callable[[str], DatabricksWorkspace], value: Any, says: str
) -> None:
    with bare_server(lambda *_: ok({"key": "k", "value": value})) as bare:
        with pytest.raises(WorkspaceError, match=rf"the secret 'k' of the scope 's' {says}") as raised:
            databricks(bare.address).read_secret("s", "k")
        assert raised.value.__context__ is None


def test_a_read_secret_is_in_no_log(
    databricks: Callable[[str], DatabricksWorkspace], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "databricks.sdk")
    with bare_server(lambda *_: ok({"key": "k", "value": "a2VwdA==", "extra": "kept"})) as bare:
        workspace = databricks(bare.address)
        assert workspace.read_secret("s", "k") == "kept"
        assert "kept" not in caplog.text
        assert "a2VwdA" not in caplog.text
    with bare_server(lambda *_: echo(403, "no READ permission")) as bare, pytest.raises(WorkspaceDenied):
        databricks(bare.address).read_secret("s", "k")


def test_the_sdk_logs_what_is_not_secret_as_ever(
    databricks: Callable[[str], DatabricksWorkspace], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "databricks.sdk")
    with bare_server(lambda *_: ok({"id": "d-1", "display_name": "Team"})) as bare:
        databricks(bare.address).get_destination("d-1")
    assert '"display_name": "Team"' in caplog.text
