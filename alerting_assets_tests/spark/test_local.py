from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets_tests.lakehouse.conformance import LakehouseConformance

pytestmark = pytest.mark.integration


class TestLocalSparkLakehouse(LakehouseConformance):
    opening = """
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
engine = LocalSparkLakehouse(folder / "a folder", "cat", "main")
"""
    writes = 1
    kills = 2
    kill_within_seconds = 5.0

    def open(self, folder: Path) -> Lakehouse:
        return LocalSparkLakehouse(folder / "a folder", "cat", "main")

    def table_folder(self, folder: Path, table: str) -> Path:
        return folder / "a folder" / "cat" / "main" / table

    def drop(self, engine: Lakehouse, folder: Path, table: str) -> None:  # noqa: ARG002
        shutil.rmtree(self.table_folder(folder, table))

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
