"""`alerting failures list`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting_assets.delivery import Severity
from alerting_assets.failures.decide import Policy, decide
from alerting_assets.failures.failure import Batch, Kind, Observation, Subject
from alerting_assets.failures.store import FOLDER, STORE, FailureStore
from alerting_assets_tests.cli.home import Home

pytestmark = pytest.mark.integration


def test_what_fails_is_listed_and_ends_with_1(tmp_path: Path) -> None:
    home = Home(tmp_path)
    told = home.run("failures", "list")
    assert "Nothing" in told.stdout
    subject = Subject(
        Kind.CHECK, "k", "B: analysis of validated_queries", "alerting_assets", alert_id="B", owners=("o",)
    )
    at = datetime(2026, 1, 31, 8, tzinfo=UTC)
    seen = Observation(subject, at, True, Severity.CRITICAL, "column nope does not exist", ("alerts.yml:8",))
    _, memory = decide({}, [Batch("run", "", "job", (seen,))], at, Policy(lambda _: ("ops",)))
    with FailureStore(home.settings.home / FOLDER / "alerting_assets" / STORE) as store:
        store.save({}, memory, [], "sensor", {})
    shown = home.run("failures", "list")
    assert shown.returncode == 1
    assert "column nope does not exist" in shown.stdout
    (one,) = home.json("failures", "list", expect=1)["failures"]
    assert (one["alert_id"], one["told"], one["details"]) == ("B", ["ops"], ["alerts.yml:8"])
    assert one["since"].startswith("2026-01-31")
