"""The Dagster UI and the local workspace's page in a headless browser, after the main job ran; `make test-ui`.

Needs an installed chromium (CHROMIUM names another than the one on PATH). Screenshots go to build/screenshots."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from alerting_assets_tests.ports import free_ports
from alerting_assets_tests.shipped import shipped_definitions

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[2]
SCREENSHOTS = CHECKOUT / "build" / "screenshots"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class Site:
    dagster: str
    workspace: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The main job's home, served by `alerting dev`."""
    environment = {
        **os.environ,
        "ALERTING_HOME": str(tmp_path_factory.mktemp("home")),
        "ALERTING_DEFINITIONS": str(shipped_definitions()),
    }
    environment.pop("DAGSTER_HOME", None)
    subprocess.run([sys.executable, "-m", "alerting_assets"], env=environment, check=True, timeout=300)
    ports = [str(port) for port in free_ports(2)]
    dev = [
        sys.executable,
        "-c",
        "from alerting_assets.cli import main; main()",
        "dev",
        "--port",
        ports[0],
        "--workspace-port",
        ports[1],
    ]
    process = subprocess.Popen(dev, env=environment)
    found = Site(f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}")
    try:
        deadline = time.monotonic() + 180
        while not _answers(f"{found.dagster}/server_info"):
            assert process.poll() is None, "alerting dev ended"
            assert time.monotonic() < deadline, "the Dagster UI did not come up"
            time.sleep(0.5)
        subprocess.run([*dev[:3], "workspace", "evaluate"], env=environment, check=True, timeout=120)
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    binary = (
        os.environ.get("CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    assert binary, "no chromium on PATH; install it, or set CHROMIUM to its path"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=binary, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1600, "height": 1000})
    opened.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    yield opened
    opened.close()


def screenshot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(1_500)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def test_the_graph_shows_every_stage(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 2600, "height": 1800})  # Dagster shortens the names of small nodes
    page.goto(f"{site.dagster}/locations/alerting_assets/asset-groups/alerting")
    for name in (
        "alert_configurations",
        "notification_destinations",
        "deployed_destinations",
        "notification_routes",
        "alert_silences",
        "validated_queries",
        "validation_report",
        "deployed_alerts",
        "deployment_report",
        "alert_sync_metrics",
        "alert_history",
        "anomaly_model",
        "expected_ranges",
    ):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    screenshot(page, "graph")


def test_quarantined_alerts_are_visibly_failed_with_their_reason(site: Site, page: Page) -> None:
    page.goto(f"{site.dagster}/assets/validated_queries?view=checks&checkDetail=references")
    expect(page.get_by_text("Execution history")).to_be_visible()
    page.get_by_text("Partitions", exact=True).last.click()
    expect(page.get_by_text("Failed (1)", exact=True)).to_be_visible()
    page.get_by_text("BROKEN-001", exact=True).first.click()
    expect(page.get_by_text("fact_invoices does not exist").first).to_be_visible()
    screenshot(page, "quarantined")
    page.get_by_text("COST-001", exact=True).first.click()
    expect(page.get_by_text("Every table exists and can be read.").first).to_be_visible()


def test_unit_tests_of_alerts_are_a_check_with_a_table(site: Site, page: Page) -> None:
    page.goto(f"{site.dagster}/assets/alert_configurations?view=checks&checkDetail=alert_tests_pass")
    expect(page.get_by_text("0 of 8 tests failed")).to_be_visible()
    expect(page.get_by_text("SEC-007: an address outside of the network")).to_be_visible()
    screenshot(page, "alert_tests")


def test_a_deployed_alert_links_to_its_page_in_the_workspace(site: Site, page: Page) -> None:
    page.goto(f"{site.dagster}/assets/deployed_alerts?view=partitions&partition=COST-001")
    expect(page.get_by_text("[CRITICAL] Spend against the same day last week")).to_be_visible()
    link = page.get_by_role("link", name="/alerts/").first.get_attribute("href")
    screenshot(page, "deployed")
    assert link is not None
    page.goto(f"{site.workspace}/alerts/{link.rpartition('/')[2]}")
    expect(page.get_by_text("Spend against the same day last week").first).to_be_visible()
    screenshot(page, "alert")


def test_the_workspace_page_lists_alerts_with_their_states(site: Site, page: Page) -> None:
    page.goto(site.workspace)
    expect(page.get_by_text("TRIGGERED").first).to_be_visible()
    screenshot(page, "workspace")


def test_the_workspace_page_shows_destinations_and_messages(site: Site, page: Page) -> None:
    page.goto(site.workspace)
    expect(page.get_by_text("Notification destinations", exact=True)).to_be_visible()
    expect(page.get_by_text("finops@example.com").first).to_be_visible()
    expect(page.get_by_text("Recent messages", exact=True)).to_be_visible()
    expect(page.get_by_text("alerting workspace inbox").first).to_be_visible()
    screenshot(page, "messages")
