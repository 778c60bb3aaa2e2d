from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from alerting_assets.configuration import delete_alert, load_definitions, read_rows, set_fields, to_alerts
from alerting_assets.configuration.rows import as_table
from alerting_assets.errors import DefinitionError
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets_tests.examples import TARGET, configuration, values

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    folder = tmp_path / "alerts"
    folder.mkdir()
    write(
        folder,
        "a.yml",
        {"alert_id": "A"},
        {"alert_id": "B", "tags": {"z": "1", "a": "2"}, "template_params": {"days": 7}},
    )
    return folder


def write(folder: Path, name: str, *alerts: dict[str, Any]) -> None:
    YAML().dump({"alerts": [values(**alert) for alert in alerts]}, folder / name)


def version(lakehouse: Lakehouse) -> int:
    return lakehouse.version(ALERT_CONFIGURATIONS.name).version


def ids(lakehouse: Lakehouse) -> list[str]:
    return [row["alert_id"] for row in read_rows(lakehouse)]


def test_definitions_become_rows_that_read_back_the_same(lakehouse: Lakehouse, definitions: Path) -> None:
    result = load_definitions(lakehouse, definitions, NOW)
    assert result.added == ("A", "B")
    row = read_rows(lakehouse)[1]
    assert (row["tags"], row["template_params"]) == ({"z": "1", "a": "2"}, {"days": "7"})
    assert (row["managed_by"], row["created_at"], row["databricks_alert_id"]) == ("yaml:a.yml", NOW, None)
    assert all(alert.compiled for alert in to_alerts(read_rows(lakehouse), TARGET))


def test_an_alert_is_taken_over_as_long_as_its_row_says_the_same(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    before = to_alerts(read_rows(lakehouse), TARGET)
    write(
        definitions,
        "a.yml",
        {"alert_id": "A", "threshold_value_double": 7.0},
        {"alert_id": "B", "tags": {"z": "1", "a": "2"}, "template_params": {"days": 7}},
    )
    load_definitions(lakehouse, definitions, LATER)
    rows = read_rows(lakehouse)
    again = to_alerts(rows, TARGET, before)
    assert again == to_alerts(rows, TARGET)
    assert [alert in before for alert in again] == [False, True]
    assert [one is other for one, other in zip(to_alerts(rows, TARGET, again), again, strict=True)] == [True, True]
    assert to_alerts([*rows, rows[0]], TARGET, again)[0].problems, "a row that occurs twice is not taken over"


def test_loading_the_same_files_again_writes_nothing(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    before = version(lakehouse)
    assert load_definitions(lakehouse, definitions, LATER).unchanged == ("A", "B")
    assert version(lakehouse) == before


def test_only_the_row_that_differs_is_touched(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    since = version(lakehouse)
    unchanged = {"alert_id": "B", "tags": {"a": "2", "z": "1"}, "template_params": {"days": 7}}
    write(definitions, "a.yml", {"alert_id": "A", "severity": "CRITICAL"}, unchanged)
    assert load_definitions(lakehouse, definitions, LATER).changed == ("A",)
    changes = lakehouse.changes(ALERT_CONFIGURATIONS.name, since).rows
    assert set(changes.column("alert_id").to_pylist()) == {"A"}
    row = read_rows(lakehouse)[0]
    assert (row["severity"], row["created_at"], row["updated_at"]) == ("CRITICAL", NOW, LATER)


def test_removing_a_definition_removes_its_row_and_no_row_of_people(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    lakehouse.append(ALERT_CONFIGURATIONS.name, as_table([configuration(alert_id="MINE")], NOW))
    write(definitions, "a.yml", {"alert_id": "A"})
    assert load_definitions(lakehouse, definitions, LATER).removed == ("B",)
    assert ids(lakehouse) == ["A", "MINE"]


@pytest.mark.parametrize("empty", ["no files", "no folder"])
def test_an_empty_folder_is_an_error_and_removes_nothing(lakehouse: Lakehouse, definitions: Path, empty: str) -> None:
    load_definitions(lakehouse, definitions, NOW)
    (definitions / "a.yml").unlink()
    if empty == "no folder":
        definitions.rmdir()
    with pytest.raises(
        DefinitionError, match=r"holds no alert definitions.*2 configured alerts came from YAML.*nothing was changed"
    ):
        load_definitions(lakehouse, definitions, LATER)
    assert ids(lakehouse) == ["A", "B"]


def test_strict_one_bad_file_and_nothing_is_written(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    before = version(lakehouse)
    (definitions / "b.yml").write_text("alerts: [")
    write(definitions, "a.yml", {"alert_id": "C"})
    with pytest.raises(DefinitionError, match=r"b\.yml:1: YAML"):
        load_definitions(lakehouse, definitions, LATER, strict=True)
    assert version(lakehouse) == before


def errors(lakehouse: Lakehouse) -> dict[str, str | None]:
    return {row["alert_id"]: row["definition_error"] for row in read_rows(lakehouse)}


def test_a_wrong_definition_costs_its_own_alert_and_its_row_stays(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    before = read_rows(lakehouse)[1]
    write(
        definitions,
        "a.yml",
        {"alert_id": "A", "severity": "INFO"},
        {"alert_id": "B", "operator": "GREATER", "severity": "INFO"},
        {"alert_id": "C", "operator": "GREATER"},
    )
    result = load_definitions(lakehouse, definitions, LATER)
    assert (result.changed, list(result.kept), [problem.alert_id for problem in result.problems]) == (
        ("A",),
        ["B"],
        ["B", "C"],
    )
    after = read_rows(lakehouse)
    assert [row["severity"] for row in after] == ["INFO", "WARNING"]
    assert "did you mean 'GREATER_THAN'" in after[1].pop("definition_error")
    assert after[1] == {name: value for name, value in before.items() if name != "definition_error"}
    at = version(lakehouse)
    load_definitions(lakehouse, definitions, LATER)
    assert version(lakehouse) == at, "the same error is not written again"
    write(definitions, "a.yml", {"alert_id": "A"}, {"alert_id": "B", "severity": "INFO"})
    load_definitions(lakehouse, definitions, LATER)
    assert errors(lakehouse) == {"A": None, "B": None}


@pytest.mark.parametrize(
    "damage",
    ["alerts: [", "alerts:\n  - alert_id: A\n  - alert_id: [", b"alerts: \xff", "", "alerts:\n  - {alert_id: a}"],
)
def test_a_file_that_cannot_be_read_removes_nothing(
    lakehouse: Lakehouse, definitions: Path, damage: str | bytes
) -> None:
    load_definitions(lakehouse, definitions, NOW)
    (definitions / "a.yml").write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    write(definitions, "b.yml", {"alert_id": "C"})
    result = load_definitions(lakehouse, definitions, LATER)
    assert (result.added, result.removed, sorted(result.kept)) == (("C",), (), ["A", "B"])
    assert ids(lakehouse) == ["A", "B", "C"]
    assert all(str(error).startswith("a.yml") for name, error in errors(lakehouse).items() if name != "C")


def test_an_alert_that_was_moved_to_a_file_that_cannot_be_read_stays(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    write(definitions, "a.yml", {"alert_id": "A"})
    (definitions / "b.yml").write_text("alerts:\n  - alert_id: B\n    alert_name: [")
    assert load_definitions(lakehouse, definitions, LATER).removed == ()
    assert ids(lakehouse) == ["A", "B"]


def test_both_holders_of_an_id_are_held_back(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    write(definitions, "b.yml", {"alert_id": "A", "severity": "INFO"}, {"alert_id": "C"})
    result = load_definitions(lakehouse, definitions, LATER)
    assert (result.added, list(result.kept)) == (("C",), ["A"])
    assert [read_rows(lakehouse)[0][name] for name in ("severity", "managed_by")] == ["WARNING", "yaml:a.yml"]


def test_too_many_removals_at_once_stay_and_the_rest_goes_on(lakehouse: Lakehouse, definitions: Path) -> None:
    many = [{"alert_id": f"M-{number:02}"} for number in range(12)]
    write(definitions, "a.yml", *many)
    load_definitions(lakehouse, definitions, NOW, max_delete_percent=20)
    write(definitions, "a.yml", {"alert_id": "M-00", "severity": "INFO"}, *many[1:4], {"alert_id": "NEW"})
    result = load_definitions(lakehouse, definitions, LATER, max_delete_percent=20)
    assert (result.added, result.changed, result.removed, len(result.kept)) == (("NEW",), ("M-00",), (), 8)
    assert "8 of 12 alerts would be removed" in str(result.problems[-1])
    assert "alerting apply --allow-deletes" in str(result.problems[-1])
    assert len(ids(lakehouse)) == 13
    assert len(load_definitions(lakehouse, definitions, LATER).removed) == 8
    assert len(ids(lakehouse)) == 5


def test_files_of_subfolders_are_read_and_a_move_removes_nothing(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    (definitions / "team" / "deep").mkdir(parents=True)
    (definitions / "a.yml").rename(definitions / "team" / "deep" / "a.yml")
    for ignored in (".git", "tests", "team/tests"):
        (definitions / ignored).mkdir()
        (definitions / ignored / "x.yml").write_text("no: definitions")
    result = load_definitions(lakehouse, definitions, LATER)
    assert (result.changed, result.removed, result.problems) == (("A", "B"), (), ())
    assert {row["managed_by"] for row in read_rows(lakehouse)} == {"yaml:team/deep/a.yml"}


def test_what_stands_where_nobody_looks_for_it_is_told(lakehouse: Lakehouse, definitions: Path) -> None:
    (definitions / "team" / "templates").mkdir(parents=True)
    (definitions / "team" / "templates" / "t.yml").write_text("x")
    (definitions / "team" / "validation.yml").write_text("rules: {}")
    result = load_definitions(lakehouse, definitions, NOW)
    assert result.added == ("A", "B")
    assert [str(problem).split(": ")[0] for problem in result.problems] == [
        "team/templates/t.yml",
        "team/validation.yml",
    ]


def test_a_file_does_not_take_over_a_row_that_people_made(lakehouse: Lakehouse, definitions: Path) -> None:
    set_fields(lakehouse, "A", fields(), NOW)
    result = load_definitions(lakehouse, definitions, NOW)
    assert "a.yml:2: alert A alert_id: is already a row managed by 'sql'" in str(result.problems[0])
    assert [(row["alert_id"], row["managed_by"]) for row in read_rows(lakehouse)] == [("A", "sql"), ("B", "yaml:a.yml")]


def fields(**changes: str) -> dict[str, str]:
    return {name: str(value) for name, value in values().items() if name != "alert_id"} | changes


def test_set_adds_a_row_and_then_changes_it(lakehouse: Lakehouse) -> None:
    set_fields(lakehouse, "NEW", fields(notification_channels="[a@example.com]", tags="{team: core}"), NOW)
    set_fields(lakehouse, "NEW", {"threshold_value_double": "5", "is_enabled": "false"}, LATER)
    (row,) = read_rows(lakehouse)
    assert (row["threshold_value_double"], row["is_enabled"], row["managed_by"]) == (5.0, False, "sql")
    assert (row["notification_channels"], row["tags"], row["updated_at"]) == (
        ["a@example.com"],
        {"team": "core"},
        LATER,
    )


def test_setting_what_already_is_writes_nothing(lakehouse: Lakehouse) -> None:
    set_fields(lakehouse, "NEW", fields(), NOW)
    before = version(lakehouse)
    set_fields(lakehouse, "NEW", {"severity": "WARNING"}, LATER)
    assert version(lakehouse) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"severty": "INFO"}, "severty: is no field that can be set; did you mean 'severity'"),
        ({"databricks_alert_id": "x"}, "is no field that can be set"),
        ({"threshold_value_double": ".nan"}, "finite"),
        ({"tags": "{"}, "cannot be read as YAML"),
        ({"schedule_cron": "0 0 8 * * 1"}, "Quartz"),
        ({"threshold_value_double": "null"}, "is missing"),
    ],
)
def test_a_wrong_set_is_refused_and_the_row_stays(lakehouse: Lakehouse, change: dict[str, str], says: str) -> None:
    set_fields(lakehouse, "NEW", fields(), NOW)
    before = version(lakehouse)
    with pytest.raises(DefinitionError, match=says):
        set_fields(lakehouse, "NEW", change, LATER)
    assert version(lakehouse) == before


def test_a_row_of_a_file_is_changed_there(lakehouse: Lakehouse, definitions: Path) -> None:
    load_definitions(lakehouse, definitions, NOW)
    for edit in (lambda: set_fields(lakehouse, "A", {"severity": "INFO"}, LATER), lambda: delete_alert(lakehouse, "A")):
        with pytest.raises(DefinitionError, match=r"is defined in a\.yml"):
            edit()
    assert ids(lakehouse) == ["A", "B"]


def test_delete_removes_one_row_and_names_a_near_one_when_there_is_none(lakehouse: Lakehouse) -> None:
    for alert_id in ("COST-001", "COST-002"):
        set_fields(lakehouse, alert_id, fields(), NOW)
    with pytest.raises(DefinitionError, match="did you mean 'COST-001'"):
        delete_alert(lakehouse, "COST-01")
    delete_alert(lakehouse, "COST-001")
    assert ids(lakehouse) == ["COST-002"]


def test_rows_that_people_wrote_wrong_cost_their_own_alert_only(lakehouse: Lakehouse) -> None:
    table = as_table([configuration(alert_id=name) for name in ("GOOD", "BAD", "TWICE", "TWICE")], NOW)
    night = as_table([configuration(alert_id="NIGHT", schedule_cron="0 0 * * * ?", for_evaluations=2)], NOW)
    night = night.set_column(
        night.schema.get_field_index("schedule_cron"), "schedule_cron", [pa.array(["0 0 22-2 * * ?"])]
    )
    lakehouse.append(ALERT_CONFIGURATIONS.name, night)
    operators = table.column("operator").to_pylist()
    operators[1] = "BIGGER_THAN"
    table = table.set_column(table.schema.get_field_index("operator"), "operator", [operators])
    lakehouse.append(ALERT_CONFIGURATIONS.name, table)
    alerts = {alert.alert_id: alert for alert in to_alerts(read_rows(lakehouse), TARGET)}
    assert {name for name, alert in alerts.items() if alert.compiled} == {"GOOD"}
    assert "did you mean 'GREATER_THAN'" in alerts["BAD"].problems[0].message
    assert "needs a schedule that comes at even intervals" in alerts["NIGHT"].problems[0].message
    assert "2 rows of alert_configurations share it" in alerts["TWICE"].problems[0].message
