"""The warehouse engine over HTTP: the real databricks-sdk, the local workspace's statement endpoint, Spark with Delta behind it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from alerting_assets.lakehouse.as_warehouse import statement_runner
from alerting_assets.lakehouse.port import Lakehouse, MergeResult
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets.lakehouse.sql_engine import SqlLakehouse
from alerting_assets.lakehouse.warehouse import warehouse_lakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace.client import connect_for_statements
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.lakehouse.conformance import FULL, THINGS, LakehouseConformance, things
from alerting_assets_tests.spark.statements import check_errors, check_every_kind_of_statement

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("jvm")]

SMALL_CHUNKS = Rules(chunk_bytes=200)
"""So that most results come in several parts."""


@contextmanager
def started_warehouse(
    home: Path, catalog: str, schema: str, rules: Rules | None = None
) -> Iterator[LocalWorkspaceServer]:
    """A local workspace with Spark behind its warehouse."""
    settings = Settings(home=home)
    with (
        LocalSparkLakehouse(settings.lakehouse_root, catalog, schema) as spark,
        LocalWorkspaceServer(
            settings.workspace_root,
            spark.query,
            port=None,
            statement_runner=statement_runner(spark),
            statement_namespace=spark.namespace,
            rules=rules,
        ) as server,
    ):
        yield server


@contextmanager
def opened(home: Path, **how: int) -> Iterator[SqlLakehouse]:
    """The warehouse engine on a server of its own. how: of `warehouse_lakehouse`."""
    with started_warehouse(home, "cat", "main", SMALL_CHUNKS):
        settings = Settings(lakehouse="warehouse", home=home, catalog="cat", schema="main")
        transport = connect_for_statements(settings)
        with warehouse_lakehouse(transport, settings.warehouse_id, "cat", "main", **how) as engine:
            yield engine


def test_parameters_results_in_parts_and_errors_are_as_everywhere_over_http(tmp_path: Path) -> None:
    with opened(tmp_path) as engine:
        check_every_kind_of_statement(engine)
        check_errors(engine)


def test_rows_too_large_for_one_statement_are_one_commit_and_leave_nothing_behind(tmp_path: Path) -> None:
    with opened(tmp_path, parameter_bytes=1_000) as engine:
        engine.create_table(THINGS)
        rows = things(*({**FULL, "id": f"{number:03}"} for number in range(10)))
        assert engine.append("things", rows) == 1
        assert engine.merge("things", rows, on=THINGS.key) == MergeResult(0, 0)
        assert engine.read("things").sort_by("id").to_pylist() == rows.to_pylist()
        assert [name.table for name in engine.tables()] == ["things"]


@pytest.mark.thorough
class TestWarehouseLakehouse(LakehouseConformance):
    """The whole suite once more: its statements are those that run in `TestLocalSparkLakehouse`."""

    opening = """
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.settings import Settings
engine = open_lakehouse(Settings(lakehouse="warehouse", home=folder, catalog="cat", schema="main"))
"""
    writes = 1
    kills = 2
    kill_within_seconds = 5.0

    @pytest.fixture(autouse=True, scope="class")
    def servers(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """One server a folder, started by the first `open`."""
        request.cls.running = {}
        with ExitStack() as stack:
            request.cls.stack = stack
            yield

    running: dict[Path, LocalWorkspaceServer]
    stack: ExitStack

    def open(self, folder: Path) -> Lakehouse:
        settings = Settings(lakehouse="warehouse", home=folder, catalog="cat", schema="main")
        if folder not in self.running:
            server = self.stack.enter_context(started_warehouse(folder, "cat", "main", SMALL_CHUNKS))
            self.running[folder] = server
        return warehouse_lakehouse(connect_for_statements(settings), settings.warehouse_id, "cat", "main")

    def table_folder(self, folder: Path, table: str) -> Path:
        return folder / "lakehouse" / "cat" / "main" / table

    def drop(self, engine: Lakehouse, folder: Path, table: str) -> None:
        assert isinstance(engine, SqlLakehouse)
        engine._statements.run(f"DROP TABLE cat.main.{table}")
        shutil.rmtree(self.table_folder(folder, table), ignore_errors=True)
