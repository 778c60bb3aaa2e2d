"""Which messages go together, by what the tables say."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from alerting_assets.configuration.message_groups import KEPT, MessageGroups
from alerting_assets.configuration.rows import as_table
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, NOTIFICATION_DESTINATIONS, create_tables
from alerting_assets_tests.delivery.couriers import Clock
from alerting_assets_tests.delivery.examples import NOW
from alerting_assets_tests.examples import configuration

pytestmark = pytest.mark.integration


def add(lakehouse: Lakehouse, **group_by: str | None) -> None:
    """Destinations whose id in the workspace is that of the table with an r before it; `pd` is one of PagerDuty."""
    rows = [
        {
            "destination_id": name,
            "destination_name": name,
            "destination_type": "PAGERDUTY" if name == "pd" else "EMAIL",
            "group_by": by,
            "is_enabled": True,
            "owner": "o",
            "managed_by": "sql",
            "created_at": NOW,
            "databricks_destination_id": f"r{name}",
        }
        for name, by in group_by.items()
    ]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(NOTIFICATION_DESTINATIONS))
    lakehouse.append(NOTIFICATION_DESTINATIONS.name, table)


def test_messages_go_together_by_what_their_destination_says(lakehouse: Lakehouse) -> None:
    alerts = [
        configuration(alert_id="A", agent_domain="COST", owner="ann"),
        configuration(alert_id="B", agent_domain="COST", owner="bob"),
    ]
    lakehouse.append(ALERT_CONFIGURATIONS.name, as_table(alerts, NOW))
    add(lakehouse, plain=None, severe="SEVERITY", domains="DOMAIN", owners="OWNER", odd="TEAM", pd="SEVERITY")
    groups = MessageGroups(lakehouse, Clock())
    for alone in ("rplain", "rodd", "rpd", "unknown", "ann@example.com"):
        assert groups(alone, "A", "CRITICAL") is None, alone
    assert groups("rsevere", "A", "INFO") == groups("rsevere", "not in the table", "INFO") is not None
    assert groups("rsevere", "A", "INFO") != groups("rsevere", "A", "CRITICAL")
    assert groups("rdomains", "A", "INFO") == groups("rdomains", "B", "CRITICAL") is not None
    assert groups("rowners", "A", "INFO") != groups("rowners", "B", "INFO")
    assert groups("rdomains", "not in the table", "INFO") is None


def test_a_change_counts_after_a_few_seconds(lakehouse: Lakehouse) -> None:
    clock = Clock()
    groups = MessageGroups(lakehouse, clock)
    assert groups("rops", "A", "INFO") is None
    add(lakehouse, ops="SEVERITY")
    clock.now += KEPT
    assert groups("rops", "A", "INFO") is not None


def test_while_the_tables_cannot_be_read_each_message_goes_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with EmbeddedLakehouse(tmp_path / "lakehouse", "health_monitor", "gold") as empty:
        groups = MessageGroups(empty, clock)
        assert [groups("rops", "A", "INFO") for _ in range(3)] == [None, None, None]
        assert caplog.text.count("messages are not grouped while the tables cannot be read") == 1
        create_tables(empty)
        add(empty, ops="SEVERITY")
        clock.now += KEPT
        assert groups("rops", "A", "INFO") is not None
