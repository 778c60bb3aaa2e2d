"""What a command imports, and what it shows before it has imported anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.testing import CliRunner

from alerting_assets.cli.app import COMMANDS, app, command_of
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.histories import record
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.examples import values

HEAVY = {
    "alerting_assets.demo",
    "alerting_assets.workspace.local.app",
    "dagster",
    "databricks.sdk",
    "mlflow",
    "pandas",
    "pyspark",
    "sklearn",
    "starlette",
    "uvicorn",
}
TABLES = {"deltalake", "pyarrow"}
MODULES = "import atexit, sys; atexit.register(lambda: print('MODULES', *sys.modules, file=sys.stderr))"
"""Printed as the last thing of a process."""


def modules_of(folder: Path, *arguments: str) -> set[str]:
    """Loaded by `alerting` with these arguments when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", f"{MODULES}; from alerting_assets.cli import main; main()", *arguments],
        cwd=folder,
        env={**os.environ, "ALERTING_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("MODULES ")[2].split())


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], HEAVY | TABLES | {"pydantic", "requests", "ruamel.yaml", "sqlglot"}),
        (["templates", "list"], HEAVY | {"deltalake"}),
        (["config", "list"], HEAVY),
        (["metrics"], HEAVY),
        (["notification", "placeholders"], HEAVY | {"deltalake"}),
        (["workspace", "--help"], HEAVY - {"alerting_assets.workspace.local.app", "starlette", "uvicorn"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_what_it_needs(tmp_path: Path, arguments: list[str], unwanted: set[str]) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "a.yml").write_text(json.dumps(values()))
    assert not modules_of(tmp_path, *arguments) & unwanted


@pytest.mark.integration
def test_looking_at_states_and_history_starts_no_engine(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.define({"alert_id": "A"})
    record(home, "A", [(2, 50, "OK"), (1, 150, "TRIGGERED")])
    for arguments in (["status"], ["explain", "A"], ["explain", "A", "--at", "90min"]):
        # pyarrow imports pandas as soon as it makes a Python object of a time with a zone.
        assert not modules_of(tmp_path, *arguments) & ({*HEAVY, "grpc", "pyspark"} - {"pandas"}), arguments


@pytest.mark.integration
def test_an_apply_that_finds_nothing_to_do_starts_no_engine(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path / "home")
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "a.yml").write_text(json.dumps(values(alert_query_template="SELECT 1.0 AS cost")))
    with (
        EmbeddedLakehouse(chosen.lakehouse_root, chosen.catalog, chosen.schema) as tables,
        LocalWorkspaceServer(chosen.workspace_root, tables.query, port=0),
    ):
        assert modules_of(tmp_path, "apply") >= {"pyspark", "grpc"}, "a new query is analysed"
        for arguments in (["apply"], ["apply", "--changed"], ["plan"]):
            unwanted = {*HEAVY, "grpc", "databricks.sdk.service.sql"} - {"pandas", "databricks.sdk"}
            assert not modules_of(tmp_path, *arguments) & unwanted, arguments


@pytest.mark.unit
@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_help_is_that_of_the_command_itself(name: str) -> None:
    command = command_of(name)
    assert " ".join(command.help.split("\n\n")[0].split()) == COMMANDS[name][1]
    if isinstance(command, TyperGroup):
        assert command.commands, "a group without commands"


@pytest.mark.unit
def test_help_lists_every_command_and_an_unknown_one_gets_the_nearest() -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert all(f" {name} " in shown.output for name in COMMANDS)
    wrong = runner.invoke(app, ["tmplates"])
    assert wrong.exit_code == 2
    assert "Did you mean 'templates'?" in wrong.output
