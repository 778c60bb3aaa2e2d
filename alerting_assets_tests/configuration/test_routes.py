"""Routes: a file in, rows and problems out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.configuration import ROUTE, load_listed, plan_load, read_listed, routing_of
from alerting_assets.errors import DefinitionError
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import NOTIFICATION_ROUTES
from alerting_assets_tests.examples import configuration

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECURITY = {"route_id": "security", "match_domains": "security", "channels": "soc", "owner": "o"}
COST = {
    "route_id": "cost",
    "match_domains": ["COST"],
    "match_tags": {"team": "fin*"},
    "channels": ["a", "b"],
    "owner": "o",
}
DEFAULT = {"route_id": "default", "channels": ["owner"], "owner": "o"}


def write(folder: Path, *routes: dict[str, Any]) -> None:
    folder.joinpath("routing.yml").write_text(json.dumps({"routes": routes}))


def load(lakehouse: Lakehouse, folder: Path, **options: Any) -> Any:
    return load_listed(ROUTE, lakehouse, folder, NOW, **options)


def positions(lakehouse: Lakehouse) -> dict[str, int]:
    return {row["route_id"]: row["position"] for row in read_listed(lakehouse, ROUTE)}


def by_sql(lakehouse: Lakehouse, **row: Any) -> None:
    whole = arrow_schema(NOTIFICATION_ROUTES)
    given = {"managed_by": "sql", "owner": "o", "channels": ["team"], "created_at": NOW, **row}
    table = pa.Table.from_pylist([given], schema=pa.schema([whole.field(name) for name in given]))
    lakehouse.append(NOTIFICATION_ROUTES.name, table)


def test_the_order_of_the_file_is_the_order_of_the_routes(lakehouse: Lakehouse, tmp_path: Path) -> None:
    write(tmp_path, SECURITY, COST, DEFAULT)
    assert load(lakehouse, tmp_path).added == ("cost", "default", "security")
    assert positions(lakehouse) == {"security": 10, "cost": 20, "default": 30}
    (row,) = [row for row in read_listed(lakehouse, ROUTE) if row["route_id"] == "cost"]
    assert (row["match_tags"], row["channels"], row["managed_by"]) == ({"team": "fin*"}, ["a", "b"], "yaml:routing.yml")
    version = lakehouse.version(NOTIFICATION_ROUTES.name)
    load(lakehouse, tmp_path)
    assert lakehouse.version(NOTIFICATION_ROUTES.name) == version, "the same file writes nothing"
    write(tmp_path, COST, SECURITY)
    changed = load(lakehouse, tmp_path)
    assert (changed.changed, changed.removed) == (("cost", "security"), ("default",))
    assert positions(lakehouse) == {"cost": 10, "security": 20}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps({"routes": [DEFAULT, {**SECURITY, "channels": ["No Name"]}, COST]}), "route security channels: "),
        (json.dumps({"routes": [SECURITY, SECURITY]}), "is used at routing.yml:1 as well"),
        (json.dumps({"routes": [COST, SECURITY], "alerts": []}), "'alerts' is not known beside `routes`"),
        (json.dumps({"routes": [{**SECURITY, "position": 5}]}), "from the order of the file"),
        (json.dumps({"routes": [{**SECURITY, "managed_by": "sql"}]}), "is set by the loader"),
        ("routes:\n  - {route_id: security", "YAML"),
        ("", "write a list under `routes:`, or `routes: []` where there are none"),
        (None, "is gone, and 2 routes came from it"),
    ],
)
def test_a_file_with_a_mistake_leaves_all_routes_as_they_were(
    lakehouse: Lakehouse, tmp_path: Path, text: str | None, says: str
) -> None:
    write(tmp_path, SECURITY, COST)
    load(lakehouse, tmp_path)
    before = positions(lakehouse)
    file = tmp_path / "routing.yml"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    result = load(lakehouse, tmp_path)
    assert any(says in str(problem) for problem in result.problems), result.problems
    assert positions(lakehouse) == before
    assert [bool(row["definition_error"]) for row in read_listed(lakehouse, ROUTE)] == [True, True]
    with pytest.raises(DefinitionError, match=r"routing\.yml"):
        load(lakehouse, tmp_path, strict=True)
    write(tmp_path, SECURITY, COST)
    assert load(lakehouse, tmp_path).problems == ()
    assert [row["definition_error"] for row in read_listed(lakehouse, ROUTE)] == [None, None]


def test_an_empty_list_removes_what_the_file_defined_and_nothing_else(lakehouse: Lakehouse, tmp_path: Path) -> None:
    by_sql(lakehouse, route_id="by-hand", position=15)
    write(tmp_path, SECURITY, DEFAULT)
    load(lakehouse, tmp_path)
    assert [one.route_id for one in routing_of(read_listed(lakehouse, ROUTE)).routes] == [
        "security",
        "by-hand",
        "default",
    ]
    write(tmp_path)
    assert load(lakehouse, tmp_path).problems == ()
    assert positions(lakehouse) == {"by-hand": 15}
    write(tmp_path, {**SECURITY, "route_id": "by-hand"})
    assert "is a row that sql manages" in str(load(lakehouse, tmp_path).problems[0])


def test_the_file_is_no_file_of_alerts_and_stands_in_one_place(tmp_path: Path) -> None:
    write(tmp_path, SECURITY)
    tmp_path.joinpath("alerts.yml").write_text("alerts:\n  - {alert_id: A}\n")
    tmp_path.joinpath("more").mkdir()
    tmp_path.joinpath("more/routing.yml").write_text("routes: []\n")
    tmp_path.joinpath("routing.yaml").write_text("routes: []\n")
    told = [str(problem) for problem in plan_load(tmp_path, []).problems if problem.alert_id is None]
    assert told == [
        "more/routing.yml: routing.yml is read where the definitions' first files lie only; move it there",
        "routing.yaml: is not read under this name; call it routing.yml",
    ]


def test_rows_that_are_wrong_keep_their_place(lakehouse: Lakehouse) -> None:
    by_sql(lakehouse, route_id="twice", position=30, match_domains=["COST"])
    by_sql(lakehouse, route_id="twice", position=20)
    by_sql(lakehouse, route_id="wrong", position=10, match_domains=["SECURITY"], channels=["No Name"])
    by_sql(lakehouse, route_id="first", position=5, match_severities=["CRITICAL"])
    routing = routing_of(read_listed(lakehouse, ROUTE))
    assert [(one.route_id, one.position) for one in routing.routes] == [("first", 5), ("wrong", 10), ("twice", 20)]
    assert routing.decide(configuration(severity="CRITICAL")).channels == ("team",)
    assert "'No Name' is neither" in routing.decide(configuration(agent_domain="SECURITY")).problem
    assert "2 rows of notification_routes share it" in routing.decide(configuration()).problem
