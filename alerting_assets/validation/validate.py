"""Validation of a batch: verdicts that still hold are reused, the rest is analysed in parallel and stored at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.configuration import ConfiguredAlert
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation.rules import Analysis, Finding, Verdict, first_finding
from alerting_assets.validation.verdicts import AlertVerdict, Schemas, store_verdicts, stored_verdicts

ANALYSES_AT_A_TIME = 4
CONFIGURATION = "configuration"
"""The rule that a row breaks when it cannot even be compiled."""


@dataclass(frozen=True)
class ValidationReport:
    """One verdict an alert, ordered by alert_id."""

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


def validate_alerts(
    lakehouse: Lakehouse,
    alerts: Sequence[ConfiguredAlert],
    now: datetime,
    *,
    store: bool = True,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> ValidationReport:
    """store: False for a look that leaves no trace. on_progress: (alerts done, alerts in all).

    Raises LakehouseUnavailable when the engine is away: that is nobody's verdict."""
    stored = stored_verdicts(lakehouse)
    schemas = Schemas(lakehouse)
    done = 0

    def one(alert: ConfiguredAlert, schema_hash: str) -> AlertVerdict:
        nonlocal done
        verdict = _verdict(lakehouse, alert, schema_hash, stored)
        done += 1
        on_progress(done, len(alerts))
        return verdict

    hashes = [schemas.hash_of(alert.compiled.source_sql) if alert.compiled else "" for alert in alerts]
    with ThreadPoolExecutor(ANALYSES_AT_A_TIME, thread_name_prefix="validate") as pool:
        verdicts = sorted(pool.map(one, alerts, hashes), key=lambda verdict: verdict.alert_id)
    if store:
        news = [verdict for verdict in verdicts if stored.get(verdict.key) != replace(verdict, reused=True)]
        store_verdicts(lakehouse, news, now)
    return ValidationReport(tuple(verdicts))


def alert_verdicts(lakehouse: Lakehouse, alerts: Sequence[ConfiguredAlert]) -> dict[str, AlertVerdict | None]:
    """What is stored about these alerts as they are now; None: never validated in this form. Analyses nothing."""
    stored = stored_verdicts(lakehouse)
    schemas = Schemas(lakehouse)
    return {
        alert.alert_id: stored.get(
            (alert.alert_id, alert.compiled.compiled_hash, schemas.hash_of(alert.compiled.source_sql))
        )
        if alert.compiled
        else _uncompiled(alert)
        for alert in alerts
    }


def _verdict(
    lakehouse: Lakehouse, alert: ConfiguredAlert, schema_hash: str, stored: dict[tuple[str, str, str], AlertVerdict]
) -> AlertVerdict:
    if alert.compiled is None or alert.configuration is None:
        return _uncompiled(alert)
    # Only good news is taken from the table: what is quarantined is looked at again every time, in case the engine erred.
    known = stored.get((alert.alert_id, alert.compiled.compiled_hash, schema_hash))
    if known is not None and known.verdict is Verdict.VALID:
        return known
    finding = first_finding(Analysis(alert.configuration, alert.compiled, lakehouse))
    verdict = finding.verdict if finding else Verdict.VALID
    return AlertVerdict(alert.alert_id, alert.compiled.compiled_hash, schema_hash, verdict, finding)


def _uncompiled(alert: ConfiguredAlert) -> AlertVerdict:
    message = "; ".join(
        f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in alert.problems
    )
    digest = hashlib.sha256(message.encode()).hexdigest()[:32]
    return AlertVerdict(alert.alert_id, digest, "", Verdict.INVALID, Finding(CONFIGURATION, Verdict.INVALID, message))


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
