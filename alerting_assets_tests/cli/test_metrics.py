from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerting_assets.deployment.metrics import store_metrics
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.deployment.syncs import START, measured

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_before_the_first_sync_it_says_what_makes_one(home: Home) -> None:
    home.define({"alert_id": "A"})
    assert home.json("metrics") == {"syncs": []}
    shown = home.run("metrics")
    assert (shown.returncode, shown.stdout.strip()) == (0, "No sync yet. `alerting apply` makes the first.")


def test_the_newest_syncs_are_told_to_people_and_machines(home: Home) -> None:
    with home.tables() as tables:
        create_tables(tables)
        for number in range(3):
            store_metrics(
                tables, replace(measured(), sync_run_id=str(number), sync_started_at=START + timedelta(hours=number))
            )
        newest = replace(
            measured(),
            sync_run_id="newest",
            sync_started_at=START + timedelta(days=1),
            dry_run=True,
            started_by="dagster run 42",
            total_alerts=4,
            unchanged_count=3,
            success_count=3,
            error_count=1,
            p95_api_latency_ms=123.4,
            api_calls=9,
            retries=2,
            syncs_avoided=1,
            error_message="[away] no answer",
        )
        store_metrics(tables, newest)
    found = home.json("metrics", "--last", "2")["syncs"]
    assert [item["sync_run_id"] for item in found] == ["newest", "2"]
    assert (found[0]["sync_started_at"], found[0]["success_rate"], found[0]["avoided_sync_share"]) == (
        "2026-02-04T04:05:06+00:00",
        0.75,
        0.5,
    )
    assert (found[1]["p95_api_latency_ms"], found[1]["success_rate"]) == (None, None)
    shown = home.run("metrics").stdout
    assert "The last 4 syncs" in shown
    for text in ("2026-02-04 04:05:06", "dagster run 42 (dry run)", "9 (2 again)", "123", "[away] no answer", "–"):
        assert text in shown


def test_a_number_of_syncs_below_one_is_a_wrong_call(home: Home) -> None:
    assert home.run("metrics", "--last", "0").returncode == 2
