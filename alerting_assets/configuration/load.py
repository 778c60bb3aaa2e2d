"""YAML files into the table: YAML owns what it defined, and nothing else (docs/architecture.md, "YAML owns what it defined")."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from alerting_assets.alerts.configuration import OWNED_COLUMNS, AlertConfiguration, parse_configuration
from alerting_assets.alerts.definitions import parse_definitions
from alerting_assets.alerts.templates import FIXED, render_fields
from alerting_assets.configuration.files import read_files
from alerting_assets.configuration.rows import Row, as_table, owned, read_rows
from alerting_assets.configuration.templates import TemplateCatalog, templates_of
from alerting_assets.errors import DefinitionError, Problem, TemplateError
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS

_log = logging.getLogger(__name__)

YAML = "yaml:"
TEMPLATE = "template"


@dataclass(frozen=True)
class LoadResult:
    """The alert_ids of a load, by what happened to their rows."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]


def definitions_from(directory: Path, rows: Sequence[Row]) -> list[AlertConfiguration]:
    """All definitions of a folder, and the rows that a template manages as that template is now.

    rows: the table as it is, to refuse what would take over or wipe out rows.

    Raises DefinitionError, also for a folder that is missing or holds no definitions: that never means "remove all alerts"."""
    from_yaml = [row["alert_id"] for row in rows if row["managed_by"].startswith(YAML)]
    files = read_files(directory)
    if not files:
        raise DefinitionError([Problem(_missing(len(from_yaml)), file=str(directory))])
    templates = templates_of(directory)
    definitions = parse_definitions(files, templates)
    owners = {row["alert_id"]: row["managed_by"] for row in rows}
    taken = [alert for alert in definitions if not owners.get(alert.alert_id, YAML).startswith(YAML)]
    if taken:
        raise DefinitionError(
            [
                Problem(
                    f"is already a row managed by {owners[alert.alert_id]!r}; remove the definition, "
                    f"or give the row up with `alerting config delete {alert.alert_id}`",
                    "alert_id",
                    alert.alert_id,
                    alert.managed_by.removeprefix(YAML),
                )
                for alert in taken
            ]
        )
    return [*definitions, *_of_templates(rows, templates)]


def load_definitions(lakehouse: Lakehouse, directory: Path, now: datetime) -> LoadResult:
    """Load the files of a folder into the table. They are all read or none is; then there is one MERGE of the rows that differ, and
    one DELETE of those whose definition is gone."""
    rows = read_rows(lakehouse)
    definitions = definitions_from(directory, rows)
    result = _difference(rows, definitions)
    writes = set(result.added) | set(result.changed)
    if writes:
        lakehouse.merge(
            ALERT_CONFIGURATIONS.name,
            as_table([alert for alert in definitions if alert.alert_id in writes], now),
            on=["alert_id"],
            update=[*(name for name in OWNED_COLUMNS if name != "alert_id"), "updated_at"],
            matched_if=f"target.managed_by LIKE '{YAML}%' OR target.managed_by = '{TEMPLATE}'",
        )
    if result.removed:
        lakehouse.delete(ALERT_CONFIGURATIONS.name, pa.table({"alert_id": list(result.removed)}))
    return result


def rows_after_load(rows: Sequence[Row], definitions: Sequence[AlertConfiguration]) -> list[Row]:
    """The rows that the table will hold once these definitions are loaded, for a plan that writes nothing."""
    by_id = {row["alert_id"]: row for row in rows}
    empty = dict.fromkeys(ALERT_CONFIGURATIONS.column_names)
    again = {alert.alert_id for alert in definitions}
    kept = [row for row in rows if not row["managed_by"].startswith(YAML) and row["alert_id"] not in again]
    defined = [{**by_id.get(alert.alert_id, empty), **alert.row()} for alert in definitions]
    return sorted([*kept, *defined], key=lambda row: str(row["alert_id"]))


def _of_templates(rows: Sequence[Row], templates: TemplateCatalog) -> list[AlertConfiguration]:
    """The rows that a template manages, with what the template fixes as it is now. Everything else in them belongs to people.

    A row that no longer goes with its template is left out and stays as it is: what is deployed is not the worse for it."""
    found = []
    for row in rows:
        if row["managed_by"] != TEMPLATE or row["template_id"] not in templates:
            continue
        template = templates[row["template_id"]]
        given = {name: json.loads(text) for name, text in (row["template_params"] or {}).items()}
        try:
            rendered = render_fields(template, given)
            fixed = [name for name in rendered if name in FIXED or template.bound_to(name)]
            found.append(parse_configuration({**owned(row), **{name: rendered[name] for name in fixed}}))
        except (TemplateError, DefinitionError) as error:
            _log.warning("alert %s keeps its query: %s", row["alert_id"], error)
    return found


def _difference(rows: Sequence[Row], definitions: Sequence[AlertConfiguration]) -> LoadResult:
    before = {row["alert_id"]: row for row in rows}
    after = {alert.alert_id: alert.row() for alert in definitions}
    same = {alert_id for alert_id, row in after.items() if alert_id in before and owned(before[alert_id]) == row}
    return LoadResult(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted((after.keys() & before.keys()) - same)),
        removed=tuple(
            sorted(key for key, row in before.items() if row["managed_by"].startswith(YAML) and key not in after)
        ),
        unchanged=tuple(sorted(same)),
    )


def _missing(from_yaml: int) -> str:
    lost = (
        f"; {from_yaml} configured alerts came from YAML and would all be removed, so nothing was changed"
        if from_yaml
        else ""
    )
    return f"holds no alert definitions (*.yml){lost}. Write one (README: your first alert), or point ALERTING_DEFINITIONS to their folder"
