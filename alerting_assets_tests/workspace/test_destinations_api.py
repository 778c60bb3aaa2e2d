"""Notification destinations as the local workspace answers them to the real databricks-sdk, and what it keeps of their secrets."""

from __future__ import annotations

import json
import logging
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.settings import (
    Config,
    EmailConfig,
    GenericWebhookConfig,
    MicrosoftTeamsConfig,
    PagerdutyConfig,
    SlackConfig,
)
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.errors import WorkspaceNotFound
from alerting_assets.workspace.local.destination_body import KINDS, read_body
from alerting_assets.workspace.local.destinations import Destinations
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.local.store import Store
from alerting_assets.workspace.local.vault import SecretLost, Vault
from alerting_assets_tests.profile import examples
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import TOKEN, Server, sqlite_runner
from alerting_assets_tests.workspace.test_pages import Seen

pytestmark = pytest.mark.integration

PATH = "/api/2.0/notification-destinations"
SECRET = "kept-SECRET-4711"
URL = f"https://hooks.example.com/services/{SECRET}"
KINDS_OF_THE_SDK = {
    "EMAIL": (Config(email=EmailConfig(addresses=["a@example.com", "b.c+d@müller.de"])), None),
    "SLACK": (Config(slack=SlackConfig(url=URL)), {"slack": {"url_set": True}}),
    "WEBHOOK": (
        Config(generic_webhook=GenericWebhookConfig(url=URL, username="me", password=SECRET)),
        {"generic_webhook": {"url_set": True, "username_set": True, "password_set": True}},
    ),
    "PAGERDUTY": (
        Config(pagerduty=PagerdutyConfig(integration_key=SECRET)),
        {"pagerduty": {"integration_key_set": True}},
    ),
    "MICROSOFT_TEAMS": (Config(microsoft_teams=MicrosoftTeamsConfig(url=URL)), {"microsoft_teams": {"url_set": True}}),
}


def slack(name: str = "Team", url: str = URL) -> dict[str, Any]:
    return {"display_name": name, "config": {"slack": {"url": url}}}


def make(server: Server, body: dict[str, Any] | None = None) -> str:
    created: str = server.json("POST", PATH, json=body or slack())["id"]
    return created


def serve(root: Path, **rules: Any) -> LocalWorkspaceServer:
    return LocalWorkspaceServer(root, sqlite_runner, port=None, token=TOKEN, rules=Rules(**rules))


@pytest.mark.parametrize("kind", KINDS_OF_THE_SDK)
def test_the_sdk_s_own_types_carry_a_destination_there_and_never_its_secrets_back(
    sdk: WorkspaceClient, server: Server, kind: str
) -> None:
    config, told = KINDS_OF_THE_SDK[kind]
    created = sdk.notification_destinations.create(display_name="Team", config=config)
    answered = sdk.notification_destinations.get(created.id or "")
    assert created == answered
    assert answered.as_dict() == {
        "id": created.id,
        "display_name": "Team",
        "destination_type": kind,
        "config": told or config.as_dict(),
    }
    assert [listed.as_dict() for listed in sdk.notification_destinations.list()] == [
        {"id": created.id, "display_name": "Team", "destination_type": kind}
    ]
    assert SECRET not in server.request("GET", f"{PATH}/{created.id}").text
    delivery = server.server.destinations.for_delivery(created.id or "")
    assert (delivery.name, delivery.type) == ("Team", kind)
    assert delivery.config == next(iter(config.as_dict().values()))
    assert SECRET not in repr(delivery)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"slack": {"oauth_token": SECRET, "channel_id": "C1"}},
            {"slack": {"oauth_token_set": True, "channel_id_set": True}},
        ),
        (
            {
                "microsoft_teams": {
                    "app_id": "a",
                    "auth_secret": SECRET,
                    "channel_url": URL,
                    "tenant_id": "t",
                    "url": None,
                }
            },
            {
                "microsoft_teams": {
                    "app_id_set": True,
                    "auth_secret_set": True,
                    "channel_url_set": True,
                    "tenant_id_set": True,
                }
            },
        ),
    ],
    ids=["slack", "teams"],
)
def test_the_newer_ways_of_chat_services_are_taken(
    server: Server, config: dict[str, Any], told: dict[str, Any]
) -> None:
    assert server.json("POST", PATH, json={"display_name": "Bot", "config": config})["config"] == told


def test_a_list_has_pages_and_a_name_may_occur_twice(sdk: WorkspaceClient, server: Server) -> None:
    ids = [make(server, slack(f"Team {number // 2}")) for number in range(45)]
    first = server.json("GET", PATH, params={"page_size": 20})
    assert len(first["results"]) == 20
    assert first["next_page_token"]
    assert [listed.id for listed in sdk.notification_destinations.list(page_size=20)] == ids


def test_a_new_name_keeps_the_secret_and_a_new_configuration_replaces_the_whole(
    sdk: WorkspaceClient, server: Server
) -> None:
    config = Config(generic_webhook=GenericWebhookConfig(url=URL, username="me", password=SECRET))
    created = sdk.notification_destinations.create(display_name="Old", config=config).id or ""
    renamed = sdk.notification_destinations.update(created, display_name="New")
    assert renamed.display_name == "New"
    assert server.server.destinations.for_delivery(created).config["password"] == SECRET
    rotated = Config(generic_webhook=GenericWebhookConfig(url=URL + "/2"))
    assert sdk.notification_destinations.update(created, config=rotated).config == Config(
        generic_webhook=GenericWebhookConfig(url_set=True)
    )
    assert server.server.destinations.for_delivery(created).config == {"url": URL + "/2"}
    assert sdk.notification_destinations.get(created).display_name == "New"


def test_the_type_is_never_changed(sdk: WorkspaceClient, server: Server) -> None:
    created = make(server)
    with pytest.raises(InvalidParameterValue, match="type SLACK, and the type cannot be changed"):
        sdk.notification_destinations.update(
            created, display_name="Other", config=Config(email=EmailConfig(addresses=["a@example.com"]))
        )
    found = sdk.notification_destinations.get(created)
    assert (found.display_name, found.config) == ("Team", Config(slack=SlackConfig(url_set=True)))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "expected a JSON object"),
        ({"config": {"slack": {"url": URL}}}, "display_name"),
        ({"display_name": "  ", "config": {"slack": {"url": URL}}}, "display_name"),
        ({"display_name": "N" * 256, "config": {"slack": {"url": URL}}}, "display_name"),
        ({"display_name": SECRET * 100, "config": {}}, "display_name"),
        ({"display_name": "Team"}, "config"),
        ({"display_name": "Team", "config": {}}, "exactly one of email, slack"),
        ({"display_name": "Team", "config": SECRET}, "config: expected a JSON object"),
        (
            {"display_name": "Team", "config": {"slack": {"url": URL}, "pagerduty": {"integration_key": SECRET}}},
            "got slack, pagerduty",
        ),
        ({"display_name": "Team", "config": {"slack": SECRET}}, "config.slack: expected a JSON object"),
        ({"display_name": "Team", "config": {"slack": {}}}, "url, or oauth_token with channel_id"),
        ({"display_name": "Team", "config": {"slack": {"url_set": True}}}, "config.slack: Missing required field"),
        ({"display_name": "Team", "config": {"slack": {"oauth_token": SECRET}}}, "oauth_token with channel_id"),
        ({"display_name": "Team", "config": {"slack": {"url": SECRET}}}, "config.slack.url: expected an http"),
        ({"display_name": "Team", "config": {"slack": {"url": f"ftp://a.b/{SECRET}"}}}, "expected an http"),
        ({"display_name": "Team", "config": {"slack": {"url": f"https://a.b:99999/{SECRET}"}}}, "expected an http"),
        ({"display_name": "Team", "config": {"slack": {"url": f"https://[x/{SECRET}"}}}, "expected an http"),
        ({"display_name": "Team", "config": {"slack": {"url": f"https://a.b/\r\n{SECRET}"}}}, "expected an http"),
        ({"display_name": "Team", "config": {"slack": {"url": [SECRET]}}}, "expected a text"),
        ({"display_name": "Team", "config": {"slack": {"url": f"https://a.b/{SECRET * 300}"}}}, "at most 4096"),
        ({"display_name": "Team", "config": {"slack": {"url": URL, SECRET: 1}}}, "config.slack: Unknown field"),
        ({"display_name": "Team", "config": {"generic_webhook": {"password": SECRET}}}, "url"),
        ({"display_name": "Team", "config": {"pagerduty": {"integration_key": 4711}}}, "integration_key"),
        ({"display_name": "Team", "config": {"email": {"addresses": []}}}, "config.email"),
        ({"display_name": "Team", "config": {"email": {"addresses": "a@example.com"}}}, "expected a list"),
        ({"display_name": "Team", "config": {"email": {"addresses": ["a@example.com"] * 101}}}, "1 to 100"),
        ({"display_name": "Team", "url": URL, "config": {"slack": {"url": URL}}}, "Unknown field"),
    ],
)
def test_what_cannot_be_a_destination_is_named_without_its_secrets(server: Server, body: Any, named: str) -> None:
    answer = server.request("POST", PATH, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert named in answer.json()["message"]
    assert SECRET not in answer.text
    assert server.json("GET", PATH)["results"] == []


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@",
        "@b.c",
        "a b@c.d",
        "a@b@c.d",
        "a@b..c",
        "a@-b.c",
        "a@b.c,d@e.f",
        "A <a@b.c>",
        " a@b.c",
        "a@b.c\n",
        7,
    ],
)
def test_a_wrong_address_is_named(server: Server, address: Any) -> None:
    config = {"email": {"addresses": ["right@example.com", address]}}
    answer = server.request("POST", PATH, json={"display_name": "Team", "config": config})
    assert answer.status_code == 400
    assert f"{address!r} is not an e-mail address" in answer.json()["message"]


def test_an_update_of_nothing_is_refused(server: Server) -> None:
    answer = server.request("PATCH", f"{PATH}/{make(server)}", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_gone_is_not_found(sdk: WorkspaceClient, server: Server) -> None:
    gone = make(server)
    sdk.notification_destinations.delete(gone)
    for ask in (
        lambda: sdk.notification_destinations.get(gone),
        lambda: sdk.notification_destinations.update(gone, display_name="New"),
        lambda: sdk.notification_destinations.delete(gone),
    ):
        with pytest.raises(NotFound, match=gone):
            ask()
    with pytest.raises(WorkspaceNotFound, match=gone):
        server.server.destinations.for_delivery(gone)


def test_a_workspace_that_is_full_says_so(tmp_path: Path) -> None:
    with serve(tmp_path, destination_limit=2) as running:
        server = Server(running, tmp_path)
        made = [make(server), make(server)]
        refused = server.request("POST", PATH, json=slack())
        assert (refused.status_code, refused.json()["error_code"]) == (400, "RESOURCE_LIMIT_EXCEEDED")
        server.json("DELETE", f"{PATH}/{made[0]}")
        make(server)


def test_alerts_notify_destinations_that_exist_and_one_in_use_may_be_deleted(server: Server) -> None:
    destination = make(server)
    subscribed = {"evaluation__notification": {"subscriptions": [{"destination_id": destination}]}}
    alert = server.create(**subscribed)
    server.json("DELETE", f"{PATH}/{destination}")
    assert server.json("GET", f"/api/2.0/alerts/{alert['id']}")["evaluation"] == alert["evaluation"]
    refused = server.request("POST", "/api/2.0/alerts", json=alert_body(**subscribed))
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert f"{destination!r} does not exist" in refused.json()["message"]


def test_lists_can_be_stale_as_those_of_alerts_can(server: Server) -> None:
    kept, changed = make(server), make(server, slack("Old"))
    server.json("PATCH", f"{PATH}/{changed}", json={"display_name": "New"})
    make(server, slack("Newest"))
    server.json("DELETE", f"{PATH}/{kept}")
    assert [one["display_name"] for one in server.json("GET", PATH)["results"]] == ["New", "Newest"]
    server.fault("stale_list", "GET", PATH, writes=3, times=1)
    assert [one["display_name"] for one in server.json("GET", PATH)["results"]] == ["Team", "Old"]
    assert [one["display_name"] for one in server.json("GET", PATH)["results"]] == ["New", "Newest"]


def test_a_restart_keeps_destinations_and_the_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    with serve(tmp_path) as running:
        created = make(Server(running, tmp_path))
        assert stat.S_IMODE((tmp_path / "secrets.key").stat().st_mode) == 0o600
    with serve(tmp_path) as running:
        assert Server(running, tmp_path).json("GET", f"{PATH}/{created}")["config"] == {"slack": {"url_set": True}}
        assert running.destinations.for_delivery(created).config == {"url": URL}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path) as running:
        yield Server(running, tmp_path)


def lose(key: Path) -> None:
    key.unlink()


def swap(key: Path) -> None:
    lose(key)
    Vault(key.parent).seal("something else")


def spoil(key: Path) -> None:
    key.write_text("no key\n")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(lose, "secrets.key does not exist"), (swap, "another key"), (spoil, "secrets.key holds no key")],
    ids=["lost", "another", "spoilt"],
)
def test_a_key_that_is_gone_costs_the_secrets_and_not_the_server(own: Server, harm: Any, reason: str) -> None:
    email = make(own, {"display_name": "Mail", "config": {"email": {"addresses": ["a@example.com"]}}})
    created = make(own)
    harm(own.root / "secrets.key")
    with pytest.raises(SecretLost, match=f"'Team' .*{reason}.*send the secret .*again"):
        own.server.destinations.for_delivery(created)
    assert own.server.destinations.for_delivery(email).config == {"addresses": ["a@example.com"]}
    assert [one["id"] for one in own.json("GET", PATH)["results"]] == [email, created]
    assert reason in requests.get(own.address, timeout=10).text
    if harm is spoil:
        refused = own.request("PATCH", f"{PATH}/{created}", json=slack())
        assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_STATE")
        (own.root / "secrets.key").unlink()
    own.json("PATCH", f"{PATH}/{created}", json=slack())
    assert own.server.destinations.for_delivery(created).config == {"url": URL}


def test_a_secret_is_in_no_byte_of_the_folder_the_page_the_journal_an_error_or_a_log(
    own: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "databricks.sdk")  # the plain SDK logs bodies; that is its user's choice
    sdk = WorkspaceClient(host=own.address, token=TOKEN, auth_type="pat")
    told = []
    for config, _ in KINDS_OF_THE_SDK.values():
        created = sdk.notification_destinations.create(display_name="Team", config=config).id or ""
        told.append(str(sdk.notification_destinations.update(created, display_name="New", config=config)))
        alert = own.create(evaluation__notification={"subscriptions": [{"destination_id": created}]})
        own.json("POST", f"/api/local/alerts/{alert['id']}/evaluate")
        told.append(requests.get(f"{own.address}/alerts/{alert['id']}", timeout=10).text)
    with pytest.raises(InvalidParameterValue) as raised:
        sdk.notification_destinations.create(
            display_name="Wrong", config=Config(slack=SlackConfig(url=f"ftp://x/{SECRET}"))
        )
    own.fault("error", "POST", PATH, status=500, times=1)
    told += [str(raised.value), own.request("POST", PATH, json=slack()).text]
    sdk.secrets.create_scope("alerts")
    sdk.secrets.put_secret("alerts", "slack", string_value=URL)
    told += [requests.get(own.address, timeout=10).text, json.dumps(own.journal()), caplog.text]
    files = [file for file in own.root.rglob("*") if file.is_file()]
    assert "workspace.sqlite" in {file.name for file in files}
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    assert not any(SECRET in text for text in told)
    assert own.server.destinations.for_delivery(make(own)).config == {"url": URL}


def test_the_overview_shows_destinations_and_how_many_alerts_use_each(own: Server) -> None:
    mail = make(own, {"display_name": "Mail & more", "config": {"email": {"addresses": ["a@b.de", "c@d.de"]}}})
    hook = make(own, slack("<b>Hook</b>"))
    both = {"subscriptions": [{"destination_id": mail}, {"destination_id": hook}, {"destination_id": mail}]}
    own.create(evaluation__notification=both)
    alert = own.create(evaluation__notification={"subscriptions": [{"destination_id": mail}]})
    trashed = own.create(evaluation__notification=both)
    own.json("DELETE", f"/api/2.0/alerts/{trashed['id']}")
    page = requests.get(own.address, timeout=10).text
    assert "<b>Hook</b>" in Seen(page).text
    rows = [row for row in page.split("<tr>") if mail in row or hook in row]
    assert len(rows) == 2
    assert "Mail &amp; more" in rows[0]
    assert "EMAIL" in rows[0]
    assert "a@b.de, c@d.de" in rows[0]
    assert '<td class="right">2</td>' in rows[0]
    assert "&lt;b&gt;Hook&lt;/b&gt;" in rows[1]
    assert "url set" in rows[1]
    assert '<td class="right">1</td>' in rows[1]
    assert "Mail &amp; more" in requests.get(f"{own.address}/alerts/{alert['id']}", timeout=10).text


def test_a_page_of_very_many_destinations_says_how_many_it_leaves_out(own: Server) -> None:
    for number in range(103):
        make(own, slack(f"Team {number}"))
    page = requests.get(own.address, timeout=10).text
    assert "Team 99<" in page
    assert "Team 100<" not in page
    assert "and 3 more" in page


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A body that is taken."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    way = draw(st.sampled_from(KINDS[kind].ways))
    more = draw(st.sets(st.sampled_from(KINDS[kind].fields)))
    values: dict[str, Any] = {}
    for name in {*way, *more}:
        if name == "addresses":
            values[name] = draw(st.lists(st.emails(domains=st.just("example.com")).filter(_plain), min_size=1))
        elif name in ("url", "channel_url"):
            values[name] = f"https://example.com/{draw(st.uuids())}"
        else:
            values[name] = draw(texts)
    return {"display_name": draw(texts.filter(str.strip)), "config": {kind: values}}


def _plain(address: str) -> bool:
    return not set(address) & set('()<>,;:"[]\\')


@given(bodies(), bodies())
@examples(50, 500)
def test_what_was_sent_is_what_is_delivered_with_and_only_addresses_are_told(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    body, other = read_body(first), read_body(second)
    assert body.name is not None
    assert body.config is not None
    assert other.config is not None
    with memory() as destinations:
        created = destinations.create(body.name, body.config, limit=10)
        ((kind, values),) = first["config"].items()
        assert destinations.for_delivery(created.id).config == values
        assert destinations.for_delivery(created.id).type == KINDS[kind].type
        assert {name: value for name, value in created.told.items() if value is not True} == (
            values if kind == "email" else {}
        )
        if other.config.kind == kind:
            updated = destinations.update(created.id, other.name, other.config)
            assert updated is not None
            assert destinations.get(created.id) == updated
            assert destinations.for_delivery(created.id).config == second["config"][kind]


@contextmanager
def memory() -> Iterator[Destinations]:
    """Destinations in memory, their key in a folder that goes."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(None)
        try:
            yield Destinations(store, Vault(Path(folder)))
        finally:
            store.close()
