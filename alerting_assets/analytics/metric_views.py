"""Metric views: one YAML file each in this folder, from which both a Databricks metric view and a plain view are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from alerting_assets.lakehouse.port import Lakehouse

SYNC_PERFORMANCE = "alert_sync_performance_metrics"
"""The name of the metric view over alert_sync_metrics."""

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class MetricView:
    """A metric view. definition: its YAML, with names resolved. plain_sql: a query of every measure by all dimensions."""

    name: str
    definition: str
    plain_sql: str


def load_metric_view(name: str, catalog: str, schema: str) -> MetricView:
    """The metric view of a file. catalog, schema: what `${catalog}` and `${gold_schema}` in the file stand for."""
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    definition = text.replace("${catalog}", catalog).replace("${gold_schema}", schema)
    return MetricView(name, definition, _plain_sql(YAML(typ="safe", pure=True).load(definition)))


def create_metric_view(lakehouse: Lakehouse, name: str) -> MetricView:
    """Create or replace the view in the lakehouse's own schema. The table that it reads must be there."""
    view = load_metric_view(name, *lakehouse.namespace)
    lakehouse.create_metric_view(name, view.definition, view.plain_sql)
    return view


def _plain_sql(view: Mapping[str, Any]) -> str:
    """Dimensions are spelled out in GROUP BY, and no name is in backticks: the embedded engine knows neither GROUP BY ALL nor those."""
    dimensions, measures = view["dimensions"], view["measures"]
    columns = ",\n  ".join(f"{item['expr']} AS {item['name']}" for item in (*dimensions, *measures))
    where = f"\nWHERE {view['filter']}" if "filter" in view else ""
    groups = ", ".join(item["expr"] for item in dimensions)
    return f"SELECT\n  {columns}\nFROM {view['source']}{where}\nGROUP BY {groups}"
