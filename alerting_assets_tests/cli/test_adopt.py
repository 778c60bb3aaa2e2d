"""`alerting adopt` from the listing to the second apply, over HTTP on the local workspace; killed in between; called wrongly."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from alerting_assets.alerts.marker import Marker, mark
from alerting_assets.cli.adopt import adopt
from alerting_assets.cli.context import now
from alerting_assets.configuration import Row, read_rows, target_of, to_alerts
from alerting_assets.configuration.rows import as_table
from alerting_assets.deployment import Syncer, read_desired
from alerting_assets.deployment.adopt import Adopter
from alerting_assets.deployment.conversion import Terms
from alerting_assets.deployment.lease import held_lease
from alerting_assets.errors import DefinitionError, SettingsError
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, create_tables
from alerting_assets.validation import policy_of, validate_all_alert_queries
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.examples import configuration
from alerting_assets_tests.workspace.bodies import alert_body

pytestmark = pytest.mark.integration

NOBODY = "00000000-0000-0000-0000-000000000000"


class World(Home):
    """A home whose local workspace holds alerts that people made by hand."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.session = requests.Session()
        self.address = ""

    def make(self, **changes: Any) -> str:
        """The remote id of a new alert."""
        answer = self.session.post(f"{self.address}/api/2.0/alerts", json=alert_body(**changes), timeout=5)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def remote(self) -> dict[str, dict[str, Any]]:
        answer = self.session.get(f"{self.address}/api/2.0/alerts", params={"page_size": 100}, timeout=5)
        return {body["id"]: body for body in answer.json()["alerts"]}

    def trash(self, remote_id: str) -> None:
        self.session.delete(f"{self.address}/api/2.0/alerts/{remote_id}", timeout=5).raise_for_status()

    def states(self) -> dict[str, tuple[str, Any]]:
        """As the workspace decides: state and value, by remote id."""
        answer = self.session.post(f"{self.address}/api/local/evaluate", timeout=60)
        return {item["alert_id"]: (item["state"], item["value"]) for item in answer.json()["evaluations"]}

    def evaluations(self, remote_id: str) -> int:
        answer = self.session.get(f"{self.address}/api/local/alerts/{remote_id}/evaluations", timeout=5)
        return len(answer.json()["evaluations"])

    def writes(self) -> int:
        answer = self.session.get(f"{self.address}/api/local/journal", params={"writes": "true"}, timeout=5)
        return sum(request["path"].startswith("/api/2.0/alerts") for request in answer.json()["requests"])

    def rows(self) -> dict[str, Row]:
        with self.tables() as tables:
            create_tables(tables)
            return {row["alert_id"]: row for row in read_rows(tables)}

    def actions(self, *arguments: str, expect: int) -> dict[str, tuple[str, str | None]]:
        planned = self.json(*arguments, expect=expect)
        return {item["alert_id"]: (item["action"], item["databricks_alert_id"]) for item in planned["actions"]}

    @property
    def file(self) -> Path:
        return self.path / "alerts" / "adopted.yml"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    home = World(tmp_path)
    with home.tables() as tables, LocalWorkspaceServer(home.settings.workspace_root, tables.query, port=0) as server:
        home.address = server.address
        home.session.headers["Authorization"] = f"Bearer {server.token}"
        yield home


ROWS = "SELECT v AS cost FROM VALUES (3.0D), (NULL), (120.5D) AS t (v) WHERE v IS NULL OR v {}"
NOTHING = "SELECT CAST(1 AS DOUBLE) AS cost WHERE 1 = 0"


def test_hand_made_alerts_are_taken_over_and_stay_the_same_alerts(world: World) -> None:
    world.define({"alert_id": "DAILY-COST"}, {"alert_id": "OTHER"})
    world.json("apply")
    made = {
        "DAILY-COST-2": world.make(parent_path="/Users/somebody"),
        "SPEND": world.make(
            display_name="[CRITICAL] Spend",
            query_text=f"-- why\n{ROWS.format('> 1')} ORDER BY v DESC;\n-- the end",
            run_as={"user_name": "robot"},
            custom_summary="{{ALERT_NAME}}: {{ALERT_STATUS}}",
        ),
        "PAUSED": world.make(display_name="Paused", schedule__pause_status="PAUSED"),
        "DOLLARS": world.make(
            display_name="Dollars",
            query_text="SELECT '${catalog}' AS cost",
            evaluation__comparison_operator="EQUAL",
            evaluation__threshold={"value": {"string_value": "${catalog}"}},
        ),
        **{
            f"{aggregation}-OF-{name}": world.make(
                display_name=f"{aggregation} of {name}",
                query_text=text,
                evaluation__source={"name": "cost", "aggregation": aggregation},
                evaluation__comparison_operator=operator,
                evaluation__threshold={"value": {"double_value": 0.0}},
                evaluation__empty_result_state="TRIGGERED",
            )
            for aggregation, operator in (("COUNT", "EQUAL"), ("SUM", "LESS_THAN_OR_EQUAL"), ("MEDIAN", "NOT_EQUAL"))
            for name, text in (("ROWS", ROWS.format("> 1")), ("NULLS", ROWS.format("< 1")), ("NOTHING", NOTHING))
        },
        **{
            f"EMPTY-{state}": world.make(
                display_name=f"Empty {state}", query_text=NOTHING, evaluation__empty_result_state=state
            )
            for state in ("OK", "TRIGGERED", "ERROR")
        },
    }
    foreign = world.make(display_name="Not adopted")
    column = world.make(display_name="Column", evaluation__threshold={"column": {"name": "cost"}})
    prod = world.make(query_text=mark("SELECT 1 AS cost", Marker("X", "prod", "0" * 32)))
    states, before = world.states(), world.remote()
    writes = world.writes()

    listed = {item["databricks_alert_id"]: item for item in world.json("adopt")["alerts"]}
    assert set(listed) == {*made.values(), foreign, column}
    assert [found for found, item in listed.items() if not item["can_be_adopted"]] == [column]
    wanted = [*made.values(), column]
    tried = world.json("adopt", *wanted, "--dry-run", expect=1)
    assert (world.file.exists(), set(world.rows())) == (False, {"DAILY-COST", "OTHER"})

    found = world.json("adopt", *wanted, "--domain", "COST", expect=1)
    assert found["summary"] == tried["summary"] == {"can_be_adopted": len(made), "cannot": 1}
    assert {item["alert_id"]: item["databricks_alert_id"] for item in found["alerts"] if item["alert_id"]} == made
    assert "column cost" in found["alerts"][-1]["reasons"][0]
    row = world.rows()["SPEND"]
    assert (row["severity"], row["agent_domain"], row["managed_by"]) == ("CRITICAL", "COST", "yaml:adopted.yml")
    assert (row["databricks_alert_id"], row["databricks_host"], row["applied_hash"]) == (made["SPEND"], "local", None)
    assert (world.writes(), world.remote()) == (writes, before), "nothing is sent to the workspace before an apply"
    assert "takes it over already" in world.json("adopt", made["SPEND"], expect=1)["alerts"][0]["reasons"][0]

    planned = world.json("plan", "--exit-code", expect=1)["actions"]
    adopted = {item["alert_id"]: item for item in planned if item["action"] == "ADOPT"}
    assert {alert_id: item["databricks_alert_id"] for alert_id, item in adopted.items()} == made
    assert adopted["SPEND"]["reason"].startswith("was made by hand and is taken over; changes query_text")
    assert {item["action"] for item in planned if item["alert_id"] not in made} == {"UNCHANGED"}
    applied = world.json("apply")
    assert applied["requests"]["writes"] == len(made)

    after = world.remote()
    assert set(after) == set(before), "no second alert"
    for remote_id in (foreign, column, prod):
        assert after[remote_id] == before[remote_id]
    for remote_id in made.values():
        for name in ("create_time", "parent_path", "owner_user_name", "lifecycle_state", "run_as", "effective_run_as"):
            assert after[remote_id].get(name) == before[remote_id].get(name)
        assert world.evaluations(remote_id) == (remote_id != made["PAUSED"]), "what was evaluated before is still there"
    states_now = world.states()
    assert {found: states_now[found][0] for found in states_now} == {found: states[found][0] for found in states}
    assert states_now[made["SPEND"]] == states[made["SPEND"]] == ("TRIGGERED", 120.5)
    assert states_now[made["DOLLARS"]] == states[made["DOLLARS"]] == ("TRIGGERED", "${catalog}")
    assert world.json("apply")["requests"]["writes"] == 0
    assert world.json("adopt", expect=0)["summary"] == {"can_be_adopted": 1, "cannot": 1}


def test_remote_ids_can_be_copied_from_a_narrow_terminal(world: World) -> None:
    made = world.make(display_name="Somebody's own alert about what we spend on clusters")
    assert made in world.run_process("adopt", COLUMNS="80").stdout


def test_all_that_can_be_adopted_is_and_comments_of_the_file_stay(world: World) -> None:
    world.define({"alert_id": "OLD"})
    own = world.path / "alerts" / "mine.yml"
    own.write_text(
        "# ours\nalerts:\n  - alert_id: MINE  # first\n    alert_name: Mine\n    agent_domain: COST\n    severity: INFO\n"
        "    alert_query_template: SELECT 1 AS cost\n    aggregation_column: cost\n    operator: IS_NULL\n"
        "    schedule_cron: 0 0 8 * * ?\n    owner: me\n"
    )
    good = world.make(query_text="SELECT 1 AS cost;\n-- end")
    bad = world.make(display_name="Broken", query_text="SELECT cost FROM nowhere")
    shown = world.run(
        "adopt", "--all", "--file", "alerts/mine.yml", "--owner", "us", "--severity", "INFO", "--domain", "QUALITY"
    )
    assert shown.returncode == 1, shown.stderr
    assert "table nowhere does not exist" in shown.stdout
    assert "1 adopted, defined in alerts/mine.yml" in shown.stdout
    text = own.read_text()
    assert text.startswith("# ours\nalerts:\n  - alert_id: MINE  # first\n")
    assert "    alert_query_template: |-\n      SELECT 1 AS cost;\n      -- end\n" in text
    rows = world.rows()
    assert {name: rows["DAILY-COST"][name] for name in ("owner", "severity", "agent_domain", "managed_by")} == {
        "owner": "us",
        "severity": "INFO",
        "agent_domain": "QUALITY",
        "managed_by": "yaml:mine.yml",
    }
    assert world.actions("plan", "--exit-code", expect=1)["DAILY-COST"] == ("ADOPT", good)
    world.json("apply")
    assert "nowhere" in world.remote()[bad]["query_text"]
    assert set(world.rows()) == {"OLD", "MINE", "DAILY-COST"}


KILLED = """
import os, signal, sys
put = os.replace
def replace(source, target, **more):
    if not str(target).endswith("adopted.yml"):
        return put(source, target, **more)
    if {after}:
        put(source, target)
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
from alerting_assets.cli import main
main()
"""


def killed(world: World, *arguments: str, after: bool) -> None:
    """The command, killed when it puts the file in place: just before, or just after."""
    command = [sys.executable, "-c", KILLED.format(after=after), "adopt", *arguments]
    done = subprocess.run(command, cwd=world.path, env=world.environment, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.thorough
def test_killed_between_the_rows_and_the_file_nothing_is_touched(world: World) -> None:
    world.define({"alert_id": "OLD"})
    world.json("apply")
    remote_id = world.make()
    before = world.remote()
    killed(world, remote_id, after=False)
    assert not world.file.exists()
    row = world.rows()["DAILY-COST"]
    assert (row["databricks_alert_id"], row["deployment_nonce"]) == (remote_id, None)

    # A sync that reads the table alone, as the sensor's does.
    with world.tables() as tables:
        alerts = to_alerts(read_rows(tables), target_of(world.settings))
        validate_all_alert_queries(tables, alerts, now(), policy_of(world.settings))
        syncer = Syncer.from_settings(world.settings, open_workspace(world.settings))
        result = syncer.sync(tables, lambda: read_desired(tables, world.settings, "local", now()), now)
    (held,) = result.held
    assert (held.alert_id, f"run `alerting adopt {remote_id}` again" in (held.error or "")) == ("DAILY-COST", True)
    assert world.remote() == before

    assert world.actions("plan", expect=0) == {"OLD": ("UNCHANGED", world.rows()["OLD"]["databricks_alert_id"])}
    world.json("apply")
    assert (set(world.rows()), world.remote()) == ({"OLD"}, before)

    killed(world, remote_id, after=False)
    assert world.json("adopt", remote_id)["alerts"][0]["alert_id"] == "DAILY-COST", "again, without a load between"
    assert world.actions("plan", "--exit-code", expect=1)["DAILY-COST"] == ("ADOPT", remote_id)
    world.json("apply")
    assert set(world.remote()) == set(before)


@pytest.mark.thorough
def test_killed_before_the_hand_over_the_same_command_ends_it(world: World) -> None:
    remote_id, other = world.make(), world.make(display_name="Other")
    before = world.remote()
    killed(world, remote_id, after=True)
    text = world.file.read_text()
    planned = world.json("plan", expect=0)["actions"]
    assert [(item["action"], item["databricks_alert_id"]) for item in planned] == [("HELD", remote_id)]
    assert f"run `alerting adopt {remote_id}` again" in planned[0]["reason"]
    world.json("apply", expect=1)
    assert world.remote() == before
    (item,) = world.json("adopt", remote_id)["alerts"]
    assert (item["alert_id"], item["notes"]) == ("DAILY-COST", ["its definition is in adopted.yml already"])
    assert world.file.read_text() == text
    assert world.actions("plan", "--exit-code", expect=1) == {"DAILY-COST": ("ADOPT", remote_id)}
    assert world.json("apply")["summary"]["adopted"] == 1
    assert world.remote()[other] == before[other]
    assert set(world.remote()) == set(before)


@pytest.mark.thorough
def test_a_load_between_the_rows_and_the_file_is_made_good(world: World) -> None:
    """The load removes the rows, since no file defines them yet."""
    world.define({"alert_id": "OLD"})
    remote_id = world.make()
    script = KILLED.replace(
        "os.kill(os.getpid(), signal.SIGKILL)",
        'subprocess.run([sys.executable, "-c", LOAD], check=True)\n    put(source, target)',
    ).format(after=False)
    load = (
        "from datetime import UTC, datetime\n"
        "from alerting_assets.configuration import load_definitions\n"
        "from alerting_assets.lakehouse import open_lakehouse\n"
        "from alerting_assets.settings import Settings\n"
        "settings = Settings.from_environment()\n"
        "with open_lakehouse(settings) as tables:\n"
        "    assert load_definitions(tables, settings.definitions, datetime.now(UTC)).removed == ('DAILY-COST',)\n"
    )
    command = [sys.executable, "-c", f"import subprocess\nLOAD = {load!r}\n{script}", "adopt", remote_id]
    done = subprocess.run(command, cwd=world.path, env=world.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert world.actions("plan", "--exit-code", expect=1)["DAILY-COST"] == ("ADOPT", remote_id)
    world.json("apply")
    assert len(world.remote()) == 2


def test_an_alert_that_a_row_stores_is_not_adopted(world: World) -> None:
    world.define({"alert_id": "A"})
    world.json("apply")
    (remote_id,) = world.remote()
    change = {"query_text": "SELECT 1 AS cost"}
    world.session.patch(
        f"{world.address}/api/2.0/alerts/{remote_id}", params={"update_mask": "query_text"}, json=change, timeout=5
    ).raise_for_status()
    (item,) = world.json("adopt", "--all", expect=1)["alerts"]
    assert "alert A is deployed as it" in item["reasons"][0]


def test_a_broken_file_holds_up_no_adoption(world: World) -> None:
    world.define({"alert_id": "A"})
    world.json("apply")
    made = world.make()
    (world.path / "alerts" / "broken.yml").write_text("alerts:\n  - alert_id: DAILY-COST\n  - alert_id: [")
    adopted = world.json("adopt", made, "--domain", "COST", "--severity", "INFO")
    assert [alert["alert_id"] for alert in adopted["alerts"]] == ["DAILY-COST-2"], "that file may define the plain one"
    (world.path / "alerts" / "broken.yml").unlink()
    assert world.json("apply")["summary"]["created"] == 0


def test_a_wrong_call_says_what_is_right_and_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.define({"alert_id": "A"})
    world.json("apply")
    (ours,) = world.remote()
    free, gone = world.make(), world.make(display_name="Gone")
    world.trash(gone)
    folder = world.path / "alerts"
    with world.tables() as tables:
        version = tables.version(ALERT_CONFIGURATIONS.name)
    monkeypatch.chdir(world.path)
    monkeypatch.setenv("ALERTING_HOME", str(world.settings.home))
    domains = "COST, SECURITY, PERFORMANCE, RELIABILITY, QUALITY"
    calls: list[tuple[dict[str, Any], str]] = [
        ({"remote_ids": [NOBODY]}, f"there is no alert '{NOBODY}' in the workspace"),
        ({"remote_ids": ["Daily costs"]}, f"did you mean {free} (Daily cost)?"),
        ({"remote_ids": [free[:-1]]}, f"did you mean {free} (Daily cost)?"),
        ({"remote_ids": [free, ours]}, f"{ours} is deployed from a configuration already: A of environment dev"),
        ({"remote_ids": [gone]}, f"{gone} is in the trash; restore it"),
        ({"remote_ids": [free], "every": True}, "exclude each other"),
        ({"dry_run": True}, "give their ids, or --all"),
        ({"file": "x.yml"}, "give their ids, or --all"),
        ({"remote_ids": [free], "file": "../x.yml"}, "lies outside of alerts"),
        ({"remote_ids": [free], "file": "/tmp/x.yml"}, "lies outside of alerts"),
        ({"remote_ids": [free], "file": "x.txt"}, "definitions are read from *.yml files"),
        ({"remote_ids": [free], "file": "validation.yml"}, "what the project decides about validation"),
        ({"remote_ids": [free], "domain": "COSTS"}, f"--domain COSTS: use one of {domains}; did you mean 'COST'?"),
        ({"remote_ids": [free], "severity": "info"}, "did you mean 'INFO'"),
    ]
    for arguments, says in calls:
        with pytest.raises(SettingsError, match=re.escape(says)):
            adopt(**{"domain": "COST", "severity": "INFO", **arguments})
    (folder / "broken.yml").write_text("alerts:\n  - alert_id: [")
    with pytest.raises(SettingsError, match=r"--file broken.yml: nothing can be added to it. broken.yml:2"):
        adopt([free], file="broken.yml", domain="COST", severity="INFO")
    (folder / "broken.yml").unlink()
    done = world.run("adopt", NOBODY, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["type"], error["exit_code"]) == (2, "SettingsError", 2)
    assert "Traceback" not in done.stderr
    with world.tables() as tables:
        assert tables.version(ALERT_CONFIGURATIONS.name) == version
    assert sorted(path.name for path in folder.iterdir()) == ["alerts.yml"]


def test_an_empty_folder_never_becomes_one_file_while_rows_came_from_others(world: World) -> None:
    world.define({"alert_id": "A"})
    world.json("apply")
    remote_id = world.make()
    done = world.run("adopt", remote_id, ALERTING_DEFINITIONS=str(world.path / "elsewhere"))
    assert (done.returncode, "1 configured alerts came from YAML" in done.stderr) == (1, True)
    assert not (world.path / "elsewhere").exists()


def test_while_a_sync_runs_adopting_waits_or_says_so(world: World) -> None:
    remote_id = world.make()
    with world.tables() as tables:
        create_tables(tables)
        with held_lease(tables, "dev", now):
            done = world.run("adopt", remote_id, ALERTING_LEASE_WAIT_SECONDS="0")
    assert (done.returncode, "another sync of environment 'dev' is running" in done.stderr) == (1, True)
    assert not world.file.exists()


def test_an_id_that_somebody_took_meanwhile_costs_the_attempt_and_no_row(world: World) -> None:
    """A row of the same id that appears after the look is not overwritten."""
    remote_id = world.make()
    with world.tables() as tables:
        create_tables(tables)

        def somebody(_done: int, _all: int) -> None:
            theirs = configuration(alert_id="DAILY-COST", alert_name="Theirs")
            tables.merge(ALERT_CONFIGURATIONS.name, as_table([theirs], now()), on=["alert_id"])

        terms = Terms(target_of(world.settings), "adopted.yml")
        adopter = Adopter(tables, open_workspace(world.settings), world.settings, terms, now, somebody)
        with pytest.raises(DefinitionError, match="added meanwhile"):
            adopter.adopt([remote_id])
    assert world.rows()["DAILY-COST"]["alert_name"] == "Theirs"
    assert not world.file.exists()
