"""YAML files into the table: YAML owns what it defined, and nothing else (docs/architecture.md, "YAML owns what it defined").

A definition that cannot be used costs its own alert only: the row stays as it was last right, and says why in `definition_error`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.configuration import OWNED_COLUMNS, AlertConfiguration, parse_configuration
from alerting_assets.alerts.definitions import Definitions, read_definitions
from alerting_assets.alerts.templates import FIXED, render_fields
from alerting_assets.configuration.files import Folder, read_folder
from alerting_assets.configuration.rows import ConfiguredAlert, Row, as_table, owned, read_rows, to_alerts
from alerting_assets.configuration.templates import TemplateCatalog, templates_of
from alerting_assets.errors import DefinitionError, Problem, TemplateError
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS

_log = logging.getLogger(__name__)

SHOWN = 5
"""How many alerts a message names."""

YAML = "yaml:"
TEMPLATE = "template"


MIN_REMOVALS = 5
"""Fewer are never a mass removal."""


@dataclass(frozen=True)
class LoadResult:
    """What a load does, or did, to the rows.

    definitions: what the files say, and the rows that a template manages as that template is now.
    added, changed, removed, unchanged: alert_ids, by what happens to their rows.
    kept: alert_id → why its row stays as it is, although the files do not say it any more in a way that can be used.
    problems: everything that people have to put right."""

    definitions: Definitions
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept: Mapping[str, str]
    problems: tuple[Problem, ...]

    @property
    def writes(self) -> list[AlertConfiguration]:
        wanted = {*self.added, *self.changed}
        return [alert for alert in self.definitions.alerts if alert.alert_id in wanted]


def plan_load(
    directory: Path, rows: Sequence[Row], *, strict: bool = False, max_delete_percent: int | None = None
) -> LoadResult:
    """What loading the files of a folder would do; reads the files and writes nothing.

    rows: the table as it is.
    strict: one problem, and nothing is loaded.
    max_delete_percent: how many percent of all rows one load may remove, MIN_REMOVALS at least; None: any number.

    Raises DefinitionError for a folder that is missing or holds no definitions, which never means "remove all alerts", and where
    `strict` says so."""
    folder = read_folder(directory)
    if not folder.texts and not folder.problems:
        from_yaml = sum(map(_is_from_yaml, rows))
        raise DefinitionError([Problem(_missing(from_yaml), file=str(directory))])
    templates = templates_of(directory)
    found = _without_taken(_with_unreadable(read_definitions(folder.texts, templates), folder), rows)
    definitions = replace(found, alerts=(*found.alerts, *_of_templates(rows, templates)))
    result = _limited(_difference(rows, definitions), len(rows), max_delete_percent)
    if strict and result.problems:
        raise DefinitionError(result.problems)
    return result


def load_definitions(
    lakehouse: Lakehouse,
    directory: Path,
    now: datetime,
    *,
    strict: bool = False,
    max_delete_percent: int | None = None,
) -> LoadResult:
    """Load the files of a folder into the table, as `plan_load` says: one MERGE of the rows that differ, one of the reasons why rows
    are kept, where those changed, and one DELETE of the rows whose definition is gone."""
    rows = read_rows(lakehouse)
    result = plan_load(directory, rows, strict=strict, max_delete_percent=max_delete_percent)
    if result.writes:
        lakehouse.merge(
            ALERT_CONFIGURATIONS.name,
            as_table(result.writes, now),
            on=["alert_id"],
            update=[*(name for name in OWNED_COLUMNS if name != "alert_id"), "updated_at"],
            matched_if=f"target.managed_by LIKE '{YAML}%' OR target.managed_by = '{TEMPLATE}'",
        )
    _note_errors(lakehouse, rows, result)
    if result.removed:
        lakehouse.delete(ALERT_CONFIGURATIONS.name, pa.table({"alert_id": list(result.removed)}))
    return result


def rows_after_load(rows: Sequence[Row], result: LoadResult) -> list[Row]:
    """The rows that the table will hold once that is loaded, for a plan that writes nothing."""
    by_id = {row["alert_id"]: row for row in rows}
    empty = dict.fromkeys(ALERT_CONFIGURATIONS.column_names)
    writes = {alert.alert_id: alert for alert in result.writes}
    kept = [row for row in rows if row["alert_id"] not in writes and row["alert_id"] not in result.removed]
    defined = [{**by_id.get(alert_id, empty), **alert.row()} for alert_id, alert in writes.items()]
    return sorted([*kept, *defined], key=lambda row: str(row["alert_id"]))


def defined_alerts(rows: Sequence[Row], result: LoadResult, target: Target) -> list[ConfiguredAlert]:
    """The alerts as their definitions and the other rows say, ordered by alert_id. One whose definition cannot be used has that as
    its problem, whatever its row last said."""
    found = {alert.alert_id: alert for alert in to_alerts(rows_after_load(rows, result), target)}
    for alert_id in result.definitions.held:
        row = next((row for row in rows if row["alert_id"] == alert_id), None)
        if row is None or _is_from_yaml(row):
            name = row["alert_name"] if row else alert_id
            severity = row["severity"] if row else ""
            problems = tuple(problem for problem in result.problems if problem.alert_id == alert_id)
            found[alert_id] = ConfiguredAlert(alert_id, name, severity, None, None, problems)
    return [found[alert_id] for alert_id in sorted(found, key=str)]


def removal_limit(total: int, percent: int) -> int:
    """How many of so many alerts one load, or one sync, removes without being asked twice."""
    return max(MIN_REMOVALS, total * percent // 100)


def _with_unreadable(definitions: Definitions, folder: Folder) -> Definitions:
    return replace(
        definitions,
        problems=(*folder.problems, *definitions.problems),
        unclear={**definitions.unclear, **folder.unreadable},
    )


def _without_taken(definitions: Definitions, rows: Sequence[Row]) -> Definitions:
    """Without those that would take over a row that a file does not own."""
    owners = {row["alert_id"]: row["managed_by"] for row in rows}
    taken = [alert for alert in definitions.alerts if not owners.get(alert.alert_id, YAML).startswith(YAML)]
    problems = [
        Problem(
            f"is already a row managed by {owners[alert.alert_id]!r}, which stays as it is; remove the definition, "
            f"or give the row up with `alerting config delete {alert.alert_id}`",
            "alert_id",
            alert.alert_id,
            definitions.places[alert.alert_id].file,
            definitions.places[alert.alert_id].line,
        )
        for alert in taken
    ]
    kept = tuple(alert for alert in definitions.alerts if alert not in taken)
    return replace(definitions, alerts=kept, problems=(*definitions.problems, *problems))


def _of_templates(rows: Sequence[Row], templates: TemplateCatalog) -> list[AlertConfiguration]:
    """The rows that a template manages, with what the template fixes as it is now. Everything else in them belongs to people.

    A row that no longer goes with its template is left out and stays as it is: what is deployed is not the worse for it."""
    found = []
    for row in rows:
        if row["managed_by"] != TEMPLATE or row["template_id"] not in templates:
            continue
        try:
            template = templates[row["template_id"]]
            given = {name: json.loads(text) for name, text in (row["template_params"] or {}).items()}
            rendered = render_fields(template, given)
            fixed = [name for name in rendered if name in FIXED or template.bound_to(name)]
            found.append(parse_configuration({**owned(row), **{name: rendered[name] for name in fixed}}))
        except (
            TemplateError,
            DefinitionError,
            ValueError,
            TypeError,
        ) as error:  # the last two: parameters that are no JSON
            _log.warning("alert %s keeps its query: %s", row["alert_id"], error)
    return found


def _difference(rows: Sequence[Row], definitions: Definitions) -> LoadResult:
    before = {row["alert_id"]: row for row in rows}
    after = {alert.alert_id: alert.row() for alert in definitions.alerts}
    same = {alert_id for alert_id, row in after.items() if alert_id in before and owned(before[alert_id]) == row}
    gone = {
        alert_id: row["managed_by"].removeprefix(YAML)
        for alert_id, row in before.items()
        if _is_from_yaml(row) and alert_id not in after
    }
    meant = [alert_id for alert_id, file in gone.items() if definitions.may_define(alert_id, file)]
    return LoadResult(
        definitions,
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted((after.keys() & before.keys()) - same)),
        removed=tuple(sorted(gone.keys() - set(meant))),
        unchanged=tuple(sorted(same)),
        kept={alert_id: _why_kept(alert_id, gone[alert_id], definitions) for alert_id in meant},
        problems=definitions.problems,
    )


def _why_kept(alert_id: str, file: str, definitions: Definitions) -> str:
    own = [problem for problem in definitions.problems if problem.alert_id == alert_id]
    of_its_file = [problem for problem in definitions.problems if problem.file == file]
    others = [problem for problem in definitions.problems if problem.file in definitions.unclear]
    return "; ".join(str(problem) for problem in (own or of_its_file or others))


def _limited(result: LoadResult, rows: int, percent: int | None) -> LoadResult:
    """Without its removals, where they are more than one load should make unseen."""
    removed = len(result.removed)
    if percent is None or removed <= (allowed := removal_limit(rows, percent)):
        return result
    named = ", ".join(result.removed[:SHOWN]) + (f" and {removed - SHOWN} more" if removed > SHOWN else "")
    reason = (
        f"no file defines {named} any more. {removed} of {rows} alerts would be removed, and one load removes {allowed} at most "
        f"(ALERTING_MAX_DELETE_PERCENT={percent}, at least {MIN_REMOVALS}), so all of them stay. If that is meant, run "
        "`alerting apply --allow-deletes`"
    )
    kept = {**result.kept, **dict.fromkeys(result.removed, "no file defines it any more; " + reason)}
    return replace(result, removed=(), kept=kept, problems=(*result.problems, Problem(reason)))


def _note_errors(lakehouse: Lakehouse, rows: Sequence[Row], result: LoadResult) -> None:
    """Store in the rows why they are kept; a row that changed says nothing of the kind any more."""
    stale = {row["alert_id"]: row["definition_error"] for row in rows if row["alert_id"] not in result.removed}
    news = {
        alert_id: result.kept.get(alert_id) for alert_id, before in stale.items() if result.kept.get(alert_id) != before
    }
    if news:
        lakehouse.merge(
            ALERT_CONFIGURATIONS.name,
            pa.table(
                {"alert_id": list(news), "definition_error": pa.array(list(news.values()), pa.string())},
            ),
            on=["alert_id"],
            update=["definition_error"],
            insert=False,
        )


def _is_from_yaml(row: Row) -> bool:
    return str(row["managed_by"]).startswith(YAML)


def _missing(from_yaml: int) -> str:
    lost = (
        f"; {from_yaml} configured alerts came from YAML and would all be removed, so nothing was changed"
        if from_yaml
        else ""
    )
    return f"holds no alert definitions (*.yml){lost}. Write one (README: your first alert), or point ALERTING_DEFINITIONS to their folder"
