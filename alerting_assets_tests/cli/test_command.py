"""The `alerting` command as people and scripts use it: a process, its exit code, stdout and stderr."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests

from alerting_assets.configuration import read_rows, set_fields
from alerting_assets.evaluation.run import record
from alerting_assets.lakehouse.maintenance import maintain_tables
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, TABLES, create_tables
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import COMMAND, Home
from alerting_assets_tests.examples import values
from alerting_assets_tests.ports import free_ports
from alerting_assets_tests.workspace.bodies import alert_body

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def server(home: Home) -> Iterator[LocalWorkspaceServer]:
    with home.tables() as tables, LocalWorkspaceServer(home.settings.workspace_root, tables.query, port=0) as running:
        yield running


def writes(server: LocalWorkspaceServer) -> int:
    headers = {"Authorization": f"Bearer {server.token}"}
    return len(
        requests.get(f"{server.address}/api/local/journal?writes=true", headers=headers, timeout=5).json()["requests"]
    )


def test_an_alert_goes_from_its_file_to_the_workspace_and_away_again(home: Home, server: LocalWorkspaceServer) -> None:
    home.define({"alert_id": "A"}, {"alert_id": "B", "threshold_value_double": 200.0})
    planned = home.json("plan", "--exit-code", expect=1)
    assert [(action["alert_id"], action["action"]) for action in planned["actions"]] == [
        ("A", "CREATE"),
        ("B", "CREATE"),
    ]
    with home.tables() as tables:
        assert tables.read(ALERT_CONFIGURATIONS.name).num_rows == 0, "a plan writes no configuration"
    assert writes(server) == 0

    assert home.json("apply")["summary"]["created"] == 2
    assert home.json("plan")["summary"]["unchanged"] == 2
    again = home.json("apply")
    assert (again["summary"]["unchanged"], again["requests"]["writes"], writes(server)) == (2, 0, 2)

    evaluated = home.json("evaluate")["evaluations"]
    assert {item["alert_id"]: item["evaluation_status"] for item in evaluated} == {"A": "TRIGGERED", "B": "OK"}
    assert home.run("evaluate", "B", "--fail-on", "triggered").returncode == 0
    assert home.run("evaluate", "--fail-on", "triggered").returncode == 1
    assert {item["state"] for item in home.json("workspace", "evaluate")} == {"TRIGGERED", "OK"}
    status = {item["alert_id"]: item for item in home.json("status")["alerts"]}
    assert (status["A"]["verdict"], status["A"]["last_sync_status"], status["A"]["state"]) == (
        "VALID",
        "CREATED",
        "TRIGGERED",
    )
    assert status["A"]["firing_since"]

    home.define({"alert_id": "A"})
    assert home.json("apply", "B")["summary"]["deleted"] == 1
    gone = home.run("apply", "B")
    assert (gone.returncode, "there is no alert 'B'" in gone.stderr) == (2, True)
    assert [item["alert_id"] for item in home.json("status")["alerts"]] == ["A"]


@pytest.mark.usefixtures("server")
def test_findings_exit_with_1_and_name_rule_and_line(home: Home) -> None:
    home.define({"alert_id": "GOOD"}, {"alert_id": "BAD", "alert_query_template": "SELECT cost\nFROM nowhere"})
    (bad, good) = home.json("validate", expect=1)["alerts"]
    assert (bad["verdict"], bad["rule"], bad["line"], good["verdict"]) == (
        "INVALID",
        "tables_exist",
        2,
        "VALID",
    )
    applied = home.json("apply", expect=1)
    assert (applied["summary"]["created"], applied["summary"]["invalid"]) == (1, 1)
    shown = home.run("validate")
    assert shown.returncode == 1
    assert "nowhere" in shown.stdout
    assert "1 valid  1 quarantined" in shown.stdout


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a YAML syntax error", "alerts:\n  - alert_id: [", "alerts.yml:2: YAML"),
        ("an unknown field", {"ownr": "x"}, "ownr: is no field of an alert; did you mean 'owner'"),
        (
            "an invalid Quartz cron",
            {"schedule_cron": "0 0 8 * * 1"},
            "schedule_cron: '0 0 8 * * 1' is no Quartz cron expression",
        ),
        ("an unknown time zone", {"schedule_timezone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ("an unknown operator", {"operator": "GREATER"}, "did you mean 'GREATER_THAN'"),
        (
            "NaN as a threshold",
            {"threshold_value_double": float("nan")},
            "threshold_value_double: nan is not allowed; use a finite number",
        ),
        ("a missing aggregation column", {"aggregation_column": None}, "aggregation_column"),
        ("an empty folder", None, "holds no alert definitions"),
    ],
)
def test_bad_definitions_are_told_and_what_is_deployed_stays(
    home: Home, server: LocalWorkspaceServer, name: str, content: Any, says: str
) -> None:
    home.define({"alert_id": "A"})
    home.json("apply")
    with home.tables() as tables:
        before = read_rows(tables)
    if content is None:
        (home.path / "alerts" / "alerts.yml").unlink()
    elif isinstance(content, str):
        (home.path / "alerts" / "alerts.yml").write_text(content)
    else:
        text = json.dumps({"alerts": [values(alert_id="A", severity="CRITICAL", **content)]}).replace("NaN", ".nan")
        (home.path / "alerts" / "alerts.yml").write_text(text)
    done = home.run("apply")
    assert done.returncode == 1, name
    told = done.stderr if content is None else done.stdout
    assert "error:" in told
    assert says in told
    assert "Traceback" not in done.stderr
    with home.tables() as tables:
        (row,) = read_rows(tables)
    assert (says in str(row["definition_error"])) == (content is not None)
    assert [{**row, "definition_error": None}] == before
    assert writes(server) == 1


def test_one_wrong_file_of_many_holds_up_nobody_else(home: Home, server: LocalWorkspaceServer) -> None:
    home.define({"alert_id": "ANN-1"}, file="ann.yml")
    home.define({"alert_id": "BOB-1"}, {"alert_id": "BOB-2"}, file="bob.yml")
    home.json("apply")
    home.define({"alert_id": "ANN-1", "severity": "INFO"}, {"alert_id": "ANN-2"}, file="ann.yml")
    home.define({"alert_id": "BOB-1", "operator": "GREATER"}, {"alert_id": "BOB-2", "severity": "INFO"}, file="bob.yml")
    assert "bob.yml:1: alert BOB-1 operator: 'GREATER' is not one of" in home.run("plan").stdout
    applied = home.json("apply", expect=1)
    assert {item["alert_id"]: item["status"] for item in applied["actions"]} == {
        "ANN-1": "UPDATED",
        "ANN-2": "CREATED",
        "BOB-1": "UNCHANGED",
        "BOB-2": "UPDATED",
    }
    assert [(item["alert_id"], item["file"], item["line"]) for item in applied["problems"]] == [("BOB-1", "bob.yml", 1)]
    verdicts = {item["alert_id"]: item["verdict"] for item in home.json("validate", expect=1)["alerts"]}
    assert verdicts == {"ANN-1": "VALID", "ANN-2": "VALID", "BOB-1": "INVALID", "BOB-2": "VALID"}
    (home.path / "alerts" / "bob.yml").write_text("alerts: [")
    assert home.json("apply", expect=1)["summary"]["deleted"] == 0
    assert home.run("apply", "ANN-1").returncode == 0, "of ANN-1 nothing is wrong"
    before = writes(server)
    for strict in ({"ALERTING_STRICT": "true"}, {}):
        done = home.run("apply", *([] if strict else ["--strict"]), **strict)
        assert (done.returncode, writes(server)) == (1, before)
        assert "bob.yml:1: YAML" in done.stderr


@pytest.mark.usefixtures("server")
def test_many_removals_at_once_stay_until_somebody_says_so(home: Home) -> None:
    home.define(*({"alert_id": f"A-{number:02}"} for number in range(12)))
    home.json("apply")
    home.define(*({"alert_id": f"A-{number:02}", "severity": "INFO"} for number in range(4)))
    applied = home.json("apply", expect=1)
    assert (applied["summary"]["updated"], applied["summary"]["deleted"]) == (4, 0)
    assert "8 of 12 alerts would be removed" in applied["problems"][0]["message"]
    with home.tables() as tables:
        assert len(read_rows(tables)) == 12
    assert home.json("apply", "--allow-deletes")["summary"]["deleted"] == 8


@pytest.mark.usefixtures("server")
def test_a_schedule_that_never_fires_again_is_told(home: Home) -> None:
    home.define(
        {"alert_id": "A", "schedule_cron": "0 0 0 30 2 ?", "notification_channels": ["a@example.com"]},
        {"alert_id": "B", "schedule_cron": "0 0 22-2 * * ?", "notification_channels": ["a@example.com"]},
    )
    for command in ("validate", "plan"):
        (note,) = home.json(command)["notes"]
        assert note.startswith("A: schedule_cron '0 0 0 30 2 ?' never fires")


def test_a_wrong_query_is_told_with_its_line_in_the_file(home: Home) -> None:
    fields = {**values(alert_id="A"), "alert_query_template": "?"}
    lines = [f"  {name}: {json.dumps(value)}\n" for name, value in fields.items()]
    text = "-\n" + "".join(lines).replace('"?"', "|\n    SELECT 1 AS cost\n    FROM nowhere")
    (home.path / "alerts" / "alerts.yml").write_text(text)
    (verdict,) = home.json("validate", expect=1)["alerts"]
    line = text.splitlines().index("    FROM nowhere") + 1
    assert (verdict["place"], verdict["line"]) == (f"alerts.yml:{line}", 2)


def test_a_duplicate_alert_id_names_both_files(home: Home) -> None:
    home.define({"alert_id": "A"})
    home.define({"alert_id": "A"}, file="more.yml")
    done = home.run("validate")
    assert done.returncode == 1
    assert "more.yml:1: alert_id: is used at alerts.yml:1 as well" in done.stdout


@pytest.mark.parametrize(
    ("environment", "arguments", "says"),
    [
        (
            {"ALERTING_WORKSPACE": "datbricks"},
            ("plan",),
            "ALERTING_WORKSPACE='datbricks' is not allowed; use one of: local, databricks",
        ),
        ({"ALERTING_WORKSPACE": "databricks"}, ("plan",), "DATABRICKS_WAREHOUSE_ID is not set"),
        ({"ALERTING_MAX_CONCURRENCY": "many"}, ("plan",), "ALERTING_MAX_CONCURRENCY='many'"),
        ({"ALERTING_CATALOG": "a b"}, ("status",), "ALERTING_CATALOG='a b'"),
        ({}, ("plan",), "alerting workspace serve"),
        ({}, ("evaluate", "NOPE"), "there is no alert 'NOPE'"),
        ({}, ("config", "show", "NOPE"), "there is no alert 'NOPE'"),
        ({}, ("config", "set", "A", "severity"), "'severity' is not FIELD=VALUE"),
        ({}, ("frobnicate",), "No such command"),
    ],
)
def test_a_wrong_call_or_setting_exits_with_2_and_says_what_is_allowed(
    home: Home, environment: dict[str, str], arguments: tuple[str, ...], says: str
) -> None:
    home.define({"alert_id": "A"})
    done = home.run(*arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_workspace_that_is_away_and_a_wrong_token_say_so(home: Home, server: LocalWorkspaceServer) -> None:
    home.define({"alert_id": "A"})
    databricks = {
        "ALERTING_WORKSPACE": "databricks",
        "DATABRICKS_WAREHOUSE_ID": "local",
        "DATABRICKS_HOST": server.address,
    }
    wrong = home.run("apply", **databricks, DATABRICKS_TOKEN="dapi-wrong-secret")
    assert wrong.returncode == 2
    assert "DATABRICKS_TOKEN" in wrong.stderr
    assert "dapi-wrong-secret" not in wrong.stderr + wrong.stdout
    assert home.run("apply", **databricks, DATABRICKS_TOKEN=server.token).returncode == 0
    server.stop()
    away = home.run("apply", **databricks, DATABRICKS_TOKEN=server.token)
    assert away.returncode == 2
    assert server.address in away.stderr


def test_an_error_is_json_for_machines_and_a_sentence_for_people(home: Home) -> None:
    home.define({"alert_id": "A"})
    done = home.run("plan", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert (error["type"], error["exit_code"]) == ("WorkspaceUnavailable", 2)
    assert error["message"] in done.stderr


def test_a_lakehouse_that_is_not_writable_is_named(home: Home) -> None:
    home.define({"alert_id": "A"})
    home.settings.home.write_text("a file where a folder should be")
    done = home.run("validate")
    assert done.returncode == 2
    assert str(home.settings.home) in done.stderr
    assert "Traceback" not in done.stderr


def test_no_duplicate_and_no_foreign_alert_touched_when_every_third_response_is_lost(
    home: Home, server: LocalWorkspaceServer
) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {server.token}"
    body = {
        "display_name": "[WARNING] Daily cost",
        "query_text": "SELECT 1 AS cost",
        "warehouse_id": "local",
        "evaluation": {"source": {"name": "cost"}, "comparison_operator": "IS_NULL", "empty_result_state": "OK"},
        "schedule": {"quartz_cron_schedule": "0 0 8 * * ?", "timezone_id": "UTC"},
    }
    foreign = session.post(f"{server.address}/api/2.0/alerts", json=body, timeout=5).json()
    names = [f"A-{number:02}" for number in range(12)]
    home.define(*({"alert_id": name, "alert_name": name} for name in names))
    databricks = {
        "ALERTING_WORKSPACE": "databricks",
        "DATABRICKS_WAREHOUSE_ID": "local",
        "DATABRICKS_HOST": server.address,
        "DATABRICKS_TOKEN": server.token,
    }
    rule = {"match": {"path": "/api/2.0/*"}, "fault": "lose_response", "every": 3}
    session.post(f"{server.address}/api/local/faults", json=rule, timeout=5).raise_for_status()
    assert home.json("apply", **databricks)["summary"]["created"] == 12
    before = writes(server)
    assert home.json("apply", **databricks)["requests"]["writes"] == 0
    assert writes(server) == before
    session.delete(f"{server.address}/api/local/faults", timeout=5).raise_for_status()
    alerts = session.get(f"{server.address}/api/2.0/alerts", params={"page_size": 100}, timeout=5).json()["alerts"]
    assert sorted(alert["display_name"] for alert in alerts) == sorted(
        [body["display_name"], *(f"[WARNING] {name}" for name in names)]
    )
    assert next(alert for alert in alerts if alert["id"] == foreign["id"]) == foreign


def test_rows_are_listed_shown_set_and_deleted(home: Home) -> None:
    fields = [
        "alert_name=Mine",
        "agent_domain=COST",
        "severity=INFO",
        "alert_query_template=SELECT 1.0 AS cost",
        "aggregation_column=cost",
        "operator=GREATER_THAN",
        "threshold_value_double=5",
        "schedule_cron=0 0 8 * * ?",
        "owner=me@example.com",
    ]
    assert home.json("config", "set", "MINE", *fields)["managed_by"] == "sql"
    home.json("config", "set", "MINE", "threshold_value_double=7", "tags={team: core}")
    row = home.json("config", "show", "MINE")
    assert (row["threshold_value_double"], row["tags"]) == (7.0, {"team": "core"})
    assert "in shadow" in home.run("config", "set", "MINE", "ml_model_enabled=true").stdout
    assert home.json("config", "show", "MINE")["ml_shadow"] is True, "a model is tried out first"
    home.json("config", "set", "MINE", "ml_shadow=false")
    assert home.json("config", "set", "MINE", "ml_model_enabled=true")["ml_shadow"] is False, "it is enabled already"
    assert home.json("config", "set", "MINE", "ml_model_enabled=false", "ml_threshold=1")["ml_shadow"] is False
    assert "alert_query_template: SELECT 1.0 AS cost" in home.run("config", "show", "MINE").stdout
    assert [item["alert_id"] for item in home.json("config", "list")] == ["MINE"]
    assert home.json("config", "delete", "MINE") == {"deleted": "MINE"}
    assert home.json("config", "list") == []


def test_the_documented_snippet_edits_a_row(home: Home) -> None:
    from deltalake import DeltaTable

    fields = [f"{name}={value}" for name, value in values().items() if name != "alert_id"]
    home.json("config", "set", "COST-200", *fields)
    table = DeltaTable(str(home.settings.lakehouse_root / "health_monitor" / "gold" / "alert_configurations"))
    table.update(predicate="alert_id = 'COST-200'", new_values={"threshold_value_double": 10.0})
    assert home.json("config", "show", "COST-200")["threshold_value_double"] == 10.0


def test_a_table_that_people_drop_in_is_known(home: Home) -> None:
    from deltalake import write_deltalake

    write_deltalake(str(home.settings.lakehouse_root / "health_monitor" / "gold" / "mine"), pa.table({"cost": [150.0]}))
    home.define({"alert_id": "A", "alert_query_template": "SELECT cost FROM ${catalog}.${gold_schema}.mine"})
    assert home.json("validate")["summary"]["valid"] == 1


def test_the_workspace_serves_until_it_is_stopped_and_refuses_a_port_in_use(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in (("workspace", "serve", "--port"), ("dev", "--port"), ("dev", "--workspace-port")):
            done = home.run(*command, port)
            assert done.returncode == 2
            assert port in done.stderr
            assert command[-1] in done.stderr
            assert "Traceback" not in done.stderr
    process = subprocess.Popen(
        [*COMMAND, "workspace", "serve", "--port", port, "--json"],
        cwd=home.path,
        env=home.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = json.loads("".join(process.stdout.readline() for _ in range(3)))["address"]
        assert requests.get(address, timeout=5).status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not (home.settings.workspace_root / "endpoint.json").exists()


@pytest.mark.parametrize("evaluates", [True, False])
def test_a_served_workspace_evaluates_by_itself_unless_it_is_told_not_to(home: Home, evaluates: bool) -> None:
    options = [] if evaluates else ["--no-evaluate"]
    process = subprocess.Popen(
        [*COMMAND, "workspace", "serve", "--port", str(free_ports(1)[0]), "--json", *options],
        cwd=home.path,
        env=home.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = json.loads("".join(process.stdout.readline() for _ in range(3)))["address"]
        token = Endpoint.read(home.settings.workspace_root).token
        headers = {"Authorization": f"Bearer {token}"}
        body = alert_body(schedule__quartz_cron_schedule="* * * * * ?")
        alert = requests.post(f"{address}/api/2.0/alerts", json=body, headers=headers, timeout=10).json()
        asked = f"{address}/api/local/alerts/{alert['id']}/evaluations"
        deadline = time.monotonic() + (60 if evaluates else 3)
        found: list[Any] = []
        while not found and time.monotonic() < deadline:
            time.sleep(0.1)
            found = requests.get(asked, headers=headers, timeout=10).json()["evaluations"]
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert bool(found) is evaluates
    with home.tables() as tables:
        history = tables.read("alert_evaluation_history").to_pylist()
    assert {row["alert_id"] for row in history} == ({alert["id"]} if evaluates else set())
    assert {row["alert_run_id"] for row in history} >= {one["run_id"] for one in found}
    maintained = home.json("maintain")["tables"]
    assert {one["table"]: one["error"] for one in maintained}["alert_evaluation_history"] is None


@pytest.mark.parametrize("ask", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)])
def test_dev_starts_everything_and_stops_it_when_it_is_asked_to(home: Home, ask: signal.Signals) -> None:
    home.define({"alert_id": "A"})
    port, workspace_port = map(str, free_ports(2))
    process = subprocess.Popen(
        [*COMMAND, "dev", "--port", port, "--workspace-port", workspace_port],
        cwd=home.path,
        env=home.environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }"
                answer = requests.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=5).json()
                if nodes := answer["data"]["repositoriesOrError"]["nodes"]:
                    break
            except (requests.ConnectionError, requests.Timeout):
                pass
            assert process.poll() is None, "alerting dev ended"
            assert time.monotonic() < deadline, "the Dagster UI did not come up"
            time.sleep(0.5)
        assert nodes == [{"location": {"name": "alerting_assets"}}]
        assert requests.get(f"http://127.0.0.1:{workspace_port}/", timeout=5).status_code == 200
    finally:
        process.send_signal(ask)
    assert process.wait(60) == 0
    for gone in (port, workspace_port):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{gone}/", timeout=2)


def test_a_plan_with_changes_lets_an_apply_follow(home: Home, server: LocalWorkspaceServer) -> None:
    home.define({"alert_id": "A"}, {"alert_id": "B", "alert_query_template": "SELECT nowhere"})
    assert (home.run("plan").returncode, home.run("plan", "--exit-code").returncode) == (0, 1)
    assert home.run("apply").returncode == 1
    home.define({"alert_id": "A"})
    home.run("apply")
    assert home.run("plan", "--exit-code").returncode == 0
    assert writes(server) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (["nope"], "UsageError", "No such command 'nope'"),
        (["plan", "--bogus"], "NoSuchOption", "No such option: --bogus"),
        (["metrics", "--last", "many"], "BadParameter", "--last"),
        (["config", "show"], "MissingParameter", "ALERT_ID"),
        (["apply", "--changed", "A"], "SettingsError", "--changed goes neither"),
    ],
)
def test_a_wrong_call_is_json_for_machines(home: Home, arguments: list[str], kind: str, says: str) -> None:
    done = home.run(*arguments, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"], error["type"]) == (2, 2, kind)
    assert says in error["message"]
    assert says in done.stderr


@pytest.mark.usefixtures("server")
def test_a_warehouse_that_only_reads_says_what_to_set(home: Home) -> None:
    home.define({"alert_id": "A"})
    for command in ("plan", "apply", "status"):
        done = home.run(command, ALERTING_LAKEHOUSE="warehouse")
        assert (done.returncode, "Set ALERTING_WORKSPACE=databricks and DATABRICKS_WAREHOUSE_ID" in done.stderr) == (
            2,
            True,
        ), done.stderr


def test_version_and_short_help(home: Home) -> None:
    assert home.run("--version").stdout.startswith("alerting-assets 0.")
    for arguments in (["-h"], ["plan", "-h"], ["config", "list", "-h"]):
        done = home.run(*arguments)
        assert (done.returncode, "Usage: alerting" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    "command", ["status", "explain A", "metrics", "history", "validate", "config list", "config show A"]
)
def test_where_there_is_nothing_a_command_that_looks_says_so_and_creates_nothing(home: Home, command: str) -> None:
    done = home.run(*command.split())
    assert (done.returncode, "there is nothing here" in done.stderr) == (2, True)
    assert not home.settings.home.exists()


def test_the_newest_evaluations_are_told(home: Home) -> None:
    with home.tables() as tables:
        create_tables(tables)
        moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
        rows = [
            {
                "evaluation_id": f"{name} {hour}",
                "alert_id": name,
                "evaluated_at": moment + timedelta(hours=hour),
                "evaluated_by": "own",
            }
            | {"evaluation_status": "OK", "query_result_value": float(hour), "ml_suppressed": False, "config_hash": ""}
            for hour in range(5)
            for name in ("A", "B")
        ]
        record(tables, rows)
    found = home.json("history", "A", "--limit", "2")["evaluations"]
    assert [(item["alert_id"], item["query_result_value"]) for item in found] == [("A", 4.0), ("A", 3.0)]
    assert len(home.json("history")["evaluations"]) == 10
    assert "2026-11-01 16:00:00" in home.run("history", "A").stdout
    home.define({"alert_id": "COST-1"})
    with home.tables() as tables:
        set_fields(
            tables, "COST-1", {name: str(value) for name, value in values().items() if name != "alert_id"}, moment
        )
    done = home.run("history", "COST-2")
    assert (done.returncode, "did you mean 'COST-1'" in done.stderr) == (2, True)


def test_metrics_fit_a_narrow_terminal(home: Home, server: LocalWorkspaceServer) -> None:
    home.define({"alert_id": "A"})
    home.json("apply")
    shown = subprocess.run(
        [*COMMAND, "metrics"],
        cwd=home.path,
        env={**home.environment, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=240,
    ).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown), "no cell that matters is broken"
    assert writes(server) == 1


def test_an_unmapped_channel_is_told_and_a_mapped_one_is_deployed(home: Home, server: LocalWorkspaceServer) -> None:
    home.define({"alert_id": "A", "notification_channels": ["cost_alerts", "me@example.com"]})
    (note,) = home.json("validate")["notes"]
    assert "A: notification_channels: cost_alerts is no destination" in note
    (held,) = home.json("apply", expect=1)["actions"]
    assert (held["action"], held["status"]) == ("HELD", "INVALID"), "nobody is left out in silence"
    mapped = {"ALERTING_CHANNELS": "cost_alerts=finops@example.com;me@example.com"}
    assert home.json("validate", **mapped)["notes"] == []
    home.json("apply", **mapped)
    headers = {"Authorization": f"Bearer {server.token}"}
    (alert,) = requests.get(f"{server.address}/api/2.0/alerts", headers=headers, timeout=5).json()["alerts"]
    told = alert["evaluation"]["notification"]["subscriptions"]
    assert told == [{"user_email": "finops@example.com"}, {"user_email": "me@example.com"}]


def test_a_wheel_holds_what_it_needs_to_run_and_no_tests() -> None:
    checkout = Path(__file__).parents[2]
    setup = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    include = setup["packages"]["find"]["include"]
    found = {
        name: any(fnmatchcase(name, one) for one in include) for name in ("alerting_assets", "alerting_assets.cli")
    }
    assert found == {"alerting_assets": True, "alerting_assets.cli": True}
    assert not any(
        fnmatchcase(name, one) for one in include for name in ("alerting_assets_tests", "alerting_assets_tests.cli")
    )
    package = checkout / "alerting_assets"
    data = {path for pattern in setup["package-data"]["alerting_assets"] for path in package.glob(pattern)}
    others = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert others <= data, "a file that is not shipped"


def test_the_files_of_dagster_that_are_shipped_are_those_of_the_checkout() -> None:
    checkout = Path(__file__).parents[2]
    shipped = checkout / "alerting_assets" / "dagster_files"
    assert (shipped / "dagster.yaml").read_text() == (checkout / "dagster.yaml").read_text()
    own = (checkout / "workspace.yaml").read_text().replace("      working_directory: .\n", "")
    assert (shipped / "workspace.yaml").read_text() == own


def test_every_table_is_maintained_and_one_failure_costs_one_table(home: Home) -> None:
    with home.tables() as tables:
        create_tables(tables)
    done = home.json("maintain")
    assert {one["table"] for one in done["tables"]} == {spec.name for spec in TABLES}
    shutil.rmtree(
        home.settings.lakehouse_root / home.settings.catalog / home.settings.schema / "alert_history" / "_delta_log"
    )
    with home.tables() as tables:
        found = {one.table: one.error for one in maintain_tables(tables, 30, 400, datetime.now(UTC))}
    assert [name for name, error in found.items() if error] == ["alert_history"]
