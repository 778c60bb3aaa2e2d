"""Three corpora, written for this project: what may never pass, what may never be refused, what does not run anywhere.

Each line of a `.jsonl` file is `{"id", "sql", "why"}`; in place of `sql` there may be `repeat`, for texts that are too deep or too long
to be kept: before + open * times + middle + close * times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec

TABLES = {
    "costs": {
        "id": "int",
        "cost": "double",
        "amount": "decimal(10,2)",
        "sku": "string",
        "paid": "boolean",
        "day": "date",
        "at": "timestamp",
        "tags": "map<string,string>",
        "notes": "array<string>",
    },
    "fact_usage": {
        "usage_start_time": "timestamp",
        "usage_date": "date",
        "workspace_id": "bigint",
        "sku_name": "string",
        "run_as": "string",
        "list_cost": "double",
        "usage_quantity": "double",
        "tags": "map<string,string>",
    },
    "dim_workspace": {
        "workspace_id": "bigint",
        "workspace_name": "string",
        "region": "string",
        "is_active": "boolean",
    },
    "jobs": {
        "job_id": "bigint",
        "run_id": "bigint",
        "state": "string",
        "started_at": "timestamp",
        "ended_at": "timestamp",
        "seconds": "double",
    },
}
EVENTS = {"event_id": "string", "at": "timestamp", "payload": "string", "user_name": "string"}


def create_corpus_tables(root: Path) -> None:
    with EmbeddedLakehouse(root, "health_monitor", "gold") as gold:
        for name, columns in TABLES.items():
            gold.create_table(_spec(name, columns))
    with EmbeddedLakehouse(root, "health_monitor", "silver") as silver:
        silver.create_table(_spec("events", EVENTS))


def corpus(name: str) -> list[dict[str, Any]]:
    """Items with `id`, `sql`, and what else the line holds."""
    lines = Path(__file__).with_name(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**item, "sql": _text(item)} for item in map(json.loads, lines)]


def _text(item: Mapping[str, Any]) -> str:
    if "repeat" not in item:
        return str(item["sql"])
    parts = item["repeat"]
    times = parts["times"]
    return str(parts["before"] + parts["open"] * times + parts["middle"] + parts["close"] * times)


def _spec(name: str, columns: Mapping[str, str]) -> TableSpec:
    return TableSpec(name, "", tuple(Column(*pair) for pair in columns.items()), key=())
