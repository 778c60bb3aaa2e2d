"""The web page, as a browser gets it."""

from __future__ import annotations

import http.client
from html.parser import HTMLParser

import pytest
import requests

from alerting_assets.workspace.local.pages import schedule
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import Server

HOSTILE = """<script>alert("x")</script> & 'quoted' {{ 7 * 7 }} \u202e"""


class Seen(HTMLParser):
    """Tags, attributes and text of a page."""

    VOID = ("meta", "input")

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
