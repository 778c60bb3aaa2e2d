"""A new alert from a template, as an entry of a definitions file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alerting_assets.alerts.configuration import AlertConfiguration
from alerting_assets.alerts.definitions import parse_definitions, read_definitions
from alerting_assets.alerts.templates import AlertTemplate, check_parameters
from alerting_assets.configuration.files import appended, read_folder, replacement
from alerting_assets.configuration.rows import Row
from alerting_assets.configuration.seed import free_id
from alerting_assets.configuration.templates import templates_of
from alerting_assets.errors import DefinitionError, Problem

FILE = "from_templates.yml"


def add_from_template(
    definitions: Path,
    template: AlertTemplate,
    params: Mapping[str, Any],
    fields: Mapping[str, Any],
    rows: Sequence[Row],
) -> AlertConfiguration:
    """Add an alert to `from_templates.yml` and return it; where something is wrong nothing is written.

    fields: of the alert. Without alert_id it gets the first free one of its domain.
    rows: of the table, whose ids are taken.

    Raises TemplateError or DefinitionError."""
    check_parameters(template, params)
    files = read_folder(definitions).texts
    templates = templates_of(definitions)
    taken = {row["alert_id"] for row in rows} | read_definitions(files, templates).mentioned
    alert_id = str(fields.get("alert_id") or free_id(template.agent_domain, taken))
    if alert_id in taken:
        raise DefinitionError([Problem("is taken by another alert; choose another", "alert_id", alert_id)])
    own = {name: value for name, value in fields.items() if name != "alert_id" and value not in (None, [])}
    given = {"template_params": dict(params)} if params else {}
    entry = {"alert_id": alert_id, "template_id": template.template_id, **given, **own}
    text = appended(FILE, files.get(FILE, ""), [entry])
    alerts = parse_definitions({FILE: text}, templates)
    with replacement(definitions / FILE, text) as put_in_place:
        put_in_place()
    return next(alert for alert in alerts if alert.alert_id == alert_id)
