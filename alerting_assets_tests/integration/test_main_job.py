"""The main job as `make run` starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alerting_assets_tests.shipped import shipped_definitions

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[2]


def run(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALERTING_", "DATABRICKS_", "DAGSTER_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "alerting_assets"],
        cwd=CHECKOUT,
        env={**kept, "ALERTING_HOME": str(home), "ALERTING_DEFINITIONS": str(shipped_definitions()), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def figures(summary: str) -> dict[str, int]:
    return {name.strip(): int(count) for name, count in re.findall(r"│ ([a-z ]+?) +│ (\d+) +│", summary)}


def test_it_ends_with_a_summary_and_a_second_run_writes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first.returncode == 0, first.stderr
    found = figures(first.stdout)
    assert found["configured"] == found["valid"] + found["quarantined"]
    assert found["quarantined"] == 2
    assert found["created"] == found["evaluated"] == found["valid"]
    assert found["destinations"] == 6
    assert found["write requests to the workspace"] == found["created"] + found["destinations"]
    # Which ones fire, test_demo says with a clock that is set; here they read the real one.
    assert 1 <= found["triggered"] <= found["evaluated"] / 2
    for reason in ("table health_monitor.gold.fact_invoices", "column duration_second does not exist"):
        assert reason in first.stdout, first.stdout

    second = run(tmp_path)
    assert second.returncode == 0, second.stderr
    again = figures(second.stdout)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, found["valid"])
    assert again["write requests to the workspace"] == 0


def test_a_wrong_setting_ends_it_with_2_before_anything_is_made(tmp_path: Path) -> None:
    done = run(tmp_path / "home", ALERTING_WORKSPACE="datbricks")
    assert done.returncode == 2
    assert "ALERTING_WORKSPACE='datbricks' is not allowed" in done.stderr
    assert not (tmp_path / "home").exists()
