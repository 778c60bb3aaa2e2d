"""The metric view on Spark's own metric views. Those read version 0.1 of the YAML, which has the same expressions and none of what
only people read (comments, names, formats)."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from alerting_assets.analytics import SYNC_PERFORMANCE, create_metric_view, load_metric_view
from alerting_assets.deployment.metrics import store_metrics
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets_tests.analytics.test_metric_views import MEASURED, SYNCS

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("jvm")]

NAMES = ("spark_catalog", "gold")


def older(definition: str) -> str:
    yaml = YAML(typ="safe", pure=True)
    view = yaml.load(definition)
    columns: dict[str, list[dict[str, Any]]] = {
        kind: [{"name": item["name"], "expr": item["expr"]} for item in view[kind]]
        for kind in ("dimensions", "measures")
    }
    text = StringIO()
    yaml.dump({"version": "0.1", "source": view["source"], "filter": view["filter"], **columns}, text)
    return text.getvalue()


def test_every_measure_is_the_same_as_a_metric_view_and_as_a_plain_view(tmp_path: Path) -> None:
    with LocalSparkLakehouse(tmp_path / "lakehouse", *NAMES) as spark:
        create_tables(spark)
        for sync in SYNCS:
            store_metrics(spark, sync)
        create_metric_view(spark, SYNC_PERFORMANCE)
        plain = spark.query(f"SELECT * FROM {SYNC_PERFORMANCE} ORDER BY sync_date, sync_hour").to_pylist()

        view = load_metric_view(SYNC_PERFORMANCE, *NAMES)
        spark.run(f"CREATE VIEW own WITH METRICS LANGUAGE YAML AS $$\n{older(view.definition)}\n$$")
        dimensions = ", ".join(name for name in MEASURED[0] if name.startswith("sync_"))
        measures = ", ".join(f"MEASURE({name}) AS {name}" for name in MEASURED[0] if not name.startswith("sync_"))
        sql = f"SELECT {dimensions}, {measures} FROM own GROUP BY {dimensions} ORDER BY {dimensions}"
        own = spark.query(sql).to_pylist()
    for row, other, expected in zip(plain, own, MEASURED, strict=True):
        assert row == pytest.approx(expected)
        assert other == pytest.approx(expected)
