from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets_tests.lakehouse.conformance import THINGS, LakehouseConformance

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("jvm")]


class TestLocalSparkLakehouse(LakehouseConformance):
    opening = """
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
engine = LocalSparkLakehouse(folder / "a folder", "cat", "main")
"""
    threads = 2
    writes = 1
    kills = 2
    kill_within_seconds = 5.0

    def open(self, folder: Path) -> Lakehouse:
        return LocalSparkLakehouse(folder / "a folder", "cat", "main")

    def table_folder(self, folder: Path, table: str) -> Path:
        return folder / "a folder" / "cat" / "main" / table

    def drop(self, engine: Lakehouse, folder: Path, table: str) -> None:  # noqa: ARG002
        shutil.rmtree(self.table_folder(folder, table))

    @pytest.fixture(scope="class")
    def template(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The files of an empty `things`: to copy them is faster than to create it."""
        folder = tmp_path_factory.mktemp("template")
        with self.open(folder) as engine:
            engine.create_table(THINGS)
        return self.table_folder(folder, "things")

    @pytest.fixture
    def engine(self, tmp_path: Path, template: Path) -> Iterator[Lakehouse]:
        shutil.copytree(template, self.table_folder(tmp_path, "things"))
        with self.open(tmp_path) as engine:
            yield engine

    @pytest.mark.thorough
    def test_processes_that_create_and_write_the_same_table_lose_nothing(self, tmp_path: Path) -> None:
        super().test_processes_that_create_and_write_the_same_table_lose_nothing(tmp_path)

    @pytest.mark.thorough
    def test_a_writer_that_is_killed_at_any_moment_leaves_a_table_that_works(self, tmp_path: Path) -> None:
        super().test_a_writer_that_is_killed_at_any_moment_leaves_a_table_that_works(tmp_path)

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT ai_query('m', text) FROM things",
            "SELECT secret('scope', 'key')",
            "SELECT table_name FROM cat.information_schema.tables",
        ],
    )
    def test_what_only_databricks_has_is_unsupported_and_not_invalid(self, readable: Lakehouse, sql: str) -> None:
        with pytest.raises(QueryError) as caught:
            readable.describe(sql)
        assert caught.value.kind is QueryErrorKind.UNSUPPORTED
