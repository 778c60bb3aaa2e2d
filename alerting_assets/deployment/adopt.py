"""Alerts that people made by hand in the workspace, taken into the configuration: found, judged, written, handed over.

The order of writing, under the lease, so that no sync runs meanwhile:

1. the new text of the file is laid beside it;
2. rows are inserted that *reserve* the remote alerts: the definition and the remote id, and no nonce. A sync leaves those alone;
3. the file is put in place;
4. the rows get a nonce: now the next sync takes the remote alert over by an update, with its id, evaluations and permissions.

Killed before 3: the next load removes the rows, which no file defines, and the remote alerts were never touched. Killed before 4: a
plan says so, and adopting the same alerts again ends it. A load that comes between 2 and 3 removes the rows; 4 inserts them again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

import pyarrow as pa

from alerting_assets.alerts.configuration import OWNED_COLUMNS, AlertConfiguration
from alerting_assets.alerts.definitions import Definitions, parse_definitions
from alerting_assets.configuration import Row, plan_load, read_rows, target_of, templates_of, to_alerts
from alerting_assets.configuration.files import appended, read_folder, replacement
from alerting_assets.configuration.load import YAML
from alerting_assets.configuration.rows import as_table
from alerting_assets.deployment.conversion import Definition, NotExpressible, Terms, definition_of, free_id, name_of
from alerting_assets.deployment.identity import SyncState, marker_of, read_state
from alerting_assets.deployment.lease import Lease, held_lease
from alerting_assets.errors import DefinitionError, Problem, SettingsError, WorkspaceNotFound, nearest
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_COLUMNS
from alerting_assets.settings import Settings
from alerting_assets.validation import policy_of, validate_all_alert_queries
from alerting_assets.workspace.port import RemoteAlert, Workspace


@dataclass(frozen=True)
class Candidate:
    """A remote alert without a marker.

    reasons: why it cannot be adopted; empty where it can.
    is_unfinished: an adoption of it was killed when its definition was already written."""

    remote: RemoteAlert
    configuration: AlertConfiguration | None = None
    entry: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    is_unfinished: bool = False

    @classmethod
    def of(cls, remote: RemoteAlert, definition: Definition) -> Self:
        return cls(remote, definition.configuration, definition.entry, definition.notes)

    @property
    def name(self) -> str:
        return str(self.remote.body.get("display_name") or "")

    @property
    def can_be_adopted(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class Adopter:
    """Finds alerts that can be adopted, and adopts them. terms: its `file` lies in `settings.definitions`."""

    lakehouse: Lakehouse
    workspace: Workspace
    settings: Settings
    terms: Terms
    now: Callable[[], datetime]
    on_progress: Callable[[int, int], None] = lambda _done, _all: None

    def look(self, remote_ids: Sequence[str] | None = None) -> list[Candidate]:
        """What can be adopted, and what cannot and why; writes nothing.

        remote_ids: look at these, in this order; None looks at all alerts without a marker, in the order of the workspace's list.

        Raises SettingsError for an id that is unknown, in the trash or ours, and for a file that nothing can be added to;
        DefinitionError for other files."""
        rows = read_rows(self.lakehouse)
        defined = self._definitions(rows)
        definitions = {alert.alert_id: alert for alert in defined.alerts}
        listed = self.workspace.list_alerts()
        remote = [alert for alert in listed if alert.is_active and marker_of(alert) is None]
        if remote_ids is not None:
            remote = self._chosen(remote_ids, listed, remote)
        taken = {row["alert_id"] for row in rows} | defined.mentioned | self._marked(listed)
        holders = self._holders(rows, defined)
        found = []
        for alert in remote:
            candidate = self._candidate(alert, holders.get(alert.id), definitions, taken)
            if candidate.configuration is not None:
                taken.add(candidate.configuration.alert_id)
            found.append(candidate)
        return self._judged(found)

    def adopt(self, remote_ids: Sequence[str] | None = None) -> list[Candidate]:
        """Adopt what `look` says can be adopted; the others are left alone, with their reasons. Raises as `look` does, and
        AnotherSync."""
        environment, wait = self.settings.environment, self.settings.lease_wait_seconds
        with held_lease(self.lakehouse, environment, self.now, wait_seconds=wait) as lease:
            found = self.look(remote_ids)
            self._write([candidate for candidate in found if candidate.can_be_adopted], lease)
        return found

    def _definitions(self, rows: Sequence[Row]) -> Definitions:
        directory, file = self.settings.definitions, self.terms.file
        folder = read_folder(directory)
        files = folder.texts
        if file in folder.unreadable:
            raise SettingsError(f"--file {file}: cannot be read, so nothing can be added to it")
        if file in files:
            try:
                parse_definitions({file: files[file]}, templates_of(directory))
                appended(file, files[file], [])
            except DefinitionError as error:
                raise SettingsError(f"--file {file}: nothing can be added to it. {error}") from None
        states = read_state(rows)
        lost = [row for row in rows if row["managed_by"].startswith(YAML) and not states[row["alert_id"]].is_reserved]
        # Of a folder that is not the right one the new file would be the only one: the next load would remove all other alerts.
        return plan_load(directory, rows).definitions if files or lost else Definitions(())

    def _chosen(
        self, remote_ids: Sequence[str], listed: Sequence[RemoteAlert], free: Sequence[RemoteAlert]
    ) -> list[RemoteAlert]:
        by_id = {alert.id: alert for alert in listed}
        chosen, problems = [], []
        for remote_id in dict.fromkeys(remote_ids):
            alert = by_id.get(remote_id) or self._get(remote_id)
            if alert is None:
                problems.append(f"there is no alert {remote_id!r} in the workspace{_nearest(remote_id, free)}")
            elif not alert.is_active:
                problems.append(f"alert {remote_id} is in the trash; restore it in the workspace first")
            elif marker := marker_of(alert):
                problems.append(
                    f"alert {remote_id} is deployed from a configuration already: {marker.alert_id} of environment {marker.environment}"
                )
            else:
                chosen.append(alert)
        if problems:
            raise SettingsError("; ".join(problems))
        return chosen

    def _get(self, remote_id: str) -> RemoteAlert | None:
        """The alert, by a request of its own: a list may be stale."""
        try:
            return self.workspace.get_alert(remote_id)
        except WorkspaceNotFound:
            return None

    def _marked(self, listed: Iterable[RemoteAlert]) -> set[str]:
        markers = [marker_of(alert) for alert in listed]
        return {marker.alert_id for marker in markers if marker and marker.environment == self.settings.environment}

    def _holders(self, rows: Sequence[Row], defined: Definitions) -> dict[str, tuple[SyncState, bool]]:
        """For each remote id the row that stores it, and whether that row is there to stay, or gone with the next load."""
        found: dict[str, tuple[SyncState, bool]] = {}
        states = read_state(rows)
        there = {alert.alert_id for alert in defined.alerts}
        for row in rows:
            state = states[row["alert_id"]].on(self.workspace.host)
            file = row["managed_by"].removeprefix(YAML)
            is_defined = row["alert_id"] in there or defined.may_define(row["alert_id"], file)
            stays = not row["managed_by"].startswith(YAML) or is_defined
            if state.databricks_alert_id and (stays or state.databricks_alert_id not in found):
                found[state.databricks_alert_id] = (state, stays)
        return found

    def _candidate(
        self,
        remote: RemoteAlert,
        holder: tuple[SyncState, bool] | None,
        definitions: Mapping[str, AlertConfiguration],
        taken: Collection[str],
    ) -> Candidate:
        state, stays = holder or (None, False)
        if state is not None and stays:
            if state.is_reserved and state.alert_id in definitions:
                note = f"its definition is in {definitions[state.alert_id].managed_by.removeprefix(YAML)} already"
                return Candidate(remote, definitions[state.alert_id], notes=(note,), is_unfinished=True)
            return Candidate(remote, reasons=(_held_by(state),))
        alert_id = state.alert_id if state is not None else free_id(name_of(remote.body), taken)
        try:
            return Candidate.of(remote, definition_of(remote.body, alert_id, self.terms))
        except NotExpressible as error:
            return Candidate(remote, reasons=error.reasons)

    def _judged(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates with verdicts. What would be quarantined is not adopted: in the workspace it may work."""
        new = [candidate.configuration.row() for candidate in candidates if candidate.configuration and candidate.entry]
        alerts = to_alerts(new, target_of(self.settings))
        report = validate_all_alert_queries(
            self.lakehouse,
            alerts,
            self.now(),
            policy_of(self.settings),
            store=False,
            on_progress=self.on_progress,
        )
        judged = []
        for candidate in candidates:
            alert_id = candidate.configuration.alert_id if candidate.configuration and candidate.entry else ""
            verdict = report.by_id.get(alert_id)
            if verdict is not None and not verdict.may_be_deployed(unsupported=self.settings.deploy_unsupported):
                candidate = replace(candidate, reasons=(verdict.reason,))
            judged.append(candidate)
        return judged

    def _write(self, candidates: Sequence[Candidate], lease: Lease) -> None:
        moment = self.now()
        new = [candidate for candidate in candidates if not candidate.is_unfinished]
        if new:
            directory, file = self.settings.definitions, self.terms.file
            files = read_folder(directory).texts
            text = appended(file, files.get(file, ""), [candidate.entry for candidate in new])
            parse_definitions({file: text}, templates_of(directory))
            with replacement(directory / file, text) as put_in_place:
                lease.check()
                stored = self._store(new, {}, moment)
                if stored < len(new):
                    raise DefinitionError(
                        [
                            Problem(
                                "rows of the same alert_id were added meanwhile; nothing was written to it, try again",
                                file=file,
                            )
                        ]
                    )
                put_in_place()
        if candidates:
            nonces = {candidate.remote.id: secrets.token_hex(16) for candidate in candidates}
            self._store(candidates, nonces, moment)

    def _store(self, candidates: Sequence[Candidate], nonces: Mapping[str, str], moment: datetime) -> int:
        """Store rows and the sync's columns in one MERGE, and return how many rows were written. A row of the same alert_id is
        overwritten only where it belongs to this adoption, or to one that was killed.

        nonces: by remote id. An alert without one is reserved only."""
        table = as_table([candidate.configuration for candidate in candidates if candidate.configuration], moment)
        whole = arrow_schema(ALERT_CONFIGURATIONS)
        values: dict[str, list[str | None]] = {
            "databricks_alert_id": [candidate.remote.id for candidate in candidates],
            "databricks_host": [self.workspace.host] * len(candidates),
            "deployment_nonce": [nonces.get(candidate.remote.id) for candidate in candidates],
        }
        for name in SYNC_COLUMNS:
            items = values.get(name, [None] * len(candidates))
            table = table.append_column(whole.field(name), pa.array(items, whole.field(name).type))
        result = self.lakehouse.merge(
            ALERT_CONFIGURATIONS.name,
            table,
            on=["alert_id"],
            update=[*(name for name in OWNED_COLUMNS if name != "alert_id"), "updated_at", *SYNC_COLUMNS],
            matched_if=(
                "target.databricks_alert_id = source.databricks_alert_id"
                " OR (target.databricks_alert_id IS NULL AND target.managed_by = source.managed_by)"
            ),
        )
        return result.inserted + result.updated


def _held_by(state: SyncState) -> str:
    if state.applied_hash is None and state.deployment_nonce is not None:
        return f"alert {state.alert_id} takes it over already: `alerting apply` does it"
    return f"alert {state.alert_id} is deployed as it, and its first line, the marker, was removed in the workspace"


def _nearest(word: str, alerts: Iterable[RemoteAlert]) -> str:
    """By id and by name; `; did you mean …?`, or nothing when none is near."""
    texts = {
        text: alert for alert in alerts for text in (alert.id, name_of(alert.body), alert.body.get("display_name"))
    }
    found = nearest(word, filter(None, texts))
    if found is None:
        return ""
    alert = texts[found]
    return f"; did you mean {alert.id} ({alert.body.get('display_name')})?"
