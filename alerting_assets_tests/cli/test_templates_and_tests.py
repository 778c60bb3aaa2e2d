"""`alerting templates`, `alerting notification` and `alerting test`, and pytest on the same files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alerting_assets.configuration.templates import LIBRARY
from alerting_assets.demo.tables import FACT_USAGE
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.shipped import shipped_definitions
from alerting_assets_tests.templates import TEXT

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[2]

TESTS = """\
tests:
  - name: fires
    alert: A
    as_of: 2026-11-02T12:00:00Z
    given: {fact_usage: [{list_cost: 150}]}
    expect: {state: TRIGGERED, value: 150, subject: "Daily cost: 150"}
"""
SPEND = """\
template_id: OWN_SPEND
template_name: Spend of ${run_as}
description: USD.
agent_domain: COST
severity: INFO
parameters:
  run_as: {type: string, description: Who}
  usd: {type: number, description: USD, default: 10}
query: SELECT list_cost FROM ${catalog}.${gold_schema}.fact_usage WHERE run_as = ${run_as}
aggregation_column: list_cost
aggregation_type: SUM
operator: GREATER_THAN
threshold_value_double: ${usd}
schedule_cron: 0 0 8 * * ?
"""
QUERY = "SELECT list_cost AS cost FROM ${catalog}.${gold_schema}.fact_usage"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.define(
        {
            "alert_id": "A",
            "alert_query_template": QUERY,
            "custom_subject_template": "{{ALERT_NAME}}: {{QUERY_RESULT_VALUE}}",
        }
    )
    (tmp_path / "alerts" / "tests").mkdir()
    (tmp_path / "alerts" / "tests" / "a.yml").write_text(TESTS)
    return made


def test_an_added_template_is_an_alert_that_validates(home: Home) -> None:
    with home.tables() as tables:
        tables.create_table(FACT_USAGE)
    added = home.json("templates", "add", "COST_SPIKE", "--param", "threshold_usd=10000", "--owner", "me@example.com")
    assert (added["alert_id"], added["template_id"], added["threshold_value_double"]) == (
        "COST-001",
        "COST_SPIKE",
        10000.0,
    )
    assert "template_id: COST_SPIKE" in (home.path / "alerts" / "from_templates.yml").read_text()
    assert home.json("validate")["summary"]["valid"] == 2
    assert home.json("templates", "add", "COST_SPIKE", "--param", "threshold_usd=1")["alert_id"] == "COST-002"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["DATA_FRESHNESS"], "template DATA_FRESHNESS: parameter table_name: is missing"),
        (
            ["COST_SPIKE", "--param", "threshold=1"],
            "parameter threshold: is no parameter of this template; did you mean",
        ),
        (["COST_SPIKE", "--param", "threshold_usd=lots"], "parameter threshold_usd: expected a number, got 'lots'"),
        (["COST_SPIKE", "--param", "threshold_usd=-1"], "parameter threshold_usd: -1 is below the minimum"),
        (
            ["DATA_FRESHNESS", "--param", "table_name='; DROP TABLE x --"],
            'parameter table_name: "\'; DROP TABLE x --" is not',
        ),
        (["COST_SPIK"], "there is no such template; did you mean 'COST_SPIKE'?"),
        (["COST_SPIKE", "--param", "5"], "'5' is not NAME=VALUE"),
        (["COST_SPIKE", "--id", "A"], "alert A alert_id: is taken by another alert"),
        (["COST_SPIKE", "--channel", "ops"], None),
    ],
)
def test_what_cannot_be_added_says_why_and_writes_nothing(home: Home, arguments: list[str], says: str | None) -> None:
    done = home.run("templates", "add", *arguments)
    if says is None:
        assert done.returncode == 0, "a channel is the alert's own affair, and validation's"
        return
    assert done.returncode != 0
    assert says in done.stderr
    assert sorted(path.name for path in (home.path / "alerts").iterdir()) == ["alerts.yml", "tests"]


def test_templates_are_listed_shown_and_rendered(home: Home) -> None:
    (home.path / "alerts" / "templates").mkdir()
    (home.path / "alerts" / "templates" / "own_rate.yml").write_text(TEXT)
    listed = home.json("templates", "list")
    assert len(listed) == len(list(LIBRARY.glob("*.yml"))) + 1
    assert {item["agent_domain"] for item in listed} == {"COST", "SECURITY", "PERFORMANCE", "RELIABILITY", "QUALITY"}
    assert all(item["agent_domain"] == "COST" for item in home.json("templates", "list", "--domain", "COST"))
    shown = home.run("templates", "show", "OWN_RATE").stdout
    assert "Hours looked back" in shown
    assert "1 … 720" in shown
    rendered = home.json("templates", "render", "OWN_RATE", "--param", "job=O'Brien")
    assert "job = 'O\\'Brien'" in rendered["alert_query_template"]


def test_a_plan_shows_the_alerts_that_a_changed_template_changes(home: Home) -> None:
    with (
        home.tables() as tables,
        LocalWorkspaceServer(home.settings.workspace_root, tables.query, port=0),
    ):
        tables.create_table(FACT_USAGE)
        own = home.path / "alerts" / "templates"
        own.mkdir()
        text = SPEND
        (own / "own_spend.yml").write_text(text)
        home.define({"alert_id": "A"})
        home.json("templates", "add", "OWN_SPEND", "--param", "run_as=me")
        home.json("apply")
        assert home.json("plan")["summary"]["unchanged"] == 2
        (own / "own_spend.yml").write_text(text.replace("default: 10}", "default: 12}"))
        planned = home.json("plan", "--exit-code", expect=1)
        (changed,) = [action for action in planned["actions"] if action["action"] == "UPDATE"]
        assert changed["alert_id"] == "COST-001"
        assert changed["reason"].endswith("(template OWN_SPEND)")
        paths = [field["path"] for field in changed["fields"]]
        assert "evaluation.threshold.value.double_value" in paths or "evaluation.threshold" in paths


def test_seeding_adds_four_alerts_once(home: Home) -> None:
    first = home.json("templates", "seed", "--owner", "me@example.com")
    assert [row["alert_id"] for row in first] == ["COST-001", "COST-002", "REL-001", "SEC-001"]
    assert home.json("templates", "seed") == first


def test_tests_pass_or_say_what_was_expected(home: Home) -> None:
    assert home.json("test")["summary"]["passed"] == 1
    (home.path / "alerts" / "tests" / "a.yml").write_text(TESTS.replace("value: 150", "value: 151"))
    failed = home.run("test")
    assert failed.returncode == 1
    assert "value is 150.0, expected 151" in failed.stdout
    assert "0 passed, 1 failed" in failed.stdout
    assert home.json("test", expect=1)["tests"][0]["failures"] == ["value is 150.0, expected 151"]
    unknown = home.run("test", "B")
    assert (unknown.returncode, "'B' has no tests; did you mean" in unknown.stderr) == (2, False)
    assert home.json("test", "COST_SPIKE")["summary"]["passed"] >= 3


def test_the_tests_of_the_demo_and_of_the_library_pass(home: Home) -> None:
    on_databricks = {
        "ALERTING_WORKSPACE": "databricks",
        "DATABRICKS_HOST": "http://127.0.0.1:9",
        "DATABRICKS_TOKEN": "x",
        "DATABRICKS_WAREHOUSE_ID": "w",
    }
    for environment in ({}, on_databricks):
        found = home.json("test", "--templates", ALERTING_DEFINITIONS=str(shipped_definitions()), **environment)
        assert found["summary"]["failed"] == 0
        assert found["summary"]["passed"] > 80


def test_the_library_can_be_tested_without_an_alert_of_ones_own(tmp_path: Path) -> None:
    found = Home(tmp_path).json("test", "COST_SPIKE")
    assert (found["summary"]["passed"] > 2, found["summary"]["failed"]) == (True, 0)


def test_a_broken_file_of_tests_is_told_with_its_lines(home: Home) -> None:
    (home.path / "alerts" / "tests" / "a.yml").write_text(TESTS.replace("as_of", "asof"))
    done = home.run("test")
    assert done.returncode == 1
    assert "tests/a.yml:4: alert A asof: is no field of a test; did you mean 'as_of'?" in done.stdout


def test_pytest_runs_the_same_tests(home: Home) -> None:
    def pytest_run() -> subprocess.CompletedProcess[str]:
        plugin = ["-p", "alerting_assets.pytest_plugin"] if not _is_installed() else []
        command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(home.path), *plugin, "alerts/tests"]
        return subprocess.run(
            command, cwd=home.path, env={**os.environ, **home.environment}, capture_output=True, text=True, timeout=120
        )

    passed = pytest_run()
    assert passed.returncode == 0, passed.stdout
    assert "1 passed" in passed.stdout
    (home.path / "alerts" / "tests" / "a.yml").write_text(TESTS.replace("TRIGGERED", "OK"))
    failed = pytest_run()
    assert failed.returncode == 1
    assert "state is TRIGGERED, expected OK; the value is 150.0" in failed.stdout
    assert not home.settings.home.exists(), "tests make no lakehouse"


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return "alerting_assets" in {entry.name for entry in entry_points(group="pytest11")}


def test_a_notification_is_previewed_with_test_values_or_the_latest_evaluation(home: Home) -> None:
    assert home.json("notification", "preview", "A")["subject"] == "Daily cost: 42.5"
    tried = home.json("notification", "preview", "A", "--subject", "{{ALERT_ID}} {{SEVERITY}}")
    assert tried["subject"] == "A WARNING"
    assert "was never evaluated" in home.run("notification", "preview", "A", "--latest").stderr
    with home.tables() as tables:
        tables.create_table(FACT_USAGE)
    home.define({"alert_id": "A", "custom_subject_template": "{{ALERT_NAME}}: {{QUERY_RESULT_VALUE}}"})
    with home.tables() as tables:
        from datetime import UTC, datetime

        from alerting_assets.configuration import load_definitions
        from alerting_assets.lakehouse.tables import create_tables

        create_tables(tables)
        load_definitions(tables, home.path / "alerts", datetime.now(UTC))
    assert home.json("evaluate")["evaluations"][0]["evaluation_status"] == "TRIGGERED"
    assert home.json("notification", "preview", "A", "--latest")["subject"] == "Daily cost: 150"


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("{{ALERT_NAM}}", "ALERT_NAME"),
        ("{{severity}}", "SEVERITY"),
        ("{{ALERT_NAME", "ALERT_NAME"),
        ("{ALERT_NAME}}", "ALERT_NAME"),
    ],
)
def test_a_wrong_placeholder_is_told_with_the_right_one(home: Home, text: str, suggestion: str) -> None:
    (problem,) = home.json("notification", "preview", "--subject", text, expect=1)["problems"]
    assert f"{{{{{suggestion}}}}}" in problem["problem"]
