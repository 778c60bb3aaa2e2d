"""The web page, as a browser gets it."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests

from alerting_assets.errors import LakehouseUnavailable
from alerting_assets.workspace.local.own_state import OwnState
from alerting_assets.workspace.local.pages import condition, moment, schedule
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import Server, sqlite_runner

HOSTILE = """<script>alert("x")</script> & 'quoted' {{ 7 * 7 }} \u202e"""


class Seen(HTMLParser):
    """Tags, attributes and text of a page."""

    VOID = ("meta", "input", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(server: Server, path: str) -> Seen:
    """Without a token, as people open it."""
    answer = requests.get(server.address + path, timeout=10)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    return Seen(answer.text)


@pytest.mark.integration
def test_the_overview_shows_alerts_evaluations_requests_and_faults(server: Server) -> None:
    server.create()
    server.json("POST", "/api/local/evaluate")
    server.fault("throttle", "PATCH", every=3)
    text = page(server, "/").text
    for part in (
        "TRIGGERED",
        "Daily cost",
        "cost > 100",
        "daily at 08:00 (UTC)",
        "120.5",
        "POST /api/2.0/alerts",
        "throttle",
    ):
        assert part in text


@pytest.mark.integration
def test_an_alert_s_page_shows_all_of_it_and_draws_its_values(server: Server) -> None:
    alert = server.create(custom_summary="Costs too much")
    for _ in range(3):
        server.json("POST", "/api/local/evaluate")
    seen = page(server, f"/alerts/{alert['id']}")
    for part in ("Daily cost", "SELECT 120.5 AS cost", "cost > 100", "a@example.com", "Costs too much", alert["id"]):
        assert part in seen.text
    assert seen.tags.count("circle") == 3
    assert "polyline" in seen.tags


@pytest.mark.integration
def test_hostile_text_stays_text(server: Server) -> None:
    alert = server.create(
        display_name=HOSTILE,
        query_text=f"SELECT broken -- {HOSTILE}",
        custom_summary=HOSTILE,
        custom_description=HOSTILE,
        evaluation__source={"name": HOSTILE},
        evaluation__threshold={"value": {"string_value": HOSTILE}},
        parent_path=f"/{HOSTILE}",
    )
    server.json("POST", "/api/local/evaluate")
    server.request("GET", "/api/2.0/alerts?<script>=<script>")
    for path in ("/", f"/alerts/{alert['id']}", f"/?search={HOSTILE}", "/?page=<script>"):
        seen = page(server, path)
        assert "script" not in seen.tags
        assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert HOSTILE in page(server, "/").text
    missing = requests.get(f"{server.address}/alerts/<script>", timeout=5)
    assert missing.status_code == 404
    assert "script" not in Seen(missing.text).tags


MARKER = "/* alerting_assets alert_id=COST-001 environment=dev nonce=0123456789abcdef0123456789abcdef */"


@pytest.mark.integration
def test_what_needs_somebody_comes_first_and_states_can_be_chosen(server: Server) -> None:
    server.create(display_name="A is well", query_text="SELECT 1.0 AS cost")
    server.create(display_name="B fails", query_text="SELECT broken")
    server.create(display_name="C fires")
    server.create(display_name="D fires, too")
    server.json("POST", "/api/local/evaluate")
    server.create(display_name="E waits")
    alerts = ["C fires", "D fires, too", "B fails", "E waits", "A is well"]

    def shown(path: str) -> list[str]:
        listed = page(server, path).text.partition("Recent evaluations")[0]
        return sorted((name for name in alerts if name in listed), key=listed.index)

    assert shown("/") == alerts
    assert shown("/?state=nonsense") == alerts
    assert shown("/?state=TRIGGERED") == ["C fires", "D fires, too"]
    assert shown("/?state=TRIGGERED&search=too") == ["D fires, too"]
    assert [shown(f"/?state={state}") for state in ("ERROR", "UNKNOWN", "OK")] == [
        ["B fails"],
        ["E waits"],
        ["A is well"],
    ]
    links = [value for name, value in page(server, "/?search=fires").attributes if name == "href"]
    assert "?search=fires&state=TRIGGERED" in links
    assert ("value", "ERROR") in page(server, "/?state=ERROR").attributes  # a search keeps to the state


@pytest.mark.integration
def test_pages_of_a_choice_lead_to_more_of_it(server: Server) -> None:
    for number in range(101):
        server.create(display_name=f"Alert {number:03}")
    links = [value for name, value in page(server, "/?state=UNKNOWN").attributes if name == "href"]
    assert "?search=&state=UNKNOWN&page=2" in links
    assert "Alert 100" in page(server, "/?search=&state=UNKNOWN&page=2").text


@pytest.mark.integration
def test_alerts_that_we_deployed_show_their_id_and_condition(server: Server) -> None:
    compiled = "/* cost is between 1 and 2 */\nSELECT CASE WHEN TRUE THEN 1.5 END AS cost"
    is_not_null = {"evaluation__comparison_operator": "IS_NOT_NULL", "evaluation__threshold": None}
    alert = server.create(query_text=f"{MARKER}\n{compiled}", **is_not_null)
    for path in ("/", f"/alerts/{alert['id']}"):
        text = page(server, path).text
        assert "COST-001" in text
        assert "cost is between 1 and 2" in text
        assert "cost is not NULL" not in text


@pytest.mark.unit
@pytest.mark.parametrize(
    ("query", "changes"),
    [
        (f"{MARKER}\nSELECT 1 AS cost", {}),
        (f"{MARKER}\n/* my own words */\nSELECT 1 AS cost", {}),
        ("/* cost is between 1 and 2 */\nSELECT CASE WHEN TRUE THEN 1.5 END AS cost", {}),
        (
            f"{MARKER}\n/* my own words */\nSELECT CASE WHEN TRUE THEN 1 END AS cost",
            {"evaluation__comparison_operator": "IS_NULL"},
        ),
    ],
)
def test_other_comments_are_no_conditions(query: str, changes: dict[str, str]) -> None:
    changes = {"evaluation__comparison_operator": "IS_NOT_NULL", **changes}
    body = alert_body(query_text=query, evaluation__threshold=None, **changes)
    assert condition(body) == (
        "cost is NULL" if body["evaluation"]["comparison_operator"] == "IS_NULL" else "cost is not NULL"
    )


@pytest.mark.integration
def test_the_page_says_since_when_and_whom_an_evaluation_notified(server: Server) -> None:
    alert = server.create()
    first, *_, last = (server.json("POST", f"/api/local/alerts/{alert['id']}/evaluate") for _ in range(3))
    assert first["evaluated_at"] < last["evaluated_at"]
    seen = page(server, f"/alerts/{alert['id']}").text
    assert f"since {moment(first['evaluated_at'])}" in seen
    assert "a@example.com" in seen.partition("Evaluations")[2]
    assert moment(first["evaluated_at"]) in page(server, "/").text


def served(root: Path, own_states: Callable[[], Mapping[str, OwnState]]) -> LocalWorkspaceServer:
    return LocalWorkspaceServer(root / "workspace", sqlite_runner, port=None, own_states=own_states)


def own(state: str, value: float | str | None, hours_ago: float, error: str | None = None) -> OwnState:
    at = datetime.now(UTC) - timedelta(hours=hours_ago)
    return OwnState(state, at - timedelta(days=1), value, at, error)


@pytest.mark.integration
def test_the_newer_of_the_workspace_s_evaluation_and_the_product_s_is_shown(tmp_path: Path) -> None:
    found: dict[str, OwnState] = {}
    with served(tmp_path, lambda: found) as running:
        server = Server(running, tmp_path)
        ours, theirs, waits, fails = (
            server.create(display_name=name)["id"] for name in ("A ours", "B theirs", "C waits", "D fails")
        )
        server.json("POST", f"/api/local/alerts/{theirs}/evaluate")
        found |= {
            ours: own("TRIGGERED", 4711.0, 1),
            theirs: own("OK", 815.0, 1),
            fails: own("ERROR", None, 1, "<b>out of memory</b>"),
            "an alert of another workspace": own("TRIGGERED", 1.0, 1),
        }
        before = server.alerts()
        listed = page(server, "/").text.partition("Recent evaluations")[0]
        assert [name for name in ("A ours", "B theirs", "D fails", "C waits") if name in listed] == sorted(
            ("A ours", "B theirs", "D fails", "C waits"), key=listed.index
        ), "what needs somebody comes first, whoever found out"
        assert ("4,711" in listed, "120.5" in listed, "815" in listed) == (True, True, False)
        assert "A ours" in page(server, "/?state=TRIGGERED").text.partition("Recent evaluations")[0]
        assert "A ours" not in page(server, "/?state=UNKNOWN").text.partition("Recent evaluations")[0]
        one = page(server, f"/alerts/{ours}").text
        assert (
            f"since {found[ours].since:%Y-%m-%d %H:%M:%S} UTC; evaluated {found[ours].evaluated_at:%Y-%m-%d %H:%M:%S} "
            in one
        )
        assert "by alerting_assets: 4,711" in one
        assert "by the workspace: 120.5" in page(server, f"/alerts/{theirs}").text
        assert "by alerting_assets: <b>out of memory</b>" in page(server, f"/alerts/{fails}").text
        assert "evaluated" not in page(server, f"/alerts/{waits}").text.partition("Definition")[0]
        assert server.alerts() == before
        assert "state" not in server.json("GET", f"/api/2.0/alerts/{ours}")["evaluation"], (
            "the API says what Databricks would"
        )


@pytest.mark.integration
def test_an_imported_evaluation_stays_the_workspace_s_and_since_when_is_what_the_product_remembers(
    tmp_path: Path,
) -> None:
    found: dict[str, OwnState] = {}
    with served(tmp_path, lambda: found) as running:
        server = Server(running, tmp_path)
        fires = server.create(display_name="A fires")["id"]
        evaluated = server.json("POST", f"/api/local/alerts/{fires}/evaluate")
        at = datetime.fromisoformat(evaluated["evaluated_at"])
        found[fires] = OwnState(evaluated["state"], at - timedelta(hours=3), 120.5, at, None, is_imported=True)
        one = page(server, f"/alerts/{fires}").text
    assert f"since {at - timedelta(hours=3):%Y-%m-%d %H:%M:%S} UTC" in one
    assert "by the workspace: 120.5" in one


@pytest.mark.integration
@pytest.mark.parametrize(
    ("error", "says"),
    [(LakehouseUnavailable("the folder is away"), "the folder is away"), (ValueError("a secret"), "ValueError")],
)
def test_a_lakehouse_that_fails_costs_the_page_its_evaluations_only(
    tmp_path: Path, error: Exception, says: str
) -> None:
    def fail() -> Mapping[str, OwnState]:
        raise error

    with served(tmp_path, fail) as running:
        server = Server(running, tmp_path)
        alert = server.create()
        server.json("POST", "/api/local/evaluate")
        for path in ("/", f"/alerts/{alert['id']}"):
            text = page(server, path).text
            assert "our own evaluations cannot be read" in text
            assert (says in text, "a secret" in text, "120.5" in text) == (True, False, True)


@pytest.mark.integration
def test_many_alerts_are_paged_and_found_by_name(server: Server) -> None:
    for number in range(150):
        server.create(display_name=f"Alert {number:03}")
    first, second = page(server, "/").text, page(server, "/?page=2").text
    assert ("Alert 000" in first, "Alert 149" in first, "page 1 of 2" in first) == (True, False, True)
    assert ("Alert 000" in second, "Alert 149" in second) == (False, True)
    assert "Alert 149" in page(server, "/?search=alert+149").text


@pytest.mark.integration
def test_databricks_own_path_of_an_alert_leads_to_its_page(server: Server) -> None:
    alert = server.create()
    assert "Daily cost" in page(server, f"/sql/alerts-v2/{alert['id']}").text


@pytest.mark.integration
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8765", "", "10.0.0.1"]
)
@pytest.mark.parametrize("path", ["/", "/api/2.0/alerts"])
def test_a_page_of_another_site_cannot_read_anything(server: Server, host: str, path: str) -> None:
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=5)
    connection.request("GET", path, headers={"Host": host, "Authorization": server.session.headers["Authorization"]})
    assert connection.getresponse().status in (400, 403)
    connection.close()


@pytest.mark.unit
@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 0 8 * * ?", "daily at 08:00 (UTC)"),
        ("30 5 * * * ?", "hourly at :05 (UTC)"),
        ("0 0/15 * ? * *", "every 15 min (UTC)"),
        ("0 0 8 ? * MON-FRI", "0 0 8 ? * MON-FRI (UTC)"),
        ("0 0 8 1 * ?", "0 0 8 1 * ? (UTC)"),
        ("0 0 8 * * ? 2030", "0 0 8 * * ? 2030 (UTC)"),
    ],
)
def test_common_schedules_read_as_words(cron: str, words: str) -> None:
    assert schedule(alert_body(schedule__quartz_cron_schedule=cron)) == words
