from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from alerting_assets.analytics import SYNC_PERFORMANCE, load_metric_view
from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse import parameter_rows, sql_text
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Column, TableName, TableSpec
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_LEASES, TABLES
from alerting_assets.sql_literal import text_literal
from alerting_assets_tests.golden import assert_matches

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"


def named(spec: TableSpec) -> TableName:
    return TableName("health_monitor", "gold", spec.name)


def statements() -> dict[str, str]:
    """One of each kind, as a warehouse gets them."""
    configurations, leases = named(ALERT_CONFIGURATIONS), named(SYNC_LEASES)
    few = pa.schema(
        [
            field
            for field in arrow_schema(ALERT_CONFIGURATIONS)
            if field.name in ("alert_id", "alert_name", "tags", "managed_by")
        ]
    )
    source = parameter_rows.relation(few, "rows")
    lease_schema = arrow_schema(SYNC_LEASES)
    taken = lease_schema.append(pa.field("now", pa.timestamp("us", tz="UTC")))
    return {
        "create schema": sql_text.create_schema(configurations),
        **{f"create {spec.name}": sql_text.create_table(named(spec), spec, sql_text.DATABRICKS) for spec in TABLES},
        "add columns": sql_text.add_columns(
            configurations, [Column("later", "map<string,string>", nullable=False, comment="it's new")]
        ),
        "turn on the change feed": sql_text.set_properties(
            configurations, {sql_text.CHANGE_FEED: "true", "layer": "gold"}
        ),
        "append": sql_text.insert(configurations, few.names, source),
        "merge of a YAML file's rows": sql_text.merge(
            configurations,
            few,
            source,
            on=["alert_id"],
            updated=["alert_name", "tags"],
            inserted=few.names,
            columns=few.names,
        ),
        "merge that takes a lease": sql_text.merge(
            leases,
            lease_schema,
            parameter_rows.relation(taken, "rows"),
            on=["environment"],
            updated=["holder", "expires_at"],
            inserted=lease_schema.names,
            columns=taken.names,
            matched_if="target.expires_at < source.now",
        ),
        "delete": sql_text.delete(
            configurations, few, parameter_rows.relation(pa.schema([few.field("alert_id")]), "rows"), ["alert_id"]
        ),
        "read": sql_text.select(configurations, ["alert_id", "tags"]),
        "changes": sql_text.changes(configurations, 4, 7),
        "which columns are NOT NULL": sql_text.required_columns(configurations),
        "create metric view": sql_text.create_metric_view(
            TableName("health_monitor", "gold", SYNC_PERFORMANCE),
            load_metric_view(SYNC_PERFORMANCE, "health_monitor", "gold").definition,
        ),
        "create view": sql_text.create_view(TableName("health_monitor", "gold", "v"), "SELECT 1 AS one"),
    }


def test_what_a_warehouse_gets() -> None:
    assert_matches(
        GOLDEN / "warehouse.sql", "\n\n".join(f"-- {what}\n{sql};" for what, sql in statements().items()) + "\n"
    )


@pytest.mark.parametrize("what", [what for what in statements() if what != "create metric view"])  # unknown to sqlglot
def test_every_statement_is_of_the_databricks_dialect(what: str) -> None:
    sql = statements()[what].replace("CLUSTER BY AUTO\n", "")  # which sqlglot does not know
    (parsed,) = sqlglot.parse(sql, dialect="databricks")
    assert parsed is not None
    assert not parsed.find(exp.Command)


def test_a_metric_view_that_would_end_its_own_text_is_refused() -> None:
    with pytest.raises(LakehouseError, match=r"metric view cat\.main\.v: its definition holds \$\$"):
        sql_text.create_metric_view(TableName("cat", "main", "v"), "version: '1.1'\ncomment: $$; DROP TABLE things")


def test_open_source_spark_is_not_told_what_only_databricks_knows() -> None:
    sql = sql_text.create_table(named(SYNC_LEASES), SYNC_LEASES, sql_text.OPEN_SOURCE, "/data/it's here")
    assert "PRIMARY KEY" not in sql
    assert "CLUSTER BY" not in sql
    assert "LOCATION '/data/it\\'s here'" in sql


@given(st.text())
def test_a_literal_means_its_text_and_nothing_else(text: str) -> None:
    assert sqlglot.parse_one(f"SELECT {text_literal(text)}", dialect="databricks").expressions == [
        exp.Literal.string(text)
    ]


def test_rows_that_are_too_long_for_one_parameter_come_in_several_without_loss() -> None:
    rows = pa.table({"id": [f"{number:03}" for number in range(50)], "n": list(range(50))})
    chunks = list(parameter_rows.chunks(rows, 200))
    assert len(chunks) > 5
    assert max(len(chunk) for chunk in chunks) <= 200
    assert [item for chunk in chunks for item in json.loads(chunk)] == rows.to_pylist()
    assert list(parameter_rows.chunks(rows.slice(0, 0), 200)) == ["[]"]


def test_one_row_that_no_statement_can_hold_is_refused_with_its_size() -> None:
    with pytest.raises(LakehouseError, match=r"one row takes 1,0\d\d bytes"):
        list(parameter_rows.chunks(pa.table({"id": ["x" * 1_000]}), 500))
