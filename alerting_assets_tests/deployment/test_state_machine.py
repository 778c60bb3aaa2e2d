"""Whatever people do to configurations and to the workspace, whatever fails, and whenever a sync dies: it settles.

A state machine of edits × hand edits in the workspace × syncs in bad weather × kills, over real Delta tables and the real local
workspace over HTTP. `make test-thorough` tries many histories, ALERTING_TEST_EXAMPLES=500 even more.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.core import Config
from hypothesis import HealthCheck, Phase, currently_in_test_context, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import AlertConfiguration
from alerting_assets.alerts.marker import read_marker
from alerting_assets.configuration import Row, delete_alert, read_rows, set_fields, to_alerts
from alerting_assets.deployment import Choices, DesiredAlert, Reason, Syncer, SyncResult, find_work
from alerting_assets.errors import SyncStopped, WorkspaceError
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, create_tables
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.client import DatabricksWorkspace
from alerting_assets.workspace.failures import Hints
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.transport import NoRetries, Transport
from alerting_assets_tests.deployment.mortal import Killed, Life, MortalLakehouse, MortalWorkspace
from alerting_assets_tests.deployment.world import LOCAL, NOW, World, counts, writable
from alerting_assets_tests.examples import configuration
from alerting_assets_tests.profile import THOROUGH

pytestmark = pytest.mark.integration

EXAMPLES = int(os.environ.get("ALERTING_TEST_EXAMPLES", "60" if THOROUGH else "2"))
STEPS = 10

IMPATIENCE_SECONDS = 0.25
"""How long a client in bad weather waits for an answer."""
SLOW_MS = 400
BROKEN = "its query is broken"

Body = dict[str, Any]
Bodies = dict[str, Body]

alert_ids = st.sampled_from(["A", "B", "C", "D"])

EDITS: tuple[dict[str, str], ...] = (
    {"threshold_value_double": "1.5", "operator": "GREATER_THAN"},
    {"threshold_value_double": "200", "operator": "GREATER_THAN"},
    {"alert_query_template": "SELECT 7.0 AS cost"},
    {"alert_query_template": "SELECT 8.0 AS cost"},
    {"alert_name": "Renamed"},
    {"alert_name": "Renamed again"},
    {"severity": "CRITICAL"},
    {"severity": "INFO"},
    {"is_enabled": "false"},
    {"is_enabled": "true"},
    {"schedule_cron": "0 30 9 * * ?"},
    {"notification_channels": "[a@example.com, b@example.com]"},
    {"notification_channels": "[]"},
    {"custom_subject_template": "Look at {{ALERT_NAME}}"},
    {"custom_subject_template": "null"},
    {"retrigger_seconds": "60", "notify_on_ok": "true"},
    {"retrigger_seconds": "null", "notify_on_ok": "false"},
    {"operator": "IS_NULL", "threshold_value_double": "null"},
    {"operator": "LESS_THAN", "threshold_value_double": "0"},
    {"owner": "somebody@example.com"},
)

HAND_EDITS: tuple[tuple[str, Body], ...] = (
    ("display_name", {"display_name": "mine now"}),
    ("custom_summary", {"custom_summary": "mine"}),
    ("schedule.pause_status", {"schedule": {"pause_status": "PAUSED"}}),
    ("schedule.pause_status", {"schedule": {"pause_status": "UNPAUSED"}}),
    ("evaluation.threshold", {"evaluation": {"threshold": {"value": {"double_value": 4321.0}}}}),
    ("evaluation.source.display", {"evaluation": {"source": {"display": "Cost"}}}),
    ("evaluation.empty_result_state", {"evaluation": {"empty_result_state": "ERROR"}}),
    (
        "evaluation.notification.subscriptions",
        {"evaluation": {"notification": {"subscriptions": [{"user_email": "x@y.example"}]}}},
    ),
    ("query_text", {"query_text": "SELECT 1 AS cost"}),
    ("query_text", {"query_text": "{}\nUNION ALL SELECT 1"}),
)
"""An update mask and the values; {} in a query is the text that is there."""

_times = {"after": st.integers(0, 3), "every": st.integers(1, 2), "times": st.integers(1, 3)}
_any_request = st.sampled_from(
    [
        {"path": "/api/2.0/alerts*", **({"method": method} if method else {})}
        for method in ("", "", "", "POST", "POST", "PATCH", "DELETE")
    ]
)
_lists = st.just({"method": "GET", "path": "/api/2.0/alerts"})
faults = st.one_of(
    st.fixed_dictionaries({"fault": st.just("throttle"), "retry_after": st.just(0), "match": _any_request, **_times}),
    st.fixed_dictionaries(
        {"fault": st.just("throttle"), "retry_after": st.just(1), "match": _any_request, "times": st.just(1)}
    ),
    st.fixed_dictionaries(
        {"fault": st.just("error"), "status": st.sampled_from([429, 500, 503]), "match": _any_request, **_times}
    ),
    st.fixed_dictionaries(
        {"fault": st.just("error"), "status": st.sampled_from([400, 403, 409]), "match": _any_request, **_times}
    ),
    st.fixed_dictionaries({"fault": st.just("lose_response"), "match": _any_request, **_times}),
    st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["latency", "hang"]),
            "latency_ms": st.just(SLOW_MS),
            "match": _any_request,
            **_times,
            "times": st.integers(1, 2),
        }
    ),
    st.fixed_dictionaries({"fault": st.just("stale_list"), "writes": st.integers(1, 5), "match": _lists, **_times}),
)
kinds = st.sampled_from(["all", "changed", "all", "keep remote"])
Change = tuple[str, str, Sequence[dict[str, str]]]
changes = st.tuples(
    alert_ids,
    st.sampled_from(["edit", "edit", "edit", "edit", "remove", "remove", "quarantine", "delete_disabled"]),
    st.lists(st.sampled_from(EDITS), min_size=1, max_size=2),
)
Deed = tuple[str, Any]
deeds = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from(HAND_EDITS)),
    st.tuples(st.just("trash"), st.booleans()),
    st.tuples(st.just("trash"), st.booleans()),
    st.tuples(st.just("clone"), st.booleans()),
    st.tuples(st.just("hide"), st.sampled_from([403, 404])),
    st.tuples(
        st.just("add"),
        st.tuples(alert_ids, st.sampled_from(["", " {marker}\n", "{marker} \n", "{other}\n"]), st.booleans()),
    ),
)


class AlertsUnderFaults(RuleBasedStateMachine):
    """What must hold after every sync, however it ended, is in `_look_after`; what must hold once it settled, in `settle`."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[str, AlertConfiguration] = {}
        self.quarantined: set[str] = set()
        self.delete_disabled = False
        self.copies: set[str] = set()
        self.hidden: set[str] = set()
        self.clock = NOW
        self.only_rows_changed = True
        """Since it last settled: so that the change feed knows it all."""
        self.world: World | None = None

    @initialize(refuse_taken_name=st.booleans(), alerts=st.sets(alert_ids, min_size=2), deployed=st.booleans())
    def start(self, refuse_taken_name: bool, alerts: set[str], deployed: bool) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="alerting-", ignore_cleanup_errors=True)
        home = Path(self.folder.name)
        tables = EmbeddedLakehouse(home / "lakehouse", "health_monitor", "gold")
        create_tables(tables)
        self.server = LocalWorkspaceServer(
            Settings(home=home).workspace_root,
            tables.query,
            port=0,
            rules=Rules(refuse_taken_name=refuse_taken_name),
        )
        self.server.__enter__()
        self.world = World(tables, self.server, home)
        self.patient = open_workspace(self.world.settings)
        self.impatient = impatient(self.server)
        for alert_id in sorted(alerts):
            self._add_or_edit(alert_id, ())
        if deployed:
            self.settle()

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            self.close()

    def close(self) -> None:
        self.server.stop()
        self._world.lakehouse.close()
        self.folder.cleanup()

    # -- people edit configurations

    def _edit_configurations(self, changes: Sequence[Change]) -> None:
        for alert_id, kind, edits in changes:
            if kind == "delete_disabled":
                self.delete_disabled = not self.delete_disabled
                self.only_rows_changed = False
            elif kind == "edit":
                self._add_or_edit(alert_id, edits)
            elif alert_id not in self.alerts:
                continue
            elif kind == "remove":
                delete_alert(self._world.lakehouse, alert_id)
                del self.alerts[alert_id]
                self.quarantined.discard(alert_id)
            else:  # a verdict is not in the row: the change feed knows nothing of it
                self.quarantined ^= {alert_id}
                self.only_rows_changed = False

    def _add_or_edit(self, alert_id: str, edits: Sequence[dict[str, str]]) -> None:
        if alert_id not in self.alerts:
            fresh = configuration(
                alert_id=alert_id,
                alert_name=f"Alert {alert_id}",
                alert_query_template="SELECT 150.0 AS cost",
                aggregation_type=None,
            )
            self._world.configure(alert_id, **fresh.model_dump(exclude={"alert_id"}))
            self.alerts[alert_id] = fresh
        if fields := {name: value for edit in edits for name, value in edit.items()}:
            self.alerts[alert_id] = set_fields(self._world.lakehouse, alert_id, fields, self.clock)

    # -- people work in the workspace by hand

    def _work_by_hand(self, index: int, deed: Deed) -> None:
        self.only_rows_changed = False
        bodies = list(self._remote().values())
        if deed[0] == "add":
            self._send("POST", "", json=foreign(*deed[1]))
        elif bodies:
            body = bodies[index % len(bodies)]
            self._work_on(body, f"/{body['id']}", deed)

    def _work_on(self, body: Body, path: str, deed: Deed) -> None:
        match deed:
            case ("trash", purge):
                self._send("DELETE", path, params={"purge": "true"} if purge else {})
            case ("clone", same_name):
                name = body["display_name"] if same_name else "a copy"
                made = self._send("POST", "", json=writable(body, display_name=name))
                self.copies |= {made["id"]} if "id" in made else set()
            case ("hide", status):
                self._send("PUT", f"{path}/hidden", api="/api/local/alerts", json={"status": status})
                self.hidden.add(body["id"])
            case ("edit", (mask, values)):
                if "query_text" in values:
                    values = {"query_text": values["query_text"].replace("{}", body["query_text"])}
                if mask != "evaluation.threshold" or "threshold" in body["evaluation"]:
                    self._send("PATCH", path, json=values, params={"update_mask": mask})

    # -- what happens

    @rule(
        changes=st.lists(changes, max_size=3),
        by_hand=st.lists(st.tuples(st.integers(0, 9), deeds), max_size=2),
        kind=kinds,
        threads=st.sampled_from([1, 4]),
        weather=st.lists(faults, max_size=3),
        death=st.none() | st.tuples(st.integers(1, 10), st.booleans()),
        settles=st.sampled_from([False, False, False, True]),
    )
    def a_day(
        self,
        changes: Sequence[Change],
        by_hand: Sequence[tuple[int, Deed]],
        kind: str,
        threads: int,
        weather: Sequence[Body],
        death: tuple[int, bool] | None,
        settles: bool,
    ) -> None:
        """People edit, people meddle, a sync runs. It may fail as it likes; what it must not do is looked at."""
        self._edit_configurations(changes)
        for index, deed in by_hand:
            self._work_by_hand(index, deed)
        self._one_sync(kind, threads, weather, Life(death[0], after=death[1]) if death else Life())
        if settles:
            self.settle()

    def _one_sync(self, kind: str, threads: int, weather: Sequence[Body], life: Life) -> None:
        before, requests, lasting = self._remote(), self._last_request(), self._lasting()
        for fault in weather:
            self._world.fault(**fault)
        if any(fault["fault"] == "stale_list" for fault in weather) or kind == "keep remote":
            self.only_rows_changed = False
        workspace = self.impatient if weather else self.patient
        try:
            if kind == "changed":
                self._sync_changed(life=life, workspace=workspace, threads=threads)
            else:
                self._sync(life=life, workspace=workspace, threads=threads, keep_remote=kind == "keep remote")
            how = "ended"
        except Killed:
            how = "was killed"
        except SyncStopped:
            how = "stopped"
        except WorkspaceError as error:
            how = type(error).__name__
            if not weather:
                raise
        finally:
            hits = self._hits()
            self._wait_for_what_is_under_way(hits)
            self._world.heal()
        if currently_in_test_context():
            for happened in (f"a sync {how}", *(f"hit by {fault}" for fault in hits)):
                event(happened)
        if not {"stale_list", "latency"}.intersection(hits):
            self._assert_created_once(requests)
        if life.has_ended:
            self.clock += timedelta(minutes=2)  # until its lease runs out
        self._look_after(before)
        assert lasting <= self._remote().keys(), "a deployed alert was replaced"

    def _lasting(self) -> set[str]:
        """Ids of alerts that no sync has a reason to remove: known, there, configured."""
        remote, found = self._remote(), set()
        for row in read_rows(self._world.lakehouse):
            body = remote.get(row["databricks_alert_id"])
            if body and (ours(body) is None or ours(body).alert_id == row["alert_id"]):
                found |= {body["id"]} if row["is_enabled"] or not self.delete_disabled else set()
        return found

    def settle(self) -> None:
        self.clock += timedelta(hours=2)  # whatever failed is due again
        while self.hidden:
            self._send("DELETE", f"/{self.hidden.pop()}/hidden", api="/api/local/alerts")
        before, clones, lasting, requests = self._remote(), self._clones(), self._lasting(), self._last_request()
        if self.only_rows_changed:
            self._settle_by_the_change_feed()
        for _ in range(2 + clones):
            writes = len(self._world.writes())
            result = self._sync_in_clear_weather()
            if len(self._world.writes()) == writes:
                break
        assert not result.errors
        after = self._remote()
        self._look_after(before)
        assert lasting <= after.keys(), "a deployed alert was replaced"
        strangers = self._strangers()
        there = {marker.alert_id for key, body in before.items() if (marker := ours(body)) and key not in strangers}
        assert not there.intersection(self._created(requests)), "made anew, and not adopted"
        rows = {row["alert_id"]: row for row in read_rows(self._world.lakehouse)}
        assert set(rows) == set(self.alerts)
        for alert_id, row in rows.items():
            self._assert_as_configured(alert_id, row, before, after)
        deployed = {marker.alert_id for key, body in after.items() if (marker := ours(body)) and key not in strangers}
        assert deployed <= set(self.alerts)
        self._assert_nothing_left_to_do()
        self.only_rows_changed = True

    def _settle_by_the_change_feed(self) -> None:
        """Only rows were changed: what the change feed tells is enough, but for leftovers."""
        for _ in range(2):
            self._sync_changed(life=Life(), workspace=self.patient, threads=4)
        syncer = self._syncer(self.patient, 4)
        plan = syncer.plan(*self._desired(), syncer.registry(self._world.lakehouse))
        assert not [action for action in plan.pending if action.why is not Reason.LEFTOVER]
        self.clock += timedelta(hours=2)

    def _assert_nothing_left_to_do(self) -> None:
        tables = self._world.lakehouse
        writes, version = len(self._world.writes()), tables.version(ALERT_CONFIGURATIONS.name)
        work = find_work(tables, "test", self.patient.host, self.clock)
        assert work.is_nothing, work.reason
        result = self._sync_in_clear_weather()
        assert set(counts(result)) <= {"UNCHANGED", "INVALID"}
        assert (len(self._world.writes()), tables.version(ALERT_CONFIGURATIONS.name)) == (writes, version)

    # -- what must hold

    def _look_after(self, before: Bodies) -> None:
        """What is not ours is as it was, byte for byte; and so is a copy, unless it was taken over as it is."""
        after = self._remote()
        foreign = {key: body for key, body in before.items() if ours(body) is None}
        assert {key: after.get(key) for key in foreign} == foreign
        copies = {key: body for key, body in before.items() if key in self._strangers()}
        assert {key: after.get(key) for key in copies} == copies

    def _strangers(self) -> set[str]:
        """Copies that nobody took over."""
        return self.copies - {row["databricks_alert_id"] for row in read_rows(self._world.lakehouse)}

    def _assert_created_once(self, since: int) -> None:
        """A sync that has an up-to-date list makes no second alert of one that it made, whatever became of the answer."""
        made = self._created(since)
        assert sorted(made) == sorted(set(made))

    def _created(self, since: int) -> list[str]:
        """alert_ids of what syncs created since that request."""
        entries = self._send("GET", "", api="/api/local/journal", params={"since": since, "writes": "true"})["requests"]
        made = [entry["alert_id"] for entry in entries if entry["method"] == "POST" and entry["alert_id"]]
        return [ours(self._send("GET", f"/{made_id}")).alert_id for made_id in made]

    def _assert_as_configured(self, alert_id: str, row: Row, before: Bodies, after: Bodies) -> None:
        alert = compiled(self.alerts[alert_id])
        stored = row["databricks_alert_id"]
        strangers = self._strangers()
        mine, had = (
            {
                key: body
                for key, body in bodies.items()
                if (marker := ours(body)) and marker.alert_id == alert_id and key not in strangers
            }
            for bodies in (after, before)
        )
        if stored in after and stored not in mine:
            assert after[stored] == before[stored]
            assert row["last_sync_status"] == "INVALID"
            assert "no longer begins with the marker" in row["last_sync_error"]
            return
        if not alert.is_enabled and self.delete_disabled:
            assert (mine, stored) == ({}, None)
            return
        if alert_id in self.quarantined:
            assert bool(mine) == bool(had)
            was_trashed = not mine and not alert.is_enabled and row["last_sync_status"] == "DELETED"
            assert was_trashed or (row["last_sync_status"], row["last_sync_error"]) == ("INVALID", BROKEN)
            for key, body in mine.items():
                wanted = before[key] if alert.is_enabled else with_pause(before[key])
                assert body in (before[key], {**wanted, "update_time": body["update_time"]})
            assert not mine or alert.is_enabled or any(is_paused(body) for body in mine.values())
            return
        if not alert.is_enabled and not mine:
            assert (stored, had) == (None, {})
            return
        assert stored in mine
        nonce = row["deployment_nonce"]
        nonces = {ours(body).nonce for body in mine.values()}
        assert nonces == {nonce}, "a leftover"
        assert all(mine[key] == before[key] for key in mine if key != stored), (
            "a clone was touched, or an alert made twice"
        )
        assert list(unlike(mine[stored], alert.body(nonce), alert_id)) == []
        assert row["applied_hash"] == alert.config_hash
        assert row["databricks_display_name"] == mine[stored]["display_name"]
        assert row["last_sync_status"] in ("CREATED", "UPDATED", "UNCHANGED")
        assert (row["last_sync_error"], row["failed_syncs"]) == (None, None)

    # -- ways

    @property
    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _desired(self) -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        rows = read_rows(self._world.lakehouse)
        wanted = []
        for alert in to_alerts(rows, LOCAL):
            assert alert.compiled is not None
            if alert.alert_id in self.quarantined:
                wanted.append(DesiredAlert.held(alert.alert_id, BROKEN, is_enabled=alert.is_enabled))
            else:
                wanted.append(DesiredAlert.deploy(alert.compiled))
        return rows, wanted

    def _syncer(self, workspace: Any, threads: int, *, keep_remote: bool = False, **options: Any) -> Syncer:
        return Syncer(workspace, "test", threads, choices=Choices(self.delete_disabled, keep_remote), **options)

    def _sync(self, *, life: Life, workspace: DatabricksWorkspace, threads: int, **options: Any) -> SyncResult:
        self.clock += timedelta(seconds=1)
        up_to = options.pop("up_to", None)
        syncer = self._syncer(MortalWorkspace(workspace, life), threads, **options)
        tables: Any = MortalLakehouse(self._world.lakehouse, life)
        return syncer.sync(tables, self._desired, lambda: self.clock, up_to=up_to)

    def _sync_changed(self, **options: Any) -> SyncResult:
        work = find_work(self._world.lakehouse, "test", self.patient.host, self.clock)
        return self._sync(only=work.alert_ids, up_to=work.up_to if work.alert_ids is not None else None, **options)

    def _sync_in_clear_weather(self) -> SyncResult:
        """As a person runs it, who reads what it says."""
        options: dict[str, Any] = {"life": Life(), "workspace": self.patient, "threads": 4}
        try:
            result = self._sync(**options)
        except SyncStopped as stopped:
            if "--recreate" not in str(stopped):
                raise
            options["accept_empty"] = True
            result = self._sync(**options)
        if any("--recreate" in str(outcome.error) for outcome in result.errors):
            options["accept_empty"] = True  # all that is hidden was shown again: what is not there was purged
        if result.plan.objection:
            options["max_delete_percent"] = None
        return self._sync(**options) if result.errors or result.plan.objection else result

    def _last_request(self) -> int:
        entries = self._send("GET", "", api="/api/local/journal")["requests"]
        return max((entry["no"] for entry in entries), default=0)

    def _hits(self) -> set[str]:
        """Faults that hit a request."""
        return {rule["fault"] for rule in self._send("GET", "", api="/api/local/faults")["faults"] if rule["applied"]}

    def _wait_for_what_is_under_way(self, hits: Collection[str]) -> None:
        """Requests that the client gave up are carried out all the same."""
        if not {"latency", "hang"}.intersection(hits):
            return
        time.sleep(SLOW_MS / 1000)
        under_way = -1
        while under_way != (newest := self._last_request()):
            under_way = newest
            time.sleep(0.05)

    def _remote(self) -> Bodies:
        """Active alerts, the oldest first."""
        return {body["id"]: body for body in self._send("GET", "", params={"page_size": 100}).get("alerts", [])}

    def _clones(self) -> int:
        """How many alerts bear a marker that an older one bears."""
        markers = [marker for body in self._remote().values() if (marker := ours(body))]
        return len(markers) - len(set(markers))

    def _send(self, method: str, path: str, *, api: str = "/api/2.0/alerts", **options: Any) -> Any:
        return self._world.request(method, f"{api}{path}", **options)


def impatient(server: LocalWorkspaceServer) -> DatabricksWorkspace:
    """The real client, with little time."""
    config = Config(
        host=server.address,
        token=server.token,
        auth_type="pat",
        clock=NoRetries(),
        retry_timeout_seconds=1,
        http_timeout_seconds=IMPATIENCE_SECONDS,
    )
    transport = Transport(
        config,
        Hints("the local workspace", "", ""),
        requests_per_minute=100_000,
        burst=10_000,
        deadline_seconds=0.8,
        connect_deadline_seconds=0.8,
    )
    return DatabricksWorkspace(transport, address=server.address, identity="local", alert_page="/alerts/{id}")


def foreign(alert_id: str, head: str, takes_our_name: bool) -> Body:
    """An alert without a marker of ours, or with something that only looks like one."""
    marker = f"/* alerting_assets alert_id={alert_id} environment=test nonce={'f' * 32} */"
    text = head.format(marker=marker, other=marker.replace("=test", "=prod")) + "SELECT 1 AS cost"
    name = f"[WARNING] Alert {alert_id}" if takes_our_name else "foreign"
    like = compiled(configuration(alert_query_template="SELECT 1 AS cost", aggregation_type=None))
    return writable(like.body("f" * 32), query_text=text, display_name=name)


def compiled(alert: AlertConfiguration) -> CompiledAlert:
    return compile_alert(alert, LOCAL)


def ours(body: Mapping[str, Any]) -> Any:
    marker = read_marker(body["query_text"])
    return marker if marker and marker.environment == "test" else None


def is_paused(body: Body) -> bool:
    return bool(body["schedule"]["pause_status"] == "PAUSED")


def with_pause(body: Body) -> Body:
    return {**body, "schedule": {**body["schedule"], "pause_status": "PAUSED"}}


SET_BY_THE_SERVICE = {
    "id",
    "create_time",
    "update_time",
    "owner_user_name",
    "effective_run_as.user_name",
    "lifecycle_state",
    "parent_path",
    "evaluation.state",
    "evaluation.last_evaluated_at",
}


def unlike(remote: Body, wanted: Body, alert_id: str) -> Iterator[str]:
    """Where a remote alert is not as it should be, told without the product's own comparison."""
    have, want = leaves(remote), leaves(wanted)
    for path in sorted(have.keys() | want.keys()):
        if path in SET_BY_THE_SERVICE or have.get(path) == want.get(path):
            continue
        name, given = str(want.get(path)), str(have.get(path))
        suffix = given.removeprefix(name)
        if path == "display_name" and given.startswith(name) and re.fullmatch(rf" \(\d+\)| \[{alert_id}\]", suffix):
            continue
        yield f"{path}: {have.get(path)!r}, not {want.get(path)!r}"


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """By dotted path; what is false, null, empty or 0 where that means "not set" is left out."""
    if isinstance(value, dict) and not path.endswith("threshold"):
        found: dict[str, Any] = {}
        for name, item in value.items():
            found |= leaves(item, f"{path}.{name}" if path else name)
        return found
    if isinstance(value, list):
        return {path: sorted(map(repr, value))} if value else {}
    return {path: value} if value else {}


AlertsUnderFaults.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    derandomize=not THOROUGH,
    phases=[Phase.reuse, Phase.generate, *([Phase.shrink] if THOROUGH else [])],
)
TestAlertsUnderFaults = AlertsUnderFaults.TestCase
TestAlertsUnderFaults = pytest.mark.timeout(0 if THOROUGH else 600)(TestAlertsUnderFaults)


# -- stories that chance seldom tells, told by hand

POST = {"method": "POST", "path": "/api/2.0/alerts*"}
LISTS = {"method": "GET", "path": "/api/2.0/alerts"}


@pytest.fixture
def people() -> Iterator[AlertsUnderFaults]:
    """A and B are deployed."""
    machine = AlertsUnderFaults()
    machine.start(refuse_taken_name=False, alerts={"A", "B"}, deployed=True)
    try:
        yield machine
        machine.settle()
    finally:
        machine.close()


def day(people: AlertsUnderFaults, *changes: Change, by_hand: Sequence[tuple[int, Deed]] = (), **sync: Any) -> None:
    defaults: dict[str, Any] = {"kind": "all", "threads": 1, "weather": [], "death": None, "settles": False}
    people.a_day(changes=changes, by_hand=by_hand, **{**defaults, **sync})


def test_a_creation_whose_answer_is_lost_and_that_the_list_does_not_show_yet_leaves_nothing_behind(
    people: AlertsUnderFaults,
) -> None:
    lost = {"fault": "lose_response", "match": POST, "times": 1}
    stale = {"fault": "stale_list", "match": LISTS, "after": 1, "times": 1, "writes": 1}
    # lease, list, nonce, its row, creation, list, nonce, its row, creation | list: killed before it tidies up
    day(people, ("C", "edit", ()), weather=[lost, stale], death=(10, False))
    assert sum(ours(body).alert_id == "C" for body in people._remote().values()) == 2


def test_a_creation_whose_answer_is_lost_is_looked_for(people: AlertsUnderFaults) -> None:
    lost = {"fault": "lose_response", "match": POST, "times": 2}
    day(people, ("C", "edit", ()), ("D", "edit", ()), weather=[lost])
    assert len(people._remote()) == 4


def test_a_list_that_lacks_a_deployed_alert_does_not_make_it_twice(people: AlertsUnderFaults) -> None:
    day(people, weather=[{"fault": "stale_list", "match": LISTS, "writes": 1}])
    day(people, weather=[{"fault": "stale_list", "match": LISTS, "writes": 2}])


def test_a_removal_that_failed_is_found_again_by_the_change_feed(people: AlertsUnderFaults) -> None:
    refused = {"fault": "error", "status": 400, "match": {"method": "DELETE", "path": "/api/2.0/alerts*"}}
    day(people, ("A", "remove", ()), weather=[refused], kind="changed")
    assert people.only_rows_changed


def test_an_update_that_failed_is_due_again(people: AlertsUnderFaults) -> None:
    refused = {"fault": "error", "status": 400, "match": {"method": "PATCH", "path": "/api/2.0/alerts*"}}
    day(people, ("A", "edit", [{"severity": "CRITICAL"}]), weather=[refused], kind="changed")
    assert people.only_rows_changed


OFTEN = {(2, False), (4, True), (7, True), (9, False)}
"""Deaths that leave something behind each time: a removal, an update, a creation that nobody has written down."""


@pytest.mark.parametrize(
    ("ends_at", "after"),
    [
        pytest.param(ends_at, after, marks=[] if (ends_at, after) in OFTEN else pytest.mark.thorough)
        for ends_at in range(1, 11)
        for after in (False, True)
    ],
)
def test_a_sync_of_every_kind_of_change_killed_at_any_call_is_finished_by_the_change_feed(
    people: AlertsUnderFaults, ends_at: int, after: bool
) -> None:
    """lease, list, removal, update, nonce, its row, creation, what is ours, what was done, lease."""
    changes: list[Change] = [("A", "remove", ()), ("B", "edit", [{"severity": "INFO"}]), ("C", "edit", ())]
    day(people, *changes, kind="changed", death=(ends_at, after))
    assert people.only_rows_changed
