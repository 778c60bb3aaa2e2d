"""Alerts of templates as rows: loaded, refreshed when the template changes, seeded, added to a file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting_assets.configuration import (
    load_definitions,
    plan_load,
    read_rows,
    rows_after_load,
    seed_template_alerts,
    set_fields,
    templates_of,
)
from alerting_assets.configuration.add import FILE, add_from_template
from alerting_assets.errors import DefinitionError, TemplateError
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets_tests.templates import ALERT, PARAMS, changed
from alerting_assets_tests.templates import TEXT as TEMPLATE

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    folder = tmp_path / "alerts"
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "own_rate.yml").write_text(TEMPLATE)
    (folder / "a.yml").write_text(ALERT)
    return folder


def row(lakehouse: Lakehouse, alert_id: str) -> dict[str, Any]:
    return next(row for row in read_rows(lakehouse) if row["alert_id"] == alert_id)


def test_a_changed_template_changes_the_rows_of_its_alerts(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    assert load_definitions(lakehouse, definitions, NOW).unchanged == ("REL-100",)
    text = changed("HAVING COUNT(*) > 0", "HAVING COUNT(*) > 5")
    (definitions / "templates" / "own_rate.yml").write_text(text)
    assert load_definitions(lakehouse, definitions, NOW).changed == ("REL-100",)
    assert "COUNT(*) > 5" in row(lakehouse, "REL-100")["alert_query_template"]
    assert row(lakehouse, "REL-100")["template_params"] == {"job": '"nightly"', "threshold_pct": "25"}


def test_seeded_alerts_have_ids_of_their_domain_and_keep_them(lakehouse: Lakehouse) -> None:
    seeded = seed_template_alerts(lakehouse, "me@example.com", NOW)
    assert [(alert.alert_id, alert.template_id) for alert in seeded] == [
        ("COST-001", "COST_SPIKE"),
        ("COST-002", "UNTAGGED_RESOURCES"),
        ("REL-001", "JOB_FAILURE_RATE"),
        ("SEC-001", "FAILED_ACCESS_ATTEMPTS"),
    ]
    assert [alert.condition.threshold for alert in seeded] == [5000.0, 20.0, 10.0, 50.0]
    before = lakehouse.version("alert_configurations")
    again = seed_template_alerts(lakehouse, "other@example.com", NOW + timedelta(days=1))
    assert again == seeded
    assert lakehouse.version("alert_configurations") == before
    assert {item["managed_by"] for item in read_rows(lakehouse)} == {"template"}


def test_seeding_takes_no_id_that_is_taken(lakehouse: Lakehouse) -> None:
    fields = {
        "alert_name": "mine",
        "agent_domain": "COST",
        "severity": "INFO",
        "alert_query_template": "SELECT 1 AS one",
        "aggregation_column": "one",
        "operator": "IS_NULL",
        "schedule_cron": "0 0 8 * * ?",
        "owner": "me",
    }
    set_fields(lakehouse, "COST-001", fields, NOW)
    seeded = seed_template_alerts(lakehouse, "me", NOW)
    assert [alert.alert_id for alert in seeded][:2] == ["COST-002", "COST-003"]
    assert row(lakehouse, "COST-001")["alert_name"] == "mine"


def test_seeding_takes_no_id_that_a_file_defines_and_tells_a_channel(lakehouse: Lakehouse) -> None:
    seeded = seed_template_alerts(lakehouse, "me", NOW, defined={"COST-001", "SEC-001"})
    assert not {"COST-001", "SEC-001"} & {alert.alert_id for alert in seeded}
    channels = {alert.template_id: alert.notification_channels for alert in seeded}
    assert channels["COST_SPIKE"] == ["cost_alerts"]
    assert channels["UNTAGGED_RESOURCES"] == ["governance_alerts"]


def test_a_load_refreshes_what_the_template_fixes_and_leaves_what_people_set(
    lakehouse: Lakehouse, definitions: Path
) -> None:
    seed_template_alerts(lakehouse, "me", NOW)
    load_definitions(lakehouse, definitions, NOW)
    query = row(lakehouse, "COST-001")["alert_query_template"]
    # As if the package had shipped another query before, and somebody had chosen another severity.
    set_fields(lakehouse, "COST-001", {"alert_query_template": "SELECT 1 AS daily_cost", "severity": "INFO"}, NOW)
    planned = rows_after_load(read_rows(lakehouse), plan_load(definitions, read_rows(lakehouse)))
    assert next(item for item in planned if item["alert_id"] == "COST-001")["alert_query_template"] == query
    assert load_definitions(lakehouse, definitions, NOW).changed == ("COST-001",)
    assert (row(lakehouse, "COST-001")["alert_query_template"], row(lakehouse, "COST-001")["severity"]) == (
        query,
        "INFO",
    )


def test_lists_are_set_as_they_are_written_in_yaml(lakehouse: Lakehouse) -> None:
    fields = {
        "alert_name": "mine",
        "agent_domain": "COST",
        "severity": "INFO",
        "alert_query_template": "SELECT 404 AS code",
        "aggregation_column": "code",
        "operator": "IN",
        "schedule_cron": "0 0 8 * * ?",
        "owner": "me",
    }
    numbers = set_fields(lakehouse, "COST-001", {**fields, "threshold_value_list": "[404, 500]"}, NOW)
    texts = set_fields(lakehouse, "COST-001", {"threshold_value_list": "['404', '500']"}, NOW)
    assert (numbers.condition.items, texts.condition.items) == ((404.0, 500.0), ("404", "500"))
    with pytest.raises(DefinitionError, match="threshold_value_list: mixes strings with other values"):
        set_fields(lakehouse, "COST-001", {"threshold_value_list": "[404, '500']"}, NOW)


def test_an_alert_is_added_behind_those_that_are_there(definitions: Path) -> None:
    template = templates_of(definitions)["OWN_RATE"]
    fields = {"owner": "me@example.com", "notification_channels": ["a@example.com"]}
    first = add_from_template(definitions, template, PARAMS, fields, [{"alert_id": "REL-001"}])
    text = (definitions / FILE).read_text()
    (definitions / FILE).write_text("# kept\n" + text)
    second = add_from_template(definitions, template, {"job": "weekly"}, {"owner": "me", "severity": "INFO"}, [])
    assert (first.alert_id, second.alert_id) == ("REL-002", "REL-001")
    assert (definitions / FILE).read_text().startswith("# kept\nalerts:\n  - alert_id: REL-002\n")
    assert [alert.alert_id for alert in plan_load(definitions, []).definitions.alerts] == [
        "REL-001",
        "REL-002",
        "REL-100",
    ]


@pytest.mark.parametrize(
    ("params", "fields", "error"),
    [
        ({}, {"owner": "me"}, TemplateError),
        ({"job": "x", "runs": "a; b"}, {"owner": "me"}, TemplateError),
        (PARAMS, {"owner": "me", "alert_id": "REL-100"}, DefinitionError),
        (PARAMS, {"owner": "me", "alert_id": "rel"}, DefinitionError),
        (PARAMS, {"owner": "me", "severity": "BAD"}, DefinitionError),
    ],
)
def test_what_cannot_be_added_leaves_no_file(
    definitions: Path, params: dict[str, Any], fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        add_from_template(definitions, templates_of(definitions)["OWN_RATE"], params, fields, [])
    assert sorted(path.name for path in definitions.iterdir()) == ["a.yml", "templates"]
