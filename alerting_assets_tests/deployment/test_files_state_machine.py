"""Five people edit their files, some wrongly in every way that the generators know, while syncs by command and by sensor, restores of
the table, edits by hand, copies and hidden alerts come between. Once it settles, every alert whose own definition is right is deployed
as it says, every other as it was last right, and what is not ours is as it was."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from alerting_assets.alerts.definitions import parse_definitions
from alerting_assets.configuration import load_definitions, read_rows, to_alerts
from alerting_assets.deployment import Syncer, SyncResult, desired_alerts, find_work
from alerting_assets.errors import DefinitionError, SyncStopped
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, create_tables
from alerting_assets.settings import Settings
from alerting_assets.validation import validate_all_alert_queries
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.anything import entries
from alerting_assets_tests.deployment.world import LOCAL, NOW, World, writable
from alerting_assets_tests.examples import values
from alerting_assets_tests.profile import THOROUGH, examples

pytestmark = pytest.mark.integration

AUTHORS = ("ann", "bob", "cho", "team/dee", "team/eve")
IDS = tuple(f"{author[-3:].upper()}-{number}" for author in AUTHORS for number in (1, 2))
authors, alert_ids = st.sampled_from(AUTHORS), st.sampled_from(IDS)
SEVERITIES = st.sampled_from(["INFO", "WARNING", "CRITICAL"])
WRONG: tuple[dict[str, Any], ...] = (
    {"operator": "GREATER"},
    {"alert_name": "a\0b"},
    {"schedule_cron": "0 0 8 * * 1"},
    {"retrigger_seconds": 9223372036854775808},
    {"owner": None},
    {"threshold_value_double": float("nan")},
    {"severity": ["INFO"]},
    {"template_id": "NO_SUCH"},
    {"ownr": "x"},
    {"alert_query_template": "SELECT ${nothing} AS cost"},
)


def sound(alert_id: str, severity: str) -> dict[str, Any]:
    fields = values(alert_id=alert_id, alert_name=f"Alert {alert_id}", severity=severity, aggregation_type=None)
    return {**fields, "alert_query_template": "SELECT 150.0 AS cost"}


class PeopleWithFiles(RuleBasedStateMachine):
    @initialize(deployed=st.booleans())
    def start(self, deployed: bool) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="alerting-", ignore_cleanup_errors=True)
        home = Path(self.folder.name)
        self.tables = EmbeddedLakehouse(home / "lakehouse", "health_monitor", "gold")
        create_tables(self.tables)
        self.server = LocalWorkspaceServer(Settings(home=home).workspace_root, self.tables.query, port=0)
        self.server.__enter__()
        self.world = World(self.tables, self.server, home)
        self.definitions = home / "alerts"
        self.clock = NOW
        self.files: dict[str, list[dict[str, Any]]] = {author: [] for author in AUTHORS}
        self.unreadable: set[str] = set()
        self.last: dict[str, tuple[str, str]] = {}
        """alert_id → its file and its severity, as they were last right."""
        self.copies: dict[str, Any] = {}
        self.hidden: set[str] = set()
        foreign = writable({**self._body("FOREIGN"), "display_name": "Theirs"}, display_name="Theirs")
        self.foreign = self.world.request("POST", "/api/2.0/alerts", json={**foreign, "query_text": "SELECT 1 AS x"})
        for alert_id in IDS:
            author = next(one for one in AUTHORS if one[-3:].upper() == alert_id[:3])
            self.files[author].append(sound(alert_id, "WARNING"))
        if deployed:
            self.settle()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.settle()
            self.server.__exit__(None, None, None)
            self.tables.close()
            self.folder.cleanup()

    # -- people edit

    @rule(author=authors, alert_id=alert_ids, severity=SEVERITIES)
    def writes_what_is_right(self, author: str, alert_id: str, severity: str) -> None:
        self._put(author, sound(alert_id, severity))

    @rule(author=authors, alert_id=alert_ids, wrong=st.sampled_from(WRONG))
    def makes_a_mistake(self, author: str, alert_id: str, wrong: dict[str, Any]) -> None:
        self._put(author, {**sound(alert_id, "INFO"), **wrong})

    @rule(author=authors, data=st.data())
    def writes_anything(self, author: str, data: st.DataObject) -> None:
        alert_id = data.draw(alert_ids)
        entry = json.loads(json.dumps(data.draw(entries(alert_id)), default=str))
        if entry.get("alert_id") == alert_id and not self._is_right(
            entry
        ):  # what is right is drawn by the rule for that
            self._put(author, entry)

    @rule(author=authors, alert_id=alert_ids)
    def removes(self, author: str, alert_id: str) -> None:
        self.files[author] = [entry for entry in self.files[author] if entry["alert_id"] != alert_id]

    @rule(author=authors, breaks=st.booleans())
    def leaves_a_bracket_open_or_closes_it(self, author: str, breaks: bool) -> None:
        (self.unreadable.add if breaks else self.unreadable.discard)(author)

    def _put(self, author: str, entry: dict[str, Any]) -> None:
        self.removes(author, entry["alert_id"])
        self.files[author].append(entry)

    # -- and work in the workspace, and restore the table

    @rule(index=st.integers(0, 9), deed=st.sampled_from(["edit", "trash", "copy", "hide"]))
    def works_by_hand(self, index: int, deed: str) -> None:
        deployed = [body for body in self._visible() if body["id"] not in {self.foreign["id"], *self.copies}]
        if not deployed:
            return
        body = deployed[index % len(deployed)]
        path = f"/api/2.0/alerts/{body['id']}"
        if deed == "edit":
            self.world.request("PATCH", path, params={"update_mask": "custom_summary"}, json={"custom_summary": "mine"})
        elif deed == "trash":
            self.world.request("DELETE", path)
        elif deed == "hide":
            self.world.request("PUT", f"/api/local/alerts/{body['id']}/hidden", json={"status": 403 + index % 2})
            self.hidden.add(body["id"])
        else:
            made = self.world.request("POST", "/api/2.0/alerts", json=writable(body, display_name=f"Copy {index}"))
            if "id" in made:
                self.copies[made["id"]] = made

    @rule(back=st.integers(1, 4))
    def restores_the_table(self, back: int) -> None:
        folder = self.tables._store.path(self.tables._name(ALERT_CONFIGURATIONS.name))  # its place, for delta-rs
        table = DeltaTable(folder)
        if table.version() - back > 1:
            table.restore(table.version() - back)
            rows = read_rows(self.tables)
            self.last = {row["alert_id"]: (row["managed_by"][5:-4], row["severity"]) for row in rows}

    # -- syncs

    @rule(changed=st.booleans())
    def syncs(self, changed: bool) -> None:
        try:
            self._sync(changed=changed)
        except SyncStopped as stopped:
            if "--recreate" not in str(stopped):  # all are hidden or trashed
                raise

    def _sync(self, *, changed: bool = False, **options: Any) -> SyncResult:
        self.clock += timedelta(hours=2)
        self._write_files()
        load_definitions(self.tables, self.definitions, self.clock)
        self._model_of_a_load()
        workspace = open_workspace(self.world.settings)
        alerts = to_alerts(read_rows(self.tables), LOCAL)
        report = validate_all_alert_queries(self.tables, alerts, self.clock)
        work = find_work(self.tables, "test", workspace.host, self.clock) if changed else None
        only = work.alert_ids if work else None
        syncer = Syncer(workspace, "test", 4, only, max_delete_percent=None, **options)

        def read() -> tuple[Sequence[Any], Sequence[Any]]:
            return read_rows(self.tables), desired_alerts(alerts, report.by_id)

        return syncer.sync(
            self.tables, read, lambda: self.clock, up_to=work.up_to if work and only is not None else None
        )

    def _write_files(self) -> None:
        for author in AUTHORS:
            path = self.definitions / f"{author}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"alerts": self.files[author]})
            if author in self.unreadable:
                text = text[:-1] + ", "
            path.write_text(text.replace("NaN", ".nan").replace("-Infinity", "-.inf").replace("Infinity", ".inf"))
        (self.definitions / "none.yml").write_text(json.dumps({"alerts": [sound("ALWAYS", "INFO")]}))

    def _model_of_a_load(self) -> None:
        readable = [author for author in AUTHORS if author not in self.unreadable and self.files[author]]
        holders = Counter(entry["alert_id"] for author in readable for entry in self.files[author])
        for author in readable:
            for entry in self.files[author]:
                if holders[entry["alert_id"]] == 1 and self._is_right(entry):
                    self.last[entry["alert_id"]] = (author, str(entry["severity"]).strip().upper())
        unclear = [author for author in AUTHORS if author not in readable]
        text = " ".join(json.dumps(self.files[author]) for author in unclear)
        for alert_id, (author, _) in [*self.last.items()]:
            if alert_id not in holders and author not in unclear and f'"{alert_id}"' not in text:
                del self.last[alert_id]
        self.last["ALWAYS"] = ("none", "INFO")

    def _is_right(self, entry: dict[str, Any]) -> bool:
        text = json.dumps([entry]).replace("NaN", ".nan").replace("-Infinity", "-.inf").replace("Infinity", ".inf")
        try:
            parse_definitions({"a.yml": text})
        except DefinitionError:
            return False
        return True

    # -- once it settles

    def settle(self) -> None:
        while self.hidden:
            self.world.request("DELETE", f"/api/local/alerts/{self.hidden.pop()}/hidden")
        for _ in range(2):
            result = self._sync(accept_empty=True)
        assert not result.errors
        deployed = {body["id"]: body for body in self._visible()}
        assert deployed.pop(self.foreign["id"]) == self.foreign
        rows = {row["alert_id"]: row for row in read_rows(self.tables)}
        assert rows.keys() == self.last.keys()
        known = {row["databricks_alert_id"]: row for row in rows.values() if row["databricks_alert_id"]}
        for copy_id, body in self.copies.items():
            if copy_id not in known:
                assert deployed.pop(copy_id) == body, "a copy was touched"
        assert deployed.keys() == known.keys(), "a leftover, or a loss"
        right = {alert.alert_id: alert for alert in to_alerts(rows.values(), LOCAL) if alert.compiled}
        for alert_id, (_, severity) in self.last.items():
            assert rows[alert_id]["severity"] == severity
            if alert_id in right:
                body = deployed[rows[alert_id]["databricks_alert_id"]]
                assert body["display_name"].startswith(f"[{severity}] Alert {alert_id}")
                assert body.get("custom_summary") is None, "an edit by hand was left"

    def _visible(self) -> list[dict[str, Any]]:
        answer = self.world.request("GET", "/api/2.0/alerts", params={"page_size": 100})
        bodies: list[dict[str, Any]] = answer.get("alerts", [])
        return bodies

    @staticmethod
    def _body(alert_id: str) -> dict[str, Any]:
        (alert,) = parse_definitions({"a.yml": json.dumps([sound(alert_id, "INFO")])})
        (made,) = to_alerts([alert.row()], LOCAL)
        assert made.compiled is not None
        return made.compiled.body("0" * 32)


PeopleWithFiles.TestCase.settings = settings(examples(2, 40), stateful_step_count=25 if THOROUGH else 15)
TestPeopleWithFiles = PeopleWithFiles.TestCase
