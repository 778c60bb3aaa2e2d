"""A new alert from a template, as an entry of a definitions file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from alerting_assets.alerts.configuration import AlertConfiguration
from alerting_assets.alerts.definitions import parse_definitions
from alerting_assets.alerts.templates import AlertTemplate, check_parameters
from alerting_assets.alerts.yaml_text import read_document
from alerting_assets.configuration.rows import Row
from alerting_assets.configuration.seed import free_id
from alerting_assets.configuration.templates import templates_of
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets.settings import VALIDATION_FILE

FILE = "from_templates.yml"


def add_from_template(
    definitions: Path,
    template: AlertTemplate,
    params: Mapping[str, Any],
    fields: Mapping[str, Any],
    rows: Sequence[Row],
) -> AlertConfiguration:
    """Appended to `from_templates.yml`, or nothing is written. fields: of the alert; without alert_id the first free one of its domain.
    rows: of the table, whose ids are taken.

    Raises TemplateError or DefinitionError."""
    check_parameters(template, params)
    files = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(definitions.glob("*.y*ml"))
        if path.name != VALIDATION_FILE
    }
    templates = templates_of(definitions)
    taken = {row["alert_id"] for row in rows}
    if files:
        taken |= {alert.alert_id for alert in parse_definitions(files, templates)}
    alert_id = str(fields.get("alert_id") or free_id(template.agent_domain, taken))
    if alert_id in taken:
        raise DefinitionError([Problem("is taken by another alert; choose another", "alert_id", alert_id)])
    own = {name: value for name, value in fields.items() if name != "alert_id" and value not in (None, [])}
    entry = CommentedMap({"alert_id": alert_id, "template_id": template.template_id})
    if params:
        entry["template_params"] = CommentedMap(params)
    entry.update(own)
    text = _appended(files.get(FILE, ""), entry)
    alerts = parse_definitions({**files, FILE: text}, templates)
    definitions.mkdir(parents=True, exist_ok=True)
    _replace(definitions / FILE, text)
    return next(alert for alert in alerts if alert.alert_id == alert_id)


def _appended(text: str, entry: CommentedMap) -> str:
    document = read_document(FILE, text) if text.strip() else CommentedMap(alerts=CommentedSeq())
    if not isinstance(document, CommentedMap) or not isinstance(document.get("alerts"), CommentedSeq):
        raise DefinitionError([Problem("is no list under `alerts:`, so nothing can be added to it", file=FILE)])
    document["alerts"].append(entry)
    writer = YAML(typ="rt", pure=True)
    writer.width = 140
    writer.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    writer.dump(document, stream)
    return stream.getvalue()


def _replace(path: Path, text: str) -> None:
    """Whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
