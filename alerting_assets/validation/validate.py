"""Validation of configured alerts: verdicts that still hold are reused, the rest is analysed in parallel and stored at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.configuration import ConfiguredAlert, Row, row_hash, to_alerts
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation.catalog import Catalog
from alerting_assets.validation.finding import Finding, Group, Severity, Verdict
from alerting_assets.validation.judge import findings_on
from alerting_assets.validation.policy import NO_POLICY, Policy
from alerting_assets.validation.query import AlertQuery, Contract
from alerting_assets.validation.verdicts import AlertVerdict, Schemas, store_verdicts, stored_verdicts

ANALYSES_AT_A_TIME = 4
CONFIGURATION = "configuration"
"""The name of the rule that a row breaks when it cannot even be compiled."""


@dataclass(frozen=True)
class ValidationReport:
    """The verdicts of a batch: one for each alert, ordered by alert_id."""

    verdicts: tuple[AlertVerdict, ...]

    @property
    def by_id(self) -> dict[str, AlertVerdict | None]:
        return {verdict.alert_id: verdict for verdict in self.verdicts}

    @property
    def valid(self) -> tuple[AlertVerdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.verdict is Verdict.VALID)

    @property
    def quarantined(self) -> tuple[AlertVerdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.verdict is not Verdict.VALID)

    @property
    def warnings(self) -> tuple[tuple[str, Finding], ...]:
        """The warnings on alerts that are fit all the same, as (alert_id, finding)."""
        return tuple((verdict.alert_id, finding) for verdict in self.valid for finding in verdict.warnings)


def validate_all_alert_queries(
    lakehouse: Lakehouse,
    alerts: Sequence[ConfiguredAlert],
    now: datetime,
    policy: Policy = NO_POLICY,
    *,
    store: bool = True,
    fresh: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> ValidationReport:
    """A verdict on each alert.

    store: False for a look that leaves no trace.
    fresh: no stored verdict is taken, and everything is analysed.
    on_progress: called with (alerts done, alerts in all).

    Raises LakehouseUnavailable when the engine is away: that is nobody's verdict."""
    policy_hash = policy.fingerprint(lakehouse.engine)
    stored = stored_verdicts(lakehouse, policy_hash)
    catalog = Catalog(lakehouse)
    schemas = Schemas(catalog)
    done = 0

    def one(alert: ConfiguredAlert) -> AlertVerdict:
        nonlocal done
        # Here, not for all alerts before: the judge meets a tree that is still kept.
        tables = schemas.tables_of(alert.compiled.source_sql) if alert.compiled else ()
        verdict = replace(
            _verdict(catalog, policy, alert, schemas.hash_of(tables), {} if fresh else stored),
            row_hash=alert.row_hash,
            tables_read=tables,
        )
        done += 1
        on_progress(done, len(alerts))
        return verdict

    with ThreadPoolExecutor(ANALYSES_AT_A_TIME, thread_name_prefix="validate") as pool:
        verdicts = sorted(pool.map(one, alerts), key=lambda verdict: verdict.alert_id)
    if store:
        news = [verdict for verdict in verdicts if stored.get(verdict.key) != replace(verdict, reused=True)]
        store_verdicts(lakehouse, news, policy_hash, now)
    return ValidationReport(tuple(verdicts))


def alert_verdicts(
    lakehouse: Lakehouse, alerts: Sequence[ConfiguredAlert], policy: Policy = NO_POLICY
) -> dict[str, AlertVerdict | None]:
    """The stored verdicts on these alerts as they are now, by alert_id; None for one that was never validated in this form.
    Analyses nothing."""
    stored = stored_verdicts(lakehouse, policy.fingerprint(lakehouse.engine))
    schemas = Schemas(Catalog(lakehouse))
    return {
        alert.alert_id: stored.get(
            (
                alert.alert_id,
                alert.compiled.compiled_hash,
                schemas.hash_of(schemas.tables_of(alert.compiled.source_sql)),
            )
        )
        if alert.compiled
        else _uncompiled(alert)
        for alert in alerts
    }


def verdicts_of_rows(
    lakehouse: Lakehouse, rows: Sequence[Row], target: Target, policy: Policy = NO_POLICY
) -> dict[str, AlertVerdict | None]:
    """What alert_verdicts says of the alerts of these rows. Only rows that changed since their verdict are compiled."""
    stored = stored_verdicts(lakehouse, policy.fingerprint(lakehouse.engine))
    by_row = {(verdict.alert_id, verdict.row_hash): verdict for verdict in stored.values() if verdict.row_hash}
    schemas = Schemas(Catalog(lakehouse))
    rows_of = Counter(row["alert_id"] for row in rows)
    found: dict[str, AlertVerdict | None] = {}
    for row in rows:
        verdict = by_row.get((row["alert_id"], row_hash(row, target)))
        is_alone = rows_of[row["alert_id"]] == 1
        if verdict and is_alone and verdict.schema_hash == schemas.hash_of(verdict.tables_read):
            found[row["alert_id"]] = verdict
    changed = [row for row in rows if row["alert_id"] not in found]
    return found | alert_verdicts(lakehouse, to_alerts(changed, target), policy) if changed else found


def _verdict(
    catalog: Catalog,
    policy: Policy,
    alert: ConfiguredAlert,
    schema_hash: str,
    stored: Mapping[tuple[str, str, str], AlertVerdict],
) -> AlertVerdict:
    if alert.compiled is None or alert.configuration is None:
        return _uncompiled(alert)
    known = stored.get((alert.alert_id, alert.compiled.compiled_hash, schema_hash))
    if known is not None and not any(finding.transient for finding in known.findings):
        return known
    contract = Contract(
        alert.configuration.aggregation_column,
        alert.configuration.condition,
        alert.configuration.aggregation_type,
        alert.compiled.sql,
    )
    query = AlertQuery(alert.compiled.source_sql, alert.compiled.origin, catalog, policy, contract)
    silenced = {rule: reason for (alert_id, rule), reason in policy.silences.items() if alert_id == alert.alert_id}
    return AlertVerdict(alert.alert_id, alert.compiled.compiled_hash, schema_hash, findings_on(query, silenced))


def _uncompiled(alert: ConfiguredAlert) -> AlertVerdict:
    message = "; ".join(str(replace(problem, alert_id=None)) for problem in alert.problems)
    digest = hashlib.sha256(message.encode()).hexdigest()[:32]
    about_the_text = any(problem.field == "alert_query_template" for problem in alert.problems)
    group = Group.SYNTAX if about_the_text else Group.CONTRACT
    finding = Finding(CONFIGURATION, group, Severity.ERROR, message)
    return AlertVerdict(alert.alert_id, digest, "", (finding,))


def evaluable(alerts: Sequence[ConfiguredAlert], verdicts: Mapping[str, AlertVerdict | None]) -> list[CompiledAlert]:
    """The compiled alerts that are valid and enabled. verdicts: by alert_id."""
    return [
        alert.compiled
        for alert in alerts
        if alert.compiled
        and alert.compiled.is_enabled
        and (verdict := verdicts.get(alert.alert_id))
        and verdict.verdict is Verdict.VALID
    ]
