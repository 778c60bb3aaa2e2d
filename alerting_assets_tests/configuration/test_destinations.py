"""Notification destinations: definitions in, rows and problems out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.destinations import parse_destination
from alerting_assets.configuration import DESTINATION, load_listed, plan_load, read_listed, target_in
from alerting_assets.errors import DefinitionError
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import NOTIFICATION_DESTINATIONS
from alerting_assets.settings import Settings
from alerting_assets_tests.profile import examples

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET = "https://hooks.slack.com/services/T0001/B0002/KNOWN-SECRET"
SLACK = {
    "destination_id": "slack-ops",
    "destination_type": "SLACK",
    "secret_ref": "env:SLACK_URL",
    "owner": "ann@example.com",
}
MAIL = {
    "destination_id": "mail",
    "destination_type": "EMAIL",
    "email_addresses": ["a@example.com"],
    "owner": "ann@example.com",
}


def write(folder: Path, text: str, file: str = "destinations/all.yml") -> None:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def load(lakehouse: Lakehouse, folder: Path) -> Any:
    return load_listed(DESTINATION, lakehouse, folder, NOW)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Ann Smith <ann@example.com>, bob@example.com", ["ann@example.com", "bob@example.com"]),
        (
            " ann@example.com ;bob@example.com  carl@example.com ",
            ["ann@example.com", "bob@example.com", "carl@example.com"],
        ),
        (["ann@example.com, bob@example.com", "Bob@Example.com"], ["ann@example.com", "bob@example.com"]),
        (["ann@example.com", ""], ["ann@example.com"]),
    ],
)
def test_addresses_are_taken_as_people_write_them(given: Any, expected: list[str]) -> None:
    found = parse_destination({**MAIL, "email_addresses": given}).email_addresses or []
    assert [address.lower() for address in found] == expected


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"destination_type": "SLAK"}, "destination_type", "did you mean 'SLACK'"),
        ({"destination_id": "Slack Ops"}, "destination_id", "a-z, 0-9, _ and -"),
        ({"secret_ref": None}, "secret_ref", "the URL of its incoming webhook"),
        ({"secret_ref": SECRET}, "secret_ref", "the secret itself never stands here"),
        ({"secret_ref": "SLACK_URL"}, "secret_ref", "env:NAME"),
        ({"secret_ref": "{{secrets/alerting}}"}, "secret_ref", "{{secrets/scope/key}}"),
        ({"email_addresses": ["a@example.com"]}, "email_addresses", "has no use"),
        ({"url": SECRET}, "url", "is no field of a destination"),
        ({"owner": None}, "owner", ""),
        ({"group_by": "team"}, "group_by", "'team' is not one of SEVERITY, DOMAIN, OWNER"),
        (
            {"destination_type": "PAGERDUTY", "group_by": "owner"},
            "group_by",
            "each incident opens and closes by itself",
        ),
        ({"destination_type": "EMAIL", "secret_ref": None}, "email_addresses", "is needed"),
        ({"destination_type": "EMAIL", "email_addresses": "a@example.com"}, "secret_ref", "has no use"),
        (
            {"destination_type": "EMAIL", "secret_ref": None, "email_addresses": "ann at example"},
            "email_addresses",
            "'ann at example'",
        ),
    ],
)
def test_a_wrong_field_is_named_and_no_secret_is_told(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(DefinitionError) as told:
        parse_destination({**SLACK, **changes}, file="all.yml", line_of=lambda _: 3)
    (problem,) = told.value.problems
    assert problem.field == field
    assert says in str(problem)
    assert "KNOWN-SECRET" not in str(told.value)


@pytest.mark.parametrize(("written", "meant"), [("severity", "SEVERITY"), ("Domain", "DOMAIN"), (None, None)])
def test_what_is_grouped_is_no_part_of_what_is_deployed(written: str | None, meant: str | None) -> None:
    made = parse_destination({**SLACK, "group_by": written})
    assert made.row()["group_by"] == meant
    assert made.config_hash == parse_destination(SLACK).config_hash, "so a change of it alone sends nothing"


@given(
    st.dictionaries(
        st.sampled_from([*SLACK, "email_addresses", "is_enabled", "group_by"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text())),
    )
)
@examples(60, 2_000)
def test_whatever_stands_there_it_is_a_destination_or_its_problem(values: dict[str, Any]) -> None:
    try:
        made = parse_destination({**SLACK, **values})
    except DefinitionError:
        return  # anything else would fail the test
    assert parse_destination(made.row()) == made


@pytest.mark.integration
class TestLoading:
    def test_files_become_rows_and_what_is_removed_from_them_goes(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        write(
            tmp_path,
            "destinations:\n  - {destination_id: mail, destination_type: EMAIL, email_addresses: a@example.com, owner: o}\n",
        )
        write(
            tmp_path,
            "- {destination_id: ops, destination_name: Ops, destination_type: pagerduty, secret_ref: env:KEY, owner: o}\n",
            "destinations/sub/ops.yaml",
        )
        result = load(lakehouse, tmp_path)
        assert (result.added, result.problems) == (("mail", "ops"), ())
        rows = {row["destination_id"]: row for row in read_listed(lakehouse, DESTINATION)}
        assert (rows["mail"]["destination_name"], rows["mail"]["managed_by"]) == ("mail", "yaml:destinations/all.yml")
        assert (rows["ops"]["destination_type"], rows["ops"]["secret_ref"]) == ("PAGERDUTY", "env:KEY")
        version = lakehouse.version(NOTIFICATION_DESTINATIONS.name)
        assert load(lakehouse, tmp_path).writes == {}
        assert lakehouse.version(NOTIFICATION_DESTINATIONS.name) == version
        (tmp_path / "destinations/sub/ops.yaml").unlink()
        assert load(lakehouse, tmp_path).removed == ("ops",)
        assert [row["destination_id"] for row in read_listed(lakehouse, DESTINATION)] == ["mail"]

    def test_a_list_beside_alerts_is_read_and_disturbs_no_alert(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        write(
            tmp_path,
            """
alerts:
  - alert_id: A-1
    alert_name: Spend
    agent_domain: COST
    severity: INFO
    alert_query_template: SELECT 1 AS n
    aggregation_column: n
    operator: GREATER_THAN
    threshold_value_double: 1
    schedule_cron: 0 0 8 * * ?
    owner: ann@example.com
    notification_channels: [mail]
destinations:
  - destination_id: mail
    destination_type: EMAIL
    email_addresses: a@example.com
    owner: ann@example.com
""",
            "cost.yml",
        )
        write(
            tmp_path,
            "destinations:\n  - {destination_id: other, destination_type: EMAIL, email_addresses: a@example.com, owner: o}\n",
            "people.yml",
        )
        assert load(lakehouse, tmp_path).added == ("mail", "other")
        loaded = plan_load(tmp_path, [])
        assert (loaded.added, loaded.problems) == (("A-1",), ())

    def test_a_mistake_costs_its_own_destination_whose_row_stays(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        good = "  - {destination_id: mail, destination_type: EMAIL, email_addresses: a@example.com, owner: o}\n"
        slack = "  - {destination_id: slack, destination_type: SLACK, secret_ref: 'env:A', owner: o}\n"
        write(tmp_path, f"destinations:\n{good}{slack}")
        load(lakehouse, tmp_path)
        write(tmp_path, f"destinations:\n{good.replace('a@', 'b@')}{slack.replace('env:A', SECRET)}")
        result = load(lakehouse, tmp_path)
        assert (result.changed, result.removed, [*result.kept]) == (("mail",), (), ["slack"])
        rows = {row["destination_id"]: row for row in read_listed(lakehouse, DESTINATION)}
        assert rows["slack"]["secret_ref"] == "env:A"
        assert "destinations/all.yml:3" in rows["slack"]["definition_error"]
        assert SECRET not in str(rows)
        write(tmp_path, f"destinations:\n{good.replace('a@', 'b@')}{slack}")
        load(lakehouse, tmp_path)
        assert [row["definition_error"] for row in read_listed(lakehouse, DESTINATION)] == [None, None]

    @pytest.mark.parametrize(
        "text", ["destinations: [", "destinations:\n  - destination_type: SLACK\n", "destinations: nothing\n"]
    )
    def test_a_file_that_cannot_be_read_removes_nothing(self, lakehouse: Lakehouse, tmp_path: Path, text: str) -> None:
        write(
            tmp_path,
            "destinations:\n  - {destination_id: mail, destination_type: EMAIL, email_addresses: a@example.com, owner: o}\n",
        )
        load(lakehouse, tmp_path)
        write(tmp_path, text)
        result = load(lakehouse, tmp_path)
        assert (result.removed, [*result.kept]) == ((), ["mail"])
        assert result.problems

    def test_a_wrong_folder_removes_nothing(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        entry = "- {destination_id: mail, destination_type: EMAIL, email_addresses: a@example.com, owner: o}\n"
        write(tmp_path / "alerts", entry)
        load(lakehouse, tmp_path / "alerts")
        (tmp_path / "empty").mkdir()
        for folder in ("missing", "empty"):
            assert load(lakehouse, tmp_path / folder).removed == ()
        assert [row["destination_id"] for row in read_listed(lakehouse, DESTINATION)] == ["mail"]

    def test_strict_one_problem_and_nothing_is_written(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        write(tmp_path, f"- {{destination_id: mail, destination_type: SLACK, secret_ref: '{SECRET}', owner: o}}\n")
        with pytest.raises(DefinitionError):
            load_listed(DESTINATION, lakehouse, tmp_path, NOW, strict=True)

    def test_of_two_with_the_same_id_neither_is_taken(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        entry = "- {destination_id: mail, destination_type: EMAIL, email_addresses: a@example.com, owner: o}\n"
        write(tmp_path, entry)
        write(tmp_path, entry, "destinations/more.yml")
        result = load(lakehouse, tmp_path)
        assert result.writes == {}
        assert "destinations/all.yml:1" in str(result.problems[0])

    def test_a_row_that_people_made_is_theirs(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        row = {**MAIL, "destination_name": "Mine", "is_enabled": True, "managed_by": "sql", "created_at": NOW}
        table = pa.Table.from_pylist([row], schema=arrow_schema(NOTIFICATION_DESTINATIONS))
        lakehouse.append(NOTIFICATION_DESTINATIONS.name, table)
        write(tmp_path, "- {destination_id: mail, destination_type: EMAIL, email_addresses: b@example.com, owner: o}\n")
        result = load(lakehouse, tmp_path)
        assert result.writes == {}
        assert "sql" in str(result.problems[0])
        assert read_listed(lakehouse, DESTINATION)[0]["destination_name"] == "Mine"

    def test_channels_are_open_or_say_why_not(self, lakehouse: Lakehouse, tmp_path: Path) -> None:
        rows = [
            {**MAIL, "destination_id": "there", "databricks_destination_id": "r-1", "databricks_host": "local"},
            {**MAIL, "destination_id": "off", "is_enabled": False},
            {**MAIL, "destination_id": "new", "last_sync_error": "env X is not set"},
            {
                **MAIL,
                "destination_id": "elsewhere",
                "databricks_destination_id": "r-2",
                "databricks_host": "https://other",
            },
            {**SLACK, "destination_id": "wrong", "secret_ref": SECRET},
        ]
        filled = [
            {"destination_name": "n", "is_enabled": True, "managed_by": "sql", "created_at": NOW, **row} for row in rows
        ]
        lakehouse.append(
            NOTIFICATION_DESTINATIONS.name, pa.Table.from_pylist(filled, schema=arrow_schema(NOTIFICATION_DESTINATIONS))
        )
        settings = Settings(home=tmp_path, channels=("team=x@example.com", "off=y@example.com"))
        target = target_in(lakehouse, settings, "local")
        assert target.addresses == {"team": ("x@example.com",), "there": ("r-1",)}
        assert target.closed.keys() == {"off", "new", "elsewhere", "wrong"}
        assert target.closed["off"] == "is disabled"
        assert "env X is not set" in target.closed["new"]
        assert "KNOWN-SECRET" not in str(target.closed)
        assert {"new", "there", "elsewhere"} <= target_in(lakehouse, settings).addresses.keys(), "in a look ahead"
