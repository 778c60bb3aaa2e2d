"""Starting, stopping, and what a server refuses."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from alerting_assets.errors import SettingsError, WorkspaceUnavailable
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local.server import LocalWorkspaceServer, running_address
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import TOKEN, sqlite_runner

pytestmark = pytest.mark.integration


def serve(root: Path, port: int | None = None, host: str = "127.0.0.1") -> LocalWorkspaceServer:
    return LocalWorkspaceServer(root, sqlite_runner, port=port, host=host, token=TOKEN)


def test_clients_find_a_running_server_by_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "endpoint.json"
    with serve(tmp_path) as server:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_text())["address"] == server.address
        assert running_address(tmp_path) == server.address
    assert not file.exists()
    assert running_address(tmp_path) is None


def test_alerts_and_their_history_survive_a_restart(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with serve(settings.workspace_root) as server:
        alert = open_workspace(settings).create_alert(alert_body())
        requests.post(
            f"{server.address}/api/local/evaluate", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
        ).raise_for_status()
    with serve(settings.workspace_root):
        (found,) = open_workspace(settings).list_alerts()
    assert found.id == alert.id
    assert found.body["evaluation"]["state"] == "TRIGGERED"


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with serve(tmp_path / "one") as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(SettingsError, match=rf"port {port} .*choose another with --port"):
            serve(tmp_path / "two", port)
        assert running_address(tmp_path / "one") == server.address


def test_two_servers_never_share_their_state(tmp_path: Path) -> None:
    with serve(tmp_path), pytest.raises(SettingsError, match="another local workspace server uses"):
        serve(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.com"])
def test_nothing_but_loopback_is_listened_on(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="listens on this machine only"):
        serve(tmp_path, host=host)


def test_a_home_that_cannot_hold_state_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SettingsError, match="cannot keep its state in"):
        serve(blocked)
    (tmp_path / "workspace.sqlite").write_text("this is no database, and long enough for SQLite to notice it" * 20)
    with pytest.raises(SettingsError, match="cannot keep its state in"):
        serve(tmp_path)


SERVE = """
import signal, sys
from pathlib import Path
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local.server import LocalWorkspaceServer
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a background shell
with LocalWorkspaceServer(Path(sys.argv[1]), lambda sql: None, port=None) as server:
    server.wait(lambda: print(server.address, flush=True))
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert running_address(tmp_path) == address
        process.send_signal(number)
        assert process.stdout.read() == "stopped\n"
        assert process.wait(20) == 0
    assert not (tmp_path / "endpoint.json").exists()


def test_a_killed_server_loses_no_alert_and_can_be_started_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(settings.workspace_root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        alert = open_workspace(settings).create_alert(alert_body())
        process.kill()
    assert running_address(settings.workspace_root) is None
    with pytest.raises(WorkspaceUnavailable, match="run `alerting workspace serve`"):
        open_workspace(settings).list_alerts()
    with serve(settings.workspace_root):
        assert [found.id for found in open_workspace(settings).list_alerts()] == [alert.id]


def test_another_server_at_the_old_address_is_not_taken_for_ours(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        Endpoint(server.address, "the token of a server that is gone", 1).write(tmp_path)
        assert running_address(tmp_path) is None


def test_the_room_is_quick_to_import() -> None:
    """The databricks-sdk and the server are loaded when they are used."""
    code = "import sys, alerting_assets.workspace; print({'databricks', 'starlette', 'requests'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
