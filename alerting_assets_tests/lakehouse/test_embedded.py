from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets_tests.lakehouse.conformance import THINGS, LakehouseConformance, things

pytestmark = pytest.mark.integration


class TestEmbeddedLakehouse(LakehouseConformance):
    opening = """
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
engine = EmbeddedLakehouse(folder / "a folder", "cat", "main")
"""

    def open(self, folder: Path) -> Lakehouse:
        return EmbeddedLakehouse(folder / "a folder", "cat", "main")

    def table_folder(self, folder: Path, table: str) -> Path:
        return folder / "a folder" / "cat" / "main" / table

    def drop(self, engine: Lakehouse, folder: Path, table: str) -> None:  # noqa: ARG002
        shutil.rmtree(self.table_folder(folder, table))

    def test_an_empty_log_that_a_killed_creator_left_is_no_obstacle(self, tmp_path: Path) -> None:
        (self.table_folder(tmp_path, "things") / "_delta_log").mkdir(parents=True)
        with self.open(tmp_path) as engine:
            engine.create_table(THINGS)
            assert engine.append("things", things({"id": "a"})) == 1

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT id FROM things QUALIFY ROW_NUMBER() OVER (ORDER BY id) = 1",
            "SELECT id, COUNT(*) FROM things GROUP BY ALL",
            "SELECT * EXCEPT (id) FROM things",
            "SELECT small + 1 AS y, y + 1 AS z FROM things",
            "SELECT id FROM things WHERE id LIKE ALL ('a%', 'b%')",
            "FROM things |> SELECT id",
            "SELECT text:a.b FROM things",
            "SELECT table_name FROM cat.information_schema.tables",
            "SELECT ai_query('m', text) FROM things",
            "SELECT id FROM THINGS",
            "SELECT a.id FROM things a JOIN things b USING (part, id)",
            "SELECT abs()",
        ],
    )
    def test_what_only_this_engine_lacks_is_unsupported_and_not_invalid(self, readable: Lakehouse, sql: str) -> None:
        with pytest.raises(QueryError) as caught:
            readable.describe(sql)
        assert caught.value.kind is QueryErrorKind.UNSUPPORTED
        assert readable.query("SELECT 1 AS one").num_rows == 1

    def test_a_time_in_a_string_does_not_make_a_syntax_error_unsupported(self, readable: Lakehouse) -> None:
        with pytest.raises(QueryError) as caught:
            readable.describe("SELECT id FORM things WHERE text = '12:30' AND small::INT = 1 -- QUALIFY")
        assert caught.value.kind is QueryErrorKind.SYNTAX

    def test_a_plan_error_in_a_string_is_no_error(self, readable: Lakehouse) -> None:
        assert readable.describe("SELECT '\nPhysical plan error: x' AS v")[0].type == "string"

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("SELECT CAST(tags AS INT) AS v FROM things", "there is no cast from MAP to INT"),
            ("SELECT id FROM things WHERE big", "a condition must be BOOLEAN, not BIGINT"),
            ("SELECT big + at FROM things", "Cannot coerce arithmetic expression BIGINT + TIMESTAMP to valid types"),
            ("SELECT AVG(flag) FROM things", "function avg does not take BOOLEAN"),
            ("SELECT DATE '2026-02-31' AS d", "there is no date 2026-2-31"),
            ("SELECT id FROM things LIMIT id", "the embedded engine takes a column where only a constant can stand"),
            (
                "SELECT SUM(big) FROM things WHERE SUM(big) > 1",
                "the embedded engine takes an aggregate or window function for misplaced",
            ),
            ("SELECT id FROM a.b.c.d", "table a.b.c.d: a table name has at most three parts"),
            (
                "SELECT id FROM things GROUP BY text",
                "the embedded engine takes a column for neither grouped nor aggregated",
            ),
        ],
    )
    def test_messages_are_for_people(self, readable: Lakehouse, sql: str, message: str) -> None:
        with pytest.raises(QueryError) as caught:
            readable.describe(sql)
        assert caught.value.message.startswith(message)

    def test_a_view_that_needs_backticks_is_refused_as_unsupported(self, engine: Lakehouse) -> None:
        with pytest.raises(QueryError) as caught:
            engine.create_view("odd", "SELECT id AS `odd name` FROM things")
        assert caught.value.kind is QueryErrorKind.UNSUPPORTED
        assert [name.table for name in engine.tables()] == ["things"]


def test_nothing_of_a_jvm_is_touched(tmp_path: Path) -> None:
    script = """
import pathlib, sys
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings
with open_lakehouse(Settings(home=pathlib.Path(sys.argv[1]))) as engine:
    create_tables(engine)
    assert "pyspark" not in sys.modules  # until the first query
    engine.query("SELECT 1 AS one")
assert "alerting_assets.lakehouse.spark_jvm" not in sys.modules
"""
    environment = {"PATH": "/nowhere", "JAVA_HOME": "/nowhere"}
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, env=environment, timeout=120, check=True)


@pytest.mark.parametrize("select", ["{}", "COALESCE({}, 'x')"])
def test_an_empty_subquery_over_a_column_that_is_never_null_says_what_to_write(
    lakehouse: EmbeddedLakehouse, tmp_path: Path, select: str
) -> None:
    """A column of a table of theirs: ours have invariants instead."""
    schema = pa.schema([pa.field("alert_id", pa.string(), nullable=False)])
    write_deltalake(
        tmp_path / "lakehouse" / "health_monitor" / "gold" / "theirs", pa.table({"alert_id": ["A"]}, schema)
    )
    query = "SELECT (SELECT {} FROM theirs WHERE alert_id = 'nobody') AS v"
    with pytest.raises(QueryError, match="take MAX") as caught:
        lakehouse.query(query.format(select.format("alert_id")))
    assert caught.value.kind is QueryErrorKind.UNSUPPORTED
    for instead in ("MAX(alert_id)", "NULLIF(alert_id, '')"):
        assert lakehouse.query(query.format(instead)).to_pylist() == [{"v": None}]
