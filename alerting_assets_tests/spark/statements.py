"""What is asked of an engine whose statements are those of `TestLocalSparkLakehouse` and travel another way: each kind once."""

from __future__ import annotations

import pyarrow as pa
import pytest

from alerting_assets.errors import QueryError, QueryErrorKind, TableNotFound
from alerting_assets.lakehouse.port import Lakehouse, MergeResult
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, TABLES, create_tables
from alerting_assets_tests.lakehouse.conformance import FULL, HOSTILE, THINGS, things


def check_every_kind_of_statement(engine: Lakehouse) -> None:
    """Tables, every type of value, hostile texts, changes, views. engine: without tables; at the end it holds `things`."""
    create_tables(engine)
    create_tables(engine)
    assert {name.table for name in engine.tables()} == {spec.name for spec in TABLES}
    assert engine.table_columns("alert_configurations") == ALERT_CONFIGURATIONS.columns
    engine.create_table(THINGS)
    start = engine.append("things", things(FULL, {"id": "nulls"}))
    assert engine.read("things").sort_by("id").to_pylist() == [FULL, {**dict.fromkeys(FULL), "id": "nulls"}]
    rows = things(*({"id": text, "text": text, "tags": [(text, text)], "words": [text]} for text in HOSTILE))
    assert engine.merge("things", rows, on=["id"]) == MergeResult(len(HOSTILE), 0)
    assert engine.merge("things", rows, on=["id"]) == MergeResult(0, 0)
    assert engine.delete("things", things({"id": "a"})) == 1
    changes = engine.changes("things", start)
    assert changes.head == engine.version("things")
    assert changes.rows.column("_change_type").to_pylist() == ["insert"] * len(HOSTILE) + ["delete"]
    assert set(changes.rows.column("text").to_pylist()[:-1]) == set(HOSTILE)
    engine.create_view("v", "SELECT COUNT(*) AS n FROM things WHERE text <> 'it\\'s'")
    assert engine.query("SELECT n FROM v").to_pylist() == [{"n": len(HOSTILE) - 1}]
    namespace = ".".join(engine.namespace)
    definition = f'version: "1.1"\nsource: {namespace}.things\nmeasures: [{{name: number, expr: COUNT(id)}}]'
    engine.create_metric_view("m", definition, f"SELECT COUNT(id) AS number FROM {namespace}.things")
    assert engine.query("SELECT number FROM m").to_pylist() == [{"number": len(HOSTILE) + 1}]


def check_errors(engine: Lakehouse) -> None:
    """engine: holds `things`."""
    with pytest.raises(TableNotFound, match=rf"{'.'.join(engine.namespace)}\.nothing does not exist"):
        engine.append("nothing", pa.table({"x": [1]}))
    with pytest.raises(QueryError) as caught:
        engine.describe("SELECT 'ü💥',\n nope FROM things")
    assert (caught.value.kind, caught.value.name) == (QueryErrorKind.MISSING_COLUMN, "nope")
    assert (caught.value.line, caught.value.column) == (2, 2)
    for sql in ("SELECT CAST('a' AS INT)", "SELECT CAST(text AS INT) FROM things"):
        with pytest.raises(QueryError) as caught:
            engine.query(sql)
        assert caught.value.kind is QueryErrorKind.RUNTIME
