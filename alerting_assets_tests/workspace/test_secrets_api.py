"""Secret scopes as the local workspace answers them to the real databricks-sdk."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists

from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.workspace.conftest import TOKEN, Server, sqlite_runner

pytestmark = pytest.mark.integration

SECRET = "kept-SECRET-4711"


def serve(root: Path) -> LocalWorkspaceServer:
    return LocalWorkspaceServer(root, sqlite_runner, port=None, token=TOKEN)


def client(server: LocalWorkspaceServer) -> WorkspaceClient:
    return WorkspaceClient(host=server.address, token=TOKEN, auth_type="pat")


@pytest.fixture
def scope(sdk: WorkspaceClient) -> Iterator[str]:
    sdk.secrets.create_scope("my-scope.1_a")
    yield "my-scope.1_a"
    sdk.secrets.delete_scope("my-scope.1_a")


def test_a_secret_is_put_listed_read_replaced_and_deleted(sdk: WorkspaceClient, scope: str) -> None:
    assert [one.name for one in sdk.secrets.list_scopes()] == [scope]
    sdk.secrets.put_secret(scope, "text", string_value="grüße")
    sdk.secrets.put_secret(scope, "bytes", bytes_value=base64.b64encode(b"\x00\xff").decode())
    assert base64.b64decode(sdk.secrets.get_secret(scope, "text").value or "").decode() == "grüße"
    assert base64.b64decode(sdk.secrets.get_secret(scope, "bytes").value or "") == b"\x00\xff"
    listed = list(sdk.secrets.list_secrets(scope))
    assert [one.key for one in listed] == ["bytes", "text"]
    assert all((one.last_updated_timestamp or 0) > 1_600_000_000_000 for one in listed)
    sdk.secrets.put_secret(scope, "text", string_value="new")
    assert base64.b64decode(sdk.secrets.get_secret(scope, "text").value or "") == b"new"
    sdk.secrets.delete_secret(scope, "text")
    with pytest.raises(NotFound, match="text"):
        sdk.secrets.get_secret(scope, "text")
    with pytest.raises(NotFound, match="text"):
        sdk.secrets.delete_secret(scope, "text")


def test_a_scope_exists_once_and_takes_its_secrets_with_it(sdk: WorkspaceClient, scope: str) -> None:
    with pytest.raises(ResourceAlreadyExists, match=scope):
        sdk.secrets.create_scope(scope)
    sdk.secrets.put_secret(scope, "k", string_value="v")
    sdk.secrets.delete_scope(scope)
    for ask in (
        lambda: sdk.secrets.get_secret(scope, "k"),
        lambda: list(sdk.secrets.list_secrets(scope)),
        lambda: sdk.secrets.put_secret(scope, "k", string_value="v"),
        lambda: sdk.secrets.delete_scope(scope),
    ):
        with pytest.raises(NotFound, match=scope):
            ask()
    sdk.secrets.create_scope(scope)
    assert list(sdk.secrets.list_secrets(scope)) == []


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("scopes/create", {}, "scope: expected"),
        ("scopes/create", {"scope": "a b"}, "scope: expected"),
        ("scopes/create", {"scope": "s" * 129}, "scope: expected"),
        ("scopes/create", {"scope": "s", "scope_backend_type": "AZURE_KEYVAULT"}, "DATABRICKS only"),
        ("scopes/create", [], "expected a JSON object"),
        ("put", {"scope": "s", "key": SECRET + "!", "string_value": "v"}, "key: expected"),
        ("put", {"scope": "s", "key": "k"}, "exactly one of"),
        ("put", {"scope": "s", "key": "k", "string_value": SECRET, "bytes_value": "YQ=="}, "exactly one of"),
        ("put", {"scope": "s", "key": "k", "bytes_value": SECRET}, "base64"),
        ("put", {"scope": "s", "key": "k", "string_value": [SECRET]}, "expected a string"),
        ("put", {"scope": "s", "key": "k", "string_value": SECRET + "\udcff"}, "UTF-8"),
        ("put", {"scope": "s", "key": "k", "string_value": SECRET * 10_000}, "131072 bytes"),
        ("put", {"scope": "s", "key": "k", "value": SECRET}, "Unknown field"),
    ],
)
def test_what_is_no_secret_is_named_without_its_value(server: Server, path: str, body: Any, named: str) -> None:
    answer = server.request("POST", f"/api/2.0/secrets/{path}", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert named in answer.json()["message"]
    assert SECRET not in answer.text


@pytest.mark.thorough
def test_a_scope_holds_a_thousand_secrets(tmp_path: Path) -> None:
    with serve(tmp_path) as running:
        server = Server(running, tmp_path)
        server.json("POST", "/api/2.0/secrets/scopes/create", json={"scope": "s"})
        for number in range(1_000):
            body = {"scope": "s", "key": f"k{number}", "string_value": "v"}
            server.json("POST", "/api/2.0/secrets/put", json=body)
        server.json("POST", "/api/2.0/secrets/put", json={"scope": "s", "key": "k7", "string_value": "new"})
        full = server.request("POST", "/api/2.0/secrets/put", json={"scope": "s", "key": "new", "string_value": "v"})
        assert (full.status_code, full.json()["error_code"]) == (400, "RESOURCE_LIMIT_EXCEEDED")


def test_secrets_survive_a_restart_and_are_lost_with_their_key(tmp_path: Path) -> None:
    with serve(tmp_path) as running:
        secrets = client(running).secrets
        secrets.create_scope("s")
        secrets.put_secret("s", "k", string_value=SECRET)
    assert [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()] == []
    with serve(tmp_path) as running:
        secrets = client(running).secrets
        assert base64.b64decode(secrets.get_secret("s", "k").value or "").decode() == SECRET
        (tmp_path / "secrets.key").unlink()
        with pytest.raises(BadRequest, match=r"'k' of the scope 's': .*secrets.key does not exist.*again"):
            secrets.get_secret("s", "k")
        secrets.put_secret("s", "k", string_value=SECRET)
        assert base64.b64decode(secrets.get_secret("s", "k").value or "").decode() == SECRET
