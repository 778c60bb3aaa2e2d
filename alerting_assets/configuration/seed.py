"""The alerts to start with, made from templates."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from alerting_assets.alerts.configuration import AlertConfiguration, parse_configuration
from alerting_assets.alerts.operators import Domain
from alerting_assets.configuration.load import TEMPLATE
from alerting_assets.configuration.rows import as_table, read_rows
from alerting_assets.configuration.templates import TemplateCatalog, render_template
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS

SEEDS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("COST_SPIKE", {"threshold_usd": 5000}),
    ("UNTAGGED_RESOURCES", {"threshold_pct": 20}),
    ("JOB_FAILURE_RATE", {"threshold_pct": 10, "lookback_hours": 24}),
    ("FAILED_ACCESS_ATTEMPTS", {"threshold_count": 50, "lookback_hours": 24}),
)
"""The alerts that `alerting templates seed` adds: (template id, parameters)."""

PREFIXES = {
    Domain.COST: "COST",
    Domain.SECURITY: "SEC",
    Domain.PERFORMANCE: "PERF",
    Domain.RELIABILITY: "REL",
    Domain.QUALITY: "QUAL",
}


def seed_template_alerts(
    lakehouse: Lakehouse,
    owner: str,
    now: datetime,
    own_templates: Path | None = None,
    defined: Collection[str] = frozenset(),
) -> list[AlertConfiguration]:
    """Add the alerts of SEEDS that are not there yet, as rows that their template manages. Returns all of them, in the order of
    SEEDS.

    defined: ids that files define, or may define, whether they were loaded or not.

    An id is the first free number of its domain (COST-001), and stays: an alert that a template manages already is taken as it is."""
    rows = read_rows(lakehouse)
    taken = {row["alert_id"] for row in rows} | set(defined)
    there = {row["template_id"]: row for row in reversed(rows) if row["managed_by"] == TEMPLATE}
    catalog = TemplateCatalog(own_templates)
    seeded, new = [], []
    for template_id, params in SEEDS:
        if template_id in there:
            row = there[template_id]
            seeded.append(parse_configuration({name: row[name] for name in AlertConfiguration.model_fields}))
            continue
        template = catalog.find(template_id)
        alert_id = free_id(template.agent_domain, taken)
        taken.add(alert_id)
        fields = {**render_template(template, params), "alert_id": alert_id, "owner": owner, "managed_by": TEMPLATE}
        new.append(parse_configuration(fields))
        seeded.append(new[-1])
    if new:
        lakehouse.merge(ALERT_CONFIGURATIONS.name, as_table(new, now), on=["alert_id"], update=[])
    return seeded


def free_id(domain: str, taken: Collection[str]) -> str:
    """The lowest number of the domain that no alert has, as an id: `COST-007`."""
    prefix = PREFIXES[Domain(domain)]
    used = {int(found[1]) for alert_id in taken if (found := re.fullmatch(rf"{prefix}-(\d{{1,9}})", alert_id))}
    return f"{prefix}-{next(number for number in range(1, len(used) + 2) if number not in used):03d}"
