"""Where alerts are defined, for messages about some of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from alerting_assets.alerts.definitions import Place, read_definitions
from alerting_assets.configuration.files import read_folder
from alerting_assets.configuration.listed import YAML
from alerting_assets.configuration.rows import Row
from alerting_assets.configuration.templates import templates_of
from alerting_assets.errors import AlertingError


def places_of(directory: Path, rows: Iterable[Row]) -> Mapping[str, Place]:
    """By alert_id, of the rows that come from a file of the folder in which they still can be found. Raises nothing: without it a message
    lacks its place only."""
    files = {str(row["managed_by"]).removeprefix(YAML) for row in rows if str(row["managed_by"]).startswith(YAML)}
    if not files:
        return {}
    try:
        texts = read_folder(directory).texts
        return read_definitions({name: texts[name] for name in files if name in texts}, templates_of(directory)).places
    except AlertingError:
        return {}
